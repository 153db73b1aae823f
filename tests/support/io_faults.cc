#include "tests/support/io_faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "absl/base/thread_annotations.h"
#include "batonstore/base/mutex.h"

struct statfs;

namespace batonstore::testing {
namespace {

struct State {
  Mutex mu;
  bool watching ABSL_GUARDED_BY(mu) = false;
  std::optional<IoFault> fault ABSL_GUARDED_BY(mu);
  size_t counted ABSL_GUARDED_BY(mu) = 0;  // calls that count for the fault
  bool struck ABSL_GUARDED_BY(mu) = false;
  bool echo_is_due ABSL_GUARDED_BY(mu) = false;
  int echo_error ABSL_GUARDED_BY(mu) = 0;
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
  state.echo_is_due = false;
  state.calls.clear();
  state.bytes_written = 0;
}

bool Counts(const IoFault& fault, IoCall call) {
  if (fault.any_call) return true;
  return fault.call.has_value() ? *fault.call == call : IsWriting(call);
}

// What is to happen to a call. `is_durable`: what it writes, or what was written before, is on the
// disk once it has returned.
std::optional<IoFault> Note(IoCall call, uint64_t bytes, bool is_durable) {
  State& state = TheState();
  MutexLock lock(state.mu);
  if (!state.watching) return std::nullopt;
  state.calls.push_back(call);
  state.bytes_written += bytes;
  if (is_durable && state.echo_is_due) {
    state.echo_is_due = false;
    return IoFault{.error = state.echo_error, .takes_effect = true};
  }
  if (!state.fault.has_value() || !Counts(*state.fault, call)) return std::nullopt;
  const size_t number = state.counted++;
  const bool strikes =
      number == state.fault->nth ||
      (state.fault->for_good && number > state.fault->nth && CanFailWith(call, state.fault->error));
  if (!strikes || (state.fault->is_short && call != IoCall::kWrite)) return std::nullopt;
  IoFault fault = *state.fault;
  fault.takes_effect &= IsChanging(call) && !(fault.only_first_takes_effect && state.struck);
  state.struck = true;
  state.echo_is_due = state.fault->echoes;
  state.echo_error = fault.error;
  return fault;
}

// Makes the call, or fails it, or both.
template <typename Result, typename Real>
Result Intercept(IoCall call, Result failed, Real real, bool is_durable = false) {
  const std::optional<IoFault> fault = Note(call, 0, is_durable);
  if (!fault.has_value()) return real();
  if (fault->takes_effect) (void)real();
  errno = fault->error;
  return failed;
}

bool IsDurable(int fd);

// `real` writes so many bytes.
template <typename Real>
ssize_t InterceptWrite(int fd, size_t size, Real real) {
  const std::optional<IoFault> fault = Note(IoCall::kWrite, size, IsDurable(fd));
  if (!fault.has_value()) return real(size);
  if (fault->is_short) return real(size / 2);
  if (fault->takes_effect) (void)real(size);
  errno = fault->error;
  return -1;
}

// The C library's own, behind a definition in this file.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

bool CanFailWith(IoCall call, int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return IsWriting(call) || call == IoCall::kAllocate || call == IoCall::kEntry ||
             call == IoCall::kOpen;
    case EINTR:
      return call != IoCall::kEntry && call != IoCall::kSeek && call != IoCall::kStat &&
             call != IoCall::kMap;
    case EMFILE:
      return call == IoCall::kOpen;
    case ENOLCK:
      return call == IoCall::kLock;
    case ENOMEM:
      return call == IoCall::kMap || call == IoCall::kEntry || call == IoCall::kStat;
    default:
      return call != IoCall::kMap;
  }
}

ScopedIoFaults::ScopedIoFaults() { Start(std::nullopt); }
ScopedIoFaults::ScopedIoFaults(const IoFault& fault) { Start(fault); }

ScopedIoFaults::~ScopedIoFaults() {
  State& state = TheState();
  MutexLock lock(state.mu);
  state.watching = false;
}

std::vector<IoCall> ScopedIoFaults::CallsThat(bool write_only) const {
  State& state = TheState();
  MutexLock lock(state.mu);
  std::vector<IoCall> calls;
  std::copy_if(state.calls.begin(), state.calls.end(), std::back_inserter(calls),
               [&](IoCall call) { return !write_only || IsWriting(call); });
  return calls;
}

std::vector<IoCall> ScopedIoFaults::Calls() const { return CallsThat(/*write_only=*/true); }
std::vector<IoCall> ScopedIoFaults::AllCalls() const { return CallsThat(/*write_only=*/false); }

size_t ScopedIoFaults::Count(IoCall call) const {
  const std::vector<IoCall> calls = AllCalls();
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

void ScopedIoFaults::Relent() {
  State& state = TheState();
  MutexLock lock(state.mu);
  state.fault.reset();
}

}  // namespace batonstore::testing

// The linker sends every call of f in what is linked statically, our code and LMDB, to __wrap_f,
// and __real_f to libc's.
extern "C" {

using batonstore::testing::Intercept;
using batonstore::testing::InterceptWrite;
using batonstore::testing::IoCall;
using batonstore::testing::Next;

ssize_t __real_pwrite(int fd, const void* data, size_t size, off_t offset);
ssize_t __real_write(int fd, const void* data, size_t size);
ssize_t __real_writev(int fd, const iovec* pieces, int count);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_rename(const char* from, const char* to);
char* __real_mkdtemp(char* path);
int __real_open(const char* path, int flags, ...);
int __real_close(int fd);
ssize_t __real_pread(int fd, void* data, size_t size, off_t offset);
ssize_t __real_read(int fd, void* data, size_t size);
off_t __real_lseek(int fd, off_t offset, int whence);
int __real_fstat(int fd, struct stat* info);
int __real___fxstat(int version, int fd, struct stat* info);
int __real_statfs(const char* path, struct statfs* info);
int __real_fstatfs(int fd, struct statfs* info);
int __real_fstatvfs(int fd, struct statvfs* info);
int __real_access(const char* path, int mode);
int __real_fcntl(int fd, int command, ...);
int __real_flock(int fd, int operation);
void* __real_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset);

ssize_t __wrap_pwrite(int fd, const void* data, size_t size, off_t offset) {
  return InterceptWrite(fd, size, [=](size_t n) { return __real_pwrite(fd, data, n, offset); });
}

ssize_t __wrap_write(int fd, const void* data, size_t size) {
  return InterceptWrite(fd, size, [=](size_t n) { return __real_write(fd, data, n); });
}

ssize_t __wrap_writev(int fd, const iovec* pieces, int count) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  return InterceptWrite(fd, size, [=](size_t n) -> ssize_t {
    if (n == size) return __real_writev(fd, pieces, count);
    size_t done = 0;
    for (int i = 0; i < count && done < n; ++i) {
      const size_t piece = std::min(pieces[i].iov_len, n - done);
      if (__real_write(fd, pieces[i].iov_base, piece) != static_cast<ssize_t>(piece)) std::abort();
      done += piece;
    }
    return static_cast<ssize_t>(done);
  });
}

