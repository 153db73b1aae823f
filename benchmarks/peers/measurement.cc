#include "benchmarks/peers/measurement.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

namespace batonstore::benchmarks {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Moment = SteadyClock::time_point;

SteadyClock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
}

struct Period {
  Moment begin;
  Moment end;
};

// What one caller saw. On cache lines of its own.
struct alignas(128) Tally {
  int64_t operations = 0;
  int64_t total = 0;
  std::vector<float> latencies_us;
};

void Run(const MeasurementPlan& plan, int caller, const Period& period, Tally& tally) {
  const auto block = static_cast<double>(plan.block);
  Moment before = SteadyClock::now();
  while (before < period.end) {
    for (int64_t i = 0; i < plan.block; ++i) plan.ask(caller);
    const Moment after = SteadyClock::now();
    tally.total += plan.block;
    if (after >= period.begin && after < period.end) {
      tally.operations += plan.block;
      const std::chrono::duration<double, std::micro> took = after - before;
      tally.latencies_us.push_back(static_cast<float>(took.count() / block));
    }
    before = after;
  }
}

Measurement Sum(std::vector<Tally>& tallies) {
  Measurement sum;
  std::vector<float> latencies;
  for (Tally& tally : tallies) {
    sum.operations += tally.operations;
    sum.total += tally.total;
    latencies.insert(latencies.end(), tally.latencies_us.begin(), tally.latencies_us.end());
  }
  sum.p50_us = Percentile(latencies, 0.50);
  sum.p99_us = Percentile(latencies, 0.99);
  return sum;
}

}  // namespace

Measurement Measure(const MeasurementPlan& plan) {
  constexpr double kWarmUpShare = 0.1;
  std::vector<Tally> tallies(static_cast<size_t>(plan.callers));
  std::vector<std::thread> threads;
  Period period;
  period.begin = SteadyClock::now() + Seconds(plan.seconds * kWarmUpShare);
  period.end = period.begin + Seconds(plan.seconds);
  for (int caller = 0; caller < plan.callers; ++caller) {
    threads.emplace_back([&plan, &period, &tallies, caller] {
      Run(plan, caller, period, tallies[static_cast<size_t>(caller)]);
    });
  }
  std::this_thread::sleep_until(period.begin);
  const double cpu_before = plan.cpu_seconds();
  std::this_thread::sleep_until(period.end);
  const double cpu_after = plan.cpu_seconds();
  for (std::thread& thread : threads) thread.join();

  Measurement measured = Sum(tallies);
  measured.seconds = plan.seconds;
  if (measured.operations > 0) {
    measured.cpu_us = (cpu_after - cpu_before) * 1e6 / static_cast<double>(measured.operations);
  }
  return measured;
}

double Percentile(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  const auto place =
      std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(values.begin(), nth, values.end());
  return static_cast<double>(*nth);
}

}  // namespace batonstore::benchmarks
