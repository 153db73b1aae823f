// Batons that no store ever signed, made from one that it did.

#ifndef BATONSTORE_TOOLS_FORGERIES_H_
#define BATONSTORE_TOOLS_FORGERIES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace batonstore::tools {

// Forgeries of one kind, each different from the baton they are made of.
struct ForgeryAttempt {
  std::string how;  // "one bit flipped in the text"
  std::vector<std::string> batons;
};

// Every way that the demo tries. `other` is a second authentic baton, to be mixed with the first.
// REQUIRES: both are batons.
std::vector<ForgeryAttempt> ForgeriesOf(absl::string_view baton, absl::string_view other);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_FORGERIES_H_
