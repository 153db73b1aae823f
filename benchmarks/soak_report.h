// What a soak measures every minute, and what it says in the end.

#ifndef BATONSTORE_BENCHMARKS_SOAK_REPORT_H_
#define BATONSTORE_BENCHMARKS_SOAK_REPORT_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/store/session.h"
#include "benchmarks/soak_load.h"

namespace batonstore::benchmarks {

// Of one interval, and as it is at its end.
struct SoakMoment {
  double minutes = 0;  // since the load has settled; below 0 before
  double operations_a_second = 0;
  std::array<double, kKinds> p50_us{};
  std::array<double, kKinds> p99_us{};
  double file_mb = 0;       // the data file's length
  double allocated_mb = 0;  // of it, on the disk
  double used_mb = 0;       // of it, not free for new rows
  double memory_mb = 0;     // of the process, without the file's pages
  double resident_mb = 0;   // with them
  uint64_t live = 0;
  uint64_t sessions = 0;  // tombstones included
};

SoakMoment MomentOf(KindLatencies latencies, const StoreStats& stats, const std::string& data_file,
                    absl::Duration interval);

// A line of a table for people, and its head.
std::string SoakHead();
std::string SoakLine(const SoakMoment& moment);

// The last third of the moments since the load has settled, beside the first.
struct SoakVerdict {
  struct Ratio {
    std::string name;
    double last_to_first = 0;
    double at_most = 0;  // 0: no claim is made
  };
  std::vector<Ratio> ratios;
  bool flat = false;  // no claim is broken
};

// REQUIRES: there are three moments at least that are not before 0 minutes.
SoakVerdict JudgeSoak(const std::vector<SoakMoment>& moments);

// soak.csv, soak.json and two pictures.
void WriteSoak(const std::string& folder, const std::vector<SoakMoment>& moments,
               const SoakVerdict& verdict);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_SOAK_REPORT_H_
