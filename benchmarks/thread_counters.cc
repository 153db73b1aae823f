#include "benchmarks/thread_counters.h"

#include <time.h>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

// Exact, which its parts, the program's and the kernel's, are not: the kernel tells them by
// samples.
absl::Duration ProcessorTime() {
  struct timespec time {};
  CheckThat(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0, "processes have a clock");
  return absl::DurationFromTimespec(time);
}

struct Counters {
  Mutex mu;
  absl::Duration begin ABSL_GUARDED_BY(mu);
  Latencies latencies ABSL_GUARDED_BY(mu);
  int threads_told ABSL_GUARDED_BY(mu) = 0;
};

Counters& Current() {
  static Counters* const counters = new Counters;
  return *counters;
}

}  // namespace

void BeginThreadCounters() {
  Counters& counters = Current();
  MutexLock lock(counters.mu);
  counters.begin = ProcessorTime();
  counters.latencies = {};
  counters.threads_told = 0;
}

void TellThreadCounters(const Latencies& own, benchmark::State& state) {
  Counters& counters = Current();
  MutexLock lock(counters.mu);
  counters.latencies.Add(own);
  if (++counters.threads_told < state.threads()) return;
  const absl::Duration processor = ProcessorTime() - counters.begin;
  Latencies& all = counters.latencies;
  state.counters["cpu_us"] =
      absl::ToDoubleMicroseconds(processor) / static_cast<double>(all.count());
  state.counters["p50_us"] = all.Microseconds(0.5);
  state.counters["p99_us"] = all.Microseconds(0.99);
  state.counters["tail"] = all.Microseconds(0.99) / all.Microseconds(0.5);
  state.counters["longest_us"] = all.Microseconds(1);
}

}  // namespace batonstore::benchmarks
