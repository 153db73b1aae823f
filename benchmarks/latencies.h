// How long each of many calls took, and what can be said of all.

#ifndef BATONSTORE_BENCHMARKS_LATENCIES_H_
#define BATONSTORE_BENCHMARKS_LATENCIES_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace batonstore::benchmarks {

// Keeps all of them, 8 bytes each. Not thread-safe: one for each caller, and Add() in the end.
class Latencies {
 public:
  // Measures a call, and returns what it returns.
  template <typename Call>
  auto Measure(Call&& call) {
    const Timer timer(*this);
    return std::forward<Call>(call)();
  }

  void Add(const Latencies& others) { ns_.insert(ns_.end(), others.ns_.begin(), others.ns_.end()); }

  size_t count() const { return ns_.size(); }

  // The longest of the shortest `share` of them, in microseconds: 0.5 for the median, 1 for the
  // longest of all. 0 if there are none.
  double Microseconds(double share) {
    if (ns_.empty()) return 0;
    const auto at = static_cast<size_t>(share * static_cast<double>(ns_.size() - 1));
    std::nth_element(ns_.begin(), ns_.begin() + static_cast<int64_t>(at), ns_.end());
    return static_cast<double>(ns_[at]) / 1000;
  }

 private:
  using Clock = std::chrono::steady_clock;

  class Timer {
   public:
    explicit Timer(Latencies& latencies) : latencies_(latencies) {}
    ~Timer() { latencies_.ns_.push_back((Clock::now() - begin_).count()); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    Latencies& latencies_;
    const Clock::time_point begin_ = Clock::now();
  };

  std::vector<int64_t> ns_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_LATENCIES_H_
