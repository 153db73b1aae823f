#include "batonstore/tools/command_line_parts.h"

#include <iostream>

#include "absl/time/time.h"
#include "batonstore/store/session.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/paths.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {

StoreLocation Common::Resolved() const {
  StoreLocation resolved = location;
  resolved.directory = FromWorkingDirectory(location.directory);
  resolved.key_file = FromWorkingDirectory(location.key_file);
  return resolved;
}

int Refused(const absl::Status& status, bool json) {
  if (json) {
    std::cout << Describe(status).ToLine() << "\n";
    return kRefused;
  }
  std::cerr << "batonstore: " << status.message();
  if (const std::optional<Alias> moved_to = MovedTo(status)) {
    std::cerr << ": moved_to " << moved_to->ToString();
  }
  std::cerr << "\n";
  return kRefused;
}

int Print(const absl::StatusOr<JsonObject>& answer, bool json) {
  if (!answer.ok()) return Refused(answer.status(), json);
  std::cout << (json ? answer->ToLine() + "\n" : answer->ToText());
  return 0;
}

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& description,
                     const std::string& footer) {
  CLI::App* const command = app.add_subcommand(name, description);
  command->footer(footer);
  return command;
}

std::shared_ptr<Common> AddCommon(CLI::App& command) {
  auto common = std::make_shared<Common>();
  command.add_option("--dir", common->location.directory, "The store's folder")
      ->required()
      ->type_name("FOLDER");
  command
      .add_option("--key-file", common->location.key_file,
                  "The key-encryption key, 32 bytes; by default the file key in the store's folder")
      ->type_name("FILE");
  command.add_flag("--json", common->json, "Answer in JSON, one object a line");
  return common;
}

void AddRetention(CLI::App& command, const std::shared_ptr<Common>& common) {
  AddParsed(command, "--retention",
            "How long what ends now can be told from what never was (never: for good); give what "
            "the store's service gives, 720h by default",
            ParseDuration,
            [common](absl::Duration retention) { common->location.policy.retention = retention; })
      ->type_name("DURATION");
}

std::shared_ptr<std::string> AddAlias(CLI::App& command) {
  auto alias = std::make_shared<std::string>();
  command.add_option("ALIAS", *alias, "The session's alias")->required()->type_name("");
  return alias;
}

GivenText AddText(CLI::App& command, const std::string& name, const std::string& description) {
  auto value = std::make_shared<std::optional<std::string>>();
  CLI::Option* const option = command.add_option_function<std::string>(
      name, [value](const std::string& text) { *value = text; }, description);
  return {option, value};
}

}  // namespace batonstore::tools
