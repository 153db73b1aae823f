// What all threads of a benchmark together have seen, as counters beside its time.

#ifndef BATONSTORE_BENCHMARKS_THREAD_COUNTERS_H_
#define BATONSTORE_BENCHMARKS_THREAD_COUNTERS_H_

#include "benchmark/benchmark.h"
#include "benchmarks/latencies.h"

namespace batonstore::benchmarks {

// For the set-up of a benchmark, which no thread of it has entered yet.
void BeginThreadCounters();

// For each thread, once its iterations are over. The last one tells, of all calls of all threads:
//
//   p50_us, p99_us, longest_us   how long they took
//   tail                         p99 / p50
//   cpu_us                       processor time of the whole process, per call
void TellThreadCounters(const Latencies& own, benchmark::State& state);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_THREAD_COUNTERS_H_
