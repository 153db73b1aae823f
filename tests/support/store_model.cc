#include "tests/support/store_model.h"

#include <algorithm>
#include <variant>

#include "absl/hash/hash.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "tests/support/sessions.h"

namespace batonstore::testing {
namespace {

std::string Text(Verdict verdict) { return std::string(VerdictName(verdict)); }

bool Matches(const ListFilter& filter, const Session& session) {
  return filter.state.value_or(session.state) == session.state &&
         filter.kind.value_or(session.kind) == session.kind &&
         filter.principal.value_or(session.principal) == session.principal &&
         filter.database.value_or(session.database) == session.database;
}

bool AreTooBig(const Fields& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const auto& field) {
    return field.first.empty() || field.first.size() > kMaxFieldNameBytes ||
           field.second.bytes().size() > kMaxValueBytes;
  });
}

// A sixteenth to an eighth of the idle timeout: session.h says how far a touch has to move a
// deadline.
absl::Duration WorthWriting(const Session& session) {
  const uint64_t spread = (session.alias.value() * 0x9E3779B97F4A7C15u) >> 48;
  return session.idle_timeout / 16 * (1 + static_cast<double>(spread) / (1 << 16));
}

}  // namespace

// ---- What a session counts as ----

absl::Time StoreModel::DueOf(const Entry& entry) const {
  absl::Time due = entry.session.expires_at;
  if (entry.reservation.has_value()) {
    due = std::min(due, entry.reservation->deadline);
  } else if (entry.session.idle_timeout != absl::InfiniteDuration()) {
    due = std::min(due, entry.last_used + entry.session.idle_timeout);
  }
  return due;
}

Session StoreModel::Seen(const Entry& entry) const {
  Session seen = entry.session;
  if (!entry.is_stored_live()) {
    seen.deadline = *entry.ended_at;
  } else {
    seen.deadline = DueOf(entry);
    const auto mark = std::find_if(marks_.begin(), marks_.end(), [&](const auto& m) {
      return m.first.first == seen.principal && m.first.second >= seen.alias &&
             m.second.except != seen.alias;
    });
    if (mark != marks_.end() && mark->second.at < seen.deadline) {
      seen.state = State::kRevoked;
      seen.deadline = mark->second.at;
    } else if (seen.deadline <= now_) {
      seen.state = State::kExpired;
    }
  }
  if (seen.state == State::kRevoked) seen.revoked_at = seen.deadline;
  return seen;
}

std::optional<std::string> StoreModel::MovedText(const Entry& entry) const {
  if (entry.moved_to == Alias() || now_ >= entry.redirect_until) return std::nullopt;
  return absl::StrCat("MOVED to ", entry.moved_to.ToString());
}

std::string StoreModel::Refusal(const Entry& entry) const {
  if (const auto moved = MovedText(entry); moved.has_value()) return *moved;
  return Text(Seen(entry).state == State::kRevoked ? Verdict::kRevoked : Verdict::kExpired);
}

