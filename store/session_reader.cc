#include "batonstore/store/session_reader.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

// How many rows List looks at before it takes a fresh snapshot.
constexpr int kRowsPerSnapshot = 1024;

absl::Status NoSession(Alias alias) {
  return Refuse(Verdict::kNotFound, absl::StrCat("no session has the alias ", alias.ToString()));
}

bool Matches(const ListFilter& filter, const Session& session) {
  return (!filter.state.has_value() || *filter.state == session.state) &&
         (!filter.kind.has_value() || *filter.kind == session.kind) &&
         (!filter.principal.has_value() || *filter.principal == session.principal) &&
         (!filter.database.has_value() || *filter.database == session.database);
}

}  // namespace

SessionReader::SessionReader(Engine& engine, const StoreKeys& keys, const StoreTime& time)
    : engine_(engine), keys_(keys), time_(time), indexes_(keys) {}

absl::StatusOr<SessionRecord> SessionReader::Load(Snapshot& snapshot, Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(std::optional<SessionRecord> record,
                              GetSession(snapshot, keys_, alias));
  if (!record.has_value()) return NoSession(alias);
  return *std::move(record);
}

absl::StatusOr<SessionRecord> SessionReader::LoadIndexed(Snapshot& snapshot, Alias alias) const {
  absl::StatusOr<SessionRecord> record = Load(snapshot, alias);
  if (VerdictOf(record.status()) != Verdict::kNotFound) return record;
  return Refuse(Verdict::kCorrupt, absl::StrCat("an index names the session ", alias.ToString(),
                                                ", which is gone; restore a backup"));
}

Session SessionReader::AsOf(absl::Time now, Session session) {
  if (!IsTerminal(session.state) && session.expires_at <= now) session.state = State::kExpired;
  return session;
}

absl::StatusOr<Session> SessionReader::Find(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  BATONSTORE_ASSIGN_OR_RETURN(SessionRecord record, Load(*snapshot, alias));
  return AsOf(time_.Now(), std::move(record.session));
}

absl::StatusOr<Session> SessionReader::FindByPublicKey(absl::string_view public_key) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> alias,
                              indexes_.FindPublicKey(*snapshot, public_key));
  if (alias.has_value()) {
    BATONSTORE_ASSIGN_OR_RETURN(SessionRecord record, LoadIndexed(*snapshot, *alias));
    if (record.session.public_key == public_key) {
      return AsOf(time_.Now(), std::move(record.session));
    }
  }
  return Refuse(Verdict::kNotFound, "no session has that public key");
}

absl::StatusOr<ListPage> SessionReader::List(const ListFilter& filter, size_t page_size,
                                             std::optional<Alias> after) const {
  if (page_size == 0 || page_size > kMaxPageSize) {
    return Refuse(Verdict::kInvalid, absl::StrCat("a page has 1 to ", kMaxPageSize, " sessions"));
  }
  ListPage page;
  std::optional<Alias> from = after.has_value() ? Alias(after->value() + 1) : Alias();
  if (after == Alias(UINT64_MAX)) return page;
  while (from.has_value() && page.sessions.size() < page_size) {
    BATONSTORE_ASSIGN_OR_RETURN(from, FillPage(filter, page_size, *from, page.sessions));
  }
  if (from.has_value()) page.next = page.sessions.back().alias;
  return page;
}

// Adds to the page from one snapshot. Returns where to go on, nothing at the end of the table.
absl::StatusOr<std::optional<Alias>> SessionReader::FillPage(const ListFilter& filter,
                                                             size_t page_size, Alias from,
                                                             std::vector<Session>& page) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  const absl::Time now = time_.Now();
  std::optional<Alias> go_on;
  int looked_at = 0;
  const auto add = [&](Session session) {
    const Alias alias = session.alias;
    session = AsOf(now, std::move(session));
    if (Matches(filter, session)) page.push_back(std::move(session));
    if (page.size() < page_size && ++looked_at < kRowsPerSnapshot) return true;
    go_on = Alias(alias.value() + 1);
    return false;
  };
  if (!filter.principal.has_value()) {
    BATONSTORE_RETURN_IF_ERROR(ScanSessions(*snapshot, keys_, from, [&](SessionRecord record) {
      return add(std::move(record.session));
    }));
    return go_on;
  }
  absl::Status broken;
  BATONSTORE_RETURN_IF_ERROR(
      indexes_.ScanPrincipal(*snapshot, *filter.principal, from, [&](Alias alias) {
        absl::StatusOr<SessionRecord> record = LoadIndexed(*snapshot, alias);
        broken = record.status();
        return broken.ok() && add(std::move(record->session));
      }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  return go_on;
}

absl::StatusOr<Alias> SessionReader::GroupOf(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const Session session, Find(alias));
  return session.group;
}

absl::StatusOr<std::vector<Alias>> SessionReader::GroupMembers(Alias group) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<SessionRecord> first,
                              GetSession(*snapshot, keys_, group));
  if (!first.has_value() || first->session.group != group) {
    return Refuse(Verdict::kUnknownGroup,
                  absl::StrCat(group.ToString(), " is not the first session of a group"));
  }
  BATONSTORE_ASSIGN_OR_RETURN(std::vector<Alias> members, indexes_.LinkedMembers(*snapshot, group));
  members.insert(members.begin(), group);
  return members;
}

absl::StatusOr<StoreStats> SessionReader::Stats() const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  StoreStats stats;
  BATONSTORE_ASSIGN_OR_RETURN(stats.sessions, snapshot->Count(Table::kSessions));
  BATONSTORE_ASSIGN_OR_RETURN(stats.reservations, snapshot->Count(Table::kReservations));
  BATONSTORE_ASSIGN_OR_RETURN(stats.linked, snapshot->Count(Table::kGroups));
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
