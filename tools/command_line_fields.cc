// The subcommands that change the fields of a session.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "batonstore/tools/command_line_parts.h"
#include "batonstore/tools/commands.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

void AddSet(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "set", "Set fields of a session; its other fields stay as they are",
      R"(All are set, or none. FIELD*=VALUE or --secret makes a value a secret, which get and others
never show; set without it, a field is a secret no more. Whoever lists the processes sees
the command line: give real secrets to the shell, on its standard input.

The name ends before the first =; in double quotes it may hold anything, with C's
escapes: '"a=b"=1'. The value is all that follows.

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open.

Examples:
  batonstore set 0ca1e29d5c000000 theme=dark 'greeting=Hello!' --dir /tmp/store
  batonstore set 0ca1e29d5c000000 pin=1234 --secret --dir /tmp/store
  batonstore set 0ca1e29d5c000000 theme=light --if-version 3 --dir /tmp/store
)");
  auto common = AddCommon(command);
  auto alias = AddAlias(command);
  auto request = std::make_shared<SetRequest>();
  command.add_option("FIELD=VALUE", request->words, "What to set")->required()->type_name("");
  command.add_flag("--secret", request->secret, "All values given are secrets");
  AddParsed(command, "--if-version",
            "Refuse with CONFLICT if the fields have another version than this; get shows it",
            ParseNumber64, [request](uint64_t version) { request->if_version = version; })
      ->type_name("N");
  command.callback([&action, common, alias, request] {
    action = [=] { return Print(Set(common->Resolved(), *alias, *request), common->json); };
  });
}

void AddMerge(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(app, "merge", "Change fields of a session, all or none",
                                  R"(A CHANGE is one of
  FIELD=VALUE   set it                       FIELD+=N   add to it; no value counts as 0
  FIELD*=VALUE  set it, as a secret          FIELD-=N   subtract from it
  FIELD?=VALUE  set it, if there is none     FIELD-     remove it
  FIELD~=OLD    with FIELD=NEW beside it: set it, if it is OLD

Where a ?= finds a value, or a ~= another, or none, all is refused with CONFLICT. N is an
integer of 64 bits. No field is named by two changes, but for ~=.

The name ends before the first =, or before the mark in front of that, so that a value can
be anything. In double quotes a name may hold anything, with C's escapes: '"a=b"-'.

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open.

Examples:
  batonstore merge 0ca1e29d5c000000 theme=dark visits+=1 draft- --dir /tmp/store
  batonstore merge 0ca1e29d5c000000 'state~=idle' state=busy --dir /tmp/store
)");
  auto common = AddCommon(command);
  auto alias = AddAlias(command);
  auto words = std::make_shared<std::vector<std::string>>();
  command.add_option("CHANGE", *words, "What to change")->required()->type_name("");
  command.callback([&action, common, alias, words] {
    action = [=] { return Print(Merge(common->Resolved(), *alias, *words), common->json); };
  });
}

}  // namespace

void AddFieldCommands(CLI::App& app, Action& action) {
  AddSet(app, action);
  AddMerge(app, action);
}

}  // namespace batonstore::tools
