// The demo's child process: it uses a store from several threads and reports what it was promised,
// until it is killed.

#ifndef BATONSTORE_TOOLS_DEMO_WORKER_H_
#define BATONSTORE_TOOLS_DEMO_WORKER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace batonstore::tools {

struct DemoWork {
  std::string directory;
  unsigned int threads = 1;
  uint64_t seed = 0;
};

// What the worker's sessions are made with, so that their batons can be verified.
inline constexpr char kDemoPrincipal[] = "demo";
inline constexpr char kDemoDatabase[] = "main";

// Writes a DemoEvent to standard output after (or before) each call. Never returns OK: it ends by
// being killed, by SIGPIPE when nobody reads any more, or with what the store refused.
absl::Status RunDemoWorker(const DemoWork& work);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_WORKER_H_
