// Writes down, in order, all that this process does to the files below a folder, so that what a
// power failure may leave of it can be worked out (crash_states.h). A test that links this library
// has it in front of the system calls (-Wl,--wrap; LMDB is linked statically, so that this reaches
// it too). A call that would change the folder and is not modelled ends the process, with its name.
//
//   ScopedWriteLog log("/dev/shm/x");
//   ... open a store below it, use it ...
//   for (const LogRecord& record : log.Take()) disk.Apply(record);

#ifndef BATONSTORE_TESTS_SUPPORT_WRITE_LOG_H_
#define BATONSTORE_TESTS_SUPPORT_WRITE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace batonstore::testing {

// A file or folder: its inode number, which stays when it is renamed.
using Node = uint64_t;

struct EntryChange {
  Node folder = 0;
  std::string name;
  Node node = 0;  // what the name stands for from now on; 0: nothing
  bool is_folder = false;
};

struct LogRecord {
  enum class Kind : uint8_t {
    kWrite,         // `bytes` at `offset`, into the page cache
    kDurableWrite,  // the same through O_DSYNC: on the disk once the call has returned
    kTruncate,      // the file has `offset` bytes now
    kSync,          // all of the file is on the disk once the call has returned
    kFailedSync,    // it says that it failed: what was pending may be on the disk or not, and the
                    // kernel has forgotten that it was pending
    kEntries,       // of folders: `changes`, all of them or none
    kSyncFolder,    // the folder's entries are on the disk once the call has returned
  };
  Kind kind = Kind::kWrite;
  Node node = 0;
  uint64_t offset = 0;
  std::string bytes = {};
  std::vector<EntryChange> changes = {};
};

// Of the calls that write, truncate or sync, those that count, from 0 in the order of their being
// made.
struct WriteFault {
  enum class Call : uint8_t { kAny, kDurableWrite, kSync } call = Call::kAny;
  size_t nth = 0;         // the one that fails
  bool for_good = false;  // so do all that follow: the process has, so to speak, died
  int error = 0;
  bool takes_effect = false;  // it does its work and then says that it failed
};

// Files by these names are not logged but for their making: LMDB writes its lock file through a
// map, and whatever a crash leaves in it counts for nothing.
inline constexpr absl::string_view kScratchFile = "lock.mdb";

// From its making to its end; one at a time in a process. Thread-safe.
class ScopedWriteLog {
 public:
  // Files that are open already are not seen. REQUIRES: `root` is canonical: absolute, without
  // links or double slashes.
  explicit ScopedWriteLog(const std::string& root);
  ~ScopedWriteLog();
  ScopedWriteLog(const ScopedWriteLog&) = delete;
  ScopedWriteLog& operator=(const ScopedWriteLog&) = delete;

  // What has been done since the last time.
  std::vector<LogRecord> Take();

  // From here on. Nothing: calls succeed again.
  void Fail(const std::optional<WriteFault>& fault);

  // Whether a call has failed since then.
  bool Struck() const;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_WRITE_LOG_H_
