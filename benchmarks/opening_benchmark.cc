// Opening a store after a crash that left 1,000 reservations, among 10,000 sessions and among
// 1,000,000.
//
//   ./bazelw run -c opt //benchmarks:opening_benchmark -- --benchmark_repetitions=5
//
// The claims, by the medians:
//
//   BM_OpenAfterCrash/1000000  / BM_OpenAfterCrash/10000   at most 2, not kept: 2.5
//   BM_OpenAfterCrash/1000000                              at most 500 ms
//
// What is opened is a copy of the folder, taken while its owner had it open, and made anew for each
// opening, since that removes the reservations. The copy is on the disk and in the page cache, as
// the file of a process is that has just been killed.

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "benchmark/benchmark.h"
#include "benchmarks/filled_store.h"
#include "benchmarks/scratch.h"
#include "tests/support/threads.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kReserved = 1'000;
constexpr int64_t kCreatedBetween = 4;  // two reservations, on average
constexpr int kCallers = 64;

SessionSpec SpecOf(int64_t number) {
  SessionSpec spec;
  spec.label = "a benchmark's session";
  spec.principal = absl::StrCat("principal-", number / 10, "@example.com");
  spec.database = "accounts";
  spec.expires_at = absl::Now() + absl::Hours(24 * 365);
  return spec;
}

// Its newest 5,000 sessions were made by callers of whom each fifth has not come to Create.
class CrashedStore {
 public:
  explicit CrashedStore(int64_t size)
      : store_({.sessions = size - kReserved * (1 + kCreatedBetween), .spec = SpecOf}) {
    testing::OnThreads(kCallers, [&](int caller) {
      for (int64_t i = caller; i < kReserved * (1 + kCreatedBetween); i += kCallers) MakeOne(i);
    });
    CheckThat(ValueOf(store_.sessions().Stats()).sessions == static_cast<uint64_t>(size),
              "the store is as large as it should be");
  }

  static const CrashedStore& OfSize(int64_t size) {
    static std::map<int64_t, std::unique_ptr<CrashedStore>> stores;
    std::unique_ptr<CrashedStore>& store = stores[size];
    if (store == nullptr) store = std::make_unique<CrashedStore>(size);
    return *store;
  }

  // On the disk, so that the first sync of the copy's new owner has nothing of ours to write.
  void CopyTo(const std::string& folder) const {
    namespace fs = std::filesystem;
    for (const auto& file : fs::directory_iterator(fs::path(store_.data_file()).parent_path())) {
      const fs::path copy = folder / file.path().filename();
      fs::copy_file(file, copy);
      const int fd = open(copy.c_str(), O_WRONLY | O_CLOEXEC);
      CheckThat(fd >= 0 && fsync(fd) == 0, "the copy is on the disk");
      close(fd);
    }
  }

 private:
  void MakeOne(int64_t number) {
    SessionSpec spec = SpecOf(number);
    if (number % (1 + kCreatedBetween) != 0) {
      CheckOk(store_.sessions().ReserveAndCreate(spec).status());
      return;
    }
    spec.intent = absl::StrCat("register number ", number);
    CheckOk(store_.sessions().Reserve(spec).status());
  }

  FilledStore store_;
};

void BM_OpenAfterCrash(benchmark::State& state) {
  const CrashedStore& crashed = CrashedStore::OfSize(state.range(0));
  for (auto _ : state) {
    const Folder folder;
    crashed.CopyTo(folder.path());
    recovery::Options options;
    options.directory = folder.path();
    options.key_encryption_key = FilledStore::KeyEncryptionKey;
    const auto begin = std::chrono::steady_clock::now();
    const std::unique_ptr<recovery::Store> store = ValueOf(recovery::Open(options));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    state.SetIterationTime(elapsed.count());
    CheckThat(store->report().crashed, "the last owner did not close the store");
    CheckThat(store->report().removed.size() == kReserved, "every reservation was removed");
  }
}
BENCHMARK(BM_OpenAfterCrash)
    ->Arg(10'000)
    ->Arg(1'000'000)
    ->Iterations(5)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace batonstore::benchmarks
