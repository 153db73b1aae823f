#include "batonstore/tools/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "batonstore/recovery/open.h"
#include "batonstore/tools/command_line_parts.h"
#include "batonstore/tools/demo.h"
#include "batonstore/tools/demo_worker.h"
#include "batonstore/tools/paths.h"
#include "batonstore/tools/shell.h"

namespace batonstore::tools {
namespace {

constexpr char kVersion[] = "batonstore 0.1.0";

void AddDemo(CLI::App& app, Action& action) {
  CLI::App& command = *AddCommand(
      app, "demo",
      "Kill a process that makes sessions, again and again, and check that nothing is lost",
      R"(A worker process makes sessions from several threads and reports each as it is acknowledged.
It is killed with SIGKILL; the store is opened again, and every acknowledged session must be
there with its key pair, none Reserved, no alias given twice. Then batons are issued, verified
and forged; batons rotate while their service is killed, and are replayed and stolen; and streams
are ended in the middle of transactions on real SQLite databases, which must leave nothing. The
last line says how that went, the exit status too.

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
  using Kind = DemoWork::Kind;
  command.add_option("work", work->kind)
      ->required()
      ->transform(CLI::CheckedTransformer(std::map<std::string, Kind>{
          {"sessions", Kind::kSessions}, {"orders", Kind::kOrders}, {"streams", Kind::kStreams}}));
  command.add_option("--dir", work->directory)->required();
  command.add_option("--databases", work->databases);
  command.add_option("--threads", work->threads)->check(CLI::Range(1, 256));
  command.add_option("--seed", work->seed);
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
an expiry a duration (24h), a time (2030-01-31T12:00:00Z) or never; idle, reserve-for and
redirect-for are a duration or never; a key type is x25519, ed25519 or p256, a state
created, in_use, revoked, expired or reserved.

A CHANGE, after --, is one of those that merge --help explains:
  FIELD=VALUE  FIELD*=VALUE  FIELD?=VALUE  FIELD~=OLD  FIELD+=N  FIELD-=N  FIELD-
Where fields are set, it is FIELD=VALUE, or FIELD*=VALUE for a secret; save-if, which
removes the fields that it is not given, keeps a secret that is there with FIELD*. A value
that is not UTF-8 is shown as {"hex":"ff00"}, a secret as {"withheld":true}.

A turn begins with resume, which knows the request by its SHA-256 and gives the turn a
number, and ends with finish, which gives the next baton, or with drop. Other lines may
come in between; what is still open when the shell ends is dropped. The outcome of resume
is turn, or, when the request has been asked before: replay, with the reply and the next
baton as they were, or unknown, when it was to happen at most once and was cut off.

The store is made if it is missing. A line that is refused answers "ok":false with the
verdict, changes nothing, and the shell goes on; the exit status tells only whether the
store could be opened and closed.

Example:
  batonstore shell --dir /tmp/store <<'END'
  reserve-and-create expires=24h principal=alice database=main label="Alice's phone"
  list principal=alice
  save-or-create expires=24h idle=30m principal=alice -- theme=dark pin*=1234
  END

A turn, with the alias of a session and the baton that issue answers:
  issue alias=ALIAS
  resume baton=BATON request="order 7" principal=alice database=main
  merge-in-turn turn=1 -- orders+=1
  finish turn=1 reply="ordered: 7"
)");
  auto common = AddCommon(command);
  AddRetention(command, common);
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

// 0 unless the answer could not be delivered.
int Delivered(int status) {
  if (std::cout.flush()) return status;
  std::cerr << "batonstore: IO: standard output could not be written\n";
  return kRefused;
}

// Where any number of words can come, CLI11 takes one in brackets for a list: a field would be cut
// up at its commas.
void RefuseBrackets(int argc, const char* const* argv) {
  const absl::string_view command = argc > 1 ? argv[1] : "";
  if (command != "set" && command != "merge") return;
  for (int i = 2; i < argc; ++i) {
    if (!absl::StartsWith(argv[i], "[") || !absl::EndsWith(argv[i], "]")) continue;
    throw CLI::ValidationError(std::string(command),
                               "a field's name that begins with [ goes in double quotes");
  }
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
       {AddDemo, AddLookingCommands, AddFieldCommands, AddSessionCommands, AddHousekeepingCommands,
        AddSafekeepingCommands, AddShell, AddDemoWorker}) {
    add(app, action);
  }
  try {
    RefuseBrackets(argc, argv);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? Delivered(0) : kUsage;
  }
  return Delivered(action());
}

}  // namespace batonstore::tools
