// What batons cost, and the turns of streams, beside the bare HMAC over the same 30 bytes: ratios
// within one run are what counts.
//
//   ./bazelw run -c opt //benchmarks:baton_benchmark -- --benchmark_repetitions=9
//       --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
//
// By the medians of their CPU time:
//
//   BM_Verify           at most 1.5 times BM_HmacSha256
//   BM_Resume           at most 1.0 times, of 256 streams; of more, one trip to memory longer
//   BM_Turn             at most 2.0 times: Resume and Finish
//   BM_TurnOfMany       of 100,000 streams at most 2.0 times of one
//   BM_ReapNothingDue   of 100,000 streams at most 2.0 times of one
//   BM_StreamOpenClose  at most 2 microseconds
//
// Two threads are to gain at least 0.95 times as much in BM_Turn, on streams of their own, as in
// BM_HmacSha256, by items_per_second. Durable turns, with claims of their own, are in
// durable_turn_benchmark.cc.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "batonstore/store/stream_registry.h"
#include "benchmark/benchmark.h"

namespace batonstore {
namespace {

constexpr absl::string_view kIncarnation = "one incarnation.";
constexpr size_t kSignedSize = 30;  // what a baton's tag covers

BatonClaims Claims() {
  return {.kind = BatonKind::kSession, .id = 0x0123456789abcdef, .generation = 41, .epoch = 7};
}

void BM_HmacSha256(benchmark::State& state) {
  const HmacSha256 hmac(RandomSecret(SystemRandom(), 32));
  std::string message(kSignedSize, 'm');
  for (auto _ : state) {
    benchmark::DoNotOptimize(message.data());
    benchmark::DoNotOptimize(hmac.Compute(message));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_HmacSha256)->ThreadRange(1, 2);

void BM_Mint(benchmark::State& state) {
  const Keyring ring = Keyring::Create(SystemRandom(), kIncarnation);
  BatonClaims claims = Claims();
  for (auto _ : state) {
    benchmark::DoNotOptimize(ring.Mint(claims));
    ++claims.generation;
  }
}
BENCHMARK(BM_Mint);

void BM_Verify(benchmark::State& state) {
  const Keyring ring = Keyring::Create(SystemRandom(), kIncarnation);
  std::string baton = ring.Mint(Claims());
  for (auto _ : state) {
    benchmark::DoNotOptimize(baton.data());
    const absl::StatusOr<BatonClaims> claims = ring.Verify(baton);
    if (!claims.ok()) std::abort();  // or it would measure a refusal
    benchmark::DoNotOptimize(*claims);
  }
}
BENCHMARK(BM_Verify);

// ---- Streams ----

class Host final : public StreamHost {
 public:
  uint64_t Epoch() const override { return 7; }
  const Keyring& Ring() const override { return ring_; }
  absl::Status Usable() const override { return absl::OkStatus(); }
  void NoteRefusal(const absl::Status&, const PresentedBaton&) const noexcept override {}

 private:
  const Keyring ring_ = Keyring::Create(SystemRandom(), kIncarnation);
};

// REQUIRES: it is not a refusal, or that would be measured.
template <typename T>
T&& OrDie(absl::StatusOr<T>&& value) {
  if (!value.ok()) std::abort();
  return *std::move(value);
}

// Side by side, so that reading them is cheap, as it is for a baton in a request that has just come
// in, and what is measured is the streams' part.
using BatonText = std::array<char, kBatonLength>;
absl::string_view View(const BatonText& text) { return {text.data(), text.size()}; }
void Copy(absl::string_view baton, BatonText& text) {
  std::copy(baton.begin(), baton.end(), text.begin());
}

// Streams of one database and one principal, none of which expires meanwhile.
class Streams {
 public:
  StreamTurn Open() {
    return OrDie(registry_.Open({.database = database_, .principal = principal_}));
  }
  absl::StatusOr<StreamTurn> Resume(absl::string_view baton) {
    return registry_.Resume(baton, database_, principal_);
  }

  void Reap() { registry_.Reap(); }

  // The batons of so many new streams, in an order that no cache can guess.
  std::vector<BatonText> OpenMany(int64_t count) {
    std::vector<BatonText> batons(static_cast<size_t>(count));
    for (BatonText& baton : batons) Copy(OrDie(Open().Finish()), baton);
    std::shuffle(batons.begin(), batons.end(), std::minstd_rand());
    return batons;
  }

 private:
  const std::string database_ = "accounts";
  const std::string principal_ = "alice";
  Host host_;
  StreamRegistry registry_{host_,
                           SystemClock(),
                           {.idle_timeout = absl::Hours(1000),
                            .max_age = absl::Hours(1000),
                            .max_per_database = 1'000'000}};
};

// A block of turns is taken under the clock, and handed on while it stands.
void BM_Resume(benchmark::State& state) {
  constexpr size_t kBlock = 256;
  Streams streams;
  std::vector<BatonText> batons = streams.OpenMany(state.range(0));
  std::vector<absl::StatusOr<StreamTurn>> turns;
  turns.reserve(kBlock);
  size_t first = 0;
  while (state.KeepRunningBatch(kBlock)) {
    for (size_t i = 0; i < kBlock; ++i) {
      turns.push_back(streams.Resume(View(batons[first + i])));
    }
    state.PauseTiming();
    for (size_t i = 0; i < kBlock; ++i) {
      Copy(OrDie(OrDie(std::move(turns[i])).Finish()), batons[first + i]);
    }
    turns.clear();
    first = first + 2 * kBlock <= batons.size() ? first + kBlock : 0;
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Resume)->ArgName("streams")->Arg(256)->Arg(10'000)->Arg(100'000);

// Each thread on a stream of its own.
void BM_Turn(benchmark::State& state) {
  static Streams& streams = *new Streams;
  std::string baton = OrDie(streams.Open().Finish());
  for (auto _ : state) baton = OrDie(OrDie(streams.Resume(baton)).Finish());
  state.SetItemsProcessed(state.iterations());
  OrDie(streams.Resume(baton)).Close().IgnoreError();
}
BENCHMARK(BM_Turn)->ThreadRange(1, 2);

void BM_TurnOfMany(benchmark::State& state) {
  Streams streams;
  std::vector<BatonText> batons = streams.OpenMany(state.range(0));
  size_t next = 0;
  for (auto _ : state) {
    Copy(OrDie(OrDie(streams.Resume(View(batons[next]))).Finish()), batons[next]);
    if (++next == batons.size()) next = 0;
  }
}
BENCHMARK(BM_TurnOfMany)->ArgName("streams")->Arg(1)->Arg(1000)->Arg(100'000);

void BM_ReapNothingDue(benchmark::State& state) {
  Streams streams;
  streams.OpenMany(state.range(0));
  for (auto _ : state) streams.Reap();
}
BENCHMARK(BM_ReapNothingDue)->ArgName("streams")->Arg(1)->Arg(100'000);

void BM_StreamOpenClose(benchmark::State& state) {
  Streams streams;
  for (auto _ : state) streams.Open().Close().IgnoreError();
}
BENCHMARK(BM_StreamOpenClose);

}  // namespace
}  // namespace batonstore
