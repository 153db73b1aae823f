// Rows of `revoked`: the mark that a RevokeAll leaves. One row revokes any number of sessions at
// once: all of a principal's with an alias up to the last one given. It is honoured by every read
// until a sweep has shredded what it covers, and then dropped.

#ifndef BATONSTORE_STORE_REVOCATIONS_H_
#define BATONSTORE_STORE_REVOCATIONS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

struct Revocation {
  uint64_t principal = 0;  // the hash
  Alias covered;           // the last alias that it covers
  RevocationRecord record;
};

absl::Status PutRevocation(Transaction& transaction, const StoreKeys& keys,
                           const Revocation& revocation);
absl::Status DeleteRevocation(Transaction& transaction, const Revocation& revocation);

// The first one that covers the session: a later one does not change when it was revoked. Costs
// next to nothing while the table is empty, as it mostly is.
absl::StatusOr<std::optional<Revocation>> FindRevocation(Snapshot& snapshot, const StoreKeys& keys,
                                                         const Session& session);

// The principal's last one.
absl::StatusOr<std::optional<Revocation>> LastRevocation(Snapshot& snapshot, const StoreKeys& keys,
                                                         absl::string_view principal);

// Any one that is left to be worked off.
absl::StatusOr<std::optional<Revocation>> FirstRevocation(Snapshot& snapshot,
                                                          const StoreKeys& keys);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_REVOCATIONS_H_
