#include "batonstore/store/store_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

constexpr off_t kOwnerByte = 0;
constexpr off_t kPresenceByte = 1;
constexpr off_t kPidAt = 64;
constexpr off_t kNamespaceAt = 128;
constexpr size_t kLineSize = 64;

std::string PathIn(const std::string& directory) {
  return absl::StrCat(directory, "/", StoreLock::kFileName);
}

// 0, or an errno: EAGAIN when somebody else's lock is in the way.
int TryLock(int fd, off_t byte, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 0;
  return errno == EACCES ? EAGAIN : errno;
}

}  // namespace

std::string StoreLock::OwnPidNamespace() {
  std::array<char, kLineSize> target{};
  const ssize_t size = readlink("/proc/self/ns/pid", target.data(), target.size() - 1);
  return size < 0 ? "" : std::string(target.data(), static_cast<size_t>(size));
}

absl::Status StoreLock::CreateFile(const std::string& directory) {
  const std::string path = PathIn(directory);
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(errno, absl::StrCat("create ", path));
  // At its full size from the start, so that a full disk does not keep an owner out later.
  StoreLock file(fd);
  BATONSTORE_RETURN_IF_ERROR(file.WriteLine(kPidAt, ""));
  BATONSTORE_RETURN_IF_ERROR(file.WriteLine(kNamespaceAt, ""));
  return fsync(fd) == 0 ? absl::OkStatus() : SystemError(errno, absl::StrCat("fsync ", path));
}

absl::StatusOr<std::unique_ptr<StoreLock>> StoreLock::Acquire(const std::string& directory,
                                                              Role role,
                                                              const std::string& pid_namespace) {
  const std::string path = PathIn(directory);
  auto lock = std::unique_ptr<StoreLock>(new StoreLock(-1));  // before there is a file to lose
  lock->fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (lock->fd_ < 0) return SystemError(errno, absl::StrCat("open ", path));
  if (role == Role::kOwner) BATONSTORE_RETURN_IF_ERROR(lock->TakeOwnership());
  BATONSTORE_RETURN_IF_ERROR(lock->JoinNamespace(pid_namespace));
  return lock;
}

absl::Status StoreLock::TakeOwnership() {
  const int error = TryLock(fd_, kOwnerByte, F_WRLCK);
  if (error == 0) return WriteLine(kPidAt, absl::StrCat(getpid()));
  if (error != EAGAIN) return SystemError(error, "lock owner.lock");
  const std::string pid = ReadLine(kPidAt).value_or("");
  return Refuse(Verdict::kNotOwner,
                absl::StrCat("the store is owned by pid ", pid.empty() ? "(not yet known)" : pid,
                             "; only one process may own it, others can observe"));
}

absl::Status StoreLock::JoinNamespace(const std::string& pid_namespace) {
  // Whoever finds nobody else writes its namespace down before letting others in; changing an
  // exclusive lock into a common one is atomic. The moment in which the byte is held exclusively is
  // as short as one write, so a few tries are plenty.
  constexpr int kTries = 200;
  for (int i = 0; i < kTries; ++i) {
    int error = TryLock(fd_, kPresenceByte, F_WRLCK);
    if (error == 0) BATONSTORE_RETURN_IF_ERROR(WriteLine(kNamespaceAt, pid_namespace));
    if (error == 0 || error == EAGAIN) error = TryLock(fd_, kPresenceByte, F_RDLCK);
    if (error == 0) {
      BATONSTORE_ASSIGN_OR_RETURN(const std::string theirs, ReadLine(kNamespaceAt));
      if (theirs == pid_namespace) return absl::OkStatus();
      return Refuse(Verdict::kUnsupported,
                    "the store is open in another pid namespace (container); LMDB cannot tell "
                    "processes of two namespaces apart, so run all of them in one");
    }
    if (error != EAGAIN) return SystemError(error, "lock owner.lock");
    absl::SleepFor(absl::Milliseconds(5));
  }
  return Refuse(Verdict::kBusy, "owner.lock stays locked by somebody who is opening the store");
}

absl::Status StoreLock::WriteLine(long offset, const std::string& text) {
  std::string line = absl::StrCat(text.substr(0, kLineSize - 1), "\n");
  line.resize(kLineSize, '\n');
  const ssize_t written = pwrite(fd_, line.data(), line.size(), offset);
  if (written != static_cast<ssize_t>(line.size())) {
    return SystemError(written < 0 ? errno : EIO, "write owner.lock");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> StoreLock::ReadLine(long offset) const {
  std::array<char, kLineSize> line{};
  const ssize_t size = pread(fd_, line.data(), line.size(), offset);
  if (size < 0) return SystemError(errno, "read owner.lock");
  const absl::string_view text(line.data(), static_cast<size_t>(size));
  return std::string(text.substr(0, text.find('\n')));
}

StoreLock::StoreLock(int fd) : pid_(getpid()), fd_(fd) {}

StoreLock::~StoreLock() { Release(); }

void StoreLock::Release() {
  const int fd = fd_.exchange(-1);
  if (fd < 0) return;
  struct flock all {};
  all.l_type = F_UNLCK;
  all.l_whence = SEEK_SET;
  if (getpid() == pid_) (void)fcntl(fd, F_OFD_SETLK, &all);  // in a child it is the parent's lock
  close(fd);
}

void StoreLock::CloseInForkedChild() {
  const int fd = fd_.exchange(-1);
  if (fd >= 0) close(fd);
}

}  // namespace batonstore
