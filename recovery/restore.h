// A store made of a backup (backup.h).
//
//   recovery::Restore({.file = "/backups/sessions-2027-01-15",
//                      .directory = "/var/lib/service/sessions",
//                      .key_encryption_key = recovery::KeyFromFile("/keys/of-the-backup")});

#ifndef BATONSTORE_RECOVERY_RESTORE_H_
#define BATONSTORE_RECOVERY_RESTORE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/recovery/verify_file.h"

namespace batonstore::recovery {

struct RestoreRequest {
  std::string file = {};

  // The new store: must not exist or be an empty folder, as for Options::directory.
  std::string directory = {};

  // The key-encryption key that the store had when the backup was made. Required.
  KeySource key_encryption_key = nullptr;

  // What the restored store opens with: by default a new random key in its file `key`.
  KeySource next_key_encryption_key = nullptr;

  // Revokes every session of the backup. A backup does not know who has been revoked since.
  bool revoke_everything = false;

  VerifyProgress progress = nullptr;
  Clock* clock = &SystemClock();
  RandomSource* random = &SystemRandom();
};

struct RestoreReport {
  uint64_t sessions = 0;
  uint64_t revoked = 0;
};

// Makes a store of a backup, beside its place, and publishes it by one rename. It is another
// incarnation of the store: sessions are what they were, every baton of before is LOST, and it
// takes SessionStore::Issue to go on. What was Reserved is removed by its first opening.
//   EXISTS       something lies there already; nothing of it is touched
//   CORRUPT      the file is cut off, reordered, or damaged otherwise
//   WRONG_KEY, WRONG_FORMAT, NOT_FOUND, INVALID (no key), IO
// In each case there is no store afterwards, and the file is as it was.
absl::StatusOr<RestoreReport> Restore(const RestoreRequest& request);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_RESTORE_H_
