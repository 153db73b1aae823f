#include "batonstore/tools/demo_streams.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/skipping_clock.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/stream_registry.h"
#include "batonstore/tools/demo_names.h"

namespace batonstore::tools {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

absl::Status Expect(bool kept, absl::string_view otherwise) {
  return kept ? absl::OkStatus() : Refuse(Verdict::kCorrupt, otherwise);
}

std::string NameOf(uint64_t database) { return absl::StrCat("accounts ", database); }

// A few databases, one file each, so that as many transactions can be open at a time; and the
// streams on them.
class Accounts {
 public:
  // The store, a new opening of it, is the streams'.
  static absl::StatusOr<std::unique_ptr<Accounts>> Open(const DemoStreams& where) {
    auto accounts = std::unique_ptr<Accounts>(new Accounts);
    BATONSTORE_RETURN_IF_ERROR(accounts->OpenPools(where.databases));
    BATONSTORE_ASSIGN_OR_RETURN(accounts->store_,
                                recovery::Open({.directory = where.store,
                                                .streams = {.reap_every = absl::Milliseconds(20)},
                                                .clock = &accounts->clock_}));
    return accounts;
  }

  StreamRegistry& streams() { return store_->streams(); }
  absl::Status Close() { return store_->Close(); }
  void SkipMinutes(int minutes) { clock_.SkipTo(clock_.Wall() + absl::Minutes(minutes)); }
  const StreamsTried& tried() const { return tried_; }

  absl::StatusOr<StreamTurn> Resume(absl::string_view baton, uint64_t database) {
    return streams().Resume(baton, NameOf(database), kDemoPrincipal);
  }

  // A stream on each database, in a transaction that has inserted a row. Their batons.
  absl::StatusOr<std::vector<std::string>> InsertEverywhere() {
    std::vector<std::string> batons;
    for (uint64_t database = 0; database < kDemoStreams; ++database) {
      BATONSTORE_ASSIGN_OR_RETURN(const std::string first, Begin(database));
      BATONSTORE_ASSIGN_OR_RETURN(StreamTurn turn, Resume(first, database));
      BATONSTORE_RETURN_IF_ERROR(Execute(turn, "INSERT INTO account (owner) VALUES ('demo')"));
      BATONSTORE_ASSIGN_OR_RETURN(batons.emplace_back(), turn.Finish());
      BATONSTORE_RETURN_IF_ERROR(Misuse(first, batons.back(), database));
    }
    return batons;
  }

  absl::Status Commit(const std::vector<std::string>& batons) {
    for (uint64_t database = 0; database < kDemoStreams; ++database) {
      BATONSTORE_ASSIGN_OR_RETURN(StreamTurn turn, Resume(batons[database], database));
      BATONSTORE_RETURN_IF_ERROR(Execute(turn, "COMMIT"));
      BATONSTORE_RETURN_IF_ERROR(turn.Close());
    }
    ++committed_;
    return absl::OkStatus();
  }

  // Each database holds what was committed and nothing else, and nobody locks it.
  absl::Status CheckRolledBack() {
    BATONSTORE_RETURN_IF_ERROR(Expect(streams().Count() == 0, "a stream that has ended is there"));
    for (const std::unique_ptr<SqlitePool>& pool : pools_) {
      BATONSTORE_RETURN_IF_ERROR(
          Expect(pool->usage().in_use == 0, "a stream that has ended holds a connection"));
      BATONSTORE_ASSIGN_OR_RETURN(const auto connection,
                                  pool->Acquire(/*read_only=*/false, Soon()));
      BATONSTORE_RETURN_IF_ERROR(connection->Execute("BEGIN IMMEDIATE"));
      BATONSTORE_ASSIGN_OR_RETURN(const std::vector<SqliteRow> rows,
                                  connection->Query("SELECT count(*) FROM account"));
      BATONSTORE_RETURN_IF_ERROR(connection->Rollback(Soon()));
      connection->ReturnToPool();
      BATONSTORE_RETURN_IF_ERROR(Expect(rows[0][0] == absl::StrCat(committed_),
                                        "a database does not hold what was committed"));
      ++tried_.rolled_back;
    }
    return absl::OkStatus();
  }

 private:
  Accounts() = default;

  absl::Time Soon() { return clock_.Wall() + kPatience; }

  absl::Status OpenPools(const std::string& folder) {
    for (uint64_t database = 0; database < kDemoStreams; ++database) {
      BATONSTORE_ASSIGN_OR_RETURN(
          pools_.emplace_back(),
          SqlitePool::Open({.path = absl::StrCat(folder, "/", NameOf(database), ".sqlite"),
                            .setup = {"CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY,"
                                      " owner TEXT)"},
                            .now = [this] { return clock_.Wall(); }}));
    }
    return absl::OkStatus();
  }

  static absl::Status Execute(StreamTurn& turn, absl::string_view sql) {
    return turn.connection<SqliteConnection>()->Execute(sql);
  }

  absl::StatusOr<std::string> Begin(uint64_t database) {
    SqlitePool& pool = *pools_[database];
    BATONSTORE_ASSIGN_OR_RETURN(
        StreamTurn turn, streams().Open({.database = NameOf(database),
                                         .principal = kDemoPrincipal,
                                         .connect =
                                             [&pool](absl::Time deadline) {
                                               return pool.Acquire(/*read_only=*/false, deadline);
                                             },
                                         .deadline = Soon()}));
    BATONSTORE_RETURN_IF_ERROR(Execute(turn, "BEGIN IMMEDIATE"));
    return turn.Finish();
  }