int __wrap_fdatasync(int fd) {
  return Intercept(
      IoCall::kSync, -1, [=] { return __real_fdatasync(fd); }, /*is_durable=*/true);
}

int __wrap_fsync(int fd) {
  return Intercept(
      IoCall::kSync, -1, [=] { return __real_fsync(fd); }, /*is_durable=*/true);
}

int __wrap_ftruncate(int fd, off_t size) {
  return Intercept(IoCall::kTruncate, -1, [=] { return __real_ftruncate(fd, size); });
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
  return Intercept(IoCall::kAllocate, -1, [=] { return __real_fallocate(fd, mode, offset, size); });
}

int __wrap_rename(const char* from, const char* to) {
  return Intercept(IoCall::kEntry, -1, [=] { return __real_rename(from, to); });
}

char* __wrap_mkdtemp(char* path) {
  return Intercept(IoCall::kEntry, static_cast<char*>(nullptr),
                   [=] { return __real_mkdtemp(path); });
}

int __wrap_open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return Intercept(IoCall::kOpen, -1, [=] { return __real_open(path, flags, mode); });
}

int __wrap_close(int fd) {
  const int error = errno;
  const bool fails = Intercept(IoCall::kClose, -1, [] { return 0; }) != 0;
  const int reported = errno;
  const int closed = __real_close(fd);
  if (!fails) {
    if (closed == 0) errno = error;
    return closed;
  }
  errno = reported;
  return -1;
}

ssize_t __wrap_pread(int fd, void* data, size_t size, off_t offset) {
  return Intercept(IoCall::kRead, ssize_t{-1},
                   [=] { return __real_pread(fd, data, size, offset); });
}

