// A question asked over and over, by several callers at a time, for some seconds.

#ifndef BATONSTORE_BENCHMARKS_PEERS_MEASUREMENT_H_
#define BATONSTORE_BENCHMARKS_PEERS_MEASUREMENT_H_

#include <cstdint>
#include <functional>
#include <vector>

namespace batonstore::benchmarks {

struct Measurement {
  int64_t operations = 0;  // that ended in the measured time
  int64_t total = 0;       // those before and after it included
  double seconds = 0;      // the measured time
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;  // per operation

  double per_second() const { return static_cast<double>(operations) / seconds; }
};

struct MeasurementPlan {
  int callers = 1;
  double seconds = 1;
  int64_t block = 1;                    // operations between two looks at the clock
  std::function<void(int caller)> ask;  // one operation; from a thread for each caller
  std::function<double()> cpu_seconds;  // so far
};

// The callers run for a tenth of the time before it is measured.
Measurement Measure(const MeasurementPlan& plan);

// The value below which a share of them lies. Reorders them; 0 of none.
double Percentile(std::vector<float>& values, double share);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_MEASUREMENT_H_
