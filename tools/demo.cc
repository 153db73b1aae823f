#include "batonstore/tools/demo.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/file_system.h"
#include "batonstore/tools/child_process.h"
#include "batonstore/tools/demo_batons.h"
#include "batonstore/tools/demo_ledger.h"
#include "batonstore/tools/demo_orders.h"
#include "batonstore/tools/demo_streams.h"
#include "batonstore/tools/progress.h"

namespace batonstore::tools {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kKills = 5;
constexpr int kMaxDelayMicroseconds = 20'000;

constexpr int kClients = 32;
constexpr uint64_t kOrderKills = 3;
constexpr uint64_t kOrdersBetweenKills = 500;

// A new folder where a store can be: not every machine's /tmp is on a file system that can carry
// one.
absl::StatusOr<std::string> MakeTemporaryFolder() {
  absl::Status why;
  const char* const own_choice = getenv("TMPDIR");
  for (const char* parent : {own_choice, "/tmp", "/var/tmp", "/dev/shm"}) {
    if (parent == nullptr) continue;
    why = CheckFileSystem(parent);
    if (!why.ok()) continue;
    std::string folder = absl::StrCat(parent, "/batonstore-demo-XXXXXX");
    if (mkdtemp(folder.data()) != nullptr) return folder;
    why = SystemError(errno, absl::StrCat("create ", folder));
  }
  return why;
}

// The demo fills its store with rubbish: never somebody's own.
absl::Status CheckUnused(const std::string& directory) {
  std::error_code error;
  if (!fs::exists(directory, error)) return absl::OkStatus();
  if (fs::is_directory(directory, error) && fs::is_empty(directory, error)) return absl::OkStatus();
  if (error) return SystemError(error.value(), absl::StrCat("look into ", directory));
  return Refuse(Verdict::kExists, absl::StrCat(directory,
                                               " is in use; name a folder that is empty, "
                                               "or none for a temporary one"));
}

// How many acknowledgements each worker is left to make: random parts of the whole.
std::vector<uint64_t> Split(uint64_t whole, uint64_t parts, std::mt19937_64& random) {
  std::vector<uint64_t> cuts = {0, whole};
  while (cuts.size() <= parts) cuts.push_back(random() % (whole + 1));
  std::sort(cuts.begin(), cuts.end());
  std::adjacent_difference(cuts.begin(), cuts.end(), cuts.begin());
  return {cuts.begin() + 1, cuts.end()};
}

absl::Duration Rounded(absl::Duration duration) {
  return absl::Trunc(duration, absl::Microseconds(100));
}

DemoResult Failed(absl::Status why) {
  DemoResult result;
  result.error = std::move(why);
  return result;
}

class Demo {
 public:
  Demo(std::string directory, const DemoRequest& request, std::ostream& story)
      : directory_(std::move(directory)),
        request_(request),
        seed_(request.seed.value_or(std::random_device()())),
        random_(seed_),
        story_(story) {}

  // Ends at the first promise that was not kept.
  DemoResult Run() {
    story_ << "A store in " << directory_ << ", " << request_.threads << " threads, seed " << seed_
           << ".\n\n";
    DemoResult result;
    for (const uint64_t part : Split(request_.sessions, kKills, random_)) {
      result.error = MakeSessionsUntilKilled(part);
      if (result.error.ok()) result = OpenAndCheck();
      result.acknowledged = ledger_.acknowledged();
      if (!result.ok()) return result;
    }
    for (const auto part : {&Demo::ForgeBatons, &Demo::RotateBatons, &Demo::RollBackStreams}) {
      result.error = (this->*part)(result);
      if (!result.ok()) return result;
    }
    return result;
  }

 private:
  // A worker for `work`, which is told in words, until `goes_on` says so and a little longer.
  absl::Status WorkUntilKilled(std::vector<std::string> work, absl::string_view in_words,
                               absl::FunctionRef<bool()> goes_on,
                               absl::FunctionRef<absl::Status(const std::string& line)> read) {
    const absl::Duration delay = absl::Microseconds(random_() % kMaxDelayMicroseconds);
    work.insert(work.begin(), "demo-worker");
    work.insert(work.end(), {"--dir", directory_, "--threads", absl::StrCat(request_.threads)});
    BATONSTORE_ASSIGN_OR_RETURN(const auto worker, ChildProcess::Start(work));
    story_ << "process " << worker->pid() << " " << in_words << "; SIGKILL comes " << Rounded(delay)
           << " later.\n"
           << std::flush;
    return ReadUntilKilled(*worker, delay, goes_on, read);
  }

