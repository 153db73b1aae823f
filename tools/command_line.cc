#include "batonstore/tools/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/recovery/open.h"
#include "batonstore/tools/commands.h"
#include "batonstore/tools/demo.h"
#include "batonstore/tools/demo_worker.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/paths.h"
#include "batonstore/tools/shell.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

constexpr char kVersion[] = "batonstore 0.1.0";
constexpr int kRefused = 1;
constexpr int kUsage = 2;

// What is to be done once the whole line has been understood; gives the exit status.
using Action = std::function<int()>;

// What every command on a store takes.
struct Common {
  StoreLocation location;
  bool json = false;

  StoreLocation Resolved() const {
    return {FromWorkingDirectory(location.directory), FromWorkingDirectory(location.key_file)};
  }
};

int Refused(const absl::Status& status, bool json) {
  if (json) {
    std::cout << Describe(status).ToLine() << "\n";
  } else {
    std::cerr << "batonstore: " << status.message() << "\n";
  }
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

void AddDemo(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "demo",
      "Kill a process that makes sessions, again and again, and check that nothing is lost",
      R"(A worker process makes sessions from several threads and reports each as it is acknowledged.
It is killed with SIGKILL; the store is opened again, and every acknowledged session must be
there with its key pair, none Reserved, no alias given twice. Then batons are issued, verified
and forged. The last line says how that went, the exit status too.

Examples:
  batonstore demo
  batonstore demo --sessions 100000 --threads 16
  batonstore demo --dir /tmp/look && batonstore list --dir /tmp/look
)");
  auto request = std::make_shared<DemoRequest>();
  auto json = std::make_shared<bool>(false);
  command
      .add_option("--dir", request->directory,
                  "Where to make the store, which then stays; by default a temporary folder")
      ->type_name("FOLDER");
  command.add_option("--sessions", request->sessions, "How many creations to wait for")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000'000}))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--threads", request->threads, "How many threads the worker has")
      ->check(CLI::Range(1, 256))
      ->type_name("T")
      ->capture_default_str();
  command
      .add_option("--seed", request->seed,
                  "Of the worker's choices and the moments of the kills; by default a new one")
      ->type_name("S");
  command.add_flag("--json", *json,
                   "End with a JSON object on standard output; the story goes to standard error");
  command.callback([&action, request, json] {
    action = [request, json] {
      request->directory = FromWorkingDirectory(request->directory);
      std::ostream& story = *json ? std::cerr : std::cout;
      const DemoResult result = RunDemo(*request, story);
      story << result.ToLine() << std::endl;
      if (*json) std::cout << result.ToJson().ToLine() << "\n";
      return result.ok() ? 0 : kRefused;
    };
  });
}

// The demo's child process; nothing for people.
void AddDemoWorker(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("demo-worker")->group("");
  auto work = std::make_shared<DemoWork>();
  command.add_option("--dir", work->directory)->required();
  command.add_option("--threads", work->threads)->required();
  command.add_option("--seed", work->seed)->required();
  command.callback([&action, work] {
    action = [work] { return Refused(RunDemoWorker(*work), /*json=*/false); };
  });
}

void AddShell(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "shell", "Serve a store from standard input: a command a line, a JSON answer a line",
      ShellHelp() +
          R"(
Words are separated by spaces; a value with spaces goes in double quotes, with C's
escapes. Blank lines and # comments are skipped. An alias is 16 hex digits, a key is hex,
an expiry a duration (24h), a time (2030-01-31T12:00:00Z) or never, a key type x25519,
ed25519 or p256, a state created, in_use, revoked, expired or reserved.

The store is made if it is missing. A line that is refused answers "ok":false with the
verdict, changes nothing, and the shell goes on; the exit status tells only whether the
store could be opened and closed.

Example:
  batonstore shell --dir /tmp/store <<'END'
  reserve-and-create expires=24h principal=alice database=main label="Alice's phone"
  list principal=alice
  END
)");
  auto common = AddCommon(command);
  command.callback([&action, common] {
    action = [common] {
      const auto store =
          recovery::Open(OpenOptions(common->Resolved(), /*create_if_missing=*/true));
      if (!store.ok()) return Refused(store.status(), common->json);
      const bool on_terminal = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
      RunShell(**store, std::cin, std::cout, on_terminal ? "batonstore> " : "");
      const absl::Status closed = (*store)->Close();
      return closed.ok() ? 0 : Refused(closed, common->json);
    };
  });
}

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
  command
      .add_option_function<std::string>(
          "--state",
          [request](const std::string& text) {
            const absl::StatusOr<State> state = ParseState(text);
            if (!state.ok())
              throw CLI::ValidationError("--state", std::string(state.status().message()));
            request->filter.state = *state;
          },
          "Only those in this state: created, in_use, revoked, expired or reserved")
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
  auto alias = std::make_shared<std::string>();
  command.add_option("ALIAS", *alias, "The session's alias")->required()->type_name("");
  command.callback([&action, common, alias] {
    action = [=] { return Print(Revoke(common->Resolved(), *alias), common->json); };
  });
}

void AddRecover(CLI::App& app, Action& action) {
  CLI::App& command =
      *AddCommand(app, "recover", "Open a store after a crash and tell what was found and removed",
                  R"(Every reservation that an earlier owner left is removed; what it was about to
register elsewhere (its intent) is shown, so that it can be undone. Opening a
store does the same. Refused with NOT_OWNER while a service has it open.

Example:
  batonstore recover --dir /var/lib/service/sessions
)");
  auto common = AddCommon(command);
  command.callback([&action, common] {
    action = [common] { return Print(Recover(common->Resolved()), common->json); };
  });
}

// 0 unless the answer could not be delivered.
int Delivered(int status) {
  if (std::cout.flush()) return status;
  std::cerr << "batonstore: IO: standard output could not be written\n";
  return kRefused;
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  CLI::App app("batonstore: durable sessions and unforgeable batons, from a terminal.",
               "batonstore");
  app.footer(
      R"(Exit status: 0; 1 when refused, with the verdict; 2 when the arguments make no sense.
batonstore COMMAND --help tells more about each. To begin:
  batonstore demo
  batonstore shell --dir /tmp/store
)");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  Action action;
  for (const auto add :
       {AddDemo, AddList, AddShow, AddStats, AddRevoke, AddRecover, AddShell, AddDemoWorker}) {
    add(app, action);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? Delivered(0) : kUsage;
  }
  return Delivered(action());
}

}  // namespace batonstore::tools
