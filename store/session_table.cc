#include "batonstore/store/session_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/attribute_rows.h"
#include "batonstore/store/expiries.h"
#include "batonstore/store/outbox.h"
#include "batonstore/store/population.h"
#include "batonstore/store/reservations.h"
#include "batonstore/store/revocations.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

void MakeSeen(Session& session, State state, absl::Time deadline) {
  session.state = state;
  session.deadline = deadline;
  if (state == State::kRevoked) session.revoked_at = deadline;
}

// How far a touch has to move the deadline before it is written down: a sixteenth to an eighth of
// the idle timeout, spread evenly over the sessions.
absl::Duration WorthWriting(const Session& session) {
  const uint64_t spread = (session.alias.value() * 0x9E3779B97F4A7C15u) >> 48;  // Knuth's hash
  return session.idle_timeout / 16 * (1 + static_cast<double>(spread) / (1 << 16));
}

// As it will be read back.
absl::Time Stored(absl::Time time) { return DecodeTime(EncodeTime(time)); }

}  // namespace

Session StoredSession::Seen() const& {
  Session seen = record.session;
  MakeSeen(seen, state, deadline);
  return seen;
}

Session StoredSession::Seen() && {
  MakeSeen(record.session, state, deadline);
  return std::move(record.session);
}

absl::Status NoSession(Alias alias) {
  return Refuse(Verdict::kNotFound, absl::StrCat("no session has the alias ", alias.ToString()));
}

absl::Status CheckNotMoved(const StoredSession& session, absl::Time now) {
  const bool tells = session.record.moved_to != Alias() && now < session.record.redirect_until;
  return tells ? Moved(session.alias(), session.record.moved_to) : absl::OkStatus();
}

absl::Status CheckNotEnded(const StoredSession& session, absl::Time now) {
  switch (session.state) {
    case State::kRevoked:
      BATONSTORE_RETURN_IF_ERROR(CheckNotMoved(session, now));
      return Refuse(Verdict::kRevoked, "the session was revoked");
    case State::kExpired:
      return Refuse(Verdict::kExpired, "the session has expired");
    case State::kReserved:
    case State::kCreated:
    case State::kInUse:
      return absl::OkStatus();
  }
  return Refuse(Verdict::kCorrupt, "the session's state is none");
}

absl::Status CheckUsable(const StoredSession& session, absl::Time now) {
  BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(session, now));
  if (session.state != State::kReserved) return absl::OkStatus();
  return Refuse(Verdict::kReserved, "the session is reserved and not created yet");
}

bool IsWorthTouching(const StoredSession& session, absl::Time now) {
  const Session& stored = session.record.session;
  if (!session.turn.has_value()) return false;
  const absl::Time due = std::min(stored.expires_at, now + stored.idle_timeout);
  return due - session.due >= WorthWriting(stored);
}

absl::StatusOr<std::optional<StoredSession>> SessionTable::Find(Snapshot& snapshot, Alias alias,
                                                                absl::Time now) const {
  std::optional<StoredSession> stored(std::in_place);
  BATONSTORE_ASSIGN_OR_RETURN(const bool found, FindInto(snapshot, alias, now, *stored));
  if (!found) stored.reset();
  return stored;
}

absl::StatusOr<bool> SessionTable::FindInto(Snapshot& snapshot, Alias alias, absl::Time now,
                                            StoredSession& stored) const {
  BATONSTORE_ASSIGN_OR_RETURN(const bool found,
                              GetSessionInto(snapshot, keys_, alias, stored.record));
  if (found) BATONSTORE_RETURN_IF_ERROR(CompleteInto(snapshot, now, stored));
  return found;
}

absl::StatusOr<StoredSession> SessionTable::Get(Snapshot& snapshot, Alias alias,
                                                absl::Time now) const {
  BATONSTORE_ASSIGN_OR_RETURN(std::optional<StoredSession> found, Find(snapshot, alias, now));
  if (found.has_value()) return *std::move(found);
  return NoSession(alias);
}

