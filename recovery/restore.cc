#include "batonstore/recovery/restore.h"

#include <filesystem>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/default_key.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/new_store.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/publish.h"
#include "batonstore/recovery/verify_report.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/store_lock.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

absl::Status CopyPrivately(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) return SystemError(error.value(), absl::StrCat("copy ", from));
  fs::permissions(to, fs::perms::owner_read | fs::perms::owner_write, error);
  return error ? SystemError(error.value(), absl::StrCat("chmod ", to)) : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LmdbEngine>> OpenCopy(const std::string& folder) {
  BATONSTORE_ASSIGN_OR_RETURN(auto registration, OpenEnvironment::Register(folder, [] {}));
  BATONSTORE_ASSIGN_OR_RETURN(auto environment,
                              LmdbEnvironment::Open(RoomyOptions(folder), std::move(registration)));
  return LmdbEngine::Open(std::move(environment));
}

// The copy in `folder` becomes another incarnation; its key-encryption key from then on.
absl::StatusOr<SecretBytes> ReincarnateIn(const RestoreRequest& request,
                                          const std::string& folder) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<LmdbEngine> engine, OpenCopy(folder));
  BATONSTORE_ASSIGN_OR_RETURN(const Identity identity,
                              ReadIdentity(*engine, request.key_encryption_key, *request.random));
  BATONSTORE_ASSIGN_OR_RETURN(
      SecretBytes key,
      KeyOfNewStore(folder, request.next_key_encryption_key, identity.store_id, *request.random));
  engine->KeepRoot(identity.keys->MakeRootHash());
  BATONSTORE_RETURN_IF_ERROR(Reincarnate(*engine, identity, key, *request.random));
  BATONSTORE_RETURN_IF_ERROR(engine->environment().Sync());
  return key;
}

absl::StatusOr<uint64_t> RevokeEverybodyIn(const RestoreRequest& request, const std::string& folder,
                                           const SecretBytes& key) {
  Options options;
  options.directory = folder;
  options.key_encryption_key = KeySource(key);
  options.sweep_every = absl::InfiniteDuration();
  options.clock = request.clock;
  options.random = request.random;
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Open(options));
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t revoked, store->sessions().RevokeEverybody());
  BATONSTORE_RETURN_IF_ERROR(store->Close());
  return revoked;
}

absl::Status RestoreInto(const RestoreRequest& request, const std::string& folder,
                         RestoreReport& report) {
  const std::string data_file = folder + "/data.mdb";
  BATONSTORE_RETURN_IF_ERROR(CopyPrivately(request.file, data_file));
  BATONSTORE_ASSIGN_OR_RETURN(
      const VerifyReport verified,
      VerifyQuietFile(data_file, request.key_encryption_key, *request.clock, request.progress));
  BATONSTORE_RETURN_IF_ERROR(verified.ToStatus());
  report.sessions = verified.sessions;
  BATONSTORE_RETURN_IF_ERROR(StoreLock::CreateFile(folder));
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes key, ReincarnateIn(request, folder));
  if (request.revoke_everything) {
    BATONSTORE_ASSIGN_OR_RETURN(report.revoked, RevokeEverybodyIn(request, folder, key));
  }
  return SyncDirectory(folder);
}

}  // namespace

absl::StatusOr<RestoreReport> Restore(const RestoreRequest& request) try {
  if (request.file.empty() || request.directory.empty() || !request.key_encryption_key ||
      request.clock == nullptr || request.random == nullptr) {
    return Refuse(Verdict::kInvalid,
                  "the request has no file, no directory, no key, or a null clock or random");
  }
  std::error_code error;
  if (!fs::is_regular_file(request.file, error)) {
    return Refuse(Verdict::kNotFound, absl::StrCat("there is no backup ", request.file));
  }
  RestoreRequest once = request;
  once.key_encryption_key = request.key_encryption_key.Remembered();
  RestoreReport report;
  BATONSTORE_RETURN_IF_ERROR(PublishFolder(request.directory, [&](const std::string& folder) {
    return RestoreInto(once, folder, report);
  }));
  return report;
} catch (const std::bad_alloc&) {
  return NoMemory();
}

}  // namespace batonstore::recovery