  absl::Status MakeSessionsUntilKilled(uint64_t acknowledgements) {
    const uint64_t target = ledger_.acknowledged() + acknowledgements;
    Progress progress("working", acknowledgements);
    story_ << "Kill " << ++kills_ << " of " << kKills << ": ";
    return WorkUntilKilled(
        {"sessions", "--seed", absl::StrCat(random_())},
        absl::StrCat("makes ", acknowledgements, " sessions"),
        [&] { return ledger_.acknowledged() < target; },
        [&](const std::string& line) {
          const std::optional<DemoEvent> event = DemoEvent::Parse(line);
          if (!event.has_value()) return Refuse(Verdict::kCorrupt, "the worker reported no event");
          ledger_.Record(*event);
          if (event->kind == DemoEvent::Kind::kCreated) progress.Advance();
          return absl::OkStatus();
        });
  }

  absl::StatusOr<std::unique_ptr<recovery::Store>> OpenStore() const {
    recovery::Options options;
    options.directory = directory_;
    return recovery::Open(options);
  }

  // Opening recovers; then every promise so far is looked up.
  DemoResult OpenAndCheck() {
    const auto store = OpenStore();
    if (!store.ok()) return Failed(store.status());
    const recovery::RecoveryReport& report = (*store)->report();
    story_ << "  opened again in " << Rounded(report.duration) << ": epoch " << report.epoch << ", "
           << report.removed.size() << " reservations removed\n"
           << std::flush;
    DemoResult result = CheckLedger((*store)->sessions());
    if (result.error.ok()) result.error = (*store)->Close();
    story_ << "  " << result.acknowledged << " creations acknowledged so far: " << result.lost
           << " promises broken, " << result.reserved_left << " Reserved left, "
           << result.duplicate_aliases << " aliases given twice\n\n"
           << std::flush;
    return result;
  }

  DemoResult CheckLedger(const SessionStore& sessions) const {
    Progress progress("checking", ledger_.size());
    return ledger_.Check(sessions, [&progress] { progress.Advance(); });
  }

  absl::Status ForgeBatons(DemoResult& result) {
    BATONSTORE_ASSIGN_OR_RETURN(const auto store, OpenStore());
    SessionStore& sessions = store->sessions();
    const BatonVerifier verify = [&sessions](absl::string_view baton, absl::string_view database,
                                             absl::string_view principal) {
      return sessions.Verify(baton, database, principal);
    };
    BATONSTORE_ASSIGN_OR_RETURN(const BatonsTried tried, TryBatons(sessions, verify, story_));
    result.forged_accepted += tried.forged_accepted;
    result.thefts_accepted += tried.thefts_accepted;
    return store->Close();
  }

  // Clients order things from a service that is killed again and again.
  absl::Status RotateBatons(DemoResult& result) {
    BATONSTORE_ASSIGN_OR_RETURN(OrderClients clients, MakeClients());
    for (uint64_t kill = 1; kill <= kOrderKills; ++kill) {
      const uint64_t target = clients.answered() + kOrdersBetweenKills;
      story_ << "Kill " << kill << " of " << kOrderKills << ": ";
      BATONSTORE_RETURN_IF_ERROR(WorkUntilKilled(
          {"orders"},
          absl::StrCat("takes ", kOrdersBetweenKills, " orders of ", kClients, " clients"),
          [&] { return clients.answered() < target; },
          [&](const std::string& line) { return clients.Record(line); }));
      BATONSTORE_RETURN_IF_ERROR(GoOn(clients));
    }
    return Misuse(clients, result);
  }

