#include "tests/support/write_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/mutex.h"

namespace batonstore::testing {
namespace {

struct OpenFile {
  Node node = 0;
  bool is_folder = false;
  bool is_durable = false;
  bool is_scratch = false;
};

struct State {
  Mutex mu;
  bool watching ABSL_GUARDED_BY(mu) = false;
  std::string root ABSL_GUARDED_BY(mu);
  std::map<int, OpenFile> files ABSL_GUARDED_BY(mu);
  std::vector<LogRecord> records ABSL_GUARDED_BY(mu);
  std::optional<WriteFault> fault ABSL_GUARDED_BY(mu);
  size_t counted ABSL_GUARDED_BY(mu) = 0;
  bool struck ABSL_GUARDED_BY(mu) = false;
};

State& TheState() {
  static State* const state = new State;
  return *state;
}

bool IsBelow(absl::string_view path, absl::string_view root) {
  return absl::StartsWith(path, root) && (path.size() == root.size() || path[root.size()] == '/');
}

bool IsWatched(const char* path) {
  State& state = TheState();
  MutexLock lock(state.mu);
  return state.watching && path != nullptr && IsBelow(path, state.root);
}

std::optional<OpenFile> Watched(int fd) {
  State& state = TheState();
  MutexLock lock(state.mu);
  if (!state.watching) return std::nullopt;
  const auto found = state.files.find(fd);
  if (found == state.files.end()) return std::nullopt;
  return found->second;
}

void Log(LogRecord record) {
  State& state = TheState();
  MutexLock lock(state.mu);
  state.records.push_back(std::move(record));
}

[[noreturn]] void DieOf(const char* call) {
  (void)fprintf(stderr, "write_log: %s on the store is not modelled\n", call);
  std::abort();
}

void RefuseIfWatched(const char* call, int fd) {
  if (Watched(fd).has_value()) DieOf(call);
}
void RefuseIfWatched(const char* call, const char* path) {
  if (IsWatched(path)) DieOf(call);
}

// The fault that is to happen to this call, if any.
std::optional<WriteFault> NextFault(WriteFault::Call call) {
  State& state = TheState();
  MutexLock lock(state.mu);
  if (!state.fault.has_value()) return std::nullopt;
  const WriteFault& fault = *state.fault;
  const bool counts = fault.call == WriteFault::Call::kAny || fault.call == call ||
                      (fault.for_good && state.counted > fault.nth);
  if (!counts) return std::nullopt;
  const size_t number = state.counted++;
  if (fault.for_good ? number < fault.nth : number != fault.nth) return std::nullopt;
  state.struck = true;
  return fault;
}

std::optional<struct stat> StatOf(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

std::pair<std::string, std::string> Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// What the name stands for; the folder is looked up, so this is for before the name is gone.
EntryChange ChangeOf(const std::string& path, Node node, bool is_folder) {
  const auto [folder, name] = Split(path);
  return {StatOf(folder).value_or(std::decay_t<struct stat>{}).st_ino, name, node, is_folder};
}

void LogEntries(std::vector<EntryChange> changes) {
  Log({.kind = LogRecord::Kind::kEntries, .changes = std::move(changes)});
}

// ---- Calls ----

int Opened(int fd, const std::string& path, int flags, bool was_there) {
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0) return fd;
  OpenFile file;
  file.node = info.st_ino;
  file.is_folder = S_ISDIR(info.st_mode);
  file.is_durable = (flags & O_DSYNC) != 0;
  file.is_scratch = Split(path).second == kScratchFile;
  if ((flags & O_TMPFILE) == O_TMPFILE || (flags & O_APPEND) != 0) DieOf("open");
  if (!was_there) {
    LogEntries({ChangeOf(path, file.node, false)});
  } else if ((flags & O_TRUNC) != 0) {
    Log({.kind = LogRecord::Kind::kTruncate, .node = file.node});
  }
  State& state = TheState();
  MutexLock lock(state.mu);
  state.files[fd] = file;
  return fd;
}

// Makes the call that writes, and logs how much of it was done. `done` is its result.
template <typename Real>
ssize_t Written(const OpenFile& file, uint64_t offset, std::string bytes, Real real) {
  if (file.is_scratch) return real();
  const std::optional<WriteFault> fault =
      NextFault(file.is_durable ? WriteFault::Call::kDurableWrite : WriteFault::Call::kAny);
  ssize_t done = -1;
  if (!fault.has_value() || fault->takes_effect) done = real();
  if (done > 0) {
    bytes.resize(static_cast<size_t>(done));
    // A durable write that says it failed is in the cache, and perhaps on the disk.
    const bool is_durable = file.is_durable && !fault.has_value();
    Log({.kind = is_durable ? LogRecord::Kind::kDurableWrite : LogRecord::Kind::kWrite,
         .node = file.node,
         .offset = offset,
         .bytes = std::move(bytes)});
  }
  if (!fault.has_value()) return done;
  errno = fault->error;
  return -1;
}

template <typename Real>
int Synced(int fd, Real real) {
  const std::optional<OpenFile> file = Watched(fd);
  if (!file.has_value() || file->is_scratch) return real();
  const std::optional<WriteFault> fault = NextFault(WriteFault::Call::kSync);
  const bool succeeds = !fault.has_value() && real() == 0;
  LogRecord record{.kind = LogRecord::Kind::kFailedSync, .node = file->node};
  if (succeeds) {
    record.kind = file->is_folder ? LogRecord::Kind::kSyncFolder : LogRecord::Kind::kSync;
  }
  if (succeeds || !file->is_folder) Log(std::move(record));
  if (succeeds) return 0;
  if (fault.has_value()) errno = fault->error;
  return -1;
}

int Removed(const std::string& path, int result) {
  if (result != 0) return result;
  LogEntries({ChangeOf(path, 0, false)});
  return result;
}

// What libstdc++ passes when it removes a whole folder: a name in an open folder.
std::string PathOf(int folder, const char* name) {
  if (folder == AT_FDCWD || name[0] == '/') return name;
  std::array<char, 4096> target{};
  const ssize_t size =
      readlink(absl::StrCat("/proc/self/fd/", folder).c_str(), target.data(), target.size());
  if (size <= 0) return name;
  return absl::StrCat(absl::string_view(target.data(), static_cast<size_t>(size)), "/", name);
}

}  // namespace

ScopedWriteLog::ScopedWriteLog(const std::string& root) {
  State& state = TheState();
  MutexLock lock(state.mu);
  if (state.watching) std::abort();
  state.watching = true;
  state.root = root;
  state.files.clear();
  state.records.clear();
  state.fault.reset();
}

ScopedWriteLog::~ScopedWriteLog() {
  State& state = TheState();
  MutexLock lock(state.mu);
  state.watching = false;
  state.fault.reset();
}

std::vector<LogRecord> ScopedWriteLog::Take() {
  State& state = TheState();
  MutexLock lock(state.mu);
  return std::exchange(state.records, {});
}

void ScopedWriteLog::Fail(const std::optional<WriteFault>& fault) {
  State& state = TheState();
  MutexLock lock(state.mu);
  state.fault = fault;
  state.counted = 0;
  state.struck = false;
}

bool ScopedWriteLog::Struck() const {
  State& state = TheState();
  MutexLock lock(state.mu);
  return state.struck;
}

}  // namespace batonstore::testing

