// The questions that an alias does not answer: who has this public key, whose sessions are these,
// on which database, who belongs to this group, what did this request make. All writing and reading
// of index rows happens here, so that an index can change how it keeps them without the store
// noticing.

#ifndef BATONSTORE_STORE_INDEXES_H_
#define BATONSTORE_STORE_INDEXES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/session.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Stateless but for the keys, so thread-safe. `keys` must outlive it.
class Indexes {
 public:
  explicit Indexes(const StoreKeys& keys) : keys_(keys) {}

  // All index rows of one session, in the transaction that inserts or removes its record.
  absl::Status Insert(Transaction& transaction, const SessionRecord& record) const;
  absl::Status Remove(Transaction& transaction, const SessionRecord& record) const;

  // The one session that may have this public key. A candidate: the first 8 bytes of the key's
  // SHA-256 are the same; compare the whole key with the record.
  absl::StatusOr<std::optional<Alias>> FindPublicKey(Snapshot& snapshot,
                                                     absl::string_view public_key) const;

  // Candidates for the principal's sessions with an alias of at least `from`, in the order of
  // creation, until `visit` says false. Another principal may share the hash: compare the record's.
  absl::Status ScanPrincipal(Snapshot& snapshot, absl::string_view principal, Alias from,
                             absl::FunctionRef<bool(Alias)> visit) const;

  // The same by the hash of the principal.
  static absl::Status ScanPrincipalHash(Snapshot& snapshot, uint64_t hash, Alias from,
                                        absl::FunctionRef<bool(Alias)> visit);

  // The same for a database.
  absl::Status ScanDatabase(Snapshot& snapshot, absl::string_view database, Alias from,
                            absl::FunctionRef<bool(Alias)> visit) const;

  // The session that may have been made by this request of this principal. A candidate: compare.
  absl::StatusOr<std::optional<Alias>> FindIdempotencyKey(Snapshot& snapshot,
                                                          absl::string_view principal,
                                                          absl::string_view key) const;

  // The members that were linked to the group's first session, in the order of linking; the first
  // session itself is not among them.
  absl::StatusOr<std::vector<Alias>> LinkedMembers(Snapshot& snapshot, Alias group) const;

  // The last of them, in O(1).
  absl::StatusOr<std::optional<Alias>> LastLinked(Snapshot& snapshot, Alias group) const;

  // How many they are, counted up to `most`.
  absl::StatusOr<uint64_t> CountLinked(Snapshot& snapshot, Alias group, uint64_t most) const;

  // Takes a linked member out of its group, as when another takes its place.
  absl::Status LeaveGroup(Transaction& transaction, Alias group, Alias member) const;

 private:
  absl::Status JoinGroup(Transaction& transaction, Alias group, Alias member) const;

  const StoreKeys& keys_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_INDEXES_H_
