// What a store costs beside raw LMDB doing the same, and what a large one costs beside a small one.
// Ratios within one run are what counts:
//
//   ./bazelw run -c opt //benchmarks:session_store_benchmark -- --benchmark_repetitions=5
//       --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
//
// Compare medians: of the CPU time where nothing is written, if the machine has other work. If its
// disk has, medians of commits say little: compare the minima then, and repeat more often, for
// shorter (--benchmark_repetitions=21 --benchmark_min_time=0.1). All writes are durable, on either
// side.
//
// The folders are temporary ones below $TMPDIR (or /tmp): put that on the disk to be measured. On
// tmpfs a sync costs nothing, and the CPU times tell what the store adds to a commit. Stores are
// filled when the first benchmark that needs them runs; the two of a million sessions take some ten
// seconds and half a gigabyte each: pick what you need with --benchmark_filter.
//
// The claims, as A / B at most X. Creating, here:
//
//   BM_ReserveAndCreate/threads:1            / BM_RawLmdbCommit/threads:1         1.1
//   BM_ReserveAndCreateWithLimits/threads:1  / BM_ReserveAndCreate/threads:1      1.1
//   BM_ReserveAndCreate/threads:8            / BM_RawLmdbCommit/threads:8         1.3   by `tail`
//   BM_CreateWithKeysGiven/threads:64, its cpu_us, at most 15 (microseconds)
//
// These also count how long single calls took (thread_counters.h); `tail` is their 99th percentile
// over their median. Of either side, the one run's counts.
//
// Reading (reading_benchmark.cc):
//
//   BM_Find/10000                            / BM_RawGetAndUnseal/10000           2
//   BM_Find/1000000                          / BM_RawGetAndUnseal/1000000         1.5
//   BM_ListPage/1000000                      / BM_ListPage/10000                  1.25
//   BM_ListPageOfPrincipal/1000000           / BM_ListPageOfPrincipal/10000       2
//   BM_ListPageOfDatabase/1000000            / BM_ListPageOfDatabase/10000        2
//
// The last two read 100 sessions that lie at random: in a large store, each on a page of its own
// that is in no cache of the processor.
//
// Attributes (attributes_benchmark.cc):
//
//   BM_Merge                                 / BM_RawMergeCommit                  1.25
//
// Ending (ending_benchmark.cc):
//
//   BM_Sweep/1000000                         / BM_Sweep/10000                     3, not kept: 5
//   BM_RevokeAll/1000                        / BM_RevokeAll/1                     1.25
//   BM_RevokeAll/100000                      / BM_RevokeAll/1                     1.25
//
// Of a small store nothing is merged (store/index_merge.h), which made its sweep faster and not the
// large one's. The others have no claim, and stand beside these for comparison.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "benchmark/benchmark.h"
#include "benchmarks/counted_keys.h"
#include "benchmarks/latencies.h"
#include "benchmarks/minimum.h"
#include "benchmarks/raw_store.h"
#include "benchmarks/scratch.h"
#include "benchmarks/thread_counters.h"

