#include "batonstore/recovery/publish.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

absl::Status AlreadyThere(const std::string& path) {
  return Refuse(Verdict::kExists, absl::StrCat(path, " exists already"));
}

// A folder that is locked (flock) for as long as somebody is making a store in it, and removed
// unless it was published. One that nobody has locked was left behind by a crash.
class NewFolder {
 public:
  static absl::StatusOr<std::unique_ptr<NewFolder>> Make(const std::string& prefix) {
    for (;;) {
      std::string path = absl::StrCat(prefix, "XXXXXX");
      if (mkdtemp(path.data()) == nullptr) {
        return SystemError(errno, absl::StrCat("create ", path));
      }
      auto folder = std::unique_ptr<NewFolder>(new NewFolder(path));
      const int error = folder->Lock();
      // Between its making and its locking, another creator may have taken it for left behind.
      const bool was_taken = error == ENOENT || error == EWOULDBLOCK;
      if (error != 0 && !was_taken) return SystemError(error, absl::StrCat("lock ", path));
      std::error_code ignored;
      if (!was_taken && fs::exists(path, ignored)) return folder;
    }
  }

  // Removes folders with that prefix which a crash left behind.
  static void RemoveLeftBehind(const fs::path& parent, const std::string& name_prefix) {
    std::error_code ignored;  // what cannot be removed now is tried again by the next creation
    for (const fs::directory_entry& entry : fs::directory_iterator(parent, ignored)) {
      if (!absl::StartsWith(entry.path().filename().string(), name_prefix)) continue;
      NewFolder left_behind(entry.path().string());
      if (left_behind.Lock() != 0) left_behind.published_ = true;  // somebody is at work in it
    }
  }

  ~NewFolder() {
    try {
      std::error_code ignored;
      if (!published_) fs::remove_all(path_, ignored);
    } catch (const std::bad_alloc&) {
      // The next creation finds nobody at work in it.
    }
    if (fd_ >= 0) close(fd_);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::string& path() const { return path_; }

  // One rename, which fails rather than replace anything but an empty folder.
  absl::Status PublishAs(const std::string& target) {
    if (rename(path_.c_str(), target.c_str()) != 0) {
      if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) {
        return AlreadyThere(target);
      }
      if (errno == EBUSY || errno == EXDEV) {
        return Refuse(Verdict::kIo,
                      absl::StrCat(target, " is a mount point; name a folder inside it"));
      }
      return SystemError(errno, absl::StrCat("rename to ", target));
    }
    published_ = true;
    return absl::OkStatus();
  }

 private:
  explicit NewFolder(std::string path) : path_(std::move(path)) {}

  // 0, or an errno.
  int Lock() {
    fd_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  }

  const std::string path_;
  int fd_ = -1;
  bool published_ = false;
};

// A file that is locked (flock) for as long as somebody is making it, and removed unless it was
// published. One that nobody has locked was left behind by a crash.
class NewFile {
 public:
  static absl::StatusOr<NewFile> Make(const std::string& prefix) {
    for (;;) {
      std::string path = absl::StrCat(prefix, "XXXXXX");
      const int fd = mkostemp(path.data(), O_CLOEXEC);
      if (fd < 0) return SystemError(errno, absl::StrCat("create ", path));
      NewFile file(path, fd);
      // Between its making and its locking, another maker may have taken it for left behind.
      const bool was_taken = flock(fd, LOCK_EX | LOCK_NB) != 0;
      if (was_taken && errno != EWOULDBLOCK) return SystemError(errno, absl::StrCat("lock ", path));
      std::error_code ignored;
      if (!was_taken && fs::exists(path, ignored)) return file;
    }
  }

  static void RemoveLeftBehind(const fs::path& parent, const std::string& name_prefix) {
    std::error_code ignored;  // what cannot be removed now is tried again by the next
    for (const fs::directory_entry& entry : fs::directory_iterator(parent, ignored)) {
      if (!absl::StartsWith(entry.path().filename().string(), name_prefix)) continue;
      const std::string path = entry.path().string();
      const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0) continue;
      if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlink(path.c_str());
      close(fd);
    }
  }

  NewFile(NewFile&& other) noexcept
      : path_(std::exchange(other.path_, "")), fd_(std::exchange(other.fd_, -1)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (!path_.empty()) unlink(path_.c_str());
    if (fd_ >= 0) close(fd_);
  }

  const std::string& path() const { return path_; }
  int fd() const { return fd_; }

  absl::Status PublishAs(const std::string& target) {
    if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
      return errno == EEXIST ? AlreadyThere(target)
                             : SystemError(errno, absl::StrCat("rename to ", target));
    }
    path_.clear();
    return absl::OkStatus();
  }

 private:
  NewFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;  // empty once published
  int fd_;
};

// Where something is to lie, by its real path.
struct Place {
  fs::path parent;
  std::string name;

  std::string path() const { return (parent / name).string(); }

  // What its temporary forerunners are called.
  std::string prefix() const { return absl::StrCat(".", name, ".new-"); }
};

absl::StatusOr<Place> Resolve(const std::string& path) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(fs::absolute(path), error);
  if (error) return SystemError(error.value(), absl::StrCat("resolve ", path));
  const fs::path named = target.has_filename() ? target : target.parent_path();
  if (!fs::exists(named.parent_path(), error) && !error) {
    return Refuse(
        Verdict::kNotFound,
        absl::StrCat("there is no folder ", named.parent_path().string(), "; make it first"));
  }
  return Place{named.parent_path(), named.filename().string()};
}

}  // namespace

absl::Status PublishFolder(const std::string& directory,
                           absl::FunctionRef<absl::Status(const std::string& folder)> fill) {
  BATONSTORE_ASSIGN_OR_RETURN(const Place place, Resolve(directory));
  NewFolder::RemoveLeftBehind(place.parent, place.prefix());
  BATONSTORE_ASSIGN_OR_RETURN(const auto folder,
                              NewFolder::Make((place.parent / place.prefix()).string()));
  BATONSTORE_RETURN_IF_ERROR(fill(folder->path()));
  BATONSTORE_RETURN_IF_ERROR(folder->PublishAs(place.path()));
  return SyncDirectory(place.parent.string());
}

absl::Status PublishFile(const std::string& path,
                         absl::FunctionRef<absl::Status(const std::string& path, int fd)> fill) {
  BATONSTORE_ASSIGN_OR_RETURN(const Place place, Resolve(path));
  std::error_code error;
  if (fs::exists(place.path(), error)) return AlreadyThere(place.path());
  NewFile::RemoveLeftBehind(place.parent, place.prefix());
  BATONSTORE_ASSIGN_OR_RETURN(NewFile file,
                              NewFile::Make((place.parent / place.prefix()).string()));
  BATONSTORE_RETURN_IF_ERROR(fill(file.path(), file.fd()));
  BATONSTORE_RETURN_IF_ERROR(file.PublishAs(place.path()));
  return SyncDirectory(place.parent.string());
}

absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, absl::StrCat("open ", path));
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : SystemError(error, absl::StrCat("fsync ", path));
}

absl::Status SyncEntries(const std::string& directory) {
  BATONSTORE_RETURN_IF_ERROR(SyncDirectory(directory));
  const absl::Status synced = SyncDirectory(directory + "/..");
  // A parent that may not be read was not made by this user, nor this store published by it.
  return access((directory + "/..").c_str(), R_OK) != 0 ? absl::OkStatus() : synced;
}

}  // namespace batonstore::recovery
