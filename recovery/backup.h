// Backups: a copy of one snapshot of a store in one file, of which restore.h makes a store again.
//
//   (*store)->Backup("/backups/sessions-2027-01-15");                     // while it serves
//   recovery::Backup({.directory = "/var/lib/service/sessions", .file = ...});  // beside its owner
//
// A backup is sealed as the store is, and holds no key-encryption key: keep that elsewhere, for as
// long as the backup is to be of use. Where the store has the default key, that is its file `key`.

#ifndef BATONSTORE_RECOVERY_BACKUP_H_
#define BATONSTORE_RECOVERY_BACKUP_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "batonstore/base/clock.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/store/lmdb_environment.h"

namespace batonstore::recovery {

struct BackupReport {
  uint64_t transaction_id = 0;  // of the snapshot
  uint64_t sessions = 0;
  uint64_t bytes = 0;
};

struct BackupRequest {
  std::string directory = {};
  std::string file = {};  // must not exist; its folder must

  // As Options::key_encryption_key. It is needed to verify the copy.
  KeySource key_encryption_key = nullptr;

  VerifyProgress progress = nullptr;
  Clock* clock = &SystemClock();
};

// Copies one snapshot of a store, which nobody owns or another process serves meanwhile, syncs the
// copy, verifies it, and gives it its name only then: at every instant there is no file of that
// name, or a backup that is sound and on the disk. The owner's file keeps the snapshot's pages
// until the copy is made.
//   EXISTS       there is a file of that name
//   NOT_FOUND    there is no store, or no folder for the file
//   CORRUPT      the store is damaged: Verify says where
//   and what Verify may say (verify.h)
absl::StatusOr<BackupReport> Backup(const BackupRequest& request);

// The same of an environment that is open. `key` must be the snapshot's.
absl::StatusOr<BackupReport> WriteBackup(LmdbEnvironment& environment, const KeySource& key,
                                         const std::string& file, Clock& clock,
                                         const VerifyProgress& progress);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_BACKUP_H_
