#include "batonstore/tools/shell.h"

#include <iostream>
#include <utility>
#include <variant>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/json.h"
#include "batonstore/tools/open_turns.h"
#include "batonstore/tools/shell_command.h"
#include "batonstore/tools/shell_line.h"

namespace batonstore::tools {
namespace {

using recovery::Store;
using Words = ShellCommand::Words;

constexpr char kQuit[] = "quit";

const std::vector<ShellCommand>& Commands();

Answer Quit(Store&, const ShellLine&) { return Ok(); }

absl::string_view UsageOf(Words words) {
  switch (words) {
    case Words::kNone:
      return "";
    case Words::kFieldsIfAny:
      return " [-- FIELD=VALUE...]";
    case Words::kFields:
      return " -- FIELD=VALUE...";
    case Words::kChanges:
      return " -- CHANGE...";
  }
  return "";
}

std::string Usage(const ShellCommand& command) {
  std::string usage = command.name;
  for (const std::string& key : command.required) {
    absl::StrAppend(&usage, " ", key, "=", absl::AsciiStrToUpper(key));
  }
  for (const std::string& key : command.optional) {
    absl::StrAppend(&usage, " [", key, "=", absl::AsciiStrToUpper(key), "]");
  }
  return absl::StrCat(usage, UsageOf(command.words));
}

Answer Help(Store&, const ShellLine&) {
  std::vector<JsonObject> commands;
  for (const ShellCommand& command : Commands()) {
    commands.push_back(JsonObject().Text("usage", Usage(command)).Text("help", command.help));
  }
  return Ok().Objects("commands", commands);
}

std::vector<ShellCommand> AllCommands() {
  std::vector<ShellCommand> all = SessionShellCommands();
  for (const auto of_theme : {FieldShellCommands, TurnShellCommands, HousekeepingShellCommands}) {
    for (ShellCommand& command : of_theme()) all.push_back(std::move(command));
  }
  all.push_back({"help", {}, {}, "This list", Help});
  all.push_back({kQuit, {}, {}, "Close the store and end; the end of input does the same", Quit});
  return all;
}

const std::vector<ShellCommand>& Commands() {
  static const auto& commands = *new std::vector<ShellCommand>(AllCommands());
  return commands;
}

absl::Status CheckArguments(const ShellCommand& command, const ShellLine& line) {
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
  const bool has_words = line.words.has_value();
  if (command.words == Words::kFieldsIfAny || has_words == (command.words != Words::kNone)) {
    return absl::OkStatus();
  }
  return Refuse(Verdict::kInvalid, absl::StrCat(has_words ? "there is nothing to come after --"
                                                          : "fields come after --",
                                                "; usage: ", Usage(command)));
}

Answer Run(Store& store, OpenTurns& turns, const ShellLine& line) {
  for (const ShellCommand& command : Commands()) {
    if (command.name != line.command) continue;
    BATONSTORE_RETURN_IF_ERROR(CheckArguments(command, line));
    const auto* on_turns = std::get_if<ShellCommand::OnTurns>(&command.run);
    return on_turns != nullptr ? (*on_turns)(turns, line)
                               : std::get<ShellCommand::OnStore>(command.run)(store, line);
  }
  return Refuse(Verdict::kInvalid, absl::StrCat("there is no command \"", Printable(line.command),
                                                "\"; help lists them"));
}

}  // namespace

void RunShell(Store& store, std::istream& in, std::ostream& out, absl::string_view prompt) {
  OpenTurns turns(store.sessions());
  std::string text;
  while (std::cerr << prompt && std::getline(in, text)) {
    const absl::StatusOr<ShellLine> line = ParseShellLine(text);
    if (line.ok() && line->command.empty()) continue;
    const Answer answer = line.ok() ? Run(store, turns, *line) : line.status();
    out << (answer.ok() ? *answer : Describe(answer.status())).ToLine() << std::endl;
    if (answer.ok() && line->command == kQuit) return;
  }
}

std::string ShellHelp() {
  std::string text = "Commands:\n";
  for (const ShellCommand& command : Commands()) {
    absl::StrAppend(&text, "  ", Usage(command), "\n      ", command.help, "\n");
  }
  return text;
}

}  // namespace batonstore::tools
