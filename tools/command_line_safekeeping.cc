// The subcommands that keep a store safe: backups, and keys that are replaced.

#include <map>
#include <memory>
#include <string>

#include "batonstore/tools/command_line_parts.h"
#include "batonstore/tools/commands.h"
#include "batonstore/tools/paths.h"

namespace batonstore::tools {
namespace {

std::string Meant(const std::string& path) {
  return path.empty() ? path : FromWorkingDirectory(path);
}

std::shared_ptr<std::string> AddFile(CLI::App& command, const std::string& description) {
  auto file = std::make_shared<std::string>();
  command.add_option("FILE", *file, description)->required()->type_name("");
  return file;
}

void AddBackup(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "backup", "Copy a store into one file, while it is served",
      R"(The copy is one snapshot. It is synced and verified before it gets its name, and replaces
nothing. It holds no key-encryption key: keep that elsewhere; by default it is the file key
in the store's folder.

Example:
  batonstore backup /backups/sessions-2027-01-15 --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  auto file = AddFile(command, "The backup, which must not exist");
  command.callback([&action, common, file] {
    action = [=] { return Print(BackUp(common->Resolved(), Meant(*file)), common->json); };
  });
}

void AddRestore(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "restore", "Make a store of a backup",
      R"(The store is made in a folder that does not exist or is empty. Its sessions are those of the
backup; every baton of before is LOST, and it takes a new one to go on. A backup does not know
who has been revoked since: --revoke-everything logs everybody out. --key-file is the key that
the backup was made with. The store gets a new key, in its folder or from --next-key-file.

Example:
  batonstore restore /backups/sessions-2027-01-15 --key-file /keys/sessions
      --dir /var/lib/service/sessions --revoke-everything
)");
  auto common = AddCommon(command);
  command.get_option("--key-file")->required();
  auto restoring = std::make_shared<Restoring>();
  auto file = AddFile(command, "The backup");
  command.add_option("--next-key-file", restoring->next_key_file, "What the store opens with")
      ->type_name("FILE");
  command.add_flag("--revoke-everything", restoring->revoke_everything, "Revoke every session");
  command.callback([&action, common, restoring, file] {
    action = [=] {
      Restoring resolved = *restoring;
      resolved.file = Meant(*file);
      resolved.next_key_file = Meant(resolved.next_key_file);
      return Print(RestoreStore(common->Resolved(), resolved), common->json);
    };
  });
}

void AddSalvage(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "salvage", "Make a store of what can be read of a damaged one",
      R"(Try restore on a backup first. What is damaged is passed over and listed as lost. Every baton
of before is LOST. Unless the file shows that no session on it has been revoked since, all are
revoked; --keep-doubtful keeps them. --key-file is the damaged store's.

Example:
  batonstore salvage /var/lib/service/sessions/data.mdb --key-file /var/lib/service/sessions/key
      --dir /var/lib/service/salvaged
)");
  auto common = AddCommon(command);
  command.get_option("--key-file")->required();
  auto salvaging = std::make_shared<Restoring>();
  auto keep = std::make_shared<bool>(false);
  auto file = AddFile(command, "The damaged data file, or backup; nobody may write it meanwhile");
  command.add_option("--next-key-file", salvaging->next_key_file, "What the store opens with")
      ->type_name("FILE");
  command.add_flag("--keep-doubtful", *keep, "Keep sessions live that may have been revoked");
  command.callback([&action, common, salvaging, keep, file] {
    action = [=] {
      Restoring resolved = *salvaging;
      resolved.file = Meant(*file);
      resolved.next_key_file = Meant(resolved.next_key_file);
      return Print(SalvageStore(common->Resolved(), resolved, *keep), common->json);
    };
  });
}

void AddRotate(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "rotate", "Replace one of a store's keys",
      R"(KEY is signing (batons of before go on), data (every row is sealed again; cut off, it goes on
where it was) or key-encryption (a new one in the store's folder, or that of --next-key-file,
which the store opens with from then on).

Becomes the store's owner for it: refused with NOT_OWNER while a service has it open, which can
do the same by itself.

Examples:
  batonstore rotate data --dir /var/lib/service/sessions
  batonstore rotate key-encryption --next-key-file /keys/next --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  auto which = std::make_shared<WhichKey>();
  auto next = std::make_shared<std::string>();
  const std::map<std::string, WhichKey> kNames = {{"signing", WhichKey::kSigning},
                                                  {"data", WhichKey::kData},
                                                  {"key-encryption", WhichKey::kKeyEncryption}};
  command.add_option("KEY", *which, "signing, data or key-encryption")
      ->required()
      ->transform(CLI::Transformer(kNames))
      ->type_name("");
  command.add_option("--next-key-file", *next, "The next key-encryption key, 32 bytes")
      ->type_name("FILE");
  command.callback([&action, common, which, next] {
    if (!next->empty() && *which != WhichKey::kKeyEncryption) {
      throw CLI::ValidationError("--next-key-file", "it is of the key-encryption key");
    }
    action = [=] { return Print(Rotate(common->Resolved(), *which, Meant(*next)), common->json); };
  });
}

}  // namespace

void AddSafekeepingCommands(CLI::App& app, Action& action) {
  AddBackup(app, action);
  AddRestore(app, action);
  AddSalvage(app, action);
  AddRotate(app, action);
}

}  // namespace batonstore::tools
