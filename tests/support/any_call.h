// Calls made up from numbers: any of them, with arguments that now and then fit what is in the
// store.

#ifndef BATONSTORE_TESTS_SUPPORT_ANY_CALL_H_
#define BATONSTORE_TESTS_SUPPORT_ANY_CALL_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/store_calls.h"

namespace batonstore::testing {

// What there is to choose from.
struct Surroundings {
  absl::Time now;
  std::vector<Alias> aliases;                 // that were given
  std::function<uint64_t(Alias)> version_of;  // of a session's attributes, perhaps an old one
  uint64_t last_event = 0;
  std::vector<std::string> principals = {"a", "ab"};
  uint64_t epoch = 1;
  uint64_t primary_key_id = 1;
  // Of a session's baton, and to whom and what the session is bound.
  std::function<uint64_t(Alias)> generation_of;
  std::function<std::optional<Session>(Alias)> find;
};

// The same arguments give the same call. `which` chooses the session, `detail` among the variants.
Call AnyCall(Do what, uint32_t which, uint32_t detail, const Surroundings& surroundings);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_ANY_CALL_H_
