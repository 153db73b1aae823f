// What the demo found, counted, and the one line that it ends with.

#ifndef BATONSTORE_TOOLS_DEMO_RESULT_H_
#define BATONSTORE_TOOLS_DEMO_RESULT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "batonstore/tools/json.h"

namespace batonstore::tools {

struct DemoResult {
  uint64_t acknowledged = 0;       // sessions whose creation was acknowledged
  uint64_t lost = 0;               // acknowledgements that the store did not keep
  uint64_t reserved_left = 0;      // sessions still Reserved after recovery
  uint64_t duplicate_aliases = 0;  // aliases given twice
  uint64_t forged_accepted = 0;    // batons that the store never signed and took all the same
  uint64_t replays_accepted = 0;   // used batons that were taken again
  uint64_t thefts_accepted = 0;    // batons that somebody else used, or that were used elsewhere
  uint64_t rolled_back = 0;        // streams whose transactions have left nothing behind
  absl::Status error;              // what kept the demo from going on

  // True if every promise was kept and the demo came to its end.
  bool ok() const;

  // "demo: ok acknowledged=N ...", or "demo: FAILED acknowledged=N ...". No newline.
  std::string ToLine() const;
  JsonObject ToJson() const;
};

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_RESULT_H_
