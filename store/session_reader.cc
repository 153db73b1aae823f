#include "batonstore/store/session_reader.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/attribute_rows.h"
#include "batonstore/store/population.h"
#include "batonstore/store/reservations.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

// How many rows List looks at before it takes a fresh snapshot.
constexpr uint64_t kRowsPerSnapshot = 1024;

bool Matches(const ListFilter& filter, const Session& session) {
  return (!filter.state.has_value() || *filter.state == session.state) &&
         (!filter.kind.has_value() || *filter.kind == session.kind) &&
         (!filter.principal.has_value() || *filter.principal == session.principal) &&
         (!filter.database.has_value() || *filter.database == session.database);
}

}  // namespace

SessionReader::SessionReader(Engine& engine, const StoreKeys& keys, const StoreTime& time,
                             IndexTail& tail, Tail kind, const Policy& policy,
                             KeyFollower* follower)
    : engine_(engine),
      keys_(keys),
      time_(time),
      table_(keys, tail, policy),
      tail_(tail),
      kind_(kind),
      follower_(follower) {}

absl::StatusOr<std::unique_ptr<Snapshot>> SessionReader::Read() const {
  BATONSTORE_ASSIGN_OR_RETURN(std::unique_ptr<Snapshot> snapshot, engine_.Read());
  if (follower_ != nullptr) BATONSTORE_RETURN_IF_ERROR(follower_->Follow(*snapshot));
  return snapshot;
}

absl::StatusOr<StoredSession> SessionReader::FindStored(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, Read());
  return table_.Get(*snapshot, alias, time_.Now());
}

absl::StatusOr<Session> SessionReader::Find(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, Read());
  const absl::Time now = time_.Now();
  StoredSession stored;
  BATONSTORE_ASSIGN_OR_RETURN(const bool found, table_.FindInto(*snapshot, alias, now, stored));
  if (!found) return NoSession(alias);
  BATONSTORE_RETURN_IF_ERROR(CheckNotMoved(stored, now));
  return std::move(stored).Seen();
}

absl::StatusOr<std::unique_ptr<Snapshot>> SessionReader::ReadFor(IndexQuestion& question) const {
  const Indexes& indexes = table_.indexes();
  absl::Status usable = engine_.Usable();  // asks without a lock, as a forked child must
  if (!usable.ok()) return usable;
  if (kind_ == Tail::kIsComplete) {
    for (;;) {  // until nothing has left the tail since before the snapshot
      const uint64_t before = tail_.departures();
      BATONSTORE_ASSIGN_OR_RETURN(std::unique_ptr<Snapshot> snapshot, Read());
      indexes.AskTail(question);
      if (tail_.departures() == before) return snapshot;
    }
  }
  // All at once, so that snapshots catch up in the order of their age: what one finds merged
  // already is left out, and an older one would miss it. And before another moves the tail on.
  MutexLock lock(catching_up_);
  BATONSTORE_ASSIGN_OR_RETURN(std::unique_ptr<Snapshot> snapshot, Read());
  BATONSTORE_RETURN_IF_ERROR(tail_.CatchUp(*snapshot, keys_));
  indexes.AskTail(question);
  return snapshot;
}

absl::StatusOr<Session> SessionReader::FindByPublicKey(absl::string_view public_key) const {
  IndexQuestion question = table_.indexes().OfPublicKey(public_key);
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, ReadFor(question));
  const absl::Time now = time_.Now();
  absl::StatusOr<Session> found = Refuse(Verdict::kNotFound, "no session has that public key");
  BATONSTORE_RETURN_IF_ERROR(Indexes::Answer(*snapshot, question, [&](Alias alias) {
    absl::StatusOr<StoredSession> session = table_.GetNamed(*snapshot, alias, now);
    if (session.ok() && session->record.session.public_key != public_key) return true;
    absl::Status status = session.status();
    if (status.ok()) status = CheckNotMoved(*session, now);
    if (status.ok()) {
      found = (*std::move(session)).Seen();
    } else {
      found = std::move(status);
    }
    return false;
  }));
  return found;
}

absl::StatusOr<ListPage> SessionReader::List(const ListFilter& filter, size_t page_size,
                                             std::optional<Alias> after) const {
  if (page_size == 0 || page_size > kMaxPageSize) {
    return Refuse(Verdict::kInvalid, absl::StrCat("a page has 1 to ", kMaxPageSize, " sessions"));
  }
  ListPage page;
  if (after == Alias(UINT64_MAX)) return page;
  std::optional<Alias> from = after.has_value() ? Alias(after->value() + 1) : Alias();
  uint64_t rows = kMaxLookedAt;
  while (from.has_value() && page.sessions.size() < page_size && rows > 0) {
    BATONSTORE_ASSIGN_OR_RETURN(from, Scan(filter, *from, rows, [&](Session session) {
                                  page.sessions.push_back(std::move(session));
                                  return page.sessions.size() < page_size;
                                }));
  }
  if (from.has_value()) page.next = Alias(from->value() - 1);
  return page;
}

absl::StatusOr<uint64_t> SessionReader::Count(const ListFilter& filter) const {
  uint64_t matching = 0;
  uint64_t rows = UINT64_MAX;
  std::optional<Alias> from = Alias();
  while (from.has_value()) {
    BATONSTORE_ASSIGN_OR_RETURN(from, Scan(filter, *from, rows, [&](const Session&) {
                                  ++matching;
                                  return true;
                                }));
  }
  return matching;
}

