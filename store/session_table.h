// Sessions as rows: each change of one with all that follows from it (indexes, counts, deadlines,
// attributes, compensations, events), inside a caller's transaction. What may be changed is the
// caller's to decide; that nothing is forgotten is decided here.

#ifndef BATONSTORE_STORE_SESSION_TABLE_H_
#define BATONSTORE_STORE_SESSION_TABLE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/event.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/indexes.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// A session's rows, and what they make it count as at one moment.
struct StoredSession {
  SessionRecord record;
  std::optional<ReservationRecord> reservation;  // of what is stored as Reserved
  std::optional<TurnRecord> turn;                // of what is live and has an idle timeout: TurnOf
  absl::Time due;  // the deadline of what is stored as live: its row in `expiries`

  State state = State::kReserved;  // what it counts as, by deadlines and RevokeAlls
  absl::Time deadline;             // when it ends, or has ended

  Alias alias() const { return record.session.alias; }
  bool is_stored_live() const { return !IsTerminal(record.session.state); }
  bool was_created() const { return !reservation.has_value() && !record.never_created; }

  // What callers see.
  Session Seen() const&;
  Session Seen() &&;
};

// OK for a session that can be used; else what stands in the way: MOVED, REVOKED, EXPIRED, and for
// CheckUsable also RESERVED.
absl::Status CheckUsable(const StoredSession& session, absl::Time now);
absl::Status CheckNotEnded(const StoredSession& session, absl::Time now);

// NOT_FOUND, for an alias that no session has.
absl::Status NoSession(Alias alias);

// MOVED while an old identity still tells the new one.
absl::Status CheckNotMoved(const StoredSession& session, absl::Time now);

// Whether a session has an idle timeout, and using it now would move its deadline by enough to be
// written down: SessionSpec::idle_timeout.
bool IsWorthTouching(const StoredSession& session, absl::Time now);

// Stateless but for keys, tail and rules, so thread-safe. `keys` and `tail` must outlive it.
class SessionTable {
 public:
  SessionTable(const StoreKeys& keys, IndexTail& tail, const Policy& policy = {})
      : keys_(keys), policy_(policy), indexes_(keys, tail) {}

  // ---- Reading ----

  // Nothing when there is no such session.
  absl::StatusOr<std::optional<StoredSession>> Find(Snapshot& snapshot, Alias alias,
                                                    absl::Time now) const;

  // The same into `stored`, which is default-constructed; false when there is no such session.
  absl::StatusOr<bool> FindInto(Snapshot& snapshot, Alias alias, absl::Time now,
                                StoredSession& stored) const;

  // NOT_FOUND when there is no such session.
  absl::StatusOr<StoredSession> Get(Snapshot& snapshot, Alias alias, absl::Time now) const;

  // For an alias that another row names: CORRUPT when there is no such session.
  absl::StatusOr<StoredSession> GetNamed(Snapshot& snapshot, Alias alias, absl::Time now) const;

  // Adds to a record what the other rows say.
  absl::StatusOr<StoredSession> Complete(Snapshot& snapshot, SessionRecord record,
                                         absl::Time now) const;

  // How far the session's baton has rotated: its row of `turns`, or, without one, not yet.
  absl::StatusOr<TurnRecord> TurnOf(Snapshot& snapshot, const StoredSession& session) const;

  // ---- Writing. `now` is the moment of the change; events are written as it says. ----

  // Gives the record an alias that nobody has had, and the time of its creation.
  absl::Status TakeAlias(Transaction& transaction, SessionRecord& record, absl::Time now) const;

  // A new session, with its reservation if it is Reserved. As it is seen then.
  absl::StatusOr<Session> Insert(Transaction& transaction, const SessionRecord& record,
                                 const std::optional<ReservationRecord>& reservation,
                                 absl::Time now) const;

  // Reserved -> Created.
  absl::Status Create(Transaction& transaction, StoredSession& session, absl::Time now) const;

  // Live -> Revoked or Expired, at the moment `at`: shreds what is secret and lets the rest stand
  // as a tombstone. A reservation's intent becomes a compensation.
  absl::Status End(Transaction& transaction, StoredSession& session, State to, absl::Time at,
                   absl::Time now) const;

  // Whether a reservation that is removed leaves a compensation behind: not when its owner abandons
  // it, who knows what to undo.
  enum class Intent : uint8_t { kCompensate, kForget };
  absl::Status RemoveReservation(Transaction& transaction, const StoredSession& session,
                                 Intent intent, absl::Time now) const;

  // The end of a tombstone.
  absl::Status RemoveEnded(Transaction& transaction, const StoredSession& session,
                           absl::Time now) const;

  // Writes down what the session counts as, if its record does not say so yet: whatever has run out
  // is ended or removed. False if there was nothing to settle.
  absl::StatusOr<bool> Settle(Transaction& transaction, StoredSession& session,
                              absl::Time now) const;

  // Starts the idle clock anew.
  // REQUIRES: the session is Created and has an idle timeout.
  absl::Status Touch(Transaction& transaction, StoredSession& session, absl::Time now) const;

  // The session's row of `turns`, and the deadline that follows from its idle clock.
  absl::Status PutTurn(Transaction& transaction, StoredSession& session, TurnRecord turn) const;

  // The record alone, after a change that nothing else follows from.
  absl::Status Update(Transaction& transaction, const SessionRecord& record) const;

  absl::Status Tell(Transaction& transaction, EventType type, const Session& session,
                    absl::Time now, Alias other = Alias(), absl::string_view detail = "") const;

  const Indexes& indexes() const { return indexes_; }
  const StoreKeys& keys() const { return keys_; }
  const Policy& policy() const { return policy_; }

 private:
  absl::Status CompleteInto(Snapshot& snapshot, absl::Time now, StoredSession& stored) const;
  absl::Status CountOut(Transaction& transaction, const Session& session) const;
  absl::Status RemoveRows(Transaction& transaction, const StoredSession& session,
                          absl::Time now) const;
  absl::Status Compensate(Transaction& transaction, const StoredSession& session,
                          absl::Time now) const;

  const StoreKeys& keys_;
  const Policy policy_;
  const Indexes indexes_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SESSION_TABLE_H_
