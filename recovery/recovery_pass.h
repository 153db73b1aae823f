// What happens between opening a store's file and serving from it: the epoch rises, and everything
// that an earlier owner left Reserved is removed.

#ifndef BATONSTORE_RECOVERY_RECOVERY_PASS_H_
#define BATONSTORE_RECOVERY_RECOVERY_PASS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/recovered.h"
#include "batonstore/store/session.h"

namespace batonstore::recovery {

// A reservation whose owner ended before it was created. One with an intent is also kept as a
// compensation (SessionReader::PendingCompensations), until the caller has undone the outside half.
struct RemovedReservation {
  Alias alias;
  uint64_t epoch = 0;  // of the owner that reserved it
  std::string principal;
  std::string database;
  std::string intent;
};

struct RecoveryReport {
  uint64_t epoch = 0;                       // of this opening; 1 for the first
  bool crashed = false;                     // the last owner did not close the store
  std::vector<RemovedReservation> removed;  // in the order of their creation
  int readers_cleared = 0;                  // reader slots of dead processes
  uint64_t reindexed = 0;                   // of the newest sessions, put into the index's tail
  bool verified = false;                    // the file was looked through first, and is sound
  bool extended = false;                    // the file was short, sound, and made long again
  absl::Duration duration;                  // of the whole opening
};

class RecoveryPass {
 public:
  struct Inputs {
    std::unique_ptr<Engine> engine;
    Identity identity;
    SecretBytes key_encryption_key;
    Clock* clock;          // must outlive the store
    RandomSource* random;  // must outlive the store
  };
  struct Result {
    Recovered recovered;
    RecoveryReport report;
  };

  // In one transaction: raises the epoch and removes every reservation of an earlier one with all
  // its other rows; intents become compensations. Costs O(reserved), not O(sessions), and before
  // it reads the newest sessions' records (IndexRules says how many at the most). Run again, it
  // finds nothing left to remove. An error leaves the store as it was (after a crash in the middle,
  // too); POISONED leaves open which, and the next opening settles it.
  static absl::StatusOr<Result> Run(Inputs inputs);
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_RECOVERY_PASS_H_
