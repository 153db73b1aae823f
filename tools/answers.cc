#include "batonstore/tools/answers.h"

#include <algorithm>

#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/describe.h"

namespace batonstore::tools {
namespace {

// As JSON, in the order given.
template <typename T>
std::vector<JsonObject> DescribeAll(const std::vector<T>& things) {
  std::vector<JsonObject> objects;
  objects.reserve(things.size());
  for (const T& thing : things) objects.push_back(Describe(thing));
  return objects;
}

}  // namespace

JsonObject Ok() { return Describe(absl::OkStatus()); }

Answer OkIf(const absl::Status& status) {
  if (!status.ok()) return status;
  return Ok();
}

Answer SessionOr(const absl::StatusOr<Session>& session) {
  if (!session.ok()) return session.status();
  return Ok().Object("session", Describe(*session));
}

Answer VersionOr(const absl::StatusOr<uint64_t>& version) {
  if (!version.ok()) return version.status();
  return Ok().Number("version", *version);
}

Answer GetFields(const SessionReader& sessions, Alias alias,
                 const std::optional<std::string>& field) {
  BATONSTORE_ASSIGN_OR_RETURN(const Attributes attributes, sessions.Load(alias));
  if (!field.has_value()) return Ok().Object("attributes", Describe(attributes));
  const auto found = attributes.fields.find(*field);
  if (found == attributes.fields.end()) {
    return Refuse(Verdict::kNotFound, "the session has no such field");
  }
  JsonObject answer = Ok().Number("version", attributes.version);
  AddValue(answer, "value", found->second);
  return answer;
}

Answer SetFields(SessionStore& sessions, Alias alias, const Fields& fields,
                 std::optional<uint64_t> if_version) {
  if (!if_version.has_value()) {
    Changes changes;
    for (const auto& [field, value] : fields) changes.emplace(field, Change::Set(value));
    return VersionOr(sessions.Merge(alias, changes));
  }
  // What is read here is what SaveIf finds, or it has another version.
  BATONSTORE_ASSIGN_OR_RETURN(Attributes attributes, sessions.Load(alias));
  for (const auto& [field, value] : fields) attributes.fields[field] = value;
  return VersionOr(sessions.SaveIf(alias, *if_version, attributes.fields));
}

Answer SweepAll(SessionStore& sessions) {
  Swept sums;
  do {
    BATONSTORE_ASSIGN_OR_RETURN(const Swept piece, sessions.Sweep());
    sums.expired += piece.expired;
    sums.revoked += piece.revoked;
    sums.removed += piece.removed;
    sums.trimmed += piece.trimmed;
    sums.more = piece.more;
  } while (sums.more);
  return Ok().Object("swept", Describe(sums));
}

Answer RevokeAllOf(SessionStore& sessions, absl::string_view principal, std::optional<Alias> keep) {
  return OkIf(keep.has_value() ? sessions.RevokeAllExcept(principal, *keep)
                               : sessions.RevokeAll(principal));
}

Answer RevokeMembers(SessionStore& sessions, Alias group) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t revoked, sessions.RevokeGroup(group));
  return Ok().Number("revoked", revoked);
}

Answer EventConsumers(SessionStore& sessions) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Consumer> consumers, sessions.events().Consumers());
  return Ok().Objects("consumers", DescribeAll(consumers));
}

Answer UnreadEvents(SessionStore& sessions, absl::string_view consumer, size_t limit) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Event> events,
                              sessions.events().Read(consumer, limit));
  return Ok().Objects("events", DescribeAll(events));
}

Answer Compensations(const SessionReader& sessions, std::optional<uint64_t> limit,
                     std::optional<Alias> after) {
  if (limit == 0) return Refuse(Verdict::kInvalid, "the limit is 0");
  const uint64_t most = std::min<uint64_t>(limit.value_or(SIZE_MAX), SIZE_MAX - 1);
  // One more, to know whether there are more.
  BATONSTORE_ASSIGN_OR_RETURN(std::vector<Compensation> pending,
                              sessions.PendingCompensations(most + 1, after));
  const bool more = pending.size() > most;
  if (more) pending.pop_back();
  JsonObject answer = Ok().Objects("compensations", DescribeAll(pending));
  return more ? answer.Text("next", pending.back().alias.ToString()) : answer.Null("next");
}

}  // namespace batonstore::tools
