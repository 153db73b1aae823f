#include "batonstore/recovery/new_store.h"

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

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/store_lock.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, absl::StrCat("open ", path));
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : SystemError(error, absl::StrCat("fsync ", path));
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
        return Refuse(Verdict::kExists, absl::StrCat(target, " exists already"));
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

absl::StatusOr<SecretBytes> KeyForNewStore(const std::string& folder, const KeySource& key_source,
                                           absl::string_view store_id, RandomSource& random) {
  if (key_source) return key_source(store_id);
  SecretBytes key = RandomSecret(random, kKeyEncryptionKeyBytes);
  BATONSTORE_RETURN_IF_ERROR(WriteKeyFile(absl::StrCat(folder, "/", kKeyFileName), key));
  return key;
}

absl::Status FillFolder(const std::string& folder, const KeySource& key_source,
                        LmdbEnvironment::Options options, RandomSource& random) {
  const std::string store_id = RandomStoreId(random);
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes key,
                              KeyForNewStore(folder, key_source, store_id, random));
  BATONSTORE_RETURN_IF_ERROR(StoreLock::CreateFile(folder));
  options.directory = folder;
  BATONSTORE_ASSIGN_OR_RETURN(auto registration, OpenEnvironment::Register(folder, [] {}));
  BATONSTORE_ASSIGN_OR_RETURN(auto environment,
                              LmdbEnvironment::Create(options, std::move(registration)));
  BATONSTORE_ASSIGN_OR_RETURN(auto engine, LmdbEngine::Create(std::move(environment)));
  BATONSTORE_RETURN_IF_ERROR(WriteIdentity(*engine, store_id, key, random));
  BATONSTORE_RETURN_IF_ERROR(engine->environment().Sync());
  return SyncDirectory(folder);
}

}  // namespace

absl::Status SyncEntries(const std::string& directory) {
  BATONSTORE_RETURN_IF_ERROR(SyncDirectory(directory));
  const absl::Status synced = SyncDirectory(directory + "/..");
  // A parent that may not be read was not made by this user, nor this store published by it.
  return access((directory + "/..").c_str(), R_OK) != 0 ? absl::OkStatus() : synced;
}

absl::Status CreateStore(const std::string& directory, const KeySource& key_source,
                         const LmdbEnvironment::Options& environment_options,
                         RandomSource& random) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(fs::absolute(directory), error);
  if (error) return SystemError(error.value(), absl::StrCat("resolve ", directory));
  const fs::path named = target.has_filename() ? target : target.parent_path();
  const fs::path parent = named.parent_path();
  if (!fs::exists(parent, error) && !error) {
    return Refuse(Verdict::kNotFound,
                  absl::StrCat("there is no folder ", parent.string(), "; make it first"));
  }
  const std::string name_prefix = absl::StrCat(".", named.filename().string(), ".new-");
  NewFolder::RemoveLeftBehind(parent, name_prefix);
  BATONSTORE_ASSIGN_OR_RETURN(const auto folder, NewFolder::Make((parent / name_prefix).string()));
  BATONSTORE_RETURN_IF_ERROR(FillFolder(folder->path(), key_source, environment_options, random));
  BATONSTORE_RETURN_IF_ERROR(folder->PublishAs(named.string()));
  return SyncDirectory(parent.string());
}

}  // namespace batonstore::recovery