// The linker sends every call of f to __wrap_f, and __real_f to libc's.
extern "C" {

using batonstore::testing::DieOf;
using batonstore::testing::IsWatched;
using batonstore::testing::RefuseIfWatched;
using batonstore::testing::Watched;

int __real_open(const char* path, int flags, ...);
int __real_close(int fd);
ssize_t __real_pwrite(int fd, const void* data, size_t size, off_t offset);
ssize_t __real_write(int fd, const void* data, size_t size);
ssize_t __real_writev(int fd, const iovec* pieces, int count);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
void* __real_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);
int __real_rmdir(const char* path);
int __real_mkdir(const char* path, mode_t mode);
char* __real_mkdtemp(char* path);
int __real_dup(int fd);

int __wrap_open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if (!IsWatched(path)) return __real_open(path, flags, mode);
  const bool was_there = (flags & O_CREAT) == 0 || batonstore::testing::StatOf(path).has_value();
  return batonstore::testing::Opened(__real_open(path, flags, mode), path, flags, was_there);
}

int __wrap_close(int fd) {
  auto& state = batonstore::testing::TheState();
  {
    batonstore::MutexLock lock(state.mu);
    state.files.erase(fd);
  }
  return __real_close(fd);
}

ssize_t __wrap_pwrite(int fd, const void* data, size_t size, off_t offset) {
  const auto real = [&] { return __real_pwrite(fd, data, size, offset); };
  const auto file = Watched(fd);
  if (!file.has_value()) return real();
  return batonstore::testing::Written(*file, static_cast<uint64_t>(offset),
                                      std::string(static_cast<const char*>(data), size), real);
}

