// Entries of the deferred indexes: what a session is found by, beside its alias.
//
// All of these tables have one shape: a hash, and below it the aliases of the sessions that have
// it, in the order of their creation. Hashes lie at random, and a commit that writes at random
// places costs a page for each of them. So a new session's entries stay in memory at first, in the
// tail (index_tail.h), and are merged into the tables in the order of the keys, many at a time
// (index_merge.h). They follow from the sessions' records, so that nothing is lost with the memory.

#ifndef BATONSTORE_STORE_INDEX_ENTRY_H_
#define BATONSTORE_STORE_INDEX_ENTRY_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

struct IndexEntry {
  Table table = Table::kMeta;  // one for which IsDeferred
  uint64_t hash = 0;
  Alias alias;

  std::string Key() const;  // of its row, which has no value

  friend auto operator<=>(const IndexEntry&, const IndexEntry&) = default;
};

using IndexEntries = absl::InlinedVector<IndexEntry, 4>;

// Those of one session. They never change while it lives, but for that of the idempotency key,
// which moves to a new identity.
IndexEntries EntriesOf(const StoreKeys& keys, const SessionRecord& record);
IndexEntry PrincipalEntry(const StoreKeys& keys, const Session& session);
IndexEntry DatabaseEntry(const StoreKeys& keys, const Session& session);
IndexEntry IdempotencyEntry(const StoreKeys& keys, const SessionRecord& record);

// The first 8 bytes of a public key's SHA-256.
uint64_t HashPublicKey(absl::string_view public_key);

// How far the entries are in the tables: those of all sessions up to `done` and, while a pass is
// under way, of the sessions up to `target` those up to `cursor`. A row of `meta` says so, moved in
// the transaction of each slice of a pass; so of the entries of one hash, those in the table are
// always older than those that are not.
struct IndexMark {
  Alias done;
  Alias target;       // of the pass under way; else the same as `done`
  IndexEntry cursor;  // of the pass under way

  bool IsMerging() const { return target != done; }
  bool Covers(const IndexEntry& entry) const {
    return entry.alias <= done || (entry.alias <= target && entry <= cursor);
  }

  friend bool operator==(const IndexMark&, const IndexMark&) = default;
};
inline constexpr size_t kIndexMarkBytes = 33;
std::string EncodeIndexMark(const IndexMark& mark);
// Nothing when the bytes are not a mark.
std::optional<IndexMark> DecodeIndexMark(absl::string_view bytes);

// CORRUPT when it is missing or does not parse.
absl::StatusOr<IndexMark> GetIndexMark(Snapshot& snapshot);
absl::Status PutIndexMark(Transaction& transaction, const IndexMark& mark);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_INDEX_ENTRY_H_