absl::StatusOr<std::optional<Alias>> SessionReader::Scan(
    const ListFilter& filter, Alias from, uint64_t& rows,
    absl::FunctionRef<bool(Session)> visit) const {
  const bool has_index = filter.principal.has_value() || filter.database.has_value();
  IndexQuestion question;
  if (filter.principal.has_value()) {
    question = table_.indexes().OfPrincipal(*filter.principal, from, kRowsPerSnapshot);
  } else if (filter.database.has_value()) {
    question = table_.indexes().OfDatabase(*filter.database, from, kRowsPerSnapshot);
  }
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                              has_index ? ReadFor(question) : Read());
  const absl::Time now = time_.Now();
  const uint64_t rows_at_end = rows - std::min(rows, kRowsPerSnapshot);
  std::optional<Alias> go_on;
  Alias last;
  absl::Status broken;
  const auto look_at = [&](absl::StatusOr<StoredSession> session) {
    broken = session.status();
    if (!broken.ok()) return false;
    const Alias alias = last = session->alias();
    Session seen = (*std::move(session)).Seen();
    const bool more = !Matches(filter, seen) || visit(std::move(seen));
    if (--rows > rows_at_end && more) return true;
    go_on = Alias(alias.value() + 1);
    return false;
  };
  BATONSTORE_RETURN_IF_ERROR(
      has_index ? Indexes::Answer(
                      *snapshot, question,
                      [&](Alias alias) { return look_at(table_.GetNamed(*snapshot, alias, now)); })
                : ScanSessions(*snapshot, keys_, from, [&](SessionRecord record) {
                    return look_at(table_.Complete(*snapshot, std::move(record), now));
                  }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  if (!go_on.has_value() && question.newer.size() == kRowsPerSnapshot) {
    // After all that the table had, too: meanwhile more may have been merged than the tail named.
    go_on = Alias(std::max(question.newer.back(), last).value() + 1);
  }
  return go_on;
}

absl::StatusOr<Attributes> SessionReader::Load(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, Read());
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(const StoredSession session, table_.Get(*snapshot, alias, now));
  BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(session, now));
  BATONSTORE_ASSIGN_OR_RETURN(Attributes attributes, GetAttributes(*snapshot, keys_, alias));
  for (auto& [field, value] : attributes.fields) {
    if (value.is_secret()) value = Value::Withheld();
  }
  return attributes;
}

absl::StatusOr<std::vector<Compensation>> SessionReader::PendingCompensations(
    size_t most, std::optional<Alias> after) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, Read());
  return ListCompensations(*snapshot, keys_, most, after.value_or(Alias()));
}

absl::StatusOr<Alias> SessionReader::GroupOf(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const Session session, Find(alias));
  return session.group;
}

absl::StatusOr<std::vector<Alias>> SessionReader::GroupMembers(Alias group) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, Read());
  return MembersIn(*snapshot, group);
}

absl::StatusOr<std::vector<Alias>> SessionReader::MembersIn(Snapshot& snapshot, Alias group) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<SessionRecord> first,
                              GetSession(snapshot, keys_, group));
  if (!first.has_value() || first->session.group != group) {
    return Refuse(Verdict::kUnknownGroup,
                  absl::StrCat(group.ToString(), " is not the first session of a group"));
  }
  BATONSTORE_ASSIGN_OR_RETURN(std::vector<Alias> members,
                              table_.indexes().LinkedMembers(snapshot, group));
  members.insert(members.begin(), group);
  return members;
}

absl::StatusOr<StoreStats> SessionReader::Stats() const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, Read());
  StoreStats stats;
  BATONSTORE_ASSIGN_OR_RETURN(stats.sessions, snapshot->Count(Table::kSessions));
  BATONSTORE_ASSIGN_OR_RETURN(const Population population, GetPopulation(*snapshot, StoreScope()));
  stats.live = population.live;
  BATONSTORE_ASSIGN_OR_RETURN(stats.reservations, snapshot->Count(Table::kReservations));
  BATONSTORE_ASSIGN_OR_RETURN(stats.linked, snapshot->Count(Table::kGroups));
  BATONSTORE_ASSIGN_OR_RETURN(stats.revocations, snapshot->Count(Table::kRevoked));
  BATONSTORE_ASSIGN_OR_RETURN(stats.compensations, snapshot->Count(Table::kCompensations));
  BATONSTORE_ASSIGN_OR_RETURN(stats.events, snapshot->Count(Table::kOutbox));
  BATONSTORE_ASSIGN_OR_RETURN(stats.consumers, snapshot->Count(Table::kConsumers));
  BATONSTORE_ASSIGN_OR_RETURN(stats.epoch, GetMetaNumber(*snapshot, meta::kEpoch));
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last_alias,
                              GetMetaNumber(*snapshot, meta::kLastAlias));
  stats.last_alias = Alias(last_alias);
  BATONSTORE_ASSIGN_OR_RETURN(const Engine::Space space, engine_.MeasureSpace());
  stats.used_bytes = space.used_bytes;
  stats.map_bytes = space.map_bytes;
  return stats;
}

}  // namespace batonstore