  absl::StatusOr<OrderClients> MakeClients() {
    BATONSTORE_ASSIGN_OR_RETURN(const auto store, OpenStore());
    story_ << "Turns: " << kClients << " clients, whose batons rotate with every order.\n";
    BATONSTORE_ASSIGN_OR_RETURN(OrderClients clients,
                                OrderClients::Create(store->sessions(), kClients));
    BATONSTORE_RETURN_IF_ERROR(store->Close());
    return clients;
  }

  absl::Status GoOn(OrderClients& clients) {
    BATONSTORE_ASSIGN_OR_RETURN(const auto store, OpenStore());
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t taken_before,
                                clients.AskAgain(store->sessions(), ServiceOf(store->sessions())));
    story_ << "  opened again: every client asked for the order that was under way, "
           << taken_before << " were answered again,\n  the others now; " << clients.answered()
           << " orders so far, each taken once\n\n"
           << std::flush;
    return store->Close();
  }

  absl::Status Misuse(OrderClients& clients, DemoResult& result) {
    BATONSTORE_ASSIGN_OR_RETURN(const auto store, OpenStore());
    const OrderService service = ServiceOf(store->sessions());
    BATONSTORE_ASSIGN_OR_RETURN(const OrderClients::Tried replays, clients.Replay(service));
    BATONSTORE_ASSIGN_OR_RETURN(const OrderClients::Tried thefts, clients.Steal(service));
    result.replays_accepted += replays.accepted;
    result.thefts_accepted += thefts.accepted;
    // None of which has cost the owners anything.
    BATONSTORE_RETURN_IF_ERROR(clients.AskAgain(store->sessions(), service).status());
    story_ << absl::StrFormat("  %-30s  %5d tried, %d accepted\n", "used before", replays.batons,
                              replays.accepted)
           << absl::StrFormat("  %-30s  %5d tried, %d accepted\n", "stolen", thefts.batons,
                              thefts.accepted)
           << "\n"
           << std::flush;
    return store->Close();
  }

  static OrderService ServiceOf(SessionStore& store) {
    return [&store](absl::string_view baton, uint64_t number, absl::string_view database,
                    absl::string_view principal) {
      return TakeOrder(store, baton, number, database, principal);
    };
  }

  // Transactions on SQLite, first in a process that is killed, then in this one.
  absl::Status RollBackStreams(DemoResult& result) {
    BATONSTORE_ASSIGN_OR_RETURN(const std::string folder, MakeTemporaryFolder());
    const absl::Cleanup remove = [&folder] {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    };
    story_ << "Streams: ";
    std::vector<std::string> batons;
    BATONSTORE_RETURN_IF_ERROR(WorkUntilKilled(
        {"streams", "--databases", folder},
        absl::StrCat("inserts rows into ", kDemoStreams, " SQLite databases, in transactions"),
        [&] { return batons.size() < kDemoStreams; },
        [&](const std::string& line) {
          if (!line.empty()) batons.push_back(line);
          return absl::OkStatus();
        }));
    const StreamsTried tried = TryStreams({directory_, folder}, batons, story_);
    result.rolled_back = tried.rolled_back;
    result.replays_accepted += tried.replays_accepted;
    result.thefts_accepted += tried.thefts_accepted;
    story_ << "\n";
    return tried.error;
  }

  const std::string directory_;
  const DemoRequest& request_;
  const uint64_t seed_;
  std::mt19937_64 random_;
  std::ostream& story_;
  DemoLedger ledger_;
  uint64_t kills_ = 0;
};

}  // namespace

DemoResult RunDemo(const DemoRequest& request, std::ostream& story) {
  if (!request.directory.empty()) {
    if (absl::Status used = CheckUnused(request.directory); !used.ok()) return Failed(used);
    DemoResult result = Demo(request.directory, request, story).Run();
    story << "The store stays in " << request.directory << ": list, show and stats take --dir.\n";
    return result;
  }
  const absl::StatusOr<std::string> folder = MakeTemporaryFolder();
  if (!folder.ok()) return Failed(folder.status());
  const DemoResult result = Demo(*folder, request, story).Run();
  std::error_code ignored;
  if (result.ok()) fs::remove_all(*folder, ignored);
  if (!result.ok()) story << "The store is left in " << *folder << ".\n";
  return result;
}

}  // namespace batonstore::tools
