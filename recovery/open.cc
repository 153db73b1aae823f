#include "batonstore/recovery/open.h"

#include <atomic>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/mutex.h"
#include "batonstore/base/repeating_thread.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/default_key.h"
#include "batonstore/recovery/followed_keys.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/new_store.h"
#include "batonstore/recovery/publish.h"
#include "batonstore/recovery/structure_check.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/store_lock.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

// What a forked child has to make unusable. Lives as long as the handle; only atomics, because the
// child may touch nothing else.
struct ForkGuard {
  std::atomic<Engine*> engine{nullptr};
  std::atomic<StoreLock*> lock{nullptr};
  std::atomic<bool> in_child{false};

  void OnFork() {
    in_child = true;
    if (Engine* const open = engine.load()) open->Shut(Verdict::kClosed);
    if (StoreLock* const held = lock.load()) held->CloseInForkedChild();
  }
};

// A store's folder, opened and locked, and the engine on its file; nothing is written yet.
struct OpenedFolder {
  std::unique_ptr<ForkGuard> guard = std::make_unique<ForkGuard>();
  std::unique_ptr<StoreLock> lock;
  std::unique_ptr<Engine> engine;
  LmdbEnvironment* environment = nullptr;  // the engine's
  Identity identity;
  SecretBytes key_encryption_key;
  bool verified = false;
  bool extended = false;
};

absl::Status CheckOptions(const Options& options) {
  if (options.directory.empty()) return Refuse(Verdict::kInvalid, "options.directory is empty");
  if (options.map_bytes < kMinMapBytes || options.map_bytes > options.max_map_bytes) {
    return Refuse(Verdict::kInvalid, absl::StrCat("map_bytes must be at least ", kMinMapBytes,
                                                  " and at most max_map_bytes"));
  }
  if (options.max_readers == 0) return Refuse(Verdict::kInvalid, "max_readers must be above 0");
  if (options.clock == nullptr || options.random == nullptr || options.key_pairs == nullptr) {
    return Refuse(Verdict::kInvalid, "options has a null clock, random or key_pairs");
  }
  if (options.policy.retention < absl::ZeroDuration() ||
      options.sweep_every <= absl::ZeroDuration()) {
    return Refuse(Verdict::kInvalid, "retention is negative, or sweep_every is not above 0");
  }
  if (options.policy.turns.max_reply_bytes > kMaxReplyBytes) {
    return Refuse(Verdict::kInvalid, absl::StrCat("max_reply_bytes is above ", kMaxReplyBytes));
  }
  if (options.policy.indexes.tail_share == 0 || options.policy.indexes.slice == 0) {
    return Refuse(Verdict::kInvalid, "indexes.tail_share and indexes.slice are at least 1");
  }
  return absl::OkStatus();
}

LmdbEnvironment::Options EnvironmentOptions(const Options& options, bool read_only) {
  return {options.directory,   read_only,         options.map_bytes,     options.max_map_bytes,
          options.max_readers, kAllTables.size(), options.reserved_bytes};
}

enum class Folder { kAbsent, kStore };

// WRONG_FORMAT for a folder with something else in it.
absl::StatusOr<Folder> LookAt(const std::string& directory) {
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) return Folder::kAbsent;
  if (error) return SystemError(error.value(), absl::StrCat("stat ", directory));
  if (!fs::is_directory(status)) {
    return Refuse(Verdict::kWrongFormat, absl::StrCat(directory, " is not a folder"));
  }
  if (fs::exists(fs::path(directory) / "data.mdb", error)) return Folder::kStore;
  const bool empty = !error && fs::is_empty(directory, error);
  if (error) return SystemError(error.value(), absl::StrCat("look into ", directory));
  if (empty) return Folder::kAbsent;
  return Refuse(Verdict::kWrongFormat,
                absl::StrCat(directory, " is not empty and is not a store; name another folder"));
}

absl::Status CreateIfMissing(const Options& options) {
  BATONSTORE_ASSIGN_OR_RETURN(const Folder folder, LookAt(options.directory));
  if (folder == Folder::kStore) return absl::OkStatus();
  if (!options.create_if_missing) {
    return Refuse(Verdict::kNotFound, absl::StrCat("there is no store in ", options.directory));
  }
  const absl::Status created =
      CreateStore(options.directory, options.key_encryption_key,
                  EnvironmentOptions(options, /*read_only=*/false), *options.random);
  // Somebody else was faster: theirs is as good as ours.
  return VerdictOf(created) == Verdict::kExists ? absl::OkStatus() : created;
}

