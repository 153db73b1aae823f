// Who may use a store's folder: one owner at a time, and nobody from another pid namespace.
//
// The lock is a file of its own, because closing any descriptor of LMDB's lock file would drop
// LMDB's own locks. It uses open-file-description locks (fcntl(2), F_OFD_SETLK), which the kernel
// releases when the last copy of the descriptor is closed, however the process ends.
//
//   byte 0        exclusively locked by the owner
//   byte 1        locked in common by everyone who has the store open
//   bytes 64-     the owner's pid, in decimal, ended by a newline
//   bytes 128-    the pid namespace of those who hold byte 1, ended by a newline
//
// LMDB tells processes apart by their pid and so destroys the locks of a namesake in another
// namespace; whoever comes first writes down its namespace, and strangers are refused.

#ifndef BATONSTORE_STORE_STORE_LOCK_H_
#define BATONSTORE_STORE_STORE_LOCK_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace batonstore {

class StoreLock {
 public:
  static constexpr absl::string_view kFileName = "owner.lock";

  enum class Role { kOwner, kObserver };

  // Never waits. NOT_OWNER, with the owner's pid, when another owner holds it; UNSUPPORTED when
  // processes of another pid namespace have the store open; NOT_FOUND when the file is missing,
  // which this never makes. `pid_namespace` is for tests; by default it is this process's own.
  static absl::StatusOr<std::unique_ptr<StoreLock>> Acquire(
      const std::string& directory, Role role,
      const std::string& pid_namespace = OwnPidNamespace());

  // Makes the file of a new store.
  static absl::Status CreateFile(const std::string& directory);

  // "pid:[4026531836]"; empty where /proc does not tell.
  static std::string OwnPidNamespace();

  // Lets go.
  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

  // Closes a forked child's copy of the descriptor, which would keep a dead owner's lock alive.
  void CloseInForkedChild();

  // Lets go before the destructor does. Unlocks and does not just close: a program that is being
  // started may have a copy of the descriptor, which would keep the lock for a moment more.
  void Release();

 private:
  explicit StoreLock(int fd);

  absl::Status TakeOwnership();
  absl::Status JoinNamespace(const std::string& pid_namespace);
  absl::Status WriteLine(long offset, const std::string& text);
  absl::StatusOr<std::string> ReadLine(long offset) const;

  const pid_t pid_;
  std::atomic<int> fd_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STORE_LOCK_H_
