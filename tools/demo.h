// The demo: what batonstore is for, done and checked before your eyes. A worker process makes
// sessions and is killed again and again; after each kill every promise must have been kept. Then
// batons are forged, rotated, replayed and stolen, and streams ended in the middle of transactions.

#ifndef BATONSTORE_TOOLS_DEMO_H_
#define BATONSTORE_TOOLS_DEMO_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "batonstore/tools/demo_result.h"

namespace batonstore::tools {

struct DemoRequest {
  std::string
      directory;  // must be missing or empty; if not set, a folder of its own, removed after
  uint64_t sessions = 10'000;    // to be acknowledged, at least
  unsigned int threads = 8;      // of the worker
  std::optional<uint64_t> seed;  // of the worker's choices and the moments of the kills
};

// Tells its story on `story` as it happens, except for the closing line.
DemoResult RunDemo(const DemoRequest& request, std::ostream& story);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_H_