ssize_t __wrap_write(int fd, const void* data, size_t size) {
  const auto real = [&] { return __real_write(fd, data, size); };
  const auto file = Watched(fd);
  if (!file.has_value()) return real();
  return batonstore::testing::Written(*file, static_cast<uint64_t>(lseek(fd, 0, SEEK_CUR)),
                                      std::string(static_cast<const char*>(data), size), real);
}

ssize_t __wrap_writev(int fd, const iovec* pieces, int count) {
  const auto real = [&] { return __real_writev(fd, pieces, count); };
  const auto file = Watched(fd);
  if (!file.has_value()) return real();
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  return batonstore::testing::Written(*file, static_cast<uint64_t>(lseek(fd, 0, SEEK_CUR)),
                                      std::move(bytes), real);
}

int __wrap_fdatasync(int fd) {
  return batonstore::testing::Synced(fd, [fd] { return __real_fdatasync(fd); });
}

int __wrap_fsync(int fd) {
  return batonstore::testing::Synced(fd, [fd] { return __real_fsync(fd); });
}

int __wrap_ftruncate(int fd, off_t size) {
  const auto file = Watched(fd);
  if (!file.has_value() || file->is_scratch) return __real_ftruncate(fd, size);
  const auto fault = batonstore::testing::NextFault(batonstore::testing::WriteFault::Call::kAny);
  if (!fault.has_value() || fault->takes_effect) {
    if (__real_ftruncate(fd, size) != 0) return -1;
    batonstore::testing::Log({.kind = batonstore::testing::LogRecord::Kind::kTruncate,
                              .node = file->node,
                              .offset = static_cast<uint64_t>(size)});
  }
  if (!fault.has_value()) return 0;
  errno = fault->error;
  return -1;
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
  const auto file = Watched(fd);
  if (!file.has_value() || file->is_scratch) return __real_fallocate(fd, mode, offset, size);
  if (mode != 0) DieOf("fallocate");
  // What it takes of the disk is zeros, as what was never written is: all that shows is the size.
  const auto fault = batonstore::testing::NextFault(batonstore::testing::WriteFault::Call::kAny);
  if (!fault.has_value() || fault->takes_effect) {
    struct stat info {};
    if (fstat(fd, &info) != 0 || __real_fallocate(fd, mode, offset, size) != 0) return -1;
    if (offset + size > info.st_size) {
      batonstore::testing::Log({.kind = batonstore::testing::LogRecord::Kind::kTruncate,
                                .node = file->node,
                                .offset = static_cast<uint64_t>(offset + size)});
    }
  }
  if (!fault.has_value()) return 0;
  errno = fault->error;
  return -1;
}

void* __wrap_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  const auto file = Watched(fd);
  const bool writes = (protection & PROT_WRITE) != 0 && (flags & MAP_SHARED) != 0;
  if (file.has_value() && !file->is_scratch && writes) DieOf("mmap with PROT_WRITE");
  return __real_mmap(address, size, protection, flags, fd, offset);
}

int __wrap_rename(const char* from, const char* to) {
  if (!IsWatched(from) && !IsWatched(to)) return __real_rename(from, to);
  const auto info = batonstore::testing::StatOf(from);
  const int result = __real_rename(from, to);
  if (result != 0) return result;
  batonstore::testing::LogEntries(
      {batonstore::testing::ChangeOf(from, 0, false),
       batonstore::testing::ChangeOf(to, info->st_ino, S_ISDIR(info->st_mode))});
  return 0;
}

