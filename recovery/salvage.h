// What can still be read of a damaged store, in a new one.
//
//   recovery::Salvage({.file = "/var/lib/service/sessions/data.mdb",
//                      .directory = "/var/lib/service/salvaged",
//                      .key_encryption_key = recovery::KeyFromFile(
//                          "/var/lib/service/sessions/key")});
//
// A backup that is sound is better than this: try recovery::Restore first.

#ifndef BATONSTORE_RECOVERY_SALVAGE_H_
#define BATONSTORE_RECOVERY_SALVAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/recovery/verify_file.h"

namespace batonstore::recovery {

struct SalvageRequest {
  std::string file = {};  // the damaged data file, or backup; nobody may write it meanwhile

  // The new store: must not exist or be an empty folder, as for Options::directory.
  std::string directory = {};

  // The key-encryption key of the damaged store. Required.
  KeySource key_encryption_key = nullptr;

  // What the new store opens with: by default a new random key in its file `key`.
  KeySource next_key_encryption_key = nullptr;

  // A page that is an older version of itself is as authentic as any: on it, who was revoked since
  // is live. So sessions stay live only if the root row shows that all of them, and all marks of a
  // RevokeAll, are there as they were written last; else they are revoked. With this they stay
  // live all the same.
  bool keep_doubtful = false;

  VerifyProgress progress = nullptr;
  Clock* clock = &SystemClock();
  RandomSource* random = &SystemRandom();
};

struct SalvageReport {
  uint64_t sessions = 0;      // in the new store
  uint64_t revoked = 0;       // of these, live ones that might have been revoked before
  std::vector<Finding> lost;  // the first kMaxFindings; a damaged page stands for all its rows
  uint64_t losses = 0;        // all of them
};

// Reads every table of the last snapshot page by page, passes over what is damaged, and puts the
// rest into a new store: sessions with their private keys, attributes (their versions start again)
// and idle clocks, marks of RevokeAlls, and compensations. What was Reserved becomes a
// compensation. Indexes, counts and groups follow from the sessions; consumers of events have to be
// added again. The store is another incarnation, as one that is restored: every baton of before is
// LOST. It is verified before it is published by one rename.
//   EXISTS       something lies in the new place already
//   CORRUPT      the last snapshot, or the rows of `meta` with the keys, cannot be read at all
//   WRONG_KEY, WRONG_FORMAT, NOT_FOUND, INVALID, IO, TOO_MANY (memory)
// In each case there is no store afterwards. The file is only read.
absl::StatusOr<SalvageReport> Salvage(const SalvageRequest& request);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_SALVAGE_H_
