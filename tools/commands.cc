#include "batonstore/tools/commands.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/progress.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using recovery::Observer;
using recovery::Store;

absl::StatusOr<std::unique_ptr<Observer>> Observe(const StoreLocation& location) {
  return recovery::OpenReadOnly(OpenOptions(location, /*create_if_missing=*/false));
}

absl::StatusOr<std::unique_ptr<Store>> Own(const StoreLocation& location) {
  return recovery::Open(OpenOptions(location, /*create_if_missing=*/false));
}

std::string ShortTime(absl::Time time) {
  return TimeText(
      time == absl::InfiniteFuture() ? time : absl::FromUnixSeconds(absl::ToUnixSeconds(time)));
}

constexpr char kHeadings[] =
    "ALIAS             STATE        KIND  PRINCIPAL         DATABASE          "
    "EXPIRES               LABEL";

std::string TableRow(const Session& session) {
  return absl::StrFormat("%s  %-8s %8d  %-16s  %-16s  %-20s  %s", session.alias.ToString(),
                         StateName(session.state), session.kind, Printable(session.principal),
                         Printable(session.database), ShortTime(session.expires_at),
                         Printable(session.label));
}

void PrintPage(const std::vector<Session>& sessions, ListFormat format, std::ostream& out) {
  for (const Session& session : sessions) {
    out << (format == ListFormat::kTable ? TableRow(session) : Describe(session).ToLine()) << "\n";
  }
  out.flush();
}

// Only where the sessions themselves do not show that something happens.
uint64_t ProgressTotal(const SessionReader& sessions, const ListRequest& request) {
  const absl::StatusOr<StoreStats> stats = sessions.Stats();
  if (isatty(STDOUT_FILENO) == 1 || !stats.ok()) return 0;
  return std::min(stats->sessions, request.limit.value_or(stats->sessions));
}

absl::StatusOr<JsonObject> ShowSession(const SessionReader& sessions,
                                       const absl::StatusOr<Session>& session) {
  BATONSTORE_RETURN_IF_ERROR(session.status());
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Alias> members,
                              sessions.GroupMembers(session->group));
  std::vector<std::string> names;
  for (const Alias member : members) names.push_back(member.ToString());
  return Describe(absl::OkStatus())
      .Object("session", Describe(*session).Texts("group_members", names));
}

}  // namespace

recovery::Options OpenOptions(const StoreLocation& location, bool create_if_missing) {
  recovery::Options options;
  options.directory = location.directory;
  options.create_if_missing = create_if_missing;
  if (!location.key_file.empty()) {
    options.key_encryption_key = recovery::KeyFromFile(location.key_file);
  }
  return options;
}

absl::StatusOr<JsonObject> List(const StoreLocation& location, const ListRequest& request,
                                ListFormat format, std::ostream& out) {
  std::optional<Alias> after;
  if (request.after.has_value()) {
    BATONSTORE_ASSIGN_OR_RETURN(after, ParseAlias(*request.after));
  }
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  const SessionReader& sessions = observer->sessions();
  Progress progress("listing", ProgressTotal(sessions, request));
  if (format == ListFormat::kTable) out << kHeadings << "\n";
  uint64_t listed = 0;
  do {
    const uint64_t left = request.limit.value_or(UINT64_MAX) - listed;
    BATONSTORE_ASSIGN_OR_RETURN(
        const ListPage page,
        sessions.List(request.filter, std::min<uint64_t>(left, kMaxPageSize), after));
    PrintPage(page.sessions, format, out);
    listed += page.sessions.size();
    progress.Advance(page.sessions.size());
    after = page.next;
  } while (after.has_value() && listed != request.limit && out.good());
  JsonObject summary = Describe(absl::OkStatus()).Number("listed", listed);
  return after.has_value() ? summary.Text("next", after->ToString()) : summary.Null("next");
}

absl::StatusOr<JsonObject> Show(const StoreLocation& location, const std::string& alias) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  return ShowSession(observer->sessions(), observer->sessions().Find(parsed));
}

absl::StatusOr<JsonObject> ShowByPublicKey(const StoreLocation& location, const std::string& key) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::string bytes, ParseHex(key));
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  return ShowSession(observer->sessions(), observer->sessions().FindByPublicKey(bytes));
}

absl::StatusOr<JsonObject> Stats(const StoreLocation& location) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto observer, Observe(location));
  BATONSTORE_ASSIGN_OR_RETURN(const StoreStats stats, observer->sessions().Stats());
  return Describe(absl::OkStatus()).Object("stats", Describe(stats));
}

absl::StatusOr<JsonObject> Revoke(const StoreLocation& location, const std::string& alias) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias parsed, ParseAlias(alias));
  BATONSTORE_ASSIGN_OR_RETURN(const auto store, Own(location));
  BATONSTORE_ASSIGN_OR_RETURN(const Session session,
                              store->sessions().Shift(parsed, State::kRevoked));
  BATONSTORE_RETURN_IF_ERROR(store->Close());
  return Describe(absl::OkStatus())
      .Object("session", Describe(session))
      .Object("recovery", Describe(store->report()));
}

absl::StatusOr<JsonObject> Recover(const StoreLocation& location) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto store, Own(location));
  BATONSTORE_RETURN_IF_ERROR(store->Close());
  return Describe(absl::OkStatus()).Object("recovery", Describe(store->report()));
}

}  // namespace batonstore::tools
