// A folder for programs that are more than a test, in memory where there is such a place: for those
// that fail or lose what is written by themselves, and need no promise of a real disk.

#ifndef BATONSTORE_TESTS_SUPPORT_SCRATCH_FOLDER_H_
#define BATONSTORE_TESTS_SUPPORT_SCRATCH_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace batonstore::testing {

// Gone with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    const char* const given = getenv("TEST_TMPDIR");
    for (std::string parent : {"/dev/shm", given == nullptr ? "/tmp" : given}) {
      path_ = parent + "/batonstore-XXXXXX";
      if (mkdtemp(path_.data()) != nullptr) return;
    }
    std::abort();
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

  // A folder inside, with nothing in it.
  std::string MakeEmpty(const std::string& name) const {
    std::string made = path_ + "/" + name;
    std::filesystem::remove_all(made);
    std::filesystem::create_directory(made);
    return made;
  }

 private:
  std::string path_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_SCRATCH_FOLDER_H_
