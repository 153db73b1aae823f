// What the subcommands of the command line are made of, and the subcommands by theme.

#ifndef BATONSTORE_TOOLS_COMMAND_LINE_PARTS_H_
#define BATONSTORE_TOOLS_COMMAND_LINE_PARTS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/tools/commands.h"
#include "batonstore/tools/json.h"

namespace batonstore::tools {

inline constexpr int kRefused = 1;
inline constexpr int kUsage = 2;

// What is to be done once the whole line has been understood; gives the exit status.
using Action = std::function<int()>;

// What every command on a store takes.
struct Common {
  StoreLocation location;
  bool json = false;

  // With paths as the person means them.
  StoreLocation Resolved() const;
};

// Say how it went; the exit status.
int Refused(const absl::Status& status, bool json);
int Print(const absl::StatusOr<JsonObject>& answer, bool json);

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& description,
                     const std::string& footer);
std::shared_ptr<Common> AddCommon(CLI::App& command);

// For commands that end sessions.
void AddRetention(CLI::App& command, const std::shared_ptr<Common>& common);

// The session that the command is about.
std::shared_ptr<std::string> AddAlias(CLI::App& command);

// An option whose value can be empty and is given all the same: CLI11 would take it for missing.
struct GivenText {
  CLI::Option* option;
  std::shared_ptr<std::optional<std::string>> value;
};
GivenText AddText(CLI::App& command, const std::string& name, const std::string& description);

// An option with a value that `parse` understands; what it does not is a usage error. For numbers
// too: CLI11 would take an empty one for 0 and one that is too large for the largest.
template <typename T, typename Set>
CLI::Option* AddParsed(CLI::App& command, const std::string& name, const std::string& description,
                       absl::StatusOr<T> (*parse)(absl::string_view), Set set) {
  return command.add_option_function<std::string>(
      name,
      [name, parse, set](const std::string& text) {
        const absl::StatusOr<T> value = parse(text);
        if (!value.ok()) throw CLI::ValidationError(name, std::string(value.status().message()));
        set(*value);
      },
      description);
}

// ---- The subcommands, by theme. Each sets `action` when it is the one on the line. ----

void AddLookingCommands(CLI::App& app, Action& action);       // list, show, get, stats, verify
void AddFieldCommands(CLI::App& app, Action& action);         // set, merge
void AddSessionCommands(CLI::App& app, Action& action);       // touch, cycle, revoke...
void AddHousekeepingCommands(CLI::App& app, Action& action);  // recover, sweep, events...
void AddSafekeepingCommands(CLI::App& app, Action& action);   // backup, restore, salvage...

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_COMMAND_LINE_PARTS_H_
