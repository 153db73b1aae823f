// The shell's commands on sessions: made, found, listed, grouped, kept alive, ended.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/answers.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/shell_command.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using recovery::Store;

Answer Reserve(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(SessionSpec spec, SpecOf(store, line));
  if (line.Has("reserve-for")) {
    BATONSTORE_ASSIGN_OR_RETURN(spec.reserve_for, ParseDuration(line.Get("reserve-for")));
  }
  return SessionOr(store.sessions().Reserve(spec));
}

Answer ReserveAndCreate(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const SessionSpec spec, SpecOf(store, line));
  return SessionOr(store.sessions().ReserveAndCreate(spec));
}

Answer Create(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return OkIf(store.sessions().Create(alias));
}

Answer Abandon(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return OkIf(store.sessions().Abandon(alias));
}

Answer Shift(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const State to, ParseState(line.Get("to")));
  return SessionOr(store.sessions().Shift(alias, to));
}

Answer Touch(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return SessionOr(store.sessions().Touch(alias));
}

Answer Cycle(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  CycleOptions options;
  BATONSTORE_ASSIGN_OR_RETURN(options.privilege_change,
                              ParseFlag(line.Get("privilege-change", "no")));
  if (line.Has("redirect-for")) {
    if (options.privilege_change) {
      return Refuse(Verdict::kInvalid, "after a privilege change nothing is redirected");
    }
    BATONSTORE_ASSIGN_OR_RETURN(options.redirect_for, ParseDuration(line.Get("redirect-for")));
  }
  return SessionOr(store.sessions().CycleKey(alias, options));
}

Answer Revoke(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return OkIf(store.sessions().Revoke(alias));
}

Answer RevokeGroup(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias group, ParseAlias(line.Get("group")));
  return RevokeMembers(store.sessions(), group);
}

Answer RevokeAll(Store& store, const ShellLine& line) {
  return RevokeAllOf(store.sessions(), line.Get("principal"), std::nullopt);
}

Answer RevokeAllExcept(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return RevokeAllOf(store.sessions(), line.Get("principal"), alias);
}

Answer SetRemoteKey(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const std::string key, ParseHex(line.Get("key")));
  return OkIf(store.sessions().SetRemotePublicKey(alias, key));
}

Answer Find(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return SessionOr(store.sessions().Find(alias));
}

Answer FindByKey(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::string key, ParseHex(line.Get("key")));
  return SessionOr(store.sessions().FindByPublicKey(key));
}

absl::StatusOr<ListFilter> FilterOf(const ShellLine& line) {
  ListFilter filter;
  if (line.Has("state")) {
    BATONSTORE_ASSIGN_OR_RETURN(filter.state, ParseState(line.Get("state")));
  }
  if (line.Has("kind")) {
    BATONSTORE_ASSIGN_OR_RETURN(filter.kind, ParseNumber(line.Get("kind")));
  }
  if (line.Has("principal")) filter.principal = line.Get("principal");
  if (line.Has("database")) filter.database = line.Get("database");
  return filter;
}

Answer List(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const ListFilter filter, FilterOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const uint32_t limit, ParseNumber(line.Get("limit", "100")));
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> after, AliasIfGiven(line, "after"));
  BATONSTORE_ASSIGN_OR_RETURN(const ListPage page, store.sessions().List(filter, limit, after));
  std::vector<JsonObject> sessions;
  for (const Session& session : page.sessions) sessions.push_back(Describe(session));
  JsonObject answer = Ok().Objects("sessions", sessions);
  return page.next.has_value() ? answer.Text("next", page.next->ToString()) : answer.Null("next");
}

Answer Count(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const ListFilter filter, FilterOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t count, store.sessions().Count(filter));
  return Ok().Number("count", count);
}

Answer GroupOf(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const Alias group, store.sessions().GroupOf(alias));
  return Ok().Text("group", group.ToString());
}

Answer Members(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias group, ParseAlias(line.Get("group")));
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Alias> members,
                              store.sessions().GroupMembers(group));
  std::vector<std::string> aliases;
  for (const Alias member : members) aliases.push_back(member.ToString());
  return Ok().Texts("members", aliases);
}

std::vector<std::string> With(std::vector<std::string> keys, const std::string& key) {
  keys.push_back(key);
  return keys;
}

}  // namespace

std::vector<ShellCommand> SessionShellCommands() {
  return {
      {"reserve",
       {"expires"},
       With(SpecKeys(), "reserve-for"),
       "Reserve a session: durable, and taken away unless created in time",
       Reserve},
      {"create", {"alias"}, {}, "Reserved to Created; again changes nothing", Create},
      {"abandon", {"alias"}, {}, "Remove a reservation as if it had never been", Abandon},
      {"reserve-and-create", {"expires"}, SpecKeys(), "Both in one transaction", ReserveAndCreate},
      {"shift", {"alias", "to"}, {}, "Move a session to another state", Shift},
      {"touch", {"alias"}, {}, "Start a session's idle clock anew", Touch},
      {"cycle",
       {"alias"},
       {"redirect-for", "privilege-change"},
       "Give a session a new alias and key pair; a privilege change (yes) redirects nobody",
       Cycle},
      {"revoke", {"alias"}, {}, "Shift to revoked, for good", Revoke},
      {"revoke-group", {"group"}, {}, "Revoke every session of a group", RevokeGroup},
      {"revoke-all", {"principal"}, {}, "Revoke every session of a principal", RevokeAll},
      {"revoke-all-except",
       {"principal", "alias"},
       {},
       "Revoke every session of a principal but this one",
       RevokeAllExcept},
      {"set-remote-key", {"alias", "key"}, {}, "Note the other side's public key", SetRemoteKey},
      {"find", {"alias"}, {}, "A session by its alias", Find},
      {"find-by-key", {"key"}, {}, "A session by its public key", FindByKey},
      {"list",
       {},
       {"state", "kind", "principal", "database", "limit", "after"},
       "Sessions in the order of creation; go on after next, also if there are few or none",
       List},
      {"count", {}, {"state", "kind", "principal", "database"}, "How many sessions match", Count},
      {"group-of", {"alias"}, {}, "The group that a session belongs to", GroupOf},
      {"members", {"group"}, {}, "All sessions of a group", Members},
  };
}

}  // namespace batonstore::tools
