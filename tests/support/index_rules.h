// Rules of the deferred indexes (store/index_entry.h) so small that a test of few sessions sees
// many passes, and most of its stores in the middle of one.

#ifndef BATONSTORE_TESTS_SUPPORT_INDEX_RULES_H_
#define BATONSTORE_TESTS_SUPPORT_INDEX_RULES_H_

#include <array>
#include <cstdint>

#include "batonstore/store/policy.h"

namespace batonstore::testing {

// A pass begins with so many sessions in the tail, however many the store has.
inline IndexRules HastyIndexes(uint64_t min_tail, uint64_t slice) {
  return {.min_tail = min_tail, .tail_share = uint64_t{1} << 40, .slice = slice};
}

// Those of a number: every fourth has the default ones, with which nothing is merged.
inline IndexRules AnyIndexRules(uint64_t number) {
  constexpr std::array<uint64_t, 6> kSlices = {1, 3, 4, 5, 9, 40};
  if (number % 4 == 3) return {};
  return HastyIndexes(1 + number / 4 % 8, kSlices[number / 32 % kSlices.size()]);
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_INDEX_RULES_H_
