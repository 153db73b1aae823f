// Beside the median of the repetitions, the fastest: what is left of a time when nothing else was
// using the disk and the processor.

#ifndef BATONSTORE_BENCHMARKS_MINIMUM_H_
#define BATONSTORE_BENCHMARKS_MINIMUM_H_

#include <algorithm>
#include <vector>

#include "benchmark/benchmark.h"

namespace batonstore::benchmarks {

// For BENCHMARK(...)->Apply(WithMinimum).
inline void WithMinimum(benchmark::internal::Benchmark* benchmark) {
  benchmark->ComputeStatistics("min", [](const std::vector<double>& values) {
    return *std::min_element(values.begin(), values.end());
  });
}

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_MINIMUM_H_