// A file that is shorter than its last page number asks for is sound or cut off; until that is
// known, no page of it may be touched through the map. True if it is short and sound.
absl::StatusOr<bool> IsShort(LmdbEnvironment& environment, const std::string& directory) {
  for (;;) {
    BATONSTORE_ASSIGN_OR_RETURN(const LmdbTransaction snapshot, environment.BeginRead());
    BATONSTORE_ASSIGN_OR_RETURN(const LmdbEnvironment::Info before, environment.Inspect());
    if (before.file_bytes >= (before.last_page + 1) * before.page_size) return false;
    absl::Status sound = CheckStructure((fs::path(directory) / "data.mdb").string(), snapshot.id());
    if (sound.ok()) return true;
    // Beside an owner that goes on committing, the snapshot's meta page may have been reused while
    // we looked: look again, at a newer one.
    BATONSTORE_ASSIGN_OR_RETURN(const LmdbEnvironment::Info after, environment.Inspect());
    if (after.last_transaction == snapshot.id()) return sound;
  }
}

// Before LMDB, which trusts its pages, has seen any: true if the file was looked through.
// REQUIRES: this process owns the store, so that nobody writes the file.
absl::StatusOr<bool> VerifyIfAsked(const Options& options, const KeySource& key) {
  if (options.verify == Verification::kNever) return false;
  const std::string data_file = (fs::path(options.directory) / "data.mdb").string();
  if (options.verify == Verification::kAfterCrash) {
    BATONSTORE_ASSIGN_OR_RETURN(const bool has_crashed, HasCrashed(data_file));
    if (!has_crashed) return false;
  }
  BATONSTORE_ASSIGN_OR_RETURN(const VerifyReport report,
                              VerifyQuietFile(data_file, key, *options.clock, nullptr));
  BATONSTORE_RETURN_IF_ERROR(report.ToStatus());
  return true;
}

absl::StatusOr<OpenedFolder> OpenFolderWith(const Options& options, StoreLock::Role role,
                                            const KeySource& key_source) {
  const bool read_only = role == StoreLock::Role::kObserver;
  OpenedFolder opened;
  BATONSTORE_ASSIGN_OR_RETURN(
      auto registration, OpenEnvironment::Register(
                             options.directory, [guard = opened.guard.get()] { guard->OnFork(); }));
  absl::StatusOr<std::unique_ptr<StoreLock>> lock = StoreLock::Acquire(options.directory, role);
  if (VerdictOf(lock.status()) == Verdict::kNotFound) {
    return Refuse(Verdict::kWrongFormat,
                  absl::StrCat(options.directory, " has no ", StoreLock::kFileName,
                               " and is not a batonstore"));
  }
  BATONSTORE_RETURN_IF_ERROR(lock.status());
  opened.lock = *std::move(lock);
  opened.guard->lock = opened.lock.get();

  const KeySource key = key_source.Remembered();
  if (!key_source.AsksForStoreId()) {
    BATONSTORE_RETURN_IF_ERROR(key("").status());  // whoever has none waits for nothing
  }
  if (!read_only) {
    BATONSTORE_ASSIGN_OR_RETURN(opened.verified, VerifyIfAsked(options, key));
  }
  BATONSTORE_ASSIGN_OR_RETURN(
      std::unique_ptr<LmdbEnvironment> environment,
      LmdbEnvironment::Open(EnvironmentOptions(options, read_only), std::move(registration)));
  BATONSTORE_ASSIGN_OR_RETURN(const bool is_short, IsShort(*environment, options.directory));
  LmdbEnvironment& file = *environment;
  opened.environment = environment.get();
  BATONSTORE_ASSIGN_OR_RETURN(opened.engine, LmdbEngine::Open(std::move(environment)));
  opened.guard->engine = opened.engine.get();
  BATONSTORE_ASSIGN_OR_RETURN(opened.identity, ReadIdentity(*opened.engine, key, *options.random));
  BATONSTORE_ASSIGN_OR_RETURN(opened.key_encryption_key, key(opened.identity.store_id));
  if (read_only) return opened;

  opened.engine->KeepRoot(opened.identity.keys->MakeRootHash());
  file.ExtendFile();
  opened.extended = is_short;
  // What an earlier owner's last commit left in the page cache, failed or not, is settled now,
  // before anything is written on top of it.
  BATONSTORE_RETURN_IF_ERROR(file.Sync());
  BATONSTORE_RETURN_IF_ERROR(SyncEntries(options.directory));
  return opened;
}

