// Paths as the person who typed them means them.

#ifndef BATONSTORE_TOOLS_PATHS_H_
#define BATONSTORE_TOOLS_PATHS_H_

#include <string>

namespace batonstore::tools {

// `path` as seen from the folder that the person stands in. Under `bazel run` that is not the
// current folder, and BUILD_WORKING_DIRECTORY names it; when ./bazelw went to the workspace first,
// its BATONSTORE_WORKING_DIRECTORY does.
std::string FromWorkingDirectory(const std::string& path);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_PATHS_H_
