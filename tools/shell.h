// The shell: every operation of a store, one command a line, one JSON object a result.

#ifndef BATONSTORE_TOOLS_SHELL_H_
#define BATONSTORE_TOOLS_SHELL_H_

#include <istream>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/recovery/open.h"

namespace batonstore::tools {

// Answers each line of `in` on `out` until it ends or says quit; blank lines and comments have no
// answer, and a line that is refused has changed nothing. Turns that are open at the end are
// dropped. `prompt` is written to standard error before each line.
void RunShell(recovery::Store& store, std::istream& in, std::ostream& out,
              absl::string_view prompt = "");

// The commands with their keys, for people.
std::string ShellHelp();

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_SHELL_H_
