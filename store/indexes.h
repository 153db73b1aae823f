// The questions that an alias does not answer: who has this public key, whose sessions are these,
// on which database, who belongs to this group, what did this request make. Table and tail
// (index_entry.h) answer as one.

#ifndef BATONSTORE_STORE_INDEXES_H_
#define BATONSTORE_STORE_INDEXES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/population.h"
#include "batonstore/store/session.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// A question to a deferred index: whose sessions have this hash?
struct IndexQuestion {
  Table table = Table::kPublicKeys;
  uint64_t hash = 0;
  Alias from = {};  // only these and later ones
  size_t most = 4;  // of the tail; where one hash has one session, it is enough

  std::vector<Alias> newer = {};  // what the tail answers
};

// Stateless but for the keys and the tail, so thread-safe. Both must outlive it.
class Indexes {
 public:
  Indexes(const StoreKeys& keys, IndexTail& tail) : keys_(keys), tail_(tail) {}

  // All index entries of one session, in the transaction that inserts or removes its record.
  absl::Status Insert(Transaction& transaction, const SessionRecord& record) const;
  absl::Status Remove(Transaction& transaction, const SessionRecord& record) const;

  // Counts a session out of its principal's and its database's population: in the transaction that
  // ends it, or removes it live. Insert counts it in.
  absl::Status CountOut(Transaction& transaction, const Session& session) const;

  // How many of a principal's or database's sessions are live, merged or not.
  absl::StatusOr<Population> CountLive(Snapshot& snapshot, const Scope& scope) const;

  // Notes which is the oldest of them.
  absl::Status RaiseOldest(Transaction& transaction, const Scope& scope, Alias oldest) const;

  // ---- Looking up. A candidate has the hash; compare the whole key with its record's. ----

  IndexQuestion OfPublicKey(absl::string_view public_key) const;
  IndexQuestion OfPrincipal(absl::string_view principal, Alias from, size_t most) const;
  IndexQuestion OfDatabase(absl::string_view database, Alias from, size_t most) const;
  IndexQuestion OfIdempotencyKey(absl::string_view principal, absl::string_view key) const;

  // Has the tail answer. Who is not the writer does this after its snapshot begins, and again with
  // another snapshot if entries have disappeared from the tail since before that (index_tail.h).
  void AskTail(IndexQuestion& question) const;

  // Candidates in the order of creation, until `visit` says false. Where the tail had as many as
  // were asked for, there may be more after them. REQUIRES: AskTail.
  static absl::Status Answer(Snapshot& snapshot, const IndexQuestion& question,
                             absl::FunctionRef<bool(Alias)> visit);

  // Both, for the writer: all candidates.
  absl::Status Scan(Transaction& transaction, IndexQuestion question,
                    absl::FunctionRef<bool(Alias)> visit) const;

  // Whether a session has that public key, or one of the same hash.
  absl::StatusOr<bool> HasPublicKey(Transaction& transaction, absl::string_view public_key) const;

  // Takes a session's idempotency key out, as when it moves to another.
  absl::Status RemoveIdempotencyKey(Transaction& transaction, const SessionRecord& record) const;

  // ---- Groups ----

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
  static absl::Status Remove(Transaction& transaction, IndexTail& tail, const IndexMark& mark,
                             const IndexEntry& entry);
  absl::Status JoinGroup(Transaction& transaction, Alias group, Alias member) const;

  const StoreKeys& keys_;
  IndexTail& tail_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_INDEXES_H_
