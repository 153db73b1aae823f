// Reading one session, and pages of them, in a store of 10,000 and in one of 1,000,000. The claims
// stand in session_store_benchmark.cc.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session.h"
#include "benchmark/benchmark.h"
#include "benchmarks/minimum.h"
#include "benchmarks/raw_store.h"
#include "benchmarks/scratch.h"
#include "benchmarks/town_store.h"

namespace batonstore::benchmarks {
namespace {

constexpr size_t kPage = 100;
static_assert(kPage == TownStore::kSharing);

// The rows of a town's sessions, with other bytes in them: as many, as large, under the same keys
// and contexts of the same size, sealed by the same means.
class RawTown {
 public:
  static RawTown& OfSize(int64_t size) {
    static std::map<int64_t, std::unique_ptr<RawTown>> towns;
    std::unique_ptr<RawTown>& town = towns[size];
    if (town == nullptr) town = std::make_unique<RawTown>(TownStore::OfSize(size));
    return *town;
  }

  explicit RawTown(const TownStore& town)
      : sealer_(RandomSecret(SystemRandom(), Sealer::kKeySize), SystemRandom()),
        read_(store_),
        staying_(town.staying()) {
    const std::vector<Alias>& aliases = town.aliases();
    const std::string plaintext(town.row_bytes() - 1 - Sealer::kOverhead, 'p');
    for (size_t filled = 0; filled < aliases.size();) {
      RawWrite write(store_);
      const size_t until = std::min(aliases.size(), filled + kRowsPerCommit);
      for (; filled < until; ++filled) {
        const std::string key = aliases[filled].ToKey();
        write.Put(Table::kSessions, key, absl::StrCat("1", sealer_.Seal(Context(key), plaintext)));
      }
      write.Commit();
    }
  }

  // One of those who stay, at random, as in the town.
  Alias AnyStaying() { return staying_[next_++ % staying_.size()]; }

  std::string GetAndUnseal(Alias alias) {
    const std::string key = alias.ToKey();
    read_.Begin();
    const absl::string_view row = read_.Get(Table::kSessions, key);
    std::string plaintext = ValueOf(sealer_.Open(Context(key), row.substr(1)));
    read_.End();
    return plaintext;
  }

 private:
  static constexpr size_t kRowsPerCommit = 50'000;

  // Before the row's key: a store's id, a table and a version.
  absl::string_view Context(absl::string_view key) {
    std::copy(key.begin(), key.end(), context_.end() - static_cast<int64_t>(key.size()));
    return context_;
  }

  RawStore store_;
  const Sealer sealer_;
  RawRead read_;
  std::string context_ = std::string(16 + 2 + 8, 'c');
  const std::vector<Alias> staying_;
  uint64_t next_ = 0;
};

void BM_Find(benchmark::State& state) {
  TownStore& town = TownStore::OfSize(state.range(0));
  for (auto _ : state) {
    const absl::StatusOr<Session> found = town.sessions().Find(town.AnyStaying());
    CheckOk(found.status());
    benchmark::DoNotOptimize(found->alias);
  }
}
BENCHMARK(BM_Find)->Apply(WithMinimum)->Arg(10'000)->Arg(1'000'000);

void BM_RawGetAndUnseal(benchmark::State& state) {
  RawTown& town = RawTown::OfSize(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(town.GetAndUnseal(town.AnyStaying()));
}
BENCHMARK(BM_RawGetAndUnseal)->Apply(WithMinimum)->Arg(10'000)->Arg(1'000'000);

void List(benchmark::State& state, TownStore& town, const ListFilter& filter,
          std::optional<Alias> after) {
  const absl::StatusOr<ListPage> page = town.sessions().List(filter, kPage, after);
  CheckOk(page.status());
  if (page->sessions.size() != kPage) state.SkipWithError("the page is not full");
}

// Any 100 sessions that lie side by side.
void BM_ListPage(benchmark::State& state) {
  TownStore& town = TownStore::OfSize(state.range(0));
  for (auto _ : state) List(state, town, {}, town.BeforeStayingPage(kPage));
}
BENCHMARK(BM_ListPage)->Apply(WithMinimum)->Arg(10'000)->Arg(1'000'000);

// The 100 sessions of any principal, which lie at random among all others.
void BM_ListPageOfPrincipal(benchmark::State& state) {
  TownStore& town = TownStore::OfSize(state.range(0));
  for (auto _ : state) List(state, town, {.principal = town.AnyPrincipal()}, std::nullopt);
}
BENCHMARK(BM_ListPageOfPrincipal)->Apply(WithMinimum)->Arg(10'000)->Arg(1'000'000);

void BM_ListPageOfDatabase(benchmark::State& state) {
  TownStore& town = TownStore::OfSize(state.range(0));
  for (auto _ : state) List(state, town, {.database = town.AnyDatabase()}, std::nullopt);
}
BENCHMARK(BM_ListPageOfDatabase)->Apply(WithMinimum)->Arg(10'000)->Arg(1'000'000);

}  // namespace
}  // namespace batonstore::benchmarks
