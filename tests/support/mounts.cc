#include "tests/support/mounts.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "batonstore/base/system_error.h"
#include "tests/support/subprocess.h"

namespace batonstore::testing {
namespace {

class ScopedFd {
 public:
  ScopedFd(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~ScopedFd() {
    if (fd_ >= 0) close(fd_);
  }
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

absl::Status Failed(const std::string& what) { return SystemError(errno, what); }

absl::Status WriteTo(const std::string& path, const std::string& text) {
  const ScopedFd file(path, O_WRONLY);
  if (write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
    return absl::OkStatus();
  }
  return Failed(absl::StrCat("write ", path));
}

absl::Status Attach(int device, int image) {
  loop_config config{};
  config.fd = static_cast<uint32_t>(image);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;  // free once nobody has it open or mounted
  return ioctl(device, LOOP_CONFIGURE, &config) == 0 ? absl::OkStatus() : Failed("LOOP_CONFIGURE");
}

}  // namespace

absl::Status EnterPrivateMounts() {
  const std::string uid = absl::StrCat("0 ", geteuid(), " 1");
  const std::string gid = absl::StrCat("0 ", getegid(), " 1");
  if (unshare(CLONE_NEWNS) != 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return Failed("unshare");
    if (absl::Status mapped = WriteTo("/proc/self/uid_map", uid); !mapped.ok()) return mapped;
    if (absl::Status denied = WriteTo("/proc/self/setgroups", "deny"); !denied.ok()) return denied;
    if (absl::Status mapped = WriteTo("/proc/self/gid_map", gid); !mapped.ok()) return mapped;
  }
  // What is mounted from here on is told to nobody.
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Failed("mount /");
  return absl::OkStatus();
}

absl::Status MountTmpfs(const std::string& at, uint64_t bytes) {
  const std::string options = absl::StrCat("size=", bytes, ",mode=0700");
  if (mount("tmpfs", at.c_str(), "tmpfs", 0, options.c_str()) == 0) return absl::OkStatus();
  return Failed(absl::StrCat("mount a tmpfs at ", at));
}

absl::Status ResizeTmpfs(const std::string& at, uint64_t bytes) {
  const std::string options = absl::StrCat("size=", bytes);
  if (mount("tmpfs", at.c_str(), "tmpfs", MS_REMOUNT, options.c_str()) == 0) {
    return absl::OkStatus();
  }
  return Failed(absl::StrCat("resize the tmpfs at ", at));
}

absl::Status MakeExt4Image(const std::string& image, uint64_t bytes) {
  const ScopedFd file(image, O_RDWR | O_CREAT | O_TRUNC);
  if (ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return Failed("make an image");
  for (const std::string mkfs : {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"}) {
    if (access(mkfs.c_str(), X_OK) != 0) continue;
    const Finished made = RunProgram({mkfs, "-q", "-F", "-m", "0", "-b", "4096", image});
    return made.status == 0 ? absl::OkStatus() : absl::UnavailableError(made.err);
  }
  return absl::UnavailableError("there is no mkfs.ext4");
}

absl::Status MountExt4Image(const std::string& image, const std::string& at) {
  const ScopedFd file(image, O_RDWR);
  if (file.get() < 0) return Failed(absl::StrCat("open ", image));
  const ScopedFd control("/dev/loop-control", O_RDWR);
  if (control.get() < 0) return Failed("open /dev/loop-control");
  for (;;) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return Failed("find a free loop device");
    const std::string path = absl::StrCat("/dev/loop", number);
    const ScopedFd device(path, O_RDWR);
    if (device.get() < 0) return Failed(absl::StrCat("open ", path));
    const absl::Status attached = Attach(device.get(), file.get());
    if (!attached.ok() && errno == EBUSY) continue;  // somebody else was faster
    if (!attached.ok()) return attached;
    if (mount(path.c_str(), at.c_str(), "ext4", 0, nullptr) == 0) return absl::OkStatus();
    return Failed(absl::StrCat("mount ", path, " at ", at));
  }
}

absl::Status CutOff(const std::string& at) {
  constexpr unsigned long kShutdown = _IOR('X', 125, uint32_t);  // EXT4_IOC_SHUTDOWN
  uint32_t flags = 2;                                            // EXT4_GOING_FLAGS_NOLOGFLUSH
  const ScopedFd root(at, O_RDONLY | O_DIRECTORY);
  if (root.get() < 0 || ioctl(root.get(), kShutdown, &flags) != 0) return Failed("cut off");
  return absl::OkStatus();
}

absl::Status Unmount(const std::string& at) {
  return umount2(at.c_str(), 0) == 0 ? absl::OkStatus() : Failed(absl::StrCat("unmount ", at));
}

absl::Status FillUp(const std::string& file) {
  const ScopedFd fd(file, O_WRONLY | O_CREAT | O_APPEND);
  static constexpr std::array<char, 65536> kBytes{};
  size_t size = kBytes.size();
  while (size > 0) {
    const ssize_t written = write(fd.get(), kBytes.data(), size);
    if (written >= 0 && fsync(fd.get()) == 0) continue;
    if (errno != ENOSPC) return Failed(absl::StrCat("fill ", file));
    size /= 2;
  }
  return absl::OkStatus();
}

}  // namespace batonstore::testing
