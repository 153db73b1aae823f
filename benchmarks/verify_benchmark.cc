// Verification of a store of 1,000,000 sessions, and of one that has two windows of them
// (recovery/index_check.h). The claim: at least 200,000 sessions a second, of sessions that each
// have a record, a turn, a deadline, an idempotency key, and their rows in four indexes. The file
// is in the page cache; from a disk, add the time that it takes to read it once.

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/store/session.h"
#include "benchmark/benchmark.h"
#include "benchmarks/filled_store.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

SessionSpec SpecOf(int64_t number) {
  SessionSpec spec;
  spec.label = "phone";
  spec.principal = absl::StrCat("user ", number / 4);
  spec.database = absl::StrCat("database ", number % 100);
  spec.expires_at = SystemClock().Wall() + absl::Hours(24 * 365);
  spec.idle_timeout = absl::Hours(24 * 30);
  spec.idempotency_key = absl::StrCat("request ", number);
  return spec;
}

void BM_Verify(benchmark::State& state) {
  const FilledStore store({.sessions = state.range(0), .spec = SpecOf});
  for (auto _ : state) {
    const recovery::VerifyReport report = ValueOf(recovery::VerifyQuietFile(
        store.data_file(), FilledStore::KeyEncryptionKey(), SystemClock(), nullptr));
    CheckOk(report.ToStatus());
    CheckThat(report.sessions == static_cast<uint64_t>(state.range(0)), "all were verified");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Verify)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Arg(2'000'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace batonstore::benchmarks
