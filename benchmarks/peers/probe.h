// A look at a peer before it is measured: whether it is there at all, and whether it asks the disk
// before it says "done". Its sync calls are counted by strace, in a short run of its own.

#ifndef BATONSTORE_BENCHMARKS_PEERS_PROBE_H_
#define BATONSTORE_BENCHMARKS_PEERS_PROBE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace batonstore::benchmarks {

// Creations by one caller, and the sync calls meanwhile of the program and its servers.
struct SyncCount {
  int64_t creations = 0;
  int64_t syncs = 0;

  // At least one each. The trace is read a moment after the last creation: a few may be missing.
  bool is_durable() const { return creations > 0 && syncs * 100 >= creations * 95; }
};

struct Probe {
  bool built = true;  // or there is no such program
  bool ready = false;
  std::string missing;  // packages to install, if it is not ready for want of them
  std::string problem;  // why it is not ready
  nlohmann::json introduction;

  std::optional<SyncCount> syncs;  // of a peer that creates
  std::string unchecked;           // why it has none
};

// `folder` does not exist; it is made and removed. Without `strace`, its path, nothing is counted.
Probe ProbePeer(const std::string& program, const std::string& folder,
                const std::optional<std::string>& strace);

// How many calls that wait for the disk a trace by strace shows.
int64_t CountSyncs(absl::string_view trace);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_PROBE_H_