int __wrap_unlink(const char* path) {
  const int result = __real_unlink(path);
  return IsWatched(path) ? batonstore::testing::Removed(path, result) : result;
}

int __wrap_rmdir(const char* path) {
  const int result = __real_rmdir(path);
  return IsWatched(path) ? batonstore::testing::Removed(path, result) : result;
}

int __wrap_mkdir(const char* path, mode_t mode) {
  const int result = __real_mkdir(path, mode);
  if (result != 0 || !IsWatched(path)) return result;
  const auto info = batonstore::testing::StatOf(path);
  batonstore::testing::LogEntries({batonstore::testing::ChangeOf(path, info->st_ino, true)});
  return 0;
}

char* __wrap_mkdtemp(char* path) {
  if (__real_mkdtemp(path) == nullptr) return nullptr;
  if (!IsWatched(path)) return path;
  const auto info = batonstore::testing::StatOf(path);
  batonstore::testing::LogEntries({batonstore::testing::ChangeOf(path, info->st_ino, true)});
  return path;
}

int __wrap_dup(int fd) {
  RefuseIfWatched("dup", fd);
  return __real_dup(fd);
}

// libstdc++ is a shared library, which the linker does not wrap: what it calls by these names are
// these, since the program's own come first.
int unlinkat(int folder, const char* name, int flags) noexcept {
  const std::string path = batonstore::testing::PathOf(folder, name);
  const auto result = static_cast<int>(syscall(SYS_unlinkat, folder, name, flags));
  return IsWatched(path.c_str()) ? batonstore::testing::Removed(path, result) : result;
}

int remove(const char* path) noexcept {
  if (unlinkat(AT_FDCWD, path, 0) == 0) return 0;
  return errno == EISDIR ? unlinkat(AT_FDCWD, path, AT_REMOVEDIR) : -1;
}

// ---- What the store does not call. If that changes, the simulator has to learn of it. ----

#define BATONSTORE_NOT_MODELLED(result, call, parameters, arguments, watched) \
  result __real_##call parameters;                                            \
  result __wrap_##call parameters {                                           \
    RefuseIfWatched(#call, watched);                                          \
    return __real_##call arguments;                                           \
  }                                                                           \
  static_assert(true)

BATONSTORE_NOT_MODELLED(int, creat, (const char* path, mode_t mode), (path, mode), path);
BATONSTORE_NOT_MODELLED(int, truncate, (const char* path, off_t size), (path, size), path);
BATONSTORE_NOT_MODELLED(int, link, (const char* from, const char* to), (from, to), to);
BATONSTORE_NOT_MODELLED(int, symlink, (const char* from, const char* to), (from, to), to);
BATONSTORE_NOT_MODELLED(ssize_t, pwritev, (int fd, const iovec* pieces, int count, off_t offset),
                        (fd, pieces, count, offset), fd);
BATONSTORE_NOT_MODELLED(ssize_t, sendfile, (int to, int from, off_t* offset, size_t size),
                        (to, from, offset, size), to);
BATONSTORE_NOT_MODELLED(ssize_t, copy_file_range,
                        (int from, off_t* offset, int to, off_t* to_offset, size_t size,
                         unsigned flags),
                        (from, offset, to, to_offset, size, flags), to);
BATONSTORE_NOT_MODELLED(ssize_t, splice,
                        (int from, off_t* offset, int to, off_t* to_offset, size_t size,
                         unsigned flags),
                        (from, offset, to, to_offset, size, flags), to);
BATONSTORE_NOT_MODELLED(int, posix_fallocate, (int fd, off_t offset, off_t size),
                        (fd, offset, size), fd);
BATONSTORE_NOT_MODELLED(int, sync_file_range, (int fd, off_t offset, off_t size, unsigned flags),
                        (fd, offset, size, flags), fd);
BATONSTORE_NOT_MODELLED(int, dup2, (int fd, int to), (fd, to), fd);

int __real_msync(void* address, size_t size, int flags);
int __wrap_msync(void* address, size_t size, int flags) {
  auto& state = batonstore::testing::TheState();
  {
    batonstore::MutexLock lock(state.mu);
    if (state.watching) DieOf("msync");
  }
  return __real_msync(address, size, flags);
}

}  // extern "C"
