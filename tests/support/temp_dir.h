// A folder that is gone when the test is.

#ifndef BATONSTORE_TESTS_SUPPORT_TEMP_DIR_H_
#define BATONSTORE_TESTS_SUPPORT_TEMP_DIR_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "gtest/gtest.h"

namespace batonstore::testing {

class TempDir {
 public:
  TempDir() : path_(::testing::TempDir() + "/batonstore-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

  // A path inside; nothing is made there.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Has the folders of this process, from here on, in memory, where there is such a file system: for
// tests that end processes and not the machine, and so need no disk.
inline void KeepTempDirsInMemory() {
  const char* const memory = "/dev/shm";
  if (access(memory, W_OK) == 0) setenv("TEST_TMPDIR", memory, /*overwrite=*/1);
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_TEMP_DIR_H_
