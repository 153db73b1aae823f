// The ends of many sessions at a time: expiry and its sweep, RevokeAll and what it leaves to
// sweeps. The claims stand in session_store_benchmark.cc.
//
// Only what is named is timed; each iteration is prepared, and checked, outside of it. The counter
// `longest_piece_us` is the longest call of Sweep: for how long others wait for the writer at the
// most, the commit included. `pages` is how many pages an iteration wrote: what remains of a
// sweep's cost when the disk is fast, and the same in every run.

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/sweep.h"
#include "benchmark/benchmark.h"
#include "benchmarks/filled_store.h"
#include "benchmarks/minimum.h"
#include "benchmarks/scratch.h"
#include "benchmarks/town_store.h"

namespace batonstore::benchmarks {
namespace {

// How long `body` takes, in seconds.
double SecondsOf(absl::FunctionRef<void()> body) {
  const absl::Duration began = SystemClock().SinceBoot();
  body();
  return absl::ToDoubleSeconds(SystemClock().SinceBoot() - began);
}

// What this process has written to files so far.
uint64_t BytesWritten() {
  std::ifstream io("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (io >> name >> value) {
    if (name == "wchar:") return value;
  }
  return 0;
}

// What a sweep did, and how long it took.
struct Sweeping {
  Swept total;
  uint64_t bytes = 0;
  double seconds = 0;
  double longest = 0;
};

Sweeping SweepAll(SessionStore& sessions) {
  Sweeping sweeping;
  Swept swept;
  const uint64_t written_before = BytesWritten();
  do {
    const double seconds = SecondsOf([&] { swept = ValueOf(sessions.Sweep()); });
    sweeping.seconds += seconds;
    sweeping.longest = std::max(sweeping.longest, seconds);
    sweeping.total.expired += swept.expired;
    sweeping.total.revoked += swept.revoked;
    sweeping.total.removed += swept.removed;
  } while (swept.more);
  sweeping.bytes = BytesWritten() - written_before;
  return sweeping;
}

// Adds up the sweeps of one benchmark.
class SweepMeter {
 public:
  explicit SweepMeter(benchmark::State& state) : state_(state) {}
  ~SweepMeter() {
    constexpr double kPage = 4096;
    state_.counters["longest_piece_us"] = longest_ * 1e6;
    state_.counters["pages"] =
        benchmark::Counter(static_cast<double>(bytes_) / kPage, benchmark::Counter::kAvgIterations);
  }

  void Note(const Sweeping& sweeping) {
    state_.SetIterationTime(sweeping.seconds);
    longest_ = std::max(longest_, sweeping.longest);
    bytes_ += sweeping.bytes;
  }