absl::StatusOr<StoredSession> SessionTable::GetNamed(Snapshot& snapshot, Alias alias,
                                                     absl::Time now) const {
  BATONSTORE_ASSIGN_OR_RETURN(std::optional<StoredSession> found, Find(snapshot, alias, now));
  if (found.has_value()) return *std::move(found);
  return Refuse(Verdict::kCorrupt, absl::StrCat("an index names the session ", alias.ToString(),
                                                ", which is gone; restore a backup"));
}

absl::StatusOr<StoredSession> SessionTable::Complete(Snapshot& snapshot, SessionRecord record,
                                                     absl::Time now) const {
  StoredSession stored;
  stored.record = std::move(record);
  BATONSTORE_RETURN_IF_ERROR(CompleteInto(snapshot, now, stored));
  return stored;
}

absl::Status SessionTable::CompleteInto(Snapshot& snapshot, absl::Time now,
                                        StoredSession& stored) const {
  const Session& session = stored.record.session;
  stored.state = session.state;
  if (IsTerminal(session.state)) {
    stored.deadline = *stored.record.ended_at;
    return absl::OkStatus();
  }
  stored.due = session.expires_at;
  if (session.state == State::kReserved) {
    BATONSTORE_ASSIGN_OR_RETURN(stored.reservation, GetReservation(snapshot, keys_, session.alias));
    if (!stored.reservation.has_value()) {
      return MissingRow(Table::kReservations, session.alias.ToKey());
    }
    stored.due = std::min(stored.due, stored.reservation->deadline);
  } else if (session.idle_timeout != absl::InfiniteDuration()) {
    BATONSTORE_ASSIGN_OR_RETURN(
        stored.turn, GetSealed(snapshot, keys_, Table::kTurns, session.alias.ToKey(), DecodeTurn));
    if (!stored.turn.has_value()) return MissingRow(Table::kTurns, session.alias.ToKey());
    stored.due = std::min(stored.due, stored.turn->last_used + session.idle_timeout);
  }
  stored.deadline = stored.due;
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Revocation> revocation,
                              FindRevocation(snapshot, keys_, session));
  if (revocation.has_value() && revocation->record.at < stored.due) {
    stored.state = State::kRevoked;
    stored.deadline = revocation->record.at;
  } else if (stored.due <= now) {
    stored.state = State::kExpired;
  }
  return absl::OkStatus();
}

absl::StatusOr<TurnRecord> SessionTable::TurnOf(Snapshot& snapshot,
                                                const StoredSession& session) const {
  if (session.turn.has_value()) return *session.turn;
  BATONSTORE_ASSIGN_OR_RETURN(
      std::optional<TurnRecord> turn,
      GetSealed(snapshot, keys_, Table::kTurns, session.alias().ToKey(), DecodeTurn));
  return std::move(turn).value_or(TurnRecord());
}

absl::Status SessionTable::TakeAlias(Transaction& transaction, SessionRecord& record,
                                     absl::Time now) const {
  Session& session = record.session;
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, GetMetaNumber(transaction, meta::kLastAlias));
  session.alias = Alias::Next(now, Alias(last));
  session.created_at = session.alias.time();
  // Unused by construction, and checked all the same: a row of meta carries no seal.
  BATONSTORE_ASSIGN_OR_RETURN(const auto taken,
                              transaction.Get(Table::kSessions, session.alias.ToKey()));
  if (taken.has_value() || session.alias.value() <= last) {
    return Refuse(Verdict::kCorrupt, absl::StrCat("the last alias given cannot be ",
                                                  Alias(last).ToString(), "; restore a backup"));
  }
  return PutMetaNumber(transaction, meta::kLastAlias, session.alias.value());
}

