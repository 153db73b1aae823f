#include "batonstore/tools/demo_result.h"

#include "absl/strings/str_cat.h"
#include "batonstore/tools/describe.h"

namespace batonstore::tools {

bool DemoResult::ok() const {
  return lost == 0 && reserved_left == 0 && duplicate_aliases == 0 && forged_accepted == 0 &&
         replays_accepted == 0 && thefts_accepted == 0 && error.ok();
}

std::string DemoResult::ToLine() const {
  const std::string reason = error.ok() ? "" : absl::StrCat(" (", Printable(error.message()), ")");
  return absl::StrCat("demo: ", ok() ? "ok" : "FAILED", " acknowledged=", acknowledged,
                      " lost=", lost, " reserved_left=", reserved_left,
                      " duplicate_aliases=", duplicate_aliases,
                      " forged_accepted=", forged_accepted, " replays_accepted=", replays_accepted,
                      " thefts_accepted=", thefts_accepted, " rolled_back=", rolled_back, reason);
}

JsonObject DemoResult::ToJson() const {
  JsonObject object = error.ok() ? JsonObject().Flag("ok", ok()) : Describe(error);
  return object.Number("acknowledged", acknowledged)
      .Number("lost", lost)
      .Number("reserved_left", reserved_left)
      .Number("duplicate_aliases", duplicate_aliases)
      .Number("forged_accepted", forged_accepted)
      .Number("replays_accepted", replays_accepted)
      .Number("thefts_accepted", thefts_accepted)
      .Number("rolled_back", rolled_back);
}

}  // namespace batonstore::tools
