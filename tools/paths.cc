#include "batonstore/tools/paths.h"

#include <stdlib.h>

#include <filesystem>

namespace batonstore::tools {

std::string FromWorkingDirectory(const std::string& path) {
  // Bazel's variable is what tells that this is a `bazel run`.
  const char* folder = getenv("BUILD_WORKING_DIRECTORY");
  if (folder == nullptr || path.empty()) return path;
  if (const char* before_bazel = getenv("BATONSTORE_WORKING_DIRECTORY")) folder = before_bazel;
  return (std::filesystem::path(folder) / path).string();
}

}  // namespace batonstore::tools
