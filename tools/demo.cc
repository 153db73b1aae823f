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

#include "absl/strings/str_cat.h"
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
#include "batonstore/tools/progress.h"

namespace batonstore::tools {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kKills = 5;
constexpr int kMaxDelayMicroseconds = 20'000;

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
      result.error = WorkUntilKilled(part);
      if (result.error.ok()) result = OpenAndCheck();
      result.acknowledged = ledger_.acknowledged();
      if (!result.ok()) return result;
    }
    const absl::StatusOr<uint64_t> accepted = ForgeBatons();
    result.error = accepted.status();
    if (accepted.ok()) result.forged_accepted = *accepted;
    return result;
  }

 private:
  // One worker: killed after `acknowledgements` creations and a little more time.
  absl::Status WorkUntilKilled(uint64_t acknowledgements) {
    const absl::Duration delay = absl::Microseconds(random_() % kMaxDelayMicroseconds);
    BATONSTORE_ASSIGN_OR_RETURN(
        const auto worker,
        ChildProcess::Start({"demo-worker", "--dir", directory_, "--threads",
                             absl::StrCat(request_.threads), "--seed", absl::StrCat(random_())}));
    ++kills_;
    story_ << "Kill " << kills_ << " of " << kKills << ": process " << worker->pid()
           << " makes sessions; SIGKILL comes " << Rounded(delay) << " after " << acknowledgements
           << " creations.\n"
           << std::flush;
    const uint64_t target = ledger_.acknowledged() + acknowledgements;
    BATONSTORE_RETURN_IF_ERROR(RecordUntil(*worker, target));
    absl::SleepFor(delay);
    worker->Kill();
    BATONSTORE_RETURN_IF_ERROR(RecordUntil(*worker, UINT64_MAX));
    if (const auto other_end = worker->Wait()) {
      return Refuse(Verdict::kIo, absl::StrCat("the worker ended by itself: ", *other_end));
    }
    return absl::OkStatus();
  }

  // Up to that many creations in all, or the end of the worker.
  absl::Status RecordUntil(ChildProcess& worker, uint64_t acknowledged) {
    Progress progress("working",
                      acknowledged == UINT64_MAX ? 0 : acknowledged - ledger_.acknowledged());
    while (ledger_.acknowledged() < acknowledged) {
      const std::optional<std::string> line = worker.ReadLine();
      if (!line.has_value()) return absl::OkStatus();
      const std::optional<DemoEvent> event = DemoEvent::Parse(*line);
      if (!event.has_value()) return Refuse(Verdict::kCorrupt, "the worker reported no event");
      ledger_.Record(*event);
      if (event->kind == DemoEvent::Kind::kCreated) progress.Advance();
    }
    return absl::OkStatus();
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

  absl::StatusOr<uint64_t> ForgeBatons() {
    BATONSTORE_ASSIGN_OR_RETURN(const auto store, OpenStore());
    SessionStore& sessions = store->sessions();
    BATONSTORE_ASSIGN_OR_RETURN(
        const uint64_t accepted,
        TryBatons(
            store->sessions(),
            [&sessions](absl::string_view baton, absl::string_view principal,
                        absl::string_view database) {
              return sessions.Verify(baton, principal, database);
            },
            story_));
    BATONSTORE_RETURN_IF_ERROR(store->Close());
    return accepted;
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