absl::StatusOr<Session> SessionTable::Insert(Transaction& transaction, const SessionRecord& record,
                                             const std::optional<ReservationRecord>& reservation,
                                             absl::Time now) const {
  const Session& session = record.session;
  absl::Time due = session.expires_at;
  if (reservation.has_value()) {
    BATONSTORE_RETURN_IF_ERROR(PutReservation(transaction, keys_, session.alias, *reservation));
    due = std::min(due, reservation->deadline);
  } else if (session.idle_timeout != absl::InfiniteDuration()) {
    const TurnRecord turn{Stored(now)};
    BATONSTORE_RETURN_IF_ERROR(
        PutSealed(transaction, keys_, Table::kTurns, session.alias.ToKey(), EncodeTurn(turn)));
    due = std::min(due, turn.last_used + session.idle_timeout);
  }
  BATONSTORE_RETURN_IF_ERROR(PutSession(transaction, keys_, record));
  BATONSTORE_RETURN_IF_ERROR(indexes_.Insert(transaction, record));
  BATONSTORE_RETURN_IF_ERROR(CountIn(transaction, StoreScope(), 1, session.alias));
  BATONSTORE_RETURN_IF_ERROR(PutExpiry(transaction, {due, session.alias}));
  BATONSTORE_RETURN_IF_ERROR(
      Tell(transaction, reservation.has_value() ? EventType::kReserved : EventType::kCreated,
           session, now));
  Session seen = session;
  MakeSeen(seen, seen.state, due);
  return seen;
}

absl::Status SessionTable::Create(Transaction& transaction, StoredSession& session,
                                  absl::Time now) const {
  Session& stored = session.record.session;
  stored.state = session.state = State::kCreated;
  session.reservation.reset();
  BATONSTORE_RETURN_IF_ERROR(
      transaction.Delete(Table::kReservations, session.alias().ToKey()).status());
  BATONSTORE_RETURN_IF_ERROR(PutSession(transaction, keys_, session.record));
  if (stored.idle_timeout != absl::InfiniteDuration()) {
    BATONSTORE_RETURN_IF_ERROR(Touch(transaction, session, now));
  } else if (session.due != stored.expires_at) {
    BATONSTORE_RETURN_IF_ERROR(DeleteExpiry(transaction, {session.due, session.alias()}));
    BATONSTORE_RETURN_IF_ERROR(PutExpiry(transaction, {stored.expires_at, session.alias()}));
  }
  session.due = session.deadline = session.turn.has_value() ? session.due : stored.expires_at;
  return Tell(transaction, EventType::kCreated, stored, now);
}

absl::Status SessionTable::End(Transaction& transaction, StoredSession& session, State to,
                               absl::Time at, absl::Time now) const {
  Session& stored = session.record.session;
  const std::string key = session.alias().ToKey();
  if (session.reservation.has_value()) {
    BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kReservations, key).status());
    BATONSTORE_RETURN_IF_ERROR(Compensate(transaction, session, now));
    session.record.never_created = true;
  }
  if (stored.state != State::kReserved) {
    BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kTurns, key).status());
  }
  at = Stored(at);
  BATONSTORE_RETURN_IF_ERROR(DeleteExpiry(transaction, {session.due, session.alias()}));
  BATONSTORE_RETURN_IF_ERROR(PutExpiry(transaction, {at + policy_.retention, session.alias()}));
  BATONSTORE_RETURN_IF_ERROR(DropAttributes(transaction, session.alias()).status());
  BATONSTORE_RETURN_IF_ERROR(CountOut(transaction, stored));
  stored.state = session.state = to;
  session.record.ended_at = session.deadline = at;
  session.record.sealed_private_key.clear();
  session.reservation.reset();
  session.turn.reset();
  BATONSTORE_RETURN_IF_ERROR(PutSession(transaction, keys_, session.record));
  return Tell(transaction, to == State::kRevoked ? EventType::kRevoked : EventType::kExpired,
              stored, now);
}

absl::Status SessionTable::RemoveReservation(Transaction& transaction, const StoredSession& session,
                                             Intent intent, absl::Time now) const {
  if (intent == Intent::kCompensate) {
    BATONSTORE_RETURN_IF_ERROR(Compensate(transaction, session, now));
  }
  BATONSTORE_RETURN_IF_ERROR(
      transaction.Delete(Table::kReservations, session.alias().ToKey()).status());
  BATONSTORE_RETURN_IF_ERROR(DeleteExpiry(transaction, {session.due, session.alias()}));
  BATONSTORE_RETURN_IF_ERROR(DropAttributes(transaction, session.alias()).status());
  BATONSTORE_RETURN_IF_ERROR(CountOut(transaction, session.record.session));
  return RemoveRows(transaction, session, now);
}