std::optional<std::string> StoreModel::Unusable(Alias alias) const {
  const auto found = entries_.find(alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  if (IsEnded(found->second)) return Refusal(found->second);
  if (found->second.reservation.has_value()) return Text(Verdict::kReserved);
  return std::nullopt;
}

std::optional<Session> StoreModel::Find(Alias alias) const {
  const auto found = entries_.find(alias);
  if (found == entries_.end()) return std::nullopt;
  return Seen(found->second);
}

std::vector<Alias> StoreModel::Aliases() const {
  std::vector<Alias> aliases;
  for (const auto& [alias, entry] : entries_) aliases.push_back(alias);
  return aliases;
}

uint64_t StoreModel::VersionOf(Alias alias) const {
  const auto found = entries_.find(alias);
  return found == entries_.end() ? 0 : found->second.attributes.version;
}

std::string StoreModel::IdempotencyKeyOf(Alias alias) const {
  const auto found = entries_.find(alias);
  return found == entries_.end() ? "" : found->second.idempotency_key;
}

std::vector<Alias> StoreModel::Members(Alias group) const {
  std::vector<Alias> members = {group};
  if (const auto linked = linked_.find(group); linked != linked_.end()) {
    members.insert(members.end(), linked->second.begin(), linked->second.end());
  }
  return members;
}

std::vector<Session> StoreModel::Matching(const ListFilter& filter) const {
  std::vector<Session> matching;
  for (const auto& [alias, entry] : entries_) {
    Session seen = Seen(entry);
    if (Matches(filter, seen)) matching.push_back(std::move(seen));
  }
  return matching;
}

// ---- Calls ----

std::string StoreModel::Answer(const Call& call, const Reply& real) {
  const auto found = entries_.find(call.alias);
  switch (call.what) {
    case Do::kReserve:
    case Do::kReserveAndCreate:
    case Do::kSaveOrCreate:
      return Insert(call, real);
    case Do::kCreate:
      return Shift(call.alias, State::kCreated, /*tell=*/false);
    case Do::kAbandon:
      return Abandon(call.alias);
    case Do::kShift:
      return Shift(call.alias, call.state, /*tell=*/true);
    case Do::kTouch:
      return Touch(call.alias);
    case Do::kCycleKey:
      return CycleKey(call, real);
    case Do::kRevoke:
      return Shift(call.alias, State::kRevoked, /*tell=*/false);
    case Do::kRevokeGroup:
      return RevokeGroup(call.alias);
    case Do::kRevokeAll:
      return RevokeAll(call.text, std::nullopt);
    case Do::kRevokeAllExcept:
      return RevokeAll(call.text, call.alias);
    case Do::kSaveIf:
      return SaveIf(call);
    case Do::kMerge:
      return Merge(call);
    case Do::kLoad:
      return Load(call.alias);
    case Do::kSecret:
      return Secret(call);
    case Do::kSetRemotePublicKey:
      return SetRemotePublicKey(call);
    case Do::kPrivateKey:
      if (found == entries_.end()) return Text(Verdict::kNotFound);
      return IsEnded(found->second) ? Refusal(found->second) : "OK";
    case Do::kIssue:
      return Issue(call.alias);
    case Do::kVerify:
      return Verify(call);
    case Do::kResume:
      return Resume(call);
    case Do::kMergeInTurn:
      return MergeInTurn(call);
    case Do::kFinishTurn:
      return FinishTurn(call);
    case Do::kDropTurn:
      return DropTurn(call);
    case Do::kRotateSigningKey:
      Wrote();
      return absl::StrCat(++primary_key_id_);
    case Do::kRetireSigningKey:
      return RetireSigningKey(call.number);
    case Do::kRotateDataKey:
    case Do::kReseal:
      // How far the rows are is known to the store alone.
      if (real.text == Text(Verdict::kBusy) || real.text == kNothingToDo) {
        return real.text;
      }
      Wrote();
      return "OK";
    case Do::kFind:
      if (found == entries_.end()) return Text(Verdict::kNotFound);
      return MovedText(found->second).value_or(Describe(Seen(found->second)));
    case Do::kList:
      return TextOf(Matching(call.filter));
    case Do::kCount:
      return absl::StrCat(Matching(call.filter).size());
    case Do::kGroupOf:
      if (found == entries_.end()) return Text(Verdict::kNotFound);
      return MovedText(found->second).value_or(found->second.session.group.ToString());
    case Do::kGroupMembers:
      if (found == entries_.end() || found->second.session.group != call.alias) {
        return Text(Verdict::kUnknownGroup);
      }
      return TextOf(Members(call.alias));
    case Do::kSweep:
      return Sweep();
    case Do::kCompensations: {
      std::vector<Compensation> pending;
      for (const auto& [alias, compensation] : compensations_) pending.push_back(compensation);
      return TextOf(pending);
    }
    case Do::kAcknowledge:
      if (compensations_.erase(call.alias) == 0) return Text(Verdict::kNotFound);
      Wrote();
      return "OK";
    case Do::kAddConsumer:
      if (call.text.empty()) return Text(Verdict::kInvalid);
      if (consumers_.emplace(call.text, last_event_).second) Wrote();
      return "OK";
    case Do::kRemoveConsumer:
      if (consumers_.erase(call.text) == 0) return Text(Verdict::kNotFound);
      Trim();
      Wrote();
      return "OK";
    case Do::kReadEvents:
      return ReadEvents(call.text);
    case Do::kAcknowledgeEvents:
      return AcknowledgeEvents(call);
    case Do::kStats:
      return Stats();
  }
  return "no such call";
}

std::string StoreModel::Insert(const Call& call, const Reply& real) {
  const SessionSpec& spec = call.spec;
  const bool saves = call.what == Do::kSaveOrCreate;
  const State state = call.what == Do::kReserve ? State::kReserved : State::kCreated;
  const auto text_of = [saves](const Session& session, uint64_t version, bool created) {
    return saves ? absl::StrCat(Describe(session), "\nversion: ", version, "\ncreated: ", created)
                 : Describe(session);
  };
  if (spec.label.size() > kMaxLabelBytes || spec.expires_at <= now_ || AreTooBig(call.fields)) {
    return Text(Verdict::kInvalid);
  }
  for (const auto& [alias, entry] : entries_) {
    if (spec.idempotency_key.empty() || entry.idempotency_key != spec.idempotency_key ||
        entry.session.principal != spec.principal) {
      continue;
    }
    if (entry.session.database != spec.database || entry.session.kind != spec.kind ||
        entry.session.label != spec.label) {
      return Text(Verdict::kExists);
    }
    const uint64_t version = IsEnded(entry) ? 0 : entry.attributes.version;
    return text_of(Seen(entry), version, false);
  }
  Entry entry;
  Session& session = entry.session;
  session.label = spec.label;
  session.kind = spec.kind;
  session.principal = spec.principal;
  session.database = spec.database;
  session.expires_at = spec.expires_at;
  session.idle_timeout = spec.idle_timeout;
  session.state = state;
  if (spec.group.has_value()) {
    if (const std::string refusal = CheckGroup(*spec.group); !refusal.empty()) return refusal;
    const size_t counted =
        Members(*spec.group).size() - (entries_.at(*spec.group).moved_to == Alias() ? 0 : 1);
    if (policy_.limits.per_group > 0 && counted >= policy_.limits.per_group) {
      Tell(EventType::kLimitHit, session, Alias(), "group");
      return Text(Verdict::kTooMany);
    }
  }
  if (const std::string refusal = MakeRoom(spec); !refusal.empty()) return refusal;
  session.alias = last_alias_ = std::max(Alias::FirstAt(now_), Alias(last_alias_.value() + 1));
  session.created_at = session.alias.time();
  session.group = spec.group.value_or(session.alias);
  session.public_key = real.fresh.has_value() ? real.fresh->public_key : "";
  entry.idempotency_key = spec.idempotency_key;
  entry.last_used = now_;
  if (state == State::kReserved) {
    entry.reservation = {epoch_, now_ + spec.reserve_for, spec.intent};
  }
  if (!call.fields.empty()) entry.attributes = {1, call.fields};
  if (spec.group.has_value()) linked_[*spec.group].push_back(session.alias);
  Tell(state == State::kReserved ? EventType::kReserved : EventType::kCreated, session);
  Wrote();
  const std::string text = text_of(Seen(entry), entry.attributes.version, true);
  entries_.emplace(session.alias, std::move(entry));
  return text;
}

// Empty if the group may be joined.
std::string StoreModel::CheckGroup(Alias group) {
  const auto first = entries_.find(group);
  if (first == entries_.end() || first->second.session.group != group) {
    return Text(Verdict::kUnknownGroup);
  }
  const Session seen = Seen(first->second);
  if (seen.state == State::kRevoked && first->second.is_stored_live()) {
    End(first->second, State::kRevoked, seen.deadline);
  }
  // It may yet be removed, and the group with it.
  if (first->second.reservation.has_value()) return Text(Verdict::kGroupActive);
  for (const Alias member : Members(group)) {
    if (!IsEnded(entries_.at(member))) return Text(Verdict::kGroupActive);
  }
  return "";
}

// Whose limit leaves no room for one more; nothing if none does.
std::optional<std::string> StoreModel::ReachedLimit(const SessionSpec& spec) const {
  uint64_t of_principal = 0;
  uint64_t of_database = 0;
  uint64_t of_store = 0;
  for (const auto& [alias, entry] : entries_) {
    if (!entry.is_stored_live()) continue;
    ++of_store;
    if (entry.session.principal == spec.principal) ++of_principal;
    if (entry.session.database == spec.database) ++of_database;
  }
  const Limits& limits = policy_.limits;
  if (limits.per_principal > 0 && of_principal >= limits.per_principal) return "principal";
  if (limits.per_database > 0 && of_database >= limits.per_database) return "database";
  if (limits.per_store > 0 && of_store >= limits.per_store) return "store";
  return std::nullopt;
}

// Empty if there is room.
std::string StoreModel::MakeRoom(const SessionSpec& spec) {
  if (!ReachedLimit(spec).has_value()) return "";
  Sweep();
  if (spec.group.has_value()) {  // it may have been swept
    if (const std::string refusal = CheckGroup(*spec.group); !refusal.empty()) return refusal;
  }
  while (const std::optional<std::string> whose = ReachedLimit(spec)) {
    if (policy_.limits.at_limit == Limits::AtLimit::kRefuse) {
      Session nobody;
      nobody.principal = spec.principal;
      nobody.database = spec.database;
      Tell(EventType::kLimitHit, nobody, Alias(), *whose);
      return Text(Verdict::kTooMany);
    }
    EvictOldest(spec, *whose);
  }
  return "";
}

void StoreModel::EvictOldest(const SessionSpec& spec, const std::string& whose) {
  for (auto& [alias, entry] : entries_) {
    if (!entry.is_stored_live() ||
        (whose == "principal" && entry.session.principal != spec.principal) ||
        (whose == "database" && entry.session.database != spec.database)) {
      continue;
    }
    Tell(EventType::kLimitHit, entry.session, Alias(), whose);
    End(entry, State::kRevoked, now_);
    return;
  }
}

std::string StoreModel::Shift(Alias alias, State to, bool tell) {
  const auto found = entries_.find(alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  Entry& entry = found->second;
  if (const auto moved = MovedText(entry); moved.has_value()) return *moved;
  const bool is_open = entry.reservation.has_value();
  const Session seen = Seen(entry);
  const auto answer = [&] { return tell ? Describe(Seen(entry)) : std::string("OK"); };
  if (seen.state == to) {
    // A deadline that is past is noted when somebody asks for it; a reservation's never is.
    if (entry.is_stored_live() && IsTerminal(to) && (!is_open || to == State::kRevoked)) {
      End(entry, to, seen.deadline);
    }
    return answer();
  }
  const bool was_created = !is_open && !entry.never_created;
  if (!was_created && to == State::kCreated && IsTerminal(seen.state)) return Refusal(entry);
  const bool legal = (seen.state == State::kReserved && to == State::kCreated) ||
                     (seen.state == State::kCreated && IsTerminal(to));
  if (!legal) return Text(Verdict::kIllegalShift);
  if (to == State::kCreated) {
    entry.session.state = to;
    entry.reservation.reset();
    entry.last_used = now_;
    Tell(EventType::kCreated, entry.session);
    Wrote();
  } else {
    End(entry, to, now_);
  }
  return answer();
}

std::string StoreModel::Abandon(Alias alias) {
  const auto found = entries_.find(alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  if (const auto moved = MovedText(found->second); moved.has_value()) return *moved;
  if (found->second.never_created) return Text(Verdict::kRevoked);
  if (!found->second.reservation.has_value()) return Text(Verdict::kIllegalShift);
  if (Seen(found->second).state == State::kRevoked) return Text(Verdict::kRevoked);
  RemoveReservation(alias, /*compensate=*/false);
  return "OK";
}

std::string StoreModel::Touch(Alias alias) {
  if (const auto unusable = Unusable(alias); unusable.has_value()) return *unusable;
  Entry& entry = entries_.at(alias);
  Use(entry);
  return Describe(Seen(entry));
}

std::string StoreModel::CycleKey(const Call& call, const Reply& real) {
  if (const auto unusable = Unusable(call.alias); unusable.has_value()) return *unusable;
  Entry& old = entries_.at(call.alias);
  Entry fresh;
  Session& session = fresh.session;
  session = old.session;
  session.alias = last_alias_ = std::max(Alias::FirstAt(now_), Alias(last_alias_.value() + 1));
  session.created_at = session.alias.time();
  session.public_key = real.fresh.has_value() ? real.fresh->public_key : "";
  fresh.idempotency_key = std::exchange(old.idempotency_key, "");
  fresh.attributes = std::exchange(old.attributes, {});
  fresh.last_used = now_;
  Tell(EventType::kMoved, old.session, session.alias);
  std::vector<Alias>& linked = linked_[session.group];
  linked.erase(std::remove(linked.begin(), linked.end(), call.alias), linked.end());
  linked.push_back(session.alias);
  old.moved_to = session.alias;
  old.redirect_until =
      call.cycle.privilege_change ? absl::UnixEpoch() : now_ + call.cycle.redirect_for;
  End(old, State::kRevoked, now_);
  Tell(EventType::kCreated, session);
  const std::string text = Describe(Seen(fresh));
  entries_.emplace(session.alias, std::move(fresh));
  return text;
}

std::string StoreModel::RevokeGroup(Alias group) {
  const auto first = entries_.find(group);
  if (first == entries_.end() || first->second.session.group != group) {
    return Text(Verdict::kUnknownGroup);
  }
  uint64_t revoked = 0;
  for (const Alias member : Members(group)) {
    Entry& entry = entries_.at(member);
    if (IsEnded(entry)) continue;
    End(entry, State::kRevoked, now_);
    ++revoked;
  }
  return absl::StrCat(revoked);
}

std::string StoreModel::RevokeAll(const std::string& principal, std::optional<Alias> keep) {
  if (keep.has_value()) {
    const auto kept = entries_.find(*keep);
    if (kept == entries_.end()) return Text(Verdict::kNotFound);
    if (kept->second.session.principal != principal) return Text(Verdict::kWrongPrincipal);
    if (IsEnded(kept->second)) return Refusal(kept->second);
  }
  const auto before = marks_.find({principal, last_alias_});
  if (before != marks_.end()) {
    const Alias kept = before->second.except;
    const auto session = entries_.find(kept);
    if (kept == keep.value_or(Alias()) || session == entries_.end() || IsEnded(session->second)) {
      return "OK";
    }
    End(session->second, State::kRevoked, now_);
    return "OK";
  }
  marks_[{principal, last_alias_}] = {now_, keep.value_or(Alias())};
  Session whose;
  whose.alias = keep.value_or(Alias());
  whose.principal = principal;
  Tell(EventType::kRevokedAll, whose, last_alias_);
  Wrote();
  return "OK";
}

std::string StoreModel::SaveIf(const Call& call) {
  if (AreTooBig(call.fields)) return Text(Verdict::kInvalid);
  const auto found = entries_.find(call.alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  if (IsEnded(found->second)) return Refusal(found->second);
  Attributes& attributes = found->second.attributes;
  if (attributes.version != call.number) return Text(Verdict::kConflict);
  Fields fields = call.fields;
  for (auto& [field, value] : fields) {
    const auto old = attributes.fields.find(field);
    const bool was_secret = old != attributes.fields.end() && old->second.is_secret();
    if (value.is_withheld()) {
      if (!was_secret) return Text(Verdict::kInvalid);
      value = old->second;
    } else if (was_secret) {  // and stays so
      value = Value::Secret(value.bytes());
    }
  }
  attributes.fields = std::move(fields);
  Wrote();
  return absl::StrCat(++attributes.version);
}

std::string StoreModel::Merge(const Call& call) {
  const auto found = entries_.find(call.alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  if (IsEnded(found->second)) return Refusal(found->second);
  Attributes& attributes = found->second.attributes;
  const uint64_t version = attributes.version;
  if (const std::string refusal = Apply(call.changes, attributes); !refusal.empty()) return refusal;
  if (attributes.version != version) Wrote();
  return absl::StrCat(attributes.version);
}

// Empty if they have been made.
std::string StoreModel::Apply(const Changes& changes, Attributes& attributes) {
  Fields fields = attributes.fields;
  for (const auto& [field, change] : changes) {
    const Change::What& what = change.what();
    const bool is_there = fields.contains(field);
    if (const auto* set = std::get_if<Change::ToSet>(&what)) {
      fields.insert_or_assign(field, set->value);
    } else if (std::holds_alternative<Change::ToRemove>(what)) {
      fields.erase(field);
    } else if (const auto* cas = std::get_if<Change::ToCompareAndSet>(&what)) {
      if (!is_there || fields.at(field).bytes() != cas->expected) return Text(Verdict::kConflict);
      fields.insert_or_assign(field, cas->value);
    } else if (const auto* absent = std::get_if<Change::ToSetIfAbsent>(&what)) {
      if (is_there) return Text(Verdict::kConflict);
      fields.insert_or_assign(field, absent->value);
    } else {
      int64_t number = 0;
      if (is_there && !absl::SimpleAtoi(fields.at(field).bytes(), &number)) {
        return Text(Verdict::kInvalid);
      }
      const std::string sum = absl::StrCat(number + std::get<Change::ToAdd>(what).delta);
      fields.insert_or_assign(field, Value(sum));
    }
    if (is_there && attributes.fields.at(field).is_secret() && fields.contains(field)) {
      fields.insert_or_assign(field, Value::Secret(fields.at(field).bytes()));
    }
  }
  if (fields != attributes.fields) {
    attributes.fields = std::move(fields);
    ++attributes.version;
  }
  return "";
}

std::string StoreModel::Load(Alias alias) const {
  const auto found = entries_.find(alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  if (IsEnded(found->second)) return Refusal(found->second);
  Attributes attributes = found->second.attributes;
  for (auto& [field, value] : attributes.fields) {
    if (value.is_secret()) value = Value::Withheld();
  }
  return TextOf(attributes);
}

std::string StoreModel::Secret(const Call& call) const {
  const auto found = entries_.find(call.alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  if (IsEnded(found->second)) return Refusal(found->second);
  const Fields& fields = found->second.attributes.fields;
  const auto field = fields.find(call.text);
  return field == fields.end() ? Text(Verdict::kNotFound)
                               : absl::BytesToHexString(field->second.bytes());
}

std::string StoreModel::SetRemotePublicKey(const Call& call) {
  if (call.text.empty() || call.text.size() > kMaxRemotePublicKeyBytes) {
    return Text(Verdict::kInvalid);
  }
  const auto found = entries_.find(call.alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  if (IsEnded(found->second)) return Refusal(found->second);
  std::string& remote = found->second.session.remote_public_key;
  if (remote != call.text) Wrote();
  remote = call.text;
  return "OK";
}

std::string StoreModel::Sweep() {
  Swept swept;
  const auto settle = [&](Alias alias, const Session& seen) {
    Entry& entry = entries_.at(alias);
    if (seen.state == State::kExpired && entry.reservation.has_value()) {
      ++swept.removed;
      RemoveReservation(alias, /*compensate=*/true);
    } else {
      ++(seen.state == State::kRevoked ? swept.revoked : swept.expired);
      End(entry, seen.state, seen.deadline);
    }
  };
  for (const auto& [whose, mark] : Marks(marks_)) {
    for (const Alias alias : Aliases()) {
      const Entry& entry = entries_.at(alias);
      if (entry.session.principal != whose.first || alias > whose.second) continue;
      const Session seen = Seen(entry);
      if (entry.is_stored_live() && IsTerminal(seen.state)) settle(alias, seen);
    }
    Wrote();
  }
  marks_.clear();
  for (;;) {  // in the order of falling due
    std::optional<std::pair<absl::Time, Alias>> first;
    for (const auto& [alias, entry] : entries_) {
      const std::pair<absl::Time, Alias> due{entry.is_stored_live() ? DueOf(entry) : entry.purge_at,
                                             alias};
      if (due.first <= now_ && (!first.has_value() || due < *first)) first = due;
    }
    if (!first.has_value()) break;
    Entry& entry = entries_.at(first->second);
    Wrote();
    if (entry.is_stored_live()) {
      settle(first->second, Seen(entry));
    } else if (entry.session.group == first->second && Members(first->second).size() > 1) {
      entry.purge_at = now_ + absl::Hours(24);
    } else {
      ++swept.removed;
      Remove(first->second);
    }
  }
  return TextOf(swept);
}

std::string StoreModel::Stats() const {
  StoreStats stats;
  stats.sessions = entries_.size();
  for (const auto& [alias, entry] : entries_) {
    if (entry.is_stored_live()) ++stats.live;
    if (entry.reservation.has_value()) ++stats.reservations;
  }
  for (const auto& [group, members] : linked_) stats.linked += members.size();
  stats.revocations = marks_.size();
  stats.compensations = compensations_.size();
  stats.events = events_.size();
  stats.consumers = consumers_.size();
  stats.epoch = epoch_;
  stats.last_alias = last_alias_;
  return TextOf(stats);
}

std::string StoreModel::ReadEvents(const std::string& consumer) const {
  const auto found = consumers_.find(consumer);
  if (found == consumers_.end()) return Text(Verdict::kNotFound);
  std::vector<Event> unread;
  for (const Event& event : events_) {
    if (event.sequence > found->second) unread.push_back(event);
  }
  return TextOf(unread);
}

std::string StoreModel::AcknowledgeEvents(const Call& call) {
  const auto found = consumers_.find(call.text);
  if (found == consumers_.end()) return Text(Verdict::kNotFound);
  if (call.number > last_event_) return Text(Verdict::kInvalid);
  if (call.number <= found->second) return "OK";
  found->second = call.number;
  Trim();
  Wrote();
  return "OK";
}

std::vector<std::pair<Alias, std::string>> StoreModel::Restart(bool orderly) {
  turns_.clear();
  if (orderly) Close();
  now_ = std::max(wall_, recorded_);
  std::vector<std::pair<Alias, std::string>> removed;
  for (const Alias alias : Aliases()) {
    const Entry& entry = entries_.at(alias);
    if (!entry.reservation.has_value()) continue;
    removed.emplace_back(alias, entry.reservation->intent);
    RemoveReservation(alias, /*compensate=*/true);
  }
  ++epoch_;
  Wrote();
  return removed;
}

// ---- What follows from them ----

// Starts the idle clock anew, if that is worth writing down.
void StoreModel::Use(Entry& entry) {
  const absl::Duration idle = entry.session.idle_timeout;
  if (idle == absl::InfiniteDuration() ||
      std::min(entry.session.expires_at, now_ + idle) - DueOf(entry) <
          WorthWriting(entry.session)) {
    return;
  }
  entry.last_used = now_;
  Wrote();
}

void StoreModel::End(Entry& entry, State to, absl::Time at) {
  if (entry.reservation.has_value()) Compensate(entry);
  entry.never_created = entry.reservation.has_value();
  entry.reservation.reset();
  entry.session.state = to;
  entry.ended_at = at;
  entry.purge_at = at + policy_.retention;
  entry.attributes = {};
  entry.rotation = {};
  Tell(to == State::kRevoked ? EventType::kRevoked : EventType::kExpired, entry.session);
  Wrote();
}

void StoreModel::Compensate(const Entry& entry) {
  if (entry.reservation->intent.empty()) return;
  const Session& session = entry.session;
  compensations_[session.alias] = {
      session.alias,     entry.reservation->epoch, now_,
      session.principal, session.database,         entry.reservation->intent};
  Tell(EventType::kCompensation, session, Alias(), entry.reservation->intent);
}

void StoreModel::RemoveReservation(Alias alias, bool compensate) {
  if (compensate) Compensate(entries_.at(alias));
  Remove(alias);
}

void StoreModel::Remove(Alias alias) {
  const Entry& entry = entries_.at(alias);
  if (const auto linked = linked_.find(entry.session.group); linked != linked_.end()) {
    std::vector<Alias>& members = linked->second;
    members.erase(std::remove(members.begin(), members.end(), alias), members.end());
  }
  Tell(EventType::kRemoved, entry.session);
  entries_.erase(alias);
  Wrote();
}

void StoreModel::Tell(EventType type, const Session& session, Alias other,
                      const std::string& detail) {
  if (consumers_.empty()) return;
  order_ = absl::HashOf(order_, static_cast<int>(type), session.alias, other, session.principal,
                        session.database, detail);
  events_.push_back({++last_event_, type, now_, session.alias, other, session.principal,
                     session.database, detail});
  Wrote();
}

void StoreModel::Trim() {
  uint64_t read_by_all = last_event_;
  for (const auto& [name, acknowledged] : consumers_) {
    read_by_all = std::min(read_by_all, acknowledged);
  }
  events_.erase(std::remove_if(events_.begin(), events_.end(),
                               [&](const Event& event) { return event.sequence <= read_by_all; }),
                events_.end());
}

std::string StoreModel::Fingerprint() const {
  std::string print;
  const auto add = [&print](const auto&... parts) { absl::StrAppend(&print, "|", parts...); };
  const auto micros = [](absl::Time time) { return absl::ToUnixMicros(time); };
  add(epoch_, ",", primary_key_id_, ",", last_alias_.value(), ",", last_event_, ",", order_);
  for (const auto& [alias, entry] : entries_) {
    // What was asked for stays as it was: the key pair says which request has this alias.
    const Session& session = entry.session;
    add(alias.value(), ",", session.public_key, session.remote_public_key, ",",
        static_cast<int>(session.state), ",", micros(entry.last_used), ",",
        entry.reservation.has_value(), entry.idempotency_key);
    if (entry.ended_at.has_value()) {
      add(micros(*entry.ended_at), ",", micros(entry.purge_at), ",", entry.moved_to.value(), ",",
          micros(entry.redirect_until));
    }
    if (entry.attributes.version > 0) add(TextOf(entry.attributes));
    if (const Rotation& rotation = entry.rotation; rotation.generation > 0) {
      add("r", rotation.generation, ",", static_cast<int>(rotation.last), ",", rotation.epoch, ",",
          rotation.key_id, ",", rotation.digest, ",", rotation.reply);
    }
  }
  for (const Turn& turn : turns_) {
    // Which changes it keeps, its caller's calls say: there is one caller to a turn.
    add("t", turn.caller, ",", turn.alias.value(), ",", turn.generation, ",", turn.digest, ",",
        static_cast<int>(turn.cut_off), ",", turn.changes.size());
  }
  for (const auto& [group, members] : linked_) {
    for (const Alias member : members) add("g", group.value(), ",", member.value());
  }
  for (const auto& [whose, mark] : marks_) {
    add("m", whose.first, ",", whose.second.value(), ",", micros(mark.at), ",",
        mark.except.value());
  }
  for (const auto& [alias, compensation] : compensations_) {
    add("c", alias.value(), ",", micros(compensation.at));
  }
  for (const uint64_t key_id : retired_keys_) add("k", key_id);
  for (const auto& [name, acknowledged] : consumers_) add(name, ",", acknowledged);
  return print;
}

bool StoreModel::TakeOrderOf(const std::vector<Event>& real) {
  if (real.empty()) return true;
  const auto first = std::find_if(events_.begin(), events_.end(), [&](const Event& event) {
    return event.sequence == real.front().sequence;
  });
  if (TextOf(std::vector<Event>(first, events_.end())) != TextOf(real)) return false;
  std::copy(real.begin(), real.end(), first);
  order_ = 0;
  return true;
}

}  // namespace batonstore::testing