ssize_t __wrap_read(int fd, void* data, size_t size) {
  return Intercept(IoCall::kRead, ssize_t{-1}, [=] { return __real_read(fd, data, size); });
}

off_t __wrap_lseek(int fd, off_t offset, int whence) {
  return Intercept(IoCall::kSeek, off_t{-1}, [=] { return __real_lseek(fd, offset, whence); });
}

int __wrap_fstat(int fd, struct stat* info) {
  return Intercept(IoCall::kStat, -1, [=] { return __real_fstat(fd, info); });
}

int __wrap___fxstat(int version, int fd, struct stat* info) {
  return Intercept(IoCall::kStat, -1, [=] { return __real___fxstat(version, fd, info); });
}

int __wrap_statfs(const char* path, struct statfs* info) {
  return Intercept(IoCall::kStat, -1, [=] { return __real_statfs(path, info); });
}

int __wrap_fstatfs(int fd, struct statfs* info) {
  return Intercept(IoCall::kStat, -1, [=] { return __real_fstatfs(fd, info); });
}

int __wrap_fstatvfs(int fd, struct statvfs* info) {
  return Intercept(IoCall::kStat, -1, [=] { return __real_fstatvfs(fd, info); });
}

int __wrap_access(const char* path, int mode) {
  return Intercept(IoCall::kStat, -1, [=] { return __real_access(path, mode); });
}

int __wrap_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);  // a pointer, a number, or nothing
  va_end(arguments);
  return Intercept(IoCall::kLock, -1, [=] { return __real_fcntl(fd, command, argument); });
}

int __wrap_flock(int fd, int operation) {
  return Intercept(IoCall::kLock, -1, [=] { return __real_flock(fd, operation); });
}

void* __wrap_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  return Intercept(IoCall::kMap, MAP_FAILED,
                   [=] { return __real_mmap(address, size, protection, flags, fd, offset); });
}

// libstdc++ is a shared library, which the linker does not wrap: what it calls by these names are
// these, since the program's own come first. So does our code.

int stat(const char* path, struct stat* info) noexcept {
  static auto* const real = Next<int(const char*, struct stat*)>("stat");
  return Intercept(IoCall::kStat, -1, [=] { return real(path, info); });
}

int lstat(const char* path, struct stat* info) noexcept {
  static auto* const real = Next<int(const char*, struct stat*)>("lstat");
  return Intercept(IoCall::kStat, -1, [=] { return real(path, info); });
}

ssize_t readlink(const char* path, char* target, size_t size) noexcept {
  static auto* const real = Next<ssize_t(const char*, char*, size_t)>("readlink");
  return Intercept(IoCall::kStat, ssize_t{-1}, [=] { return real(path, target, size); });
}

char* realpath(const char* path, char* resolved) noexcept {
  static auto* const real = Next<char*(const char*, char*)>("realpath");
  return Intercept(IoCall::kStat, static_cast<char*>(nullptr),
                   [=] { return real(path, resolved); });
}

int openat(int folder, const char* name, int flags, ...) {
  static auto* const real = Next<int(int, const char*, int, ...)>("openat");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return Intercept(IoCall::kOpen, -1, [=] { return real(folder, name, flags, mode); });
}

DIR* fdopendir(int fd) {
  static auto* const real = Next<DIR*(int)>("fdopendir");
  return Intercept(IoCall::kOpen, static_cast<DIR*>(nullptr), [=] { return real(fd); });
}

dirent* readdir(DIR* folder) {
  static auto* const real = Next<dirent*(DIR*)>("readdir");
  return Intercept(IoCall::kRead, static_cast<dirent*>(nullptr), [=] { return real(folder); });
}

int unlinkat(int folder, const char* name, int flags) noexcept {
  static auto* const real = Next<int(int, const char*, int)>("unlinkat");
  return Intercept(IoCall::kEntry, -1, [=] { return real(folder, name, flags); });
}

int remove(const char* path) noexcept {
  static auto* const real = Next<int(const char*)>("remove");
  return Intercept(IoCall::kEntry, -1, [=] { return real(path); });
}

}  // extern "C"

namespace batonstore::testing {
namespace {

bool IsDurable(int fd) {
  const int error = errno;
  const int flags = __real_fcntl(fd, F_GETFL);
  errno = error;
  return flags >= 0 && (flags & O_DSYNC) != 0;
}

}  // namespace
}  // namespace batonstore::testing