  absl::Status Misuse(absl::string_view used, absl::string_view good, uint64_t database) {
    const uint64_t replays = Resume(used, database).ok();
    const uint64_t thefts = streams().Resume(good, NameOf(database), kDemoThief).ok() +
                            streams().Resume(good, kDemoElsewhere, kDemoPrincipal).ok();
    tried_.replays_accepted += replays;
    tried_.thefts_accepted += thefts;
    return Expect(replays + thefts == 0, "a used baton, or a stolen one, was accepted");
  }

  SkippingClock clock_;
  std::vector<std::unique_ptr<SqlitePool>> pools_;
  std::unique_ptr<recovery::Store> store_;  // ends first, since its streams hold connections
  uint64_t committed_ = 0;                  // rows in each database
  StreamsTried tried_;
};

// Kills them as an operator would, who looks them up first.
absl::Status KillAll(Accounts& accounts) {
  for (const StreamInfo& stream : accounts.streams().List({.principal = kDemoPrincipal})) {
    BATONSTORE_RETURN_IF_ERROR(Expect(accounts.streams().Kill(stream.id) == Killed::kKilled,
                                      "an idle stream could not be killed"));
  }
  return absl::OkStatus();
}

absl::Status DropTurns(Accounts& accounts, const std::vector<std::string>& batons) {
  for (uint64_t database = 0; database < kDemoStreams; ++database) {
    BATONSTORE_RETURN_IF_ERROR(accounts.Resume(batons[database], database).status());
  }
  return absl::OkStatus();
}

absl::Status WaitForTheReaper(Accounts& accounts) {
  accounts.SkipMinutes(2);
  const absl::Time give_up = absl::Now() + kPatience;
  while (accounts.streams().Count() > 0 && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  return absl::OkStatus();
}

absl::Status ExpectLost(Accounts& accounts, const std::vector<std::string>& batons) {
  BATONSTORE_RETURN_IF_ERROR(
      Expect(batons.size() == kDemoStreams, "the worker has not told of all its streams"));
  for (uint64_t database = 0; database < kDemoStreams; ++database) {
    BATONSTORE_RETURN_IF_ERROR(
        Expect(VerdictOf(accounts.Resume(batons[database], database).status()) == Verdict::kLost,
               "the baton of a dead process's stream is not LOST"));
  }
  return absl::OkStatus();
}

// By the death of their process, to begin with: that was before.
absl::Status EndInEveryWay(Accounts& accounts, const std::vector<std::string>& batons,
                           std::ostream& story) {
  const auto check = [&](absl::string_view how) -> absl::Status {
    BATONSTORE_RETURN_IF_ERROR(accounts.CheckRolledBack());
    story << absl::StrFormat("  %-30s  %5d streams, all rolled back\n", how, kDemoStreams)
          << std::flush;
    return absl::OkStatus();
  };
  using End = std::function<absl::Status(const std::vector<std::string>& batons)>;
  const std::vector<std::pair<absl::string_view, End>> ends = {
      {"killed by an operator", [&](const auto&) { return KillAll(accounts); }},
      {"their turns dropped", [&](const auto& open) { return DropTurns(accounts, open); }},
      {"closed with all others",
       [&](const auto&) {
         return Expect(accounts.streams().CloseAll() == kDemoStreams, "not all were closed");
       }},
      {"idle for too long", [&](const auto&) { return WaitForTheReaper(accounts); }}};

  BATONSTORE_RETURN_IF_ERROR(ExpectLost(accounts, batons));
  BATONSTORE_RETURN_IF_ERROR(check("their process killed"));
  for (const auto& [how, end] : ends) {
    // One that commits in between, so that there is something to lose.
    BATONSTORE_ASSIGN_OR_RETURN(const auto committing, accounts.InsertEverywhere());
    BATONSTORE_RETURN_IF_ERROR(accounts.Commit(committing));
    BATONSTORE_ASSIGN_OR_RETURN(const auto open, accounts.InsertEverywhere());
    BATONSTORE_RETURN_IF_ERROR(end(open));
    BATONSTORE_RETURN_IF_ERROR(check(how));
  }
  return accounts.Close();
}

}  // namespace

absl::Status HoldStreams(const DemoStreams& where,
                         const std::function<absl::Status(const std::string& line)>& report) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto accounts, Accounts::Open(where));
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<std::string> batons, accounts->InsertEverywhere());
  for (const std::string& baton : batons) BATONSTORE_RETURN_IF_ERROR(report(baton + "\n"));
  for (;;) {
    BATONSTORE_RETURN_IF_ERROR(report("\n"));
    absl::SleepFor(absl::Milliseconds(20));
  }
}

StreamsTried TryStreams(const DemoStreams& where, const std::vector<std::string>& batons,
                        std::ostream& story) {
  const absl::StatusOr<std::unique_ptr<Accounts>> accounts = Accounts::Open(where);
  StreamsTried tried;
  if (!accounts.ok()) {
    tried.error = accounts.status();
    return tried;
  }
  const absl::Status ended = EndInEveryWay(**accounts, batons, story);
  tried = (*accounts)->tried();
  tried.error = ended;
  return tried;
}

}  // namespace batonstore::tools
