#include "batonstore/tools/shell.h"

#include <iostream>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/shell_line.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using recovery::Store;
using Answer = absl::StatusOr<JsonObject>;

constexpr char kQuit[] = "quit";

struct Command {
  std::string name;
  std::vector<std::string> required;  // keys
  std::vector<std::string> optional;
  std::string help;
  Answer (*run)(Store& store, const ShellLine& line);
};

const std::vector<Command>& Commands();

JsonObject Ok() { return Describe(absl::OkStatus()); }

Answer OkIf(const absl::Status& status) {
  if (!status.ok()) return status;
  return Ok();
}

Answer SessionOr(const absl::StatusOr<Session>& session) {
  if (!session.ok()) return session.status();
  return Ok().Object("session", Describe(*session));
}

absl::StatusOr<Alias> AliasOf(const ShellLine& line) { return ParseAlias(line.Get("alias")); }

absl::StatusOr<SessionSpec> SpecOf(Store& store, const ShellLine& line) {
  SessionSpec spec;
  spec.label = line.Get("label");
  spec.principal = line.Get("principal");
  spec.database = line.Get("database");
  spec.intent = line.Get("intent");
  BATONSTORE_ASSIGN_OR_RETURN(spec.kind, ParseNumber(line.Get("kind", "0")));
  BATONSTORE_ASSIGN_OR_RETURN(spec.expires_at,
                              ParseExpiry(line.Get("expires"), store.sessions().clock().Now()));
  BATONSTORE_ASSIGN_OR_RETURN(spec.key_type, KeyTypeFromName(line.Get("key-type", "x25519")));
  if (line.Has("group")) {
    BATONSTORE_ASSIGN_OR_RETURN(spec.group, ParseAlias(line.Get("group")));
  }
  return spec;
}

Answer Reserve(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const SessionSpec spec, SpecOf(store, line));
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

Answer Revoke(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return OkIf(store.sessions().Revoke(alias));
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
  std::optional<Alias> after;
  if (line.Has("after")) {
    BATONSTORE_ASSIGN_OR_RETURN(after, ParseAlias(line.Get("after")));
  }
  BATONSTORE_ASSIGN_OR_RETURN(const ListPage page, store.sessions().List(filter, limit, after));
  std::vector<JsonObject> sessions;
  for (const Session& session : page.sessions) sessions.push_back(Describe(session));
  JsonObject answer = Ok().Objects("sessions", sessions);
  return page.next.has_value() ? answer.Text("next", page.next->ToString()) : answer.Null("next");
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

Answer Issue(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const std::string baton, store.sessions().Issue(alias));
  return Ok().Text("baton", baton);
}

Answer Verify(Store& store, const ShellLine& line) {
  return SessionOr(
      store.sessions().Verify(line.Get("baton"), line.Get("principal"), line.Get("database")));
}

Answer RotateSigningKey(Store& store, const ShellLine&) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint32_t key_id, store.sessions().RotateSigningKey());
  return Ok().Number("key_id", key_id);
}

Answer RetireSigningKey(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint32_t key_id, ParseNumber(line.Get("key-id")));
  return OkIf(store.sessions().RetireSigningKey(key_id));
}

Answer SigningKeys(Store& store, const ShellLine&) {
  std::vector<JsonObject> keys;
  for (const Keyring::KeyInfo& key : store.sessions().SigningKeys()) keys.push_back(Describe(key));
  return Ok().Objects("signing_keys", keys);
}

Answer Stats(Store& store, const ShellLine&) {
  BATONSTORE_ASSIGN_OR_RETURN(const StoreStats stats, store.sessions().Stats());
  return Ok().Object("stats", Describe(stats));
}

Answer Report(Store& store, const ShellLine&) {
  return Ok().Object("recovery", Describe(store.report()));
}

Answer AdoptWallClock(Store& store, const ShellLine&) {
  return OkIf(store.sessions().AdoptWallClock());
}

Answer Quit(Store&, const ShellLine&) { return Ok(); }

std::string Usage(const Command& command) {
  std::string usage = command.name;
  for (const std::string& key : command.required) {
    absl::StrAppend(&usage, " ", key, "=", absl::AsciiStrToUpper(key));
  }
  for (const std::string& key : command.optional) {
    absl::StrAppend(&usage, " [", key, "=", absl::AsciiStrToUpper(key), "]");
  }
  return usage;
}

