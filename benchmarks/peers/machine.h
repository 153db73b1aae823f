// Where a measurement was made.

#ifndef BATONSTORE_BENCHMARKS_PEERS_MACHINE_H_
#define BATONSTORE_BENCHMARKS_PEERS_MACHINE_H_

#include <cstdint>
#include <string>

namespace batonstore::benchmarks {

struct Machine {
  std::string processor;
  int cores = 0;
  int64_t memory_bytes = 0;
  std::string kernel;
  std::string file_system;  // of the data: "ext4", "tmpfs"
  std::string date;         // UTC
  double load = 0;          // of others, when it began: the mean of a minute
};

// `folder`: where the data lies.
Machine DescribeMachine(const std::string& folder);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_MACHINE_H_
