// The subcommands that keep sessions alive, give them new identities, and end them.

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "batonstore/tools/command_line_parts.h"
#include "batonstore/tools/commands.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

void AddTouch(CLI::App& app, Action& action) {
  CLI::App& command =
      *AddCommand(app, "touch", "Start a session's idle clock anew",
                  R"(Shows the session as it is then. A touch that would move the deadline by too
little is not written down (an eighth of the idle timeout is always enough).

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open.

Example:
  batonstore touch 0ca1e29d5c000000 --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  auto alias = AddAlias(command);
  command.callback([&action, common, alias] {
    action = [=] { return Print(Touch(common->Resolved(), *alias), common->json); };
  });
}

void AddCycle(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "cycle", "Give a session a new alias and key pair; shows it",
      R"(Everything else it has moves along. For as long as --redirect-for says, the old alias is
answered with MOVED and the new one (moved_to), then with REVOKED. After a privilege change,
a login for one, it is REVOKED at once, and nobody is told the new one.

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open.

Examples:
  batonstore cycle 0ca1e29d5c000000 --dir /var/lib/service/sessions
  batonstore cycle 0ca1e29d5c000000 --privilege-change --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  AddRetention(command, common);
  auto alias = AddAlias(command);
  auto options = std::make_shared<CycleOptions>();
  CLI::Option* const redirect = AddParsed(
      command, "--redirect-for", "How long the old alias tells the new one; 30s if not given",
      ParseDuration, [options](absl::Duration duration) { options->redirect_for = duration; });
  redirect->type_name("DURATION");
  command.add_flag("--privilege-change", options->privilege_change, "The old alias tells nothing")
      ->excludes(redirect);
  command.callback([&action, common, alias, options] {
    action = [=] { return Print(Cycle(common->Resolved(), *alias, *options), common->json); };
  });
}

void AddRevoke(CLI::App& app, Action& action) {
  CLI::App& command =
      *AddCommand(app, "revoke", "Revoke a session, for good",
                  R"(Becomes the store's owner for it: while a service has the store open, this is
refused with NOT_OWNER and the service's pid. Opening recovers the store; the
answer tells which reservations that removed.

Example:
  batonstore revoke 0ca1e29d5c000000 --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  AddRetention(command, common);
  auto alias = AddAlias(command);
  command.callback([&action, common, alias] {
    action = [=] { return Print(Revoke(common->Resolved(), *alias), common->json); };
  });
}

void AddRevokeGroup(CLI::App& app, Action& action) {
  CLI::App& command =
      *AddCommand(app, "revoke-group", "Revoke every session of a group, for good",
                  R"(Tells how many had not ended yet. A group is named by the alias of its first
session; show tells it.

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open.

Example:
  batonstore revoke-group 0ca1e29d5c000000 --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  AddRetention(command, common);
  auto group = std::make_shared<std::string>();
  command.add_option("GROUP", *group, "The alias of its first session")->required()->type_name("");
  command.callback([&action, common, group] {
    action = [=] { return Print(RevokeGroup(common->Resolved(), *group), common->json); };
  });
}

void AddRevokeAll(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "revoke-all", "Revoke every session that a principal has, for good",
      R"(They are revoked from this moment on, however many; what they held is shredded by sweeps.
With --except one stays: "log out everywhere else".

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open.

Examples:
  batonstore revoke-all alice --dir /var/lib/service/sessions
  batonstore revoke-all alice --except 0ca1e29d5c000000 --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  AddRetention(command, common);
  auto principal = std::make_shared<std::string>();
  command.add_option("PRINCIPAL", *principal, "Whose sessions")->required()->type_name("");
  const GivenText except = AddText(command, "--except", "The session of theirs that stays");
  except.option->type_name("ALIAS");
  command.callback([&action, common, principal, keep = except.value] {
    action = [=] { return Print(RevokeAll(common->Resolved(), *principal, *keep), common->json); };
  });
}

}  // namespace

void AddSessionCommands(CLI::App& app, Action& action) {
  AddTouch(app, action);
  AddCycle(app, action);
  AddRevoke(app, action);
  AddRevokeGroup(app, action);
  AddRevokeAll(app, action);
}

}  // namespace batonstore::tools
