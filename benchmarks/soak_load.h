// A steady number of sessions under a mixed load: what a busy service does with its store, all day.

#ifndef BATONSTORE_BENCHMARKS_SOAK_LOAD_H_
#define BATONSTORE_BENCHMARKS_SOAK_LOAD_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/session_store.h"
#include "benchmarks/latencies.h"

namespace batonstore::benchmarks {

enum class Kind : uint8_t { kCreate, kTurn, kFind, kTouch, kMerge, kRevoke };
inline constexpr std::array<const char*, 6> kKindNames = {"create", "turn",  "find",
                                                          "touch",  "merge", "revoke"};
inline constexpr size_t kKinds = kKindNames.size();

using KindLatencies = std::array<Latencies, kKinds>;

struct SoakOptions {
  size_t sessions = 200'000;  // at any moment
  size_t callers = 8;
  double rate = 0;                              // operations a second, of all callers; 0: unlimited
  absl::Duration lifetime = absl::Minutes(10);  // on average
  uint64_t seed = 1;
};

// One caller's sessions, and its operations on them. Whenever one of them has ended, the caller's
// next operation makes another in its place.
class SoakCaller {
 public:
  SoakCaller(SessionStore& sessions, const SoakOptions& options, size_t number);

  // Makes the first sessions, with a turn behind them, as those have that have been there a while.
  void Fill();

  // The next operation: on any of them, unless there is one to be made.
  void Step();

  // What has been measured since the last time it was asked for. From any thread.
  KindLatencies Collect();

 private:
  struct Slot {
    Alias alias;
    std::string baton;
    uint64_t made = 0;  // how many sessions have been in it
  };

  absl::Status Do(Kind kind, size_t place);
  absl::Status Create(size_t place);
  absl::Status TakeTurn(size_t place);
  std::string Principal(size_t place) const;
  std::string Bytes();
  absl::Duration AnyLifetime();
  Kind AnyKind();

  void EndsAt(size_t place, absl::Time when) { due_.emplace(when, place, slots_[place].made); }
  bool SomeoneIsDue(size_t& place);

  SessionStore& sessions_;
  const SoakOptions& options_;
  const size_t number_;
  std::mt19937_64 random_;
  std::vector<Slot> slots_;
  using Due = std::tuple<absl::Time, size_t, uint64_t>;  // when; the place; of which session in it
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;

  Mutex mu_;
  KindLatencies latencies_ ABSL_GUARDED_BY(mu_);
};

class SoakLoad {
 public:
  // Fills the store. `sessions` must outlive the load.
  SoakLoad(SessionStore& sessions, const SoakOptions& options);
  ~SoakLoad();
  SoakLoad(const SoakLoad&) = delete;
  SoakLoad& operator=(const SoakLoad&) = delete;

  // Lets the callers run, until this object goes.
  void Start();

  // What has been measured since the last time.
  KindLatencies Collect();

 private:
  void RunCaller(SoakCaller& caller);

  const SoakOptions options_;
  std::vector<std::unique_ptr<SoakCaller>> callers_;
  std::atomic<bool> over_{false};
  std::vector<std::thread> threads_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_SOAK_LOAD_H_
