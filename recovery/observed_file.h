// A store's file beside its owner, or one that nobody owns: locked as an observer, and open in LMDB
// for nothing but snapshots.

#ifndef BATONSTORE_RECOVERY_OBSERVED_FILE_H_
#define BATONSTORE_RECOVERY_OBSERVED_FILE_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/store_lock.h"

namespace batonstore::recovery {

// How often a meta page is looked at again that an owner may be writing just then.
inline constexpr int kLooks = 1000;

// Writes nothing but the two lock files. In a forked child only its lock is let go.
class ObservedFile {
 public:
  // LMDB is let near the file only once the two meta pages, which is all that it looks at to hold a
  // snapshot, have been found sound.
  //   NOT_FOUND     there is no store in the folder
  //   WRONG_FORMAT, CORRUPT (the meta pages), NOT_OWNER (this process has it open), UNSUPPORTED, IO
  static absl::StatusOr<std::unique_ptr<ObservedFile>> Open(const std::string& directory);

  ~ObservedFile();
  ObservedFile(const ObservedFile&) = delete;
  ObservedFile& operator=(const ObservedFile&) = delete;

  LmdbEnvironment& environment() { return *environment_; }
  const std::string& data_file() const { return data_file_; }

 private:
  explicit ObservedFile(const std::string& directory);

  const std::string data_file_;
  std::atomic<StoreLock*> held_{nullptr};  // a forked child lets go of its copy
  std::unique_ptr<StoreLock> lock_;
  std::unique_ptr<LmdbEnvironment> environment_;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_OBSERVED_FILE_H_