namespace batonstore::benchmarks {
namespace {

SessionSpec Spec() {
  SessionSpec spec;
  spec.label = "a benchmark's session";
  spec.principal = "somebody@example.com";
  spec.database = "accounts";
  spec.expires_at = absl::Now() + absl::Hours(24);
  return spec;
}

struct OpenStore {
  Folder folder;
  CountedKeys counted_keys;
  std::unique_ptr<recovery::Store> store;
};
OpenStore* open_store = nullptr;  // of the benchmark that runs

void SetUpStoreWith(const Policy& policy) {
  open_store = new OpenStore;
  open_store->store =
      ValueOf(recovery::Open({.directory = open_store->folder.path(), .policy = policy}));
  BeginThreadCounters();
}

void SetUpStore(const benchmark::State&) { SetUpStoreWith({}); }

// Key pairs that are at hand, so that what is left is the store's own work.
void SetUpStoreWithKeysGiven(const benchmark::State&) {
  open_store = new OpenStore;
  open_store->store = ValueOf(recovery::Open(
      {.directory = open_store->folder.path(), .key_pairs = &open_store->counted_keys}));
  BeginThreadCounters();
}

// Limits that are counted and never reached.
void SetUpStoreWithLimits(const benchmark::State&) {
  constexpr uint64_t kMany = uint64_t{1} << 40;
  SetUpStoreWith({.limits = {.per_principal = kMany, .per_database = kMany, .per_store = kMany}});
}

// A principal at its limit: who comes in revokes the oldest.
void SetUpStoreAtLimit(const benchmark::State&) {
  constexpr uint64_t kFew = 10;
  SetUpStoreWith({.limits = {.per_principal = kFew, .at_limit = Limits::AtLimit::kRevokeOldest}});
  for (uint64_t i = 0; i < kFew; ++i) {
    CheckOk(open_store->store->sessions().ReserveAndCreate(Spec()).status());
  }
}

void TearDownStore(const benchmark::State&) { delete std::exchange(open_store, nullptr); }

void BM_ReserveAndCreate(benchmark::State& state) {
  SessionStore& sessions = open_store->store->sessions();
  const SessionSpec spec = Spec();
  Latencies latencies;
  for (auto _ : state) {
    CheckOk(latencies.Measure([&] { return sessions.ReserveAndCreate(spec).status(); }));
  }
  state.SetItemsProcessed(state.iterations());
  TellThreadCounters(latencies, state);
}
BENCHMARK(BM_ReserveAndCreate)
    ->Apply(WithMinimum)
    ->Setup(SetUpStore)
    ->Teardown(TearDownStore)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(8)
    ->Threads(64);
BENCHMARK(BM_ReserveAndCreate)
    ->Apply(WithMinimum)
    ->Name("BM_CreateWithKeysGiven")
    ->Setup(SetUpStoreWithKeysGiven)
    ->Teardown(TearDownStore)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(64);
BENCHMARK(BM_ReserveAndCreate)
    ->Apply(WithMinimum)
    ->Name("BM_ReserveAndCreateWithLimits")
    ->Setup(SetUpStoreWithLimits)
    ->Teardown(TearDownStore)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(64);
BENCHMARK(BM_ReserveAndCreate)
    ->Apply(WithMinimum)
    ->Name("BM_ReserveAndCreateAtLimit")
    ->Setup(SetUpStoreAtLimit)
    ->Teardown(TearDownStore)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(64);

// The rows that one creation puts.
class RawCreations {
 public:
  RawCreations() {
    const SessionSpec spec = Spec();
    SessionRecord record;
    record.session.label = spec.label;
    record.session.principal = spec.principal;
    record.session.database = spec.database;
    record.session.public_key.resize(32);
    record.sealed_private_key.resize(32 + Sealer::kOverhead);
    row_.resize(1 + Sealer::kOverhead + EncodeSession(record).size());
    expires_ = EncodeNumber(EncodeTime(spec.expires_at));
  }

  void Create(const std::string& public_key) {
    const std::string public_key_hash = Sha256(public_key).substr(0, 8);
    RawWrite write(store_);
    last_alias_ = Alias::Next(absl::Now(), last_alias_);
    const std::string alias = last_alias_.ToKey();
    const std::string population = absl::StrCat(EncodeNumber(++live_), alias);
    write.Put(Table::kMeta, meta::kLastAlias, alias);
    write.Put(Table::kSessions, alias, row_);
    write.Put(Table::kPublicKeys, public_key_hash, alias);
    write.Put(Table::kPrincipals, absl::StrCat(kHash, alias), "");
    write.Put(Table::kDatabases, absl::StrCat(kHash, alias), "");
    write.Put(Table::kPrincipals, kHash, population);
    write.Put(Table::kDatabases, kHash, population);
    write.Put(Table::kMeta, meta::kLive, population);
    write.Put(Table::kExpiries, absl::StrCat(expires_, alias), "");
    write.Put(Table::kMeta, meta::kTime, EncodeNumber(EncodeTime(absl::Now())));
    write.Commit();
  }

 private:
  static constexpr absl::string_view kHash = "a hash: ";  // of the principal, or the database

  RawStore store_;
  std::string row_;
  std::string expires_;
  Alias last_alias_;   // touched only inside a write transaction
  uint64_t live_ = 0;  // likewise
};
RawCreations* raw_creations = nullptr;  // of the benchmark that runs

void SetUpRaw(const benchmark::State&) {
  raw_creations = new RawCreations;
  BeginThreadCounters();
}
void TearDownRaw(const benchmark::State&) { delete std::exchange(raw_creations, nullptr); }

// Both sides make a key pair for each session.
void BM_RawLmdbCommit(benchmark::State& state) {
  Latencies latencies;
  for (auto _ : state) {
    latencies.Measure([] {
      raw_creations->Create(ValueOf(SystemKeyPairs().Generate(KeyType::kX25519)).public_key);
    });
  }
  state.SetItemsProcessed(state.iterations());
  TellThreadCounters(latencies, state);
}
BENCHMARK(BM_RawLmdbCommit)
    ->Apply(WithMinimum)
    ->Setup(SetUpRaw)
    ->Teardown(TearDownRaw)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(8)
    ->Threads(64);

}  // namespace
}  // namespace batonstore::benchmarks
