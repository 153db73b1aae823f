// What falls due when: numbers, each at one time, the earliest first.

#ifndef BATONSTORE_STORE_DEADLINE_QUEUE_H_
#define BATONSTORE_STORE_DEADLINE_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/time/time.h"

namespace batonstore {

// A heap of 8 bytes an entry: O(log n) in and out, O(1) to see that nothing is due. Deadlines are
// kept in milliseconds, rounded up. Not thread-safe.
class DeadlineQueue {
 public:
  static constexpr int kNumberBits = 20;

  // From here on as many entries as this fit in without an allocation. Cheap when asked for one
  // more again and again.
  void Reserve(size_t entries) {
    if (entries > heap_.capacity()) heap_.reserve(std::max(entries, 2 * heap_.capacity()));
  }

  // REQUIRES: `number` is below 2^kNumberBits.
  void Push(absl::Duration due, uint32_t number) {
    const auto milliseconds =
        static_cast<uint64_t>(absl::ToInt64Milliseconds(absl::Ceil(due, absl::Milliseconds(1))));
    heap_.push_back(std::min(milliseconds, kNever) << kNumberBits | number);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  // Takes out the earliest, if it is due by now.
  std::optional<uint32_t> PopDue(absl::Duration now) {
    if (heap_.empty()) return std::nullopt;
    const uint64_t due = heap_.front() >> kNumberBits;
    if (due == kNever || absl::Milliseconds(due) > now) return std::nullopt;
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const auto number = static_cast<uint32_t>(heap_.back() & ((uint64_t{1} << kNumberBits) - 1));
    heap_.pop_back();
    return number;
  }

  size_t size() const { return heap_.size(); }

 private:
  static constexpr uint64_t kNever = UINT64_MAX >> kNumberBits;

  std::vector<uint64_t> heap_;  // the deadline, then the number
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_DEADLINE_QUEUE_H_
