#include "batonstore/recovery/verify.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/new_store.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/recovery/structure_check.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/store_keys.h"
#include "batonstore/store/store_lock.h"

namespace batonstore::recovery {
namespace {

// How often a meta page is looked at again that an owner may be writing just then.
constexpr int kLooks = 1000;

std::string DataFile(const std::string& directory) { return directory + "/data.mdb"; }

// The key at once, unless it takes the store's id: whoever has none waits for nothing.
absl::StatusOr<KeySource> FetchKey(const VerifyRequest& request) {
  const KeySource source =
      request.key_encryption_key
          ? request.key_encryption_key
          : KeyFromFile(absl::StrCat(request.directory, "/", std::string(kKeyFileName)));
  if (source.AsksForStoreId()) return source.Remembered();
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes key, source());
  return KeySource(key);
}

// That LMDB may look at the meta pages, which is all that it does to hold a snapshot.
absl::Status CheckMetaPages(const std::string& directory) {
  absl::Status sound;
  for (int look = 0; look < kLooks; ++look) {
    BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file,
                                PageFile::Open(DataFile(directory)));
    sound = FindLastSnapshot(*file).status();
    if (sound.ok()) break;
  }
  return sound;
}

absl::StatusOr<std::unique_ptr<LmdbEnvironment>> OpenForReading(
    const std::string& directory, std::unique_ptr<OpenEnvironment> registration) {
  LmdbEnvironment::Options options;
  options.directory = directory;
  options.read_only = true;
  options.map_bytes = 1 << 20;  // LMDB takes as much as the file has
  options.max_map_bytes = uint64_t{1} << 46;
  options.max_readers = 1024;
  options.max_tables = kAllTables.size();
  return LmdbEnvironment::Open(options, std::move(registration));
}

absl::StatusOr<std::unique_ptr<StoreLock>> LockAsObserver(const std::string& directory) {
  absl::StatusOr<std::unique_ptr<StoreLock>> lock =
      StoreLock::Acquire(directory, StoreLock::Role::kObserver);
  if (VerdictOf(lock.status()) != Verdict::kNotFound) return lock;
  return Refuse(Verdict::kWrongFormat, absl::StrCat(directory, " has no ", StoreLock::kFileName,
                                                    " and is not a batonstore"));
}

// What a reader gets that begins now.
absl::StatusOr<uint64_t> LastSnapshot(LmdbEnvironment& environment) {
  BATONSTORE_ASSIGN_OR_RETURN(const LmdbTransaction last, environment.BeginRead());
  return last.id();
}

}  // namespace

absl::StatusOr<VerifyReport> Verify(const VerifyRequest& request) try {
  if (request.directory.empty() || request.clock == nullptr) {
    return Refuse(Verdict::kInvalid, "the request has no directory, or a null clock");
  }
  std::error_code error;
  const bool exists = std::filesystem::exists(DataFile(request.directory), error);
  if (error) return SystemError(error.value(), absl::StrCat("stat ", request.directory));
  if (!exists) {
    return Refuse(Verdict::kNotFound, absl::StrCat("there is no store in ", request.directory));
  }
  std::atomic<StoreLock*> held{nullptr};  // a forked child lets go of its copy
  BATONSTORE_ASSIGN_OR_RETURN(auto registration,
                              OpenEnvironment::Register(request.directory, [&held] {
                                if (StoreLock* const copy = held) copy->CloseInForkedChild();
                              }));
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<StoreLock> lock,
                              LockAsObserver(request.directory));
  held = lock.get();
  const absl::Cleanup forgetting = [&held] { held = nullptr; };
  BATONSTORE_ASSIGN_OR_RETURN(const KeySource key, FetchKey(request));
  BATONSTORE_RETURN_IF_ERROR(CheckMetaPages(request.directory));
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<LmdbEnvironment> environment,
                              OpenForReading(request.directory, std::move(registration)));
  absl::Status unseen;
  for (int look = 0; look < kLooks; ++look) {
    // The snapshot first: from then on its pages stay, and all of them are in the file.
    BATONSTORE_ASSIGN_OR_RETURN(const LmdbTransaction snapshot, environment->BeginRead());
    BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file,
                                PageFile::Open(DataFile(request.directory)));
    // Its meta page does not stay: two commits later it is another's. If a reader that comes now
    // still gets the same snapshot, the first of them is not done, and the second has not begun.
    const absl::StatusOr<lmdb::Meta> meta = file->ReadMetaOf(snapshot.id());
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, LastSnapshot(*environment));
    const bool in_time = last == snapshot.id();
    if (meta.ok() && in_time) {
      return VerifySnapshot(*file, *meta, key, *request.clock, request.progress);
    }
    unseen = !in_time ? Refuse(Verdict::kBusy, "the owner commits too fast to look at its file")
                      : meta.status();
  }
  return unseen;
} catch (const std::bad_alloc&) {
  return NoMemory();
}

}  // namespace batonstore::recovery