Answer Help(Store&, const ShellLine&) {
  std::vector<JsonObject> commands;
  for (const Command& command : Commands()) {
    commands.push_back(JsonObject().Text("usage", Usage(command)).Text("help", command.help));
  }
  return Ok().Objects("commands", commands);
}

const std::vector<Command>& Commands() {
  static const std::vector<std::string> kSpec = {"label", "kind",   "principal", "database",
                                                 "group", "intent", "key-type"};
  static const auto& commands = *new std::vector<Command>{
      {"reserve",
       {"expires"},
       kSpec,
       "Reserve a session: durable, and removed by recovery unless created",
       Reserve},
      {"create", {"alias"}, {}, "Reserved to Created; again changes nothing", Create},
      {"abandon", {"alias"}, {}, "Remove a reservation as if it had never been", Abandon},
      {"reserve-and-create", {"expires"}, kSpec, "Both in one transaction", ReserveAndCreate},
      {"shift", {"alias", "to"}, {}, "Move a session to another state", Shift},
      {"revoke", {"alias"}, {}, "Shift to revoked, for good", Revoke},
      {"set-remote-key", {"alias", "key"}, {}, "Note the other side's public key", SetRemoteKey},
      {"find", {"alias"}, {}, "A session by its alias", Find},
      {"find-by-key", {"key"}, {}, "A session by its public key", FindByKey},
      {"list",
       {},
       {"state", "kind", "principal", "database", "limit", "after"},
       "Sessions in the order of creation; next is where to go on",
       List},
      {"group-of", {"alias"}, {}, "The group that a session belongs to", GroupOf},
      {"members", {"group"}, {}, "All sessions of a group", Members},
      {"issue", {"alias"}, {}, "A baton for a created session", Issue},
      {"verify",
       {"baton"},
       {"principal", "database"},
       "The session that a baton names, if it is authentic, alive and theirs",
       Verify},
      {"rotate-signing-key", {}, {}, "Sign new batons with a new key", RotateSigningKey},
      {"retire-signing-key",
       {"key-id"},
       {},
       "Batons of that key are LOST from now on",
       RetireSigningKey},
      {"signing-keys", {}, {}, "The keys that sign batons, by id and status", SigningKeys},
      {"stats", {}, {}, "Numbers about the store", Stats},
      {"report", {}, {}, "What the opening of this store found and removed", Report},
      {"adopt-wall-clock", {}, {}, "Expire by the wall clock as it is now", AdoptWallClock},
      {"help", {}, {}, "This list", Help},
      {kQuit, {}, {}, "Close the store and end; the end of input does the same", Quit},
  };
  return commands;
}

absl::Status CheckArguments(const Command& command, const ShellLine& line) {
  for (const std::string& key : command.required) {
    if (line.Has(key)) continue;
    return Refuse(Verdict::kInvalid,
                  absl::StrCat("the key ", key, " is missing; usage: ", Usage(command)));
  }
  for (const auto& [key, value] : line.arguments) {
    if (absl::c_linear_search(command.required, key)) continue;
    if (absl::c_linear_search(command.optional, key)) continue;
    return Refuse(Verdict::kInvalid, absl::StrCat("there is no key \"", Printable(key),
                                                  "\"; usage: ", Usage(command)));
  }
  return absl::OkStatus();
}

Answer Run(Store& store, const ShellLine& line) {
  for (const Command& command : Commands()) {
    if (command.name != line.command) continue;
    BATONSTORE_RETURN_IF_ERROR(CheckArguments(command, line));
    return command.run(store, line);
  }
  return Refuse(Verdict::kInvalid, absl::StrCat("there is no command \"", Printable(line.command),
                                                "\"; help lists them"));
}

}  // namespace

void RunShell(Store& store, std::istream& in, std::ostream& out, absl::string_view prompt) {
  std::string text;
  while (std::cerr << prompt && std::getline(in, text)) {
    const absl::StatusOr<ShellLine> line = ParseShellLine(text);
    if (line.ok() && line->command.empty()) continue;
    const Answer answer = line.ok() ? Run(store, *line) : line.status();
    out << (answer.ok() ? *answer : Describe(answer.status())).ToLine() << std::endl;
    if (answer.ok() && line->command == kQuit) return;
  }
}

std::string ShellHelp() {
  std::string text = "Commands:\n";
  for (const Command& command : Commands()) {
    absl::StrAppend(&text, "  ", Usage(command), "\n      ", command.help, "\n");
  }
  return text;
}

}  // namespace batonstore::tools
