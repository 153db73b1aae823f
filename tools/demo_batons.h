// The demo's forgers: batons are issued, verified, stolen and forged.

#ifndef BATONSTORE_TOOLS_DEMO_BATONS_H_
#define BATONSTORE_TOOLS_DEMO_BATONS_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/session_store.h"

namespace batonstore::tools {

// Whether a baton is good for a principal on a database: SessionStore::Verify, but for tests.
using BatonVerifier = std::function<absl::StatusOr<Session>(
    absl::string_view baton, absl::string_view database, absl::string_view principal)>;

struct BatonsTried {
  uint64_t forged_accepted = 0;
  uint64_t thefts_accepted = 0;  // used by somebody else, or elsewhere
};

// Tells on `story` what it does. Returns how many batons were accepted that must not be, or why an
// authentic one was refused.
absl::StatusOr<BatonsTried> TryBatons(SessionStore& store, const BatonVerifier& verify,
                                      std::ostream& story);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_BATONS_H_
