#include "batonstore/store/admission.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/attribute_rows.h"
#include "batonstore/store/population.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/sweep.h"

namespace batonstore {
namespace {

using Outcome = Applicant::Outcome;

absl::Status CheckLength(absl::string_view what, absl::string_view value, size_t most) {
  if (value.size() <= most) return absl::OkStatus();
  return Refuse(Verdict::kInvalid, absl::StrCat("the ", what, " has ", value.size(),
                                                " bytes; at most ", most, " are allowed"));
}

bool IsSameRequest(const SessionSpec& spec, const SessionRecord& record) {
  const Session& session = record.session;
  return session.database == spec.database && session.kind == spec.kind &&
         session.label == spec.label && session.key_type == spec.key_type;
}

// The session that an earlier request of this name has made.
absl::StatusOr<std::optional<StoredSession>> FindRequest(Transaction& transaction,
                                                         const SessionTable& table,
                                                         const SessionSpec& spec, absl::Time now) {
  std::optional<StoredSession> found;
  absl::Status broken;
  BATONSTORE_RETURN_IF_ERROR(table.indexes().Scan(
      transaction, table.indexes().OfIdempotencyKey(spec.principal, spec.idempotency_key),
      [&](Alias alias) {
        absl::StatusOr<StoredSession> session = table.GetNamed(transaction, alias, now);
        broken = session.status();
        if (!broken.ok()) return false;
        const SessionRecord& record = session->record;
        const bool is_it = record.session.principal == spec.principal &&
                           record.idempotency_key == spec.idempotency_key;
        if (is_it) found = *std::move(session);
        return !is_it;
      }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  return found;
}

// True if an earlier request has made the session.
absl::StatusOr<bool> FindEarlier(Transaction& transaction, const SessionTable& table,
                                 Applicant& applicant, absl::Time now) {
  const SessionSpec& spec = applicant.spec;
  if (spec.idempotency_key.empty()) return false;
  BATONSTORE_ASSIGN_OR_RETURN(std::optional<StoredSession> earlier,
                              FindRequest(transaction, table, spec, now));
  if (!earlier.has_value()) return false;
  const Alias alias = earlier->alias();
  if (!IsSameRequest(spec, earlier->record)) {
    return Refuse(Verdict::kExists,
                  absl::StrCat("the idempotency key has made the session ", alias.ToString(),
                               ", which is not the one asked for"));
  }
  applicant.version = 0;
  if (!IsTerminal(earlier->state)) {
    BATONSTORE_ASSIGN_OR_RETURN(const AttributesHead head,
                                GetAttributesHead(transaction, table.keys(), alias));
    applicant.version = head.version;
  }
  applicant.session = (*std::move(earlier)).Seen();
  return true;
}

// All other sessions of the group must be terminal. Each was when the next one joined, and terminal
// is for ever: so the last one speaks for all.
absl::Status CheckGroup(Transaction& transaction, const SessionTable& table, Alias group,
                        absl::Time now) {
  BATONSTORE_ASSIGN_OR_RETURN(std::optional<StoredSession> first,
                              table.Find(transaction, group, now));
  if (!first.has_value() || first->record.session.group != group) {
    return Refuse(
        Verdict::kUnknownGroup,
        absl::StrCat(group.ToString(), " is not the first session of a group",
                     first.has_value()
                         ? absl::StrCat("; its group is ", first->record.session.group.ToString())
                         : ""));
  }
  // A reservation that a RevokeAll covers becomes a tombstone, and the group stays: at once, since
  // a recovery that came before the sweep would remove it.
  if (first->state == State::kRevoked) {
    BATONSTORE_RETURN_IF_ERROR(table.Settle(transaction, *first, now).status());
  }
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> linked,
                              table.indexes().LastLinked(transaction, group));
  BATONSTORE_ASSIGN_OR_RETURN(const StoredSession last,
                              table.GetNamed(transaction, linked.value_or(group), now));
  if (last.record.session.group != group) {
    return Refuse(Verdict::kCorrupt,
                  absl::StrCat("the rows of group ", group.ToString(), " name session ",
                               last.alias().ToString(), ", which is not of it"));
  }
  // A first session that was never created goes with its reservation, and the group with it.
  const bool first_is_open = first->reservation.has_value();
  if (!first_is_open && IsTerminal(last.state)) return absl::OkStatus();
  const StoredSession& blocking = first_is_open ? *first : last;
  return Refuse(
      Verdict::kGroupActive,
      absl::StrCat("session ", blocking.alias().ToString(), " of the group is ",
                   StateName(blocking.state), "; revoke or abandon it before linking another"));
}

absl::Status TooMany(absl::string_view whose, uint64_t limit) {
  return Refuse(Verdict::kTooMany,
                absl::StrCat("the ", whose, " has ", limit, " sessions, which is the limit"));
}

struct Limit {
  Scope scope;
  uint64_t most;
  absl::string_view whose;
};

// From the narrowest on: what is evicted there makes room in the wider ones, too.
std::vector<Limit> LimitsOf(const SessionTable& table, const SessionSpec& spec) {
  const Limits& limits = table.policy().limits;
  std::vector<Limit> all;
  if (limits.per_principal > 0) {
    all.push_back(
        {PrincipalScope(table.keys(), spec.principal), limits.per_principal, "principal"});
  }
  if (limits.per_database > 0) {
    all.push_back({DatabaseScope(table.keys(), spec.database), limits.per_database, "database"});
  }
  if (limits.per_store > 0) all.push_back({StoreScope(), limits.per_store, "store"});
  return all;
}

class RoomMaker {
 public:
  RoomMaker(Transaction& transaction, const SessionTable& table, Applicant& applicant,
            absl::Time now)
      : transaction_(transaction),
        table_(table),
        applicant_(applicant),
        now_(now),
        limits_(LimitsOf(table, applicant.spec)) {}

  // True if there is room; else the outcome says what becomes of the applicant.
  absl::StatusOr<bool> Run() {
    BATONSTORE_ASSIGN_OR_RETURN(const Limit* reached, FirstReached());
    if (reached == nullptr) return true;
    // What has run out unnoticed goes first.
    BATONSTORE_ASSIGN_OR_RETURN(bool due, AnythingDue(transaction_, table_, now_));
    if (due) {
      BATONSTORE_RETURN_IF_ERROR(Sweep(transaction_, table_, now_).status());
      if (!GroupIsLeft()) return EndAs(Outcome::kRefused);
      BATONSTORE_ASSIGN_OR_RETURN(reached, FirstReached());
      if (reached == nullptr) return true;
      BATONSTORE_ASSIGN_OR_RETURN(due, AnythingDue(transaction_, table_, now_));
      if (due) return EndAs(Outcome::kAgain);
    }
    if (table_.policy().limits.at_limit == Limits::AtLimit::kRefuse) {
      return RefuseAt(reached->whose, reached->most);
    }
    for (uint64_t evicted = 0; evicted < kSweepSessions; ++evicted) {
      BATONSTORE_RETURN_IF_ERROR(EvictOldest(*reached));
      BATONSTORE_ASSIGN_OR_RETURN(reached, FirstReached());
      if (reached == nullptr) return true;
    }
    return EndAs(Outcome::kAgain);  // the limit was lowered by more than that
  }

  absl::StatusOr<bool> RefuseAt(absl::string_view whose, uint64_t most) {
    applicant_.refusal = TooMany(whose, most);
    Session nobody = applicant_.record.session;
    nobody.alias = Alias();
    BATONSTORE_RETURN_IF_ERROR(
        table_.Tell(transaction_, EventType::kLimitHit, nobody, now_, Alias(), whose));
    return EndAs(Outcome::kRefused);
  }

 private:
  // What was swept may have been the group that the applicant asks for.
  bool GroupIsLeft() {
    if (!applicant_.spec.group.has_value()) return true;
    applicant_.refusal = CheckGroup(transaction_, table_, *applicant_.spec.group, now_);
    return applicant_.refusal.ok();
  }

  bool EndAs(Outcome outcome) {
    applicant_.outcome = outcome;
    return false;
  }

  // The first limit that leaves no room.
  absl::StatusOr<const Limit*> FirstReached() {
    for (const Limit& limit : limits_) {
      BATONSTORE_ASSIGN_OR_RETURN(const Population population, CountLive(limit.scope));
      if (population.live >= limit.most) return &limit;
    }
    return nullptr;
  }

  absl::StatusOr<Population> CountLive(const Scope& scope) {
    if (scope == StoreScope()) return GetPopulation(transaction_, scope);
    return table_.indexes().CountLive(transaction_, scope);
  }

  absl::Status RaiseOldest(const Scope& scope, Alias oldest) {
    if (scope != StoreScope()) return table_.indexes().RaiseOldest(transaction_, scope, oldest);
    BATONSTORE_ASSIGN_OR_RETURN(Population population, GetPopulation(transaction_, scope));
    population.oldest = oldest;
    return PutPopulation(transaction_, scope, population);
  }

  absl::Status EvictOldest(const Limit& limit) {
    BATONSTORE_ASSIGN_OR_RETURN(const Population population, CountLive(limit.scope));
    BATONSTORE_ASSIGN_OR_RETURN(StoredSession oldest, FindOldest(limit, population.oldest));
    // So that what was passed is not passed again.
    BATONSTORE_RETURN_IF_ERROR(RaiseOldest(limit.scope, oldest.alias()));
    BATONSTORE_RETURN_IF_ERROR(table_.Tell(transaction_, EventType::kLimitHit,
                                           oldest.record.session, now_, Alias(), limit.whose));
    return table_.End(transaction_, oldest, State::kRevoked, now_, now_);
  }

  // The first that is live, from an alias on.
  absl::StatusOr<StoredSession> FindOldest(const Limit& limit, Alias from) {
    std::optional<StoredSession> oldest;
    absl::Status broken;
    const auto look_at = [&](absl::StatusOr<StoredSession> session) {
      broken = session.status();
      if (!broken.ok()) return false;
      if (session->is_stored_live()) oldest = *std::move(session);
      return !oldest.has_value();
    };
    const auto look_at_alias = [&](Alias alias) {
      return look_at(table_.GetNamed(transaction_, alias, now_));
    };
    const Scope& scope = limit.scope;
    BATONSTORE_RETURN_IF_ERROR(
        scope == StoreScope()
            ? ScanSessions(transaction_, table_.keys(), from,
                           [&](SessionRecord record) {
                             return look_at(table_.Complete(transaction_, std::move(record), now_));
                           })
            : table_.indexes().Scan(transaction_, {scope.table, scope.hash, from}, look_at_alias));
    BATONSTORE_RETURN_IF_ERROR(broken);
    if (oldest.has_value()) return *std::move(oldest);
    return CorruptRow(scope.table, scope.Key());
  }

  Transaction& transaction_;
  const SessionTable& table_;
  Applicant& applicant_;
  const absl::Time now_;
  const std::vector<Limit> limits_;
};

// Members of the group, those whose place a new identity has taken not counted.
absl::StatusOr<bool> GroupIsFull(Snapshot& snapshot, const SessionTable& table, Alias group,
                                 absl::Time now) {
  const uint64_t most = table.policy().limits.per_group;
  if (most == 0) return false;
  BATONSTORE_ASSIGN_OR_RETURN(const StoredSession first, table.GetNamed(snapshot, group, now));
  const uint64_t counted = first.record.moved_to == Alias() ? 1 : 0;
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t linked,
                              table.indexes().CountLinked(snapshot, group, most));
  return counted + linked >= most;
}

absl::Status LetIn(Transaction& transaction, const SessionTable& table, Applicant& applicant,
                   absl::Time now) {
  const SessionSpec& spec = applicant.spec;
  BATONSTORE_RETURN_IF_ERROR(table.TakeAlias(transaction, applicant.record, now));
  Session& session = applicant.record.session;
  session.group = spec.group.value_or(session.alias);
  std::optional<ReservationRecord> reservation;
  if (session.state == State::kReserved) {
    reservation = {applicant.epoch, DecodeTime(EncodeTime(now + spec.reserve_for)), spec.intent};
  }
  BATONSTORE_ASSIGN_OR_RETURN(applicant.session,
                              table.Insert(transaction, applicant.record, reservation, now));
  applicant.version = 0;
  if (!applicant.fields.empty()) {
    BATONSTORE_ASSIGN_OR_RETURN(applicant.version, ReplaceFields(transaction, table.keys(),
                                                                 session.alias, applicant.fields));
  }
  applicant.outcome = Outcome::kAdmitted;
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSpec(const SessionSpec& spec, absl::Time now) {
  BATONSTORE_RETURN_IF_ERROR(CheckLength("label", spec.label, kMaxLabelBytes));
  BATONSTORE_RETURN_IF_ERROR(CheckLength("principal", spec.principal, kMaxPrincipalBytes));
  BATONSTORE_RETURN_IF_ERROR(CheckLength("database", spec.database, kMaxDatabaseBytes));
  BATONSTORE_RETURN_IF_ERROR(CheckLength("intent", spec.intent, kMaxIntentBytes));
  BATONSTORE_RETURN_IF_ERROR(
      CheckLength("idempotency key", spec.idempotency_key, kMaxIdempotencyKeyBytes));
  if (!IsKeyType(static_cast<uint8_t>(spec.key_type))) {
    return Refuse(Verdict::kInvalid, "there is no such key type");
  }
  if (spec.expires_at == absl::Time()) {
    return Refuse(Verdict::kInvalid,
                  "expires_at is not set; absl::InfiniteFuture() is how to say never");
  }
  if (DecodeTime(EncodeTime(spec.expires_at)) <= now) {  // as it will be read
    return Refuse(Verdict::kInvalid, absl::StrCat("the expiry ", absl::FormatTime(spec.expires_at),
                                                  " lies in the past"));
  }
  if (spec.idle_timeout < absl::Microseconds(1) || spec.reserve_for < absl::Microseconds(1)) {
    return Refuse(Verdict::kInvalid, "idle_timeout and reserve_for are a microsecond or more");
  }
  return absl::OkStatus();
}

SessionRecord RecordFor(const SessionSpec& spec, State state) {
  SessionRecord record;
  record.idempotency_key = spec.idempotency_key;
  Session& session = record.session;
  session.state = state;
  session.label = spec.label;
  session.kind = spec.kind;
  session.principal = spec.principal;
  session.database = spec.database;
  session.expires_at = DecodeTime(EncodeTime(spec.expires_at));  // as it will be read
  session.idle_timeout = DecodeDuration(EncodeDuration(spec.idle_timeout));
  session.key_type = spec.key_type;
  return record;
}

absl::Status Admit(Transaction& transaction, const SessionTable& table, Applicant& applicant,
                   absl::Time now) {
  const SessionSpec& spec = applicant.spec;
  BATONSTORE_RETURN_IF_ERROR(CheckSpec(spec, now));
  BATONSTORE_ASSIGN_OR_RETURN(const bool is_repeated,
                              FindEarlier(transaction, table, applicant, now));
  if (is_repeated) {
    applicant.outcome = Outcome::kEarlier;
    return absl::OkStatus();
  }
  // The first of all, since what is tried again with another key pair must not have written yet.
  BATONSTORE_ASSIGN_OR_RETURN(
      const bool key_is_taken,
      table.indexes().HasPublicKey(transaction, applicant.record.session.public_key));
  // One that was sealed before the data key changed might come too late to be sealed again.
  if (key_is_taken || !table.keys().IsCurrentPrivateKey(applicant.record.sealed_private_key)) {
    applicant.outcome = Outcome::kKeyTaken;
    return absl::OkStatus();
  }
  RoomMaker room(transaction, table, applicant, now);
  if (spec.group.has_value()) {
    BATONSTORE_RETURN_IF_ERROR(CheckGroup(transaction, table, *spec.group, now));
    BATONSTORE_ASSIGN_OR_RETURN(const bool is_full,
                                GroupIsFull(transaction, table, *spec.group, now));
    if (is_full) return room.RefuseAt("group", table.policy().limits.per_group).status();
  }
  BATONSTORE_ASSIGN_OR_RETURN(const bool has_room, room.Run());
  return has_room ? LetIn(transaction, table, applicant, now) : absl::OkStatus();
}

}  // namespace batonstore
