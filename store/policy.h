// What a store allows and how long it remembers: the rules that an operator sets.

#ifndef BATONSTORE_STORE_POLICY_H_
#define BATONSTORE_STORE_POLICY_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "batonstore/store/refusals.h"

namespace batonstore {

// How many sessions there may be. What counts towards the first three is live: Reserved, Created or
// InUse, and neither past its deadline nor covered by a RevokeAll. The counts are exact, checked in
// the transaction that inserts, whatever the concurrency and over restarts. 0 is no limit.
struct Limits {
  uint64_t per_principal = 0;
  uint64_t per_database = 0;
  uint64_t per_store = 0;

  // Sessions of one group, ended ones included: of a group's sessions only one can be live.
  // Checking it costs as much as the limit is large.
  uint64_t per_group = 0;

  // At a limit: refuse with TOO_MANY, or revoke the oldest live session that stands in the way, in
  // the same transaction. A group's limit always refuses, since revoking frees no place in it.
  enum class AtLimit : uint8_t { kRefuse, kRevokeOldest };
  AtLimit at_limit = AtLimit::kRefuse;
};

// Rules of turns on sessions: session_turn.h.
struct TurnRules {
  // Longer replies are refused with INVALID. kMaxReplyBytes at the most. Every read of a session
  // with an idle timeout unseals the reply that is kept for it, so short ones serve better.
  size_t max_reply_bytes = size_t{64} << 10;

  // What follows when a client presents a baton that has been used with another request (REUSED),
  // or an older one (REPLAYED), and principal and database fit: somebody has copied the baton, or
  // the client is confused. Refuse it, and no more; or revoke the session, or all sessions of its
  // group, in which case the client that holds the current baton has to log in again too.
  enum class OnReplay : uint8_t { kRefuse, kRevokeSession, kRevokeGroup };
  OnReplay on_replay = OnReplay::kRefuse;
};

// How far the indexes by public key, principal, database and idempotency key lag behind:
// index_entry.h. The newest sessions are found in memory; opening a store reads their records
// again, at some 1 us a session. Nothing is lost or seen differently by any choice of these.
struct IndexRules {
  // When that many sessions are in memory, or that part of the store's sessions, if this is more,
  // they begin to be merged; half as many come in while that is under way. So with 10,000,000
  // sessions at most 470,000 are in memory: 140 MB, and one second of an opening.
  uint64_t min_tail = 16'384;
  uint64_t tail_share = 32;  // at least 1

  // Entries that one commit merges, beside its own work: at least 1. A session has three of them or
  // four.
  uint64_t slice = 4'096;
};

inline constexpr size_t kMaxReplyBytes = size_t{1} << 20;

struct Policy {
  Limits limits = {};

  // How long Revoked and Expired sessions can be told apart, from when they ended; a sweep then
  // removes them, and they are NOT_FOUND. The first session of a group stays as long as there are
  // others. absl::InfiniteDuration() keeps all.
  absl::Duration retention = absl::Hours(24 * 30);

  TurnRules turns = {};

  IndexRules indexes = {};

  RefusalRules refusals = {};
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_POLICY_H_
