// Puts what a power failure left into a folder, opens it, and says whether it is what it must be.

#ifndef BATONSTORE_TESTS_RECOVERY_POWER_CHECK_H_
#define BATONSTORE_TESTS_RECOVERY_POWER_CHECK_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/recovery/expectation.h"
#include "tests/recovery/power_history.h"
#include "tests/support/crash_states.h"
#include "tests/support/write_log.h"

namespace batonstore::testing {

// A folder that takes on one state after the other. Writes only what differs.
class StateFolder {
 public:
  explicit StateFolder(const std::string& root) : root_(root) {}

  const std::string& root() const { return root_; }
  Node NodeOf(const std::string& path) const;  // "" for the root

  void Put(const DiskImage& image);

  // What somebody else has done to it since.
  void WasChanged(const std::vector<LogRecord>& records);

  // LMDB's lock file may be left as it was, or be gone, or hold anything.
  enum class LockFile : uint8_t { kAsItWas, kGone, kNoise };
  void Spoil(LockFile lock_file);

 private:
  void Rebuild(const DiskImage& image);
  void Write(const std::string& path, const FileImage& file);

  const std::string root_;
  DiskImage now_;
  bool is_unknown_ = true;
  std::map<Node, std::string> paths_;
  std::map<std::string, std::vector<bool>> dirty_;  // pieces of files
};

// Empty if every page, row, index and count of the store in `folder`, which nobody has open, is
// sound; else what is not.
std::string CheckWhole(const std::string& folder);

class PowerCheck {
 public:
  // Both must outlive it. `root` is an empty folder, on a fast file system.
  PowerCheck(const History& history, StateFolder& folder) : history_(history), folder_(folder) {}

  struct Outcome {
    std::string trouble = {};              // empty if all is well
    size_t found = 0;                      // which of the snapshots it was
    std::vector<LogRecord> recovery = {};  // what opening it wrote
  };

  // Opens the state and requires that it holds one of these snapshots; then writes, closes, and
  // looks at the file as a whole. `thorough`: opens it once more, too.
  Outcome Check(const DiskImage& image, const std::vector<size_t>& allowed, bool thorough);

  // The same against a snapshot that is not the history's.
  Outcome Check(const DiskImage& image, const std::vector<const Expectation*>& allowed,
                bool may_create, bool thorough);

  const Expectation& ExpectationOf(size_t snapshot);

 private:
  bool Try(const std::vector<const Expectation*>& allowed, bool may_create, bool thorough,
           ScopedWriteLog& log, Outcome& outcome);

  const History& history_;
  StateFolder& folder_;
  std::map<size_t, std::unique_ptr<Expectation>> expectations_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_POWER_CHECK_H_
