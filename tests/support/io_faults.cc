#include "tests/support/io_faults.h"

#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/base/thread_annotations.h"
#include "batonstore/base/mutex.h"

namespace batonstore::testing {
namespace {

struct State {
  Mutex mu;
  bool watching ABSL_GUARDED_BY(mu) = false;
  std::optional<IoFault> fault ABSL_GUARDED_BY(mu);
  size_t counted ABSL_GUARDED_BY(mu) = 0;  // calls that count for the fault
  bool struck ABSL_GUARDED_BY(mu) = false;
  std::vector<IoCall> calls ABSL_GUARDED_BY(mu);
  uint64_t bytes_written ABSL_GUARDED_BY(mu) = 0;
};

State& TheState() {
  static State* const state = new State;
  return *state;
}

void Start(const std::optional<IoFault>& fault) {
  State& state = TheState();
  MutexLock lock(state.mu);
  if (state.watching) std::abort();
  state.watching = true;
  state.fault = fault;
  state.counted = 0;
  state.struck = false;
  state.calls.clear();
  state.bytes_written = 0;
}

// Notes the call; the fault that is to happen to it, if any.
std::optional<IoFault> Note(IoCall call, uint64_t bytes) {
  State& state = TheState();
  MutexLock lock(state.mu);
  if (!state.watching) return std::nullopt;
  state.calls.push_back(call);
  state.bytes_written += bytes;
  if (!state.fault.has_value() || state.fault->call.value_or(call) != call) return std::nullopt;
  const size_t number = state.counted++;
  const bool strikes =
      state.fault->for_good ? number >= state.fault->nth : number == state.fault->nth;
  if (!strikes) return std::nullopt;
  state.struck = true;
  return state.fault;
}

// Makes the call, or fails it, or both.
template <typename Result, typename... Parameters, typename... Arguments>
Result Intercept(IoCall call, uint64_t bytes, Result (*real)(Parameters...),
                 Arguments... arguments) {
  const std::optional<IoFault> fault = Note(call, bytes);
  if (!fault.has_value()) return real(arguments...);
  if (fault->takes_effect) (void)real(arguments...);
  errno = fault->error;
  return -1;
}

}  // namespace

ScopedIoFaults::ScopedIoFaults() { Start(std::nullopt); }
ScopedIoFaults::ScopedIoFaults(const IoFault& fault) { Start(fault); }

ScopedIoFaults::~ScopedIoFaults() {
  State& state = TheState();
  MutexLock lock(state.mu);
  state.watching = false;
}

std::vector<IoCall> ScopedIoFaults::Calls() const {
  State& state = TheState();
  MutexLock lock(state.mu);
  return state.calls;
}

size_t ScopedIoFaults::Count(IoCall call) const {
  const std::vector<IoCall> calls = Calls();
  return static_cast<size_t>(std::count(calls.begin(), calls.end(), call));
}

uint64_t ScopedIoFaults::BytesWritten() const {
  State& state = TheState();
  MutexLock lock(state.mu);
  return state.bytes_written;
}

bool ScopedIoFaults::Struck() const {
  State& state = TheState();
  MutexLock lock(state.mu);
  return state.struck;
}

}  // namespace batonstore::testing

// The linker sends every call of f to __wrap_f, and __real_f to libc's.
extern "C" {

ssize_t __real_pwrite(int fd, const void* data, size_t size, off_t offset);
ssize_t __real_writev(int fd, const iovec* pieces, int count);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);

ssize_t __wrap_pwrite(int fd, const void* data, size_t size, off_t offset) {
  using namespace batonstore::testing;
  return Intercept(IoCall::kWrite, size, &__real_pwrite, fd, data, size, offset);
}

ssize_t __wrap_writev(int fd, const iovec* pieces, int count) {
  using namespace batonstore::testing;
  uint64_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  return Intercept(IoCall::kWrite, size, &__real_writev, fd, pieces, count);
}

int __wrap_fdatasync(int fd) {
  using namespace batonstore::testing;
  return Intercept(IoCall::kSync, 0, &__real_fdatasync, fd);
}

int __wrap_fsync(int fd) {
  using namespace batonstore::testing;
  return Intercept(IoCall::kSync, 0, &__real_fsync, fd);
}

int __wrap_ftruncate(int fd, off_t size) {
  using namespace batonstore::testing;
  return Intercept(IoCall::kTruncate, 0, &__real_ftruncate, fd, size);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
  using namespace batonstore::testing;
  return Intercept(IoCall::kAllocate, 0, &__real_fallocate, fd, mode, offset, size);
}

}  // extern "C"