absl::Status SessionTable::RemoveEnded(Transaction& transaction, const StoredSession& session,
                                       absl::Time now) const {
  return RemoveRows(transaction, session, now);
}

absl::Status SessionTable::CountOut(Transaction& transaction, const Session& session) const {
  BATONSTORE_RETURN_IF_ERROR(indexes_.CountOut(transaction, session));
  return batonstore::CountOut(transaction, StoreScope());
}

absl::Status SessionTable::RemoveRows(Transaction& transaction, const StoredSession& session,
                                      absl::Time now) const {
  BATONSTORE_RETURN_IF_ERROR(
      transaction.Delete(Table::kSessions, session.alias().ToKey()).status());
  BATONSTORE_RETURN_IF_ERROR(indexes_.Remove(transaction, session.record));
  return Tell(transaction, EventType::kRemoved, session.record.session, now);
}

absl::StatusOr<bool> SessionTable::Settle(Transaction& transaction, StoredSession& session,
                                          absl::Time now) const {
  if (!session.is_stored_live() || !IsTerminal(session.state)) return false;
  const bool ran_out = session.state == State::kExpired;
  BATONSTORE_RETURN_IF_ERROR(ran_out && session.reservation.has_value()
                                 ? RemoveReservation(transaction, session, Intent::kCompensate, now)
                                 : End(transaction, session, session.state, session.deadline, now));
  return true;
}

absl::Status SessionTable::Touch(Transaction& transaction, StoredSession& session,
                                 absl::Time now) const {
  TurnRecord turn = session.turn.value_or(TurnRecord());
  turn.last_used = now;
  return PutTurn(transaction, session, std::move(turn));
}

absl::Status SessionTable::PutTurn(Transaction& transaction, StoredSession& session,
                                   TurnRecord turn) const {
  const Session& stored = session.record.session;
  turn.last_used = Stored(turn.last_used);
  BATONSTORE_RETURN_IF_ERROR(
      PutSealed(transaction, keys_, Table::kTurns, session.alias().ToKey(), EncodeTurn(turn)));
  absl::Time due = stored.expires_at;
  if (stored.idle_timeout != absl::InfiniteDuration()) {
    due = std::min(due, turn.last_used + stored.idle_timeout);
    session.turn = std::move(turn);
  }
  if (due != session.due) {
    BATONSTORE_RETURN_IF_ERROR(DeleteExpiry(transaction, {session.due, session.alias()}));
    BATONSTORE_RETURN_IF_ERROR(PutExpiry(transaction, {due, session.alias()}));
  }
  session.due = session.deadline = due;
  return absl::OkStatus();
}

absl::Status SessionTable::Update(Transaction& transaction, const SessionRecord& record) const {
  return PutSession(transaction, keys_, record);
}

absl::Status SessionTable::Tell(Transaction& transaction, EventType type, const Session& session,
                                absl::Time now, Alias other, absl::string_view detail) const {
  Event event;
  event.type = type;
  event.at = now;
  event.alias = session.alias;
  event.other = other;
  event.principal = session.principal;
  event.database = session.database;
  event.detail = std::string(detail);
  return AppendEvent(transaction, keys_, std::move(event));
}

absl::Status SessionTable::Compensate(Transaction& transaction, const StoredSession& session,
                                      absl::Time now) const {
  const ReservationRecord& reservation = *session.reservation;
  if (reservation.intent.empty()) return absl::OkStatus();
  const Session& stored = session.record.session;
  BATONSTORE_RETURN_IF_ERROR(
      PutCompensation(transaction, keys_,
                      {stored.alias, reservation.epoch, now, stored.principal, stored.database,
                       reservation.intent}));
  return Tell(transaction, EventType::kCompensation, stored, now, Alias(), reservation.intent);
}

}  // namespace batonstore
