// The command line of batonstore.

#ifndef BATONSTORE_TOOLS_COMMAND_LINE_H_
#define BATONSTORE_TOOLS_COMMAND_LINE_H_

namespace batonstore::tools {

// Does what the arguments say. Returns the exit status: 0; 1 when it was refused, with the verdict
// on standard error or, with --json, in the answer; 2 when the arguments make no sense.
int RunCommandLine(int argc, const char* const* argv);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_COMMAND_LINE_H_
