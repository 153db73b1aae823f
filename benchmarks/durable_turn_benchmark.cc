// A durable turn on a session, Resume and Finish, beside raw LMDB putting the same rows in one
// transaction. Each draws one of 10,000 sessions at random, whose batons have rotated before. All
// writes are durable, below $TMPDIR (or /tmp): put that on the disk to be measured.
//
// The claims, as A / B by their medians (time at most, or rate at least):
//
//   BM_DurableTurn/threads:1     / BM_RawTurnCommit/threads:1     time  at most  1.25
//   BM_DurableTurn/threads:64    / BM_RawTurnCommit/threads:64    rate  at least 6

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session_store.h"
#include "benchmark/benchmark.h"
#include "benchmarks/filled_store.h"
#include "benchmarks/raw_store.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kSessions = 10'000;
constexpr size_t kReplyBytes = 200;
constexpr char kPrincipal[] = "somebody@example.com";
constexpr char kDatabase[] = "accounts";

SessionSpec SpecOf(int64_t) {
  SessionSpec spec;
  spec.label = "a benchmark's session";
  spec.principal = kPrincipal;
  spec.database = kDatabase;
  spec.expires_at = absl::InfiniteFuture();
  return spec;
}

// The row of `turns` that each of these turns leaves.
TurnRecord Record() {
  TurnRecord record;
  record.generation = 1;
  record.last = TurnRecord::Last::kFinished;
  record.digest = std::string(32, 'd');
  record.successor = std::string(kBatonLength, 'b');
  record.reply = std::string(kReplyBytes, 'r');
  return record;
}

// One of the sessions, which no other thread draws.
size_t Draw(std::mt19937_64& random, const benchmark::State& state) {
  const auto threads = static_cast<size_t>(state.threads());
  return random() % (kSessions / threads) * threads + static_cast<size_t>(state.thread_index());
}

// The store, and what its clients hold.
class Clients {
 public:
  Clients() : store_({kSessions, SpecOf}) {
    for (const Alias alias : store_.aliases()) {
      batons_.push_back(ValueOf(store_.sessions().Issue(alias)));
    }
  }

  void TakeTurn(size_t session, CutOff cut_off) {
    std::string& baton = batons_[session];
    absl::StatusOr<Resumed> resumed =
        store_.sessions().Resume(baton, digest_, kDatabase, kPrincipal, cut_off);
    CheckOk(resumed.status());
    baton = ValueOf(std::get<SessionTurn>(*resumed).Finish(reply_));
  }

  const std::vector<Alias>& aliases() const { return store_.aliases(); }

 private:
  FilledStore store_;
  std::vector<std::string> batons_;  // of each session
  const std::string digest_ = Record().digest;
  const std::string reply_ = Record().reply;
};

// Made once, and never unmade. Each baton has rotated once.
Clients& TheClients() {
  static Clients* const clients = [] {
    constexpr size_t kThreads = 64;  // which share commits
    auto* made = new Clients;
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([made, thread] {
        for (size_t session = thread; session < kSessions; session += kThreads) {
          made->TakeTurn(session, CutOff::kRunAgain);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return made;
  }();
  return *clients;
}

void SetUpClients(const benchmark::State&) { TheClients(); }

void TakeTurns(benchmark::State& state, CutOff cut_off) {
  Clients& clients = TheClients();
  std::mt19937_64 random(static_cast<uint64_t>(state.thread_index()));
  for (auto _ : state) clients.TakeTurn(Draw(random, state), cut_off);
  state.SetItemsProcessed(state.iterations());
}

void BM_DurableTurn(benchmark::State& state) { TakeTurns(state, CutOff::kRunAgain); }
BENCHMARK(BM_DurableTurn)->Setup(SetUpClients)->UseRealTime()->Threads(1)->Threads(8)->Threads(64);

void BM_DurableTurnAtMostOnce(benchmark::State& state) { TakeTurns(state, CutOff::kAtMostOnce); }
BENCHMARK(BM_DurableTurnAtMostOnce)->Setup(SetUpClients)->UseRealTime()->Threads(1)->Threads(64);

// The rows that one turn puts.
class RawTurns {
 public:
  RawTurns() : row_(1 + Sealer::kOverhead + EncodeTurn(Record()).size(), 'r') {
    RawWrite write(store_);
    for (const Alias alias : TheClients().aliases()) {
      write.Put(Table::kTurns, alias.ToKey(), row_);
    }
    write.Commit();
  }

  void TakeTurn(size_t session) {
    RawWrite write(store_);
    write.Put(Table::kTurns, TheClients().aliases()[session].ToKey(), row_);
    write.Put(Table::kMeta, meta::kTime, EncodeNumber(EncodeTime(absl::Now())));
    write.Commit();
  }

 private:
  RawStore store_;
  const std::string row_;
};
RawTurns* raw_turns = nullptr;  // of the benchmark that runs

void SetUpRaw(const benchmark::State&) { raw_turns = new RawTurns; }
void TearDownRaw(const benchmark::State&) { delete std::exchange(raw_turns, nullptr); }

void BM_RawTurnCommit(benchmark::State& state) {
  std::mt19937_64 random(static_cast<uint64_t>(state.thread_index()));
  for (auto _ : state) raw_turns->TakeTurn(Draw(random, state));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_RawTurnCommit)
    ->Setup(SetUpRaw)
    ->Teardown(TearDownRaw)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(8)
    ->Threads(64);

}  // namespace
}  // namespace batonstore::benchmarks