absl::StatusOr<OpenedFolder> OpenFolder(const Options& options, StoreLock::Role role) {
  const std::string& directory = options.directory;
  int attempts = 0;
  BATONSTORE_ASSIGN_OR_RETURN(
      OpenedFolder opened,
      WithKey<OpenedFolder>(directory, options.key_encryption_key, [&](const KeySource& source) {
        ++attempts;
        return OpenFolderWith(options, role, source);
      }));
  std::error_code error;
  const bool is_settled = options.key_encryption_key || role == StoreLock::Role::kObserver ||
                          !fs::exists(NextDefaultKeyFile(directory), error);
  if (is_settled) return opened;
  if (attempts > 1) {
    BATONSTORE_RETURN_IF_ERROR(PublishNextDefaultKey(directory));
  } else {
    fs::remove(NextDefaultKeyFile(directory), error);  // of no use, and of no harm if it stays
  }
  return opened;
}

}  // namespace

// In the order of their making: the lock is let go after the file is closed.
struct Store::Parts {
  std::unique_ptr<ForkGuard> guard;
  std::unique_ptr<StoreLock> lock;
  std::unique_ptr<SessionStore> sessions;
  std::unique_ptr<StreamRegistry> streams;
  std::unique_ptr<RepeatingThread> sweeper;
  std::unique_ptr<RepeatingThread> reaper;
  RecoveryReport report;
  std::string directory;
  std::string store_id;
  RandomSource* random = nullptr;
  Clock* clock = nullptr;
  LmdbEnvironment* environment = nullptr;  // the sessions'

  Mutex key_mu;  // held while the key-encryption key changes, or a backup is made under it
  KeySource key ABSL_GUARDED_BY(key_mu);

  absl::Status StartThreads(const Options& options) try {
    const absl::Duration sweep_every = options.sweep_every;
    if (sweep_every != absl::InfiniteDuration()) {
      sweeper = std::make_unique<RepeatingThread>(sweep_every, [this, sweep_every] {
        // What fails is tried again next time: until then the store answers as if it were done.
        const absl::StatusOr<Swept> swept = sessions->Sweep();
        const absl::StatusOr<ResealProgress> resealed = sessions->Reseal();
        const bool more = (swept.ok() && swept->more) || (resealed.ok() && resealed->is_rotating);
        return more ? absl::ZeroDuration() : sweep_every;
      });
    }
    const absl::Duration reap_every = options.streams.WithDefaults().reap_every;
    if (reap_every != absl::InfiniteDuration()) {
      reaper = std::make_unique<RepeatingThread>(reap_every, [this, reap_every] {
        streams->Reap();
        return reap_every;
      });
    }
    return absl::OkStatus();
  } catch (const std::system_error&) {
    return Refuse(Verdict::kTooMany,
                  "there is no thread left to sweep the store, or to reap its streams");
  }

  // A forked child has no such threads, but perhaps their locks as they were held then.
  void StopThreads() {
    if (guard->in_child) return;
    if (sweeper != nullptr) sweeper->Stop();
    if (reaper != nullptr) reaper->Stop();
  }
};

