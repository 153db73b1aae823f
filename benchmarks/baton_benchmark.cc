// Minting and verifying a baton, beside the bare HMAC over the same 30 bytes: what verifying costs on
// top of the cryptography. Ratios within one run are what counts:
//
//   ./bazelw run -c opt //benchmarks:baton_benchmark -- --benchmark_repetitions=9
//       --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
//
// BM_Verify is to take at most 1.5 times as long as BM_HmacSha256, by their medians.

#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
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
}
BENCHMARK(BM_HmacSha256);

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

}  // namespace
}  // namespace batonstore