 private:
  benchmark::State& state_;
  double longest_ = 0;
  uint64_t bytes_ = 0;
};

void Sweep(benchmark::State& state, TownStore::Order order) {
  SweepMeter meter(state);
  for (auto _ : state) {
    TownStore& town = TownStore::OfSize(state.range(0), order);
    town.LetLeave();
    const Sweeping sweeping = SweepAll(town.sessions());
    CheckThat(sweeping.total.expired == TownStore::kLeaving, "1,000 sessions were swept");
    CheckThat(sweeping.total.removed + sweeping.total.revoked == 0, "and no others");
    meter.Note(sweeping);
  }
}

// 1,000 sessions that ran out, which were created one after another.
void BM_Sweep(benchmark::State& state) { Sweep(state, TownStore::Order::kOfCreation); }
BENCHMARK(BM_Sweep)
    ->Apply(WithMinimum)
    ->Arg(10'000)
    ->Arg(1'000'000)
    ->UseManualTime()
    ->Iterations(10);

// The same for such as lie at random in half of the store: no two of them on one page of a large
// one.
void BM_SweepScattered(benchmark::State& state) { Sweep(state, TownStore::Order::kScattered); }
BENCHMARK(BM_SweepScattered)
    ->Apply(WithMinimum)
    ->Arg(10'000)
    ->Arg(1'000'000)
    ->UseManualTime()
    ->Iterations(10);

constexpr absl::Duration kLifetime = absl::Hours(1);

// 1,000 sessions that ran out, and have this many fields each to delete.
void BM_SweepWithFields(benchmark::State& state) {
  constexpr int64_t kSessions = 1'000;
  Filling filling;
  filling.sessions = kSessions;
  filling.spec = [](int64_t i) {
    SessionSpec spec;
    spec.principal = absl::StrCat("principal ", i);
    spec.expires_at = absl::Now() + kLifetime;
    return spec;
  };
  for (int64_t i = 0; i < state.range(0); ++i) {
    filling.fields.emplace(absl::StrCat("field ", i), std::string(100, 'v'));
  }
  SweepMeter meter(state);
  for (auto _ : state) {
    FilledStore store(filling);
    store.clock().SkipTo(absl::Now() + kLifetime);
    const Sweeping sweeping = SweepAll(store.sessions());
    CheckThat(sweeping.total.expired == kSessions, "1,000 sessions were swept");
    meter.Note(sweeping);
  }
}
BENCHMARK(BM_SweepWithFields)
    ->Apply(WithMinimum)
    ->Arg(0)
    ->Arg(10)
    ->Arg(100)
    ->UseManualTime()
    ->Iterations(2);

std::string PrincipalWith(int64_t sessions) {
  return absl::StrCat("who has ", sessions, "@example.com");
}

SessionSpec SpecOf(const std::string& principal) {
  SessionSpec spec;
  spec.label = "a benchmark's session";
  spec.principal = principal;
  spec.database = "accounts";
  spec.expires_at = absl::Now() + absl::Hours(24 * 3650);
  return spec;
}

// One store with a principal of one session, one of 1,000 and one of 100,000.
FilledStore& UnequalStore() {
  constexpr int64_t kAll = 1 + 1'000 + 100'000;
  static FilledStore store(
      {.sessions = kAll, .spec = [](int64_t i) {
         return SpecOf(PrincipalWith(i == 0 ? 1 : i <= 1'000 ? 1'000 : 100'000));
       }});
  return store;
}

// All sessions are live before, and all count as revoked afterwards: the call is unsaid each time.
void BM_RevokeAll(benchmark::State& state) {
  FilledStore& store = UnequalStore();
  const std::string principal = PrincipalWith(state.range(0));
  const auto count = [&](State counted) {
    return ValueOf(store.sessions().List({.state = counted, .principal = principal}, 1))
        .sessions.size();
  };
  for (auto _ : state) {
    CheckThat(count(State::kCreated) == 1, "the sessions are live");
    CheckOk(store.sessions().ReserveAndCreate(SpecOf("a bystander")).status());  // warms up
    state.SetIterationTime(SecondsOf([&] { CheckOk(store.sessions().RevokeAll(principal)); }));
    CheckThat(count(State::kRevoked) == 1, "the sessions are revoked");
    store.UnsayRevocations();
  }
}
BENCHMARK(BM_RevokeAll)
    ->Apply(WithMinimum)
    ->Arg(1)
    ->Arg(1'000)
    ->Arg(100'000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(10);

// 100,000 sessions, `each` of every principal, at turns. Used up principal by principal, and then
// filled anew.
class EvenStore {
 public:
  static constexpr int64_t kAll = 100'000;

  explicit EvenStore(int64_t each)
      : each_(each), filled_({.sessions = kAll, .spec = [each](int64_t i) {
                                return SpecOf(absl::StrCat("principal ", i % (kAll / each)));
                              }}) {}

  SessionStore& sessions() { return filled_.sessions(); }
  bool is_used_up() const { return used_ == kAll / each_; }
  std::string NextPrincipal() { return absl::StrCat("principal ", used_++); }

 private:
  const int64_t each_;
  int64_t used_ = 0;
  FilledStore filled_;
};

// What a RevokeAll leaves to sweeps: to shred what it covers.
void BM_ShredAfterRevokeAll(benchmark::State& state) {
  const int64_t each = state.range(0);
  SweepMeter meter(state);
  std::unique_ptr<EvenStore> store;
  for (auto _ : state) {
    if (store == nullptr || store->is_used_up()) {
      store.reset();
      store = std::make_unique<EvenStore>(each);
    }
    CheckOk(store->sessions().RevokeAll(store->NextPrincipal()));
    const Sweeping sweeping = SweepAll(store->sessions());
    CheckThat(sweeping.total.revoked == static_cast<uint64_t>(each), "all were shredded");
    meter.Note(sweeping);
  }
  state.SetItemsProcessed(state.iterations() * each);
}
BENCHMARK(BM_ShredAfterRevokeAll)->Apply(WithMinimum)->Arg(1'000)->UseManualTime()->Iterations(10);
BENCHMARK(BM_ShredAfterRevokeAll)->Apply(WithMinimum)->Arg(100'000)->UseManualTime()->Iterations(1);

// The same when they have all ended before, and are only passed: a login after a logout, of
// somebody with a long past.
void BM_PassEndedAfterRevokeAll(benchmark::State& state) {
  static EvenStore store(EvenStore::kAll);
  static const std::string principal = [] {
    std::string only = store.NextPrincipal();
    CheckOk(store.sessions().RevokeAll(only));
    CheckThat(SweepAll(store.sessions()).total.revoked == EvenStore::kAll, "all have ended");
    return only;
  }();
  SweepMeter meter(state);
  for (auto _ : state) {
    CheckOk(store.sessions().ReserveAndCreate(SpecOf(principal)).status());
    CheckOk(store.sessions().RevokeAll(principal));
    const Sweeping sweeping = SweepAll(store.sessions());
    CheckThat(sweeping.total.revoked == 1, "the new session was shredded");
    meter.Note(sweeping);
  }
}
BENCHMARK(BM_PassEndedAfterRevokeAll)->Apply(WithMinimum)->UseManualTime()->Iterations(3);

}  // namespace
}  // namespace batonstore::benchmarks