Store::Store(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Store::~Store() {
  if (parts_->guard->in_child) {
    (void)parts_.release();  // the parent's threads may hold any of its locks
    return;
  }
  (void)Close();
}

SessionStore& Store::sessions() { return *parts_->sessions; }

StreamRegistry& Store::streams() { return *parts_->streams; }

const RecoveryReport& Store::report() const { return parts_->report; }

absl::Status Store::RotateKeyEncryptionKey(const KeySource& next) try {
  BATONSTORE_RETURN_IF_ERROR(sessions().stream_host().Usable());
  MutexLock lock(parts_->key_mu);
  if (next) {
    BATONSTORE_ASSIGN_OR_RETURN(SecretBytes key, next(parts_->store_id));
    KeySource changed(key);
    BATONSTORE_RETURN_IF_ERROR(sessions().ChangeKeyEncryptionKey(std::move(key)));
    parts_->key = std::move(changed);
    return absl::OkStatus();
  }
  SecretBytes key = RandomSecret(*parts_->random, kKeyEncryptionKeyBytes);
  const std::string file = NextDefaultKeyFile(parts_->directory);
  std::error_code ignored;
  fs::remove(file, ignored);  // left by one that failed
  BATONSTORE_RETURN_IF_ERROR(WriteKeyFile(file, key));
  BATONSTORE_RETURN_IF_ERROR(SyncEntries(parts_->directory));
  KeySource source(key);
  const absl::Status changed = sessions().ChangeKeyEncryptionKey(std::move(key));
  if (changed.ok()) {
    parts_->key = std::move(source);
    return PublishNextDefaultKey(parts_->directory);
  }
  // An unknown outcome leaves both; the next opening finds out which it is.
  if (VerdictOf(changed) != Verdict::kPoisoned) fs::remove(file, ignored);
  return changed;
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::StatusOr<BackupReport> Store::Backup(const std::string& file,
                                           const VerifyProgress& progress) try {
  BATONSTORE_RETURN_IF_ERROR(sessions().stream_host().Usable());
  MutexLock lock(parts_->key_mu);
  return WriteBackup(*parts_->environment, parts_->key, file, *parts_->clock, progress);
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::Status Store::Close() {
  parts_->StopThreads();
  parts_->streams->Shut();
  absl::Status closed = parts_->sessions->Close();
  parts_->lock->Release();
  return closed;
}

absl::StatusOr<std::unique_ptr<Store>> Open(const Options& options) try {
  BATONSTORE_RETURN_IF_ERROR(CheckOptions(options));
  const absl::Duration began = options.clock->SinceBoot();
  BATONSTORE_RETURN_IF_ERROR(CreateIfMissing(options));
  BATONSTORE_ASSIGN_OR_RETURN(OpenedFolder opened, OpenFolder(options, StoreLock::Role::kOwner));
  std::string store_id = opened.identity.store_id;
  KeySource key(opened.key_encryption_key);
  BATONSTORE_ASSIGN_OR_RETURN(
      RecoveryPass::Result result,
      RecoveryPass::Run({std::move(opened.engine), std::move(opened.identity),
                         std::move(opened.key_encryption_key), options.clock, options.random}));
  auto parts = std::make_unique<Store::Parts>();
  parts->directory = options.directory;
  parts->store_id = std::move(store_id);
  parts->random = options.random;
  parts->clock = options.clock;
  parts->environment = opened.environment;
  {
    MutexLock lock(parts->key_mu);
    parts->key = std::move(key);
  }
  parts->guard = std::move(opened.guard);
  parts->lock = std::move(opened.lock);
  parts->report = std::move(result.report);
  parts->report.verified = opened.verified;
  parts->report.extended = opened.extended;
  parts->report.duration = options.clock->SinceBoot() - began;
  parts->sessions = std::make_unique<SessionStore>(std::move(result.recovered), *options.key_pairs,
                                                   options.policy);
  parts->streams = std::make_unique<StreamRegistry>(parts->sessions->stream_host(), *options.clock,
                                                    options.streams);
  BATONSTORE_RETURN_IF_ERROR(parts->StartThreads(options));
  return std::unique_ptr<Store>(new Store(std::move(parts)));
} catch (const std::bad_alloc&) {
  return NoMemory();
}

struct Observer::Parts {
  std::unique_ptr<ForkGuard> guard;
  std::unique_ptr<StoreLock> lock;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<StoreKeys> keys;
  std::unique_ptr<FollowedKeys> followed;
  std::unique_ptr<StoreTime> time;
  std::unique_ptr<IndexTail> tail;
  std::unique_ptr<SessionReader> sessions;
};

Observer::Observer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Observer::~Observer() {
  if (parts_->guard->in_child) {
    (void)parts_.release();
    return;
  }
  parts_->engine->Shut(Verdict::kClosed);
  parts_->engine->Close();
}

const SessionReader& Observer::sessions() const { return *parts_->sessions; }

absl::StatusOr<std::unique_ptr<Observer>> OpenReadOnly(const Options& options) try {
  BATONSTORE_RETURN_IF_ERROR(CheckOptions(options));
  BATONSTORE_ASSIGN_OR_RETURN(const Folder folder, LookAt(options.directory));
  if (folder == Folder::kAbsent) {
    return Refuse(Verdict::kNotFound, absl::StrCat("there is no store in ", options.directory));
  }
  BATONSTORE_ASSIGN_OR_RETURN(OpenedFolder opened, OpenFolder(options, StoreLock::Role::kObserver));
  auto parts = std::make_unique<Observer::Parts>();
  parts->guard = std::move(opened.guard);
  parts->lock = std::move(opened.lock);
  parts->engine = std::move(opened.engine);
  parts->keys = std::move(opened.identity.keys);
  parts->followed = std::make_unique<FollowedKeys>(*parts->keys, opened.identity.store_id,
                                                   std::move(opened.key_encryption_key));
  parts->time = std::make_unique<StoreTime>(*options.clock, opened.identity.last_time);
  parts->tail = std::make_unique<IndexTail>();
  parts->sessions = std::make_unique<SessionReader>(*parts->engine, *parts->keys, *parts->time,
                                                    *parts->tail, SessionReader::Tail::kLagsBehind,
                                                    Policy(), parts->followed.get());
  return std::unique_ptr<Observer>(new Observer(std::move(parts)));
} catch (const std::bad_alloc&) {
  return NoMemory();
}

}  // namespace batonstore::recovery
