// The demo's child process: it uses a store from several threads and reports what it was promised,
// until it is killed.

#ifndef BATONSTORE_TOOLS_DEMO_WORKER_H_
#define BATONSTORE_TOOLS_DEMO_WORKER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace batonstore::tools {

struct DemoWork {
  enum class Kind {
    kSessions,  // makes sessions, and writes a DemoEvent after (or before) each call
    kOrders,    // takes orders for the clients' sessions, and writes a line after each (TakeOrders)
    kStreams,   // opens streams on SQLite databases, and holds them (HoldStreams)
  };

  Kind kind = Kind::kSessions;
  std::string directory;     // of the store
  std::string databases;     // the folder of theirs; for kStreams
  unsigned int threads = 1;  // not for kStreams
  uint64_t seed = 0;         // for kSessions
};

// Reports on standard output. Never returns OK: it ends by being killed, by SIGPIPE when nobody
// reads any more, or with what the store refused.
absl::Status RunDemoWorker(const DemoWork& work);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_WORKER_H_
