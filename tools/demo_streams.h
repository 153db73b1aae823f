// The demo's transactions: streams insert rows into real SQLite databases, over several requests,
// and end in every way but a commit. Nothing of it may be left.

#ifndef BATONSTORE_TOOLS_DEMO_STREAMS_H_
#define BATONSTORE_TOOLS_DEMO_STREAMS_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace batonstore::tools {

struct DemoStreams {
  std::string store;      // its folder
  std::string databases;  // the folder of theirs, which exists
};

// How many streams there are at a time: one for each database.
inline constexpr uint64_t kDemoStreams = 4;

// In the process that is to be killed: opens the store and a stream on each database, each in a
// transaction that has inserted a row; reports their batons, each on a line, and then empty lines
// for as long as anybody listens.
absl::Status HoldStreams(const DemoStreams& where,
                         const std::function<absl::Status(const std::string& line)>& report);

struct StreamsTried {
  uint64_t rolled_back = 0;       // streams that have left nothing
  uint64_t replays_accepted = 0;  // used batons that were taken again
  uint64_t thefts_accepted = 0;   // batons taken from somebody else, or elsewhere
  absl::Status error;             // what ended it early: CORRUPT if a promise was not kept
};

// After that process is dead: its streams have left nothing and `batons`, theirs, are LOST. Then
// opens streams like those, again and again, and has them killed, dropped, closed and reaped. Tells
// its story on `story`. Ends at the first that has left anything, has taken away what was
// committed, or was resumed by somebody who must not.
StreamsTried TryStreams(const DemoStreams& where, const std::vector<std::string>& batons,
                        std::ostream& story);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_STREAMS_H_
