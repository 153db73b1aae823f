// Watches and fails the system calls that are made of files, in a test that links this library: its
// link options put it in front of them (-Wl,--wrap), as the definitions in io_faults.cc do for
// those that the C++ library makes.
//
//   ScopedIoFaults faults({.call = IoCall::kSync, .error = EIO});  // the first sync fails, once
//   ... commit ...
//   EXPECT_TRUE(faults.Struck());

#ifndef BATONSTORE_TESTS_SUPPORT_IO_FAULTS_H_
#define BATONSTORE_TESTS_SUPPORT_IO_FAULTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace batonstore::testing {

enum class IoCall : uint8_t {
  // Those that write.
  kWrite,     // pwrite, write, writev
  kSync,      // fdatasync, fsync
  kTruncate,  // ftruncate
  // The others.
  kAllocate,  // fallocate
  kEntry,     // rename, mkdtemp, unlinkat, remove
  kOpen,      // open, openat, fdopendir
  kClose,     // close; one that fails has closed all the same, as in Linux
  kRead,      // pread, read, readdir
  kSeek,      // lseek
  kStat,      // stat, lstat, fstat, statfs, fstatfs, fstatvfs, access, readlink,
              // realpath
  kLock,      // fcntl, flock
  kMap,       // mmap
};
inline constexpr bool IsWriting(IoCall call) { return call <= IoCall::kTruncate; }

// Whether such a call changes files.
inline constexpr bool IsChanging(IoCall call) { return call <= IoCall::kEntry; }

// Whether the kernel fails such calls with such an errno.
bool CanFailWith(IoCall call, int error);

struct IoFault {
  std::optional<IoCall> call = std::nullopt;  // the calls that count; nothing: those that write
  bool any_call = false;                      // every call counts
  size_t nth = 0;                             // the one that fails, from 0
  int error = 0;                              // its errno
  bool for_good = false;                      // so do all that follow and can
  bool takes_effect = false;  // it does its work, if it changes files, and then says that it failed
  bool only_first_takes_effect = false;  // of those that fail for good
  bool is_short = false;  // a write does a half of its work, and says so; nothing else fails
  // The next sync, or write through O_DSYNC, reports the same once more, though it does its work:
  // each open file hears of a write that the kernel could not do.
  bool echoes = false;
};

// From its making to its end; one at a time in a process. Thread-safe.
class ScopedIoFaults {
 public:
  ScopedIoFaults();  // only watches
  explicit ScopedIoFaults(const IoFault& fault);
  ~ScopedIoFaults();
  ScopedIoFaults(const ScopedIoFaults&) = delete;
  ScopedIoFaults& operator=(const ScopedIoFaults&) = delete;

  // What was called so far, in order, by any thread: calls that write, or all.
  std::vector<IoCall> Calls() const;
  std::vector<IoCall> AllCalls() const;
  size_t Count(IoCall call) const;

  // What the writes so far were to write.
  uint64_t BytesWritten() const;

  // Whether a call has failed.
  bool Struck() const;

  // No call fails from here on, but for an echo that is due.
  void Relent();

 private:
  std::vector<IoCall> CallsThat(bool write_only) const;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_IO_FAULTS_H_
