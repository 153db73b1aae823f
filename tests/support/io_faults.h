// Watches and fails the system calls through which LMDB writes, in a test that links this library:
// its link options put it in front of them (-Wl,--wrap).
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

enum class IoCall {
  kWrite,     // pwrite, writev
  kSync,      // fdatasync, fsync
  kTruncate,  // ftruncate
  kAllocate,  // fallocate
};

struct IoFault {
  std::optional<IoCall> call = std::nullopt;  // the calls that count; nothing: all of them
  size_t nth = 0;                             // the one that fails, from 0
  int error = 0;                              // its errno
  bool for_good = false;                      // so do all that follow
  bool takes_effect = false;                  // it does its work and then says that it failed
};

// From its making to its end; one at a time in a process. Thread-safe.
class ScopedIoFaults {
 public:
  ScopedIoFaults();  // only watches
  explicit ScopedIoFaults(const IoFault& fault);
  ~ScopedIoFaults();
  ScopedIoFaults(const ScopedIoFaults&) = delete;
  ScopedIoFaults& operator=(const ScopedIoFaults&) = delete;

  // What was called so far, in order, by any thread.
  std::vector<IoCall> Calls() const;
  size_t Count(IoCall call) const;

  // What the writes so far were to write.
  uint64_t BytesWritten() const;

  // Whether a call has failed.
  bool Struck() const;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_IO_FAULTS_H_
