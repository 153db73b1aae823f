// The subcommands that look at a store and change nothing.

#include <iostream>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "batonstore/store/session.h"
#include "batonstore/tools/command_line_parts.h"
#include "batonstore/tools/commands.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

int PrintList(const Common& common, const ListRequest& request) {
  const ListFormat format = common.json ? ListFormat::kJsonLines : ListFormat::kTable;
  const absl::StatusOr<JsonObject> summary = List(common.Resolved(), request, format, std::cout);
  if (!summary.ok() || common.json) return Print(summary, common.json);
  std::cout.flush();
  std::cerr << summary->ToText();
  return 0;
}

void AddList(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "list", "List sessions in the order of their creation",
      R"(Reads while an owner serves, or none does. With --json each session is one line, and a last
line {"ok":true,"listed":N,"next":ALIAS or null} tells that the list is whole.

Examples:
  batonstore list --dir /var/lib/service/sessions
  batonstore list --dir /var/lib/service/sessions --state created --principal alice
  batonstore list --dir /var/lib/service/sessions --limit 50 --after 0ca1e29d5c000000 --json
)");
  auto common = AddCommon(command);
  auto request = std::make_shared<ListRequest>();
  AddParsed(command, "--state",
            "Only those in this state: created, in_use, revoked, expired or reserved", ParseState,
            [request](State state) { request->filter.state = state; })
      ->type_name("STATE");
  command.add_option("--kind", request->filter.kind, "Only those of this kind")
      ->type_name("NUMBER");
  command.add_option("--principal", request->filter.principal, "Only this principal's")
      ->type_name("NAME");
  command.add_option("--database", request->filter.database, "Only those on this database")
      ->type_name("NAME");
  command.add_option("--limit", request->limit, "At most so many; all by default")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command.add_option("--after", request->after, "Only those created after this session")
      ->type_name("ALIAS");
  command.callback(
      [&action, common, request] { action = [=] { return PrintList(*common, *request); }; });
}

void AddShow(CLI::App& app, Action& action) {
  CLI::App& command =
      *AddCommand(app, "show", "Show one session and the members of its group",
                  R"(Reads while an owner serves, or none does. Never shows a private key.

Examples:
  batonstore show 0ca1e29d5c000000 --dir /var/lib/service/sessions
  batonstore show --public-key 9f86d081... --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  auto alias = std::make_shared<std::string>();
  auto key = std::make_shared<std::string>();
  CLI::Option_group& which = *command.add_option_group("session", "Which session");
  which.add_option("ALIAS", *alias, "The session's alias")->type_name("");
  which.add_option("--public-key", *key, "The session's own public key, in hex")->type_name("HEX");
  which.require_option(1);
  command.callback([&action, common, alias, key] {
    action = [=] {
      const StoreLocation location = common->Resolved();
      return Print(key->empty() ? Show(location, *alias) : ShowByPublicKey(location, *key),
                   common->json);
    };
  });
}

void AddGet(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "get", "Show the fields of a session, or one of them",
      R"(Reads while an owner serves, or none does. A value that is not UTF-8 is shown in
hex, as {"hex":"ff00"}, and a secret as {"withheld":true}; fields whose name is not
UTF-8 are apart, under fields_by_hex. Refused when the session has ended.

Examples:
  batonstore get 0ca1e29d5c000000 --dir /var/lib/service/sessions
  batonstore get 0ca1e29d5c000000 theme --dir /var/lib/service/sessions --json
)");
  auto common = AddCommon(command);
  auto alias = AddAlias(command);
  const GivenText field = AddText(command, "FIELD", "The field's name; all fields without one");
  field.option->type_name("");
  command.callback([&action, common, alias, value = field.value] {
    action = [=] { return Print(Get(common->Resolved(), *alias, *value), common->json); };
  });
}

void AddStats(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(app, "stats", "Show numbers about the store",
                                  R"(Reads while an owner serves, or none does.

Example:
  batonstore stats --dir /var/lib/service/sessions --json
)");
  auto common = AddCommon(command);
  command.callback([&action, common] {
    action = [common] { return Print(Stats(common->Resolved()), common->json); };
  });
}

int PrintVerified(const absl::StatusOr<Verified>& verified, bool json) {
  if (!verified.ok()) return Refused(verified.status(), json);
  Print(verified->answer, json);
  return verified->is_sound ? 0 : kRefused;
}

void AddVerify(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "verify", "Check every page, row, index and count of a store against each other",
      R"(Reads while an owner serves, or none does: one snapshot, by reads of its own, so that a
damaged file can do no harm. Shows where the damage is (table, key, page) and why it is
damage; of much, the first hundred places. The exit status is 0 for a sound store and 1 for
a damaged one. Takes some seconds for each million sessions; a served store keeps the pages
of the snapshot meanwhile, so its file may grow.

Examples:
  batonstore verify --dir /var/lib/service/sessions
  batonstore verify --dir /var/lib/service/sessions --json
)");
  auto common = AddCommon(command);
  command.callback([&action, common] {
    action = [common] { return PrintVerified(VerifyStore(common->Resolved()), common->json); };
  });
}

}  // namespace

void AddLookingCommands(CLI::App& app, Action& action) {
  AddList(app, action);
  AddShow(app, action);
  AddGet(app, action);
  AddStats(app, action);
  AddVerify(app, action);
}

}  // namespace batonstore::tools
