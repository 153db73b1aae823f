// What the shell's commands are made of, and the commands by theme.

#ifndef BATONSTORE_TOOLS_SHELL_COMMAND_H_
#define BATONSTORE_TOOLS_SHELL_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session.h"
#include "batonstore/tools/answers.h"
#include "batonstore/tools/open_turns.h"
#include "batonstore/tools/shell_line.h"

namespace batonstore::tools {

struct ShellCommand {
  // What comes after --.
  enum class Words : uint8_t { kNone, kFieldsIfAny, kFields, kChanges };

  // What a command works on: the store, or the turns that are open on it.
  using OnStore = Answer (*)(recovery::Store& store, const ShellLine& line);
  using OnTurns = Answer (*)(OpenTurns& turns, const ShellLine& line);

  std::string name;
  std::vector<std::string> required;  // keys
  std::vector<std::string> optional;
  std::string help;
  std::variant<OnStore, OnTurns> run;
  Words words = Words::kNone;
};

// Sessions: made, found, listed, grouped, kept alive, ended.
std::vector<ShellCommand> SessionShellCommands();

// What sessions hold: their fields.
std::vector<ShellCommand> FieldShellCommands();

// Turns on sessions: taken, added to, finished, dropped.
std::vector<ShellCommand> TurnShellCommands();

// Batons and the keys that sign them; sweeps, compensations and events; numbers.
std::vector<ShellCommand> HousekeepingShellCommands();

// The value of the key alias.
absl::StatusOr<Alias> AliasOf(const ShellLine& line);

// The value of a key that can be missing.
absl::StatusOr<std::optional<Alias>> AliasIfGiven(const ShellLine& line, const std::string& key);

// The session that a line asks for, and the keys that say so, besides expires.
absl::StatusOr<SessionSpec> SpecOf(recovery::Store& store, const ShellLine& line);
std::vector<std::string> SpecKeys();

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_SHELL_COMMAND_H_
