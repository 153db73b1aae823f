#include "tests/support/fuzz_target.h"

#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore::testing {

void Require(bool condition, absl::string_view what) {
  if (condition) return;
  std::cerr << "a promise is broken: " << what << std::endl;
  std::abort();
}

bool RequireVerdict(const absl::Status& status) {
  Require(status.ok() || VerdictOf(status).has_value(),
          absl::StrCat("an error without a verdict: ", status.ToString()));
  return status.ok();
}

uint64_t InputBytes::Big(int bytes) {
  uint64_t number = 0;
  for (; bytes > 0; --bytes) {
    number <<= 8;
    if (bytes_.empty()) continue;
    number |= static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
  }
  return number;
}

}  // namespace batonstore::testing
