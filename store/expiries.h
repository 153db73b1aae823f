// Rows of `expiries`: when a sweep has to look at a session, soonest first. A live session stands
// at its deadline, an ended one where its retention ends; who never comes due has no row.

#ifndef BATONSTORE_STORE_EXPIRIES_H_
#define BATONSTORE_STORE_EXPIRIES_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/engine.h"

namespace batonstore {

struct Expiry {
  absl::Time at;
  Alias alias;
};

absl::Status PutExpiry(Transaction& transaction, const Expiry& expiry);
absl::Status DeleteExpiry(Transaction& transaction, const Expiry& expiry);

// The one that is due soonest.
absl::StatusOr<std::optional<Expiry>> FirstExpiry(Snapshot& snapshot);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_EXPIRIES_H_
