// What falls due when: numbers, each at one time, the earliest first.

#ifndef BATONSTORE_STORE_DEADLINE_QUEUE_H_
#define BATONSTORE_STORE_DEADLINE_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace batonstore {

// A heap: O(log n) in and out, O(1) to see that nothing is due. Not thread-safe.
class DeadlineQueue {
 public:
  // From here on as many entries as this fit in without an allocation. Cheap when asked for one
  // more again and again.
  void Reserve(size_t entries) {
    if (entries > heap_.capacity()) heap_.reserve(std::max(entries, 2 * heap_.capacity()));
  }

  void Push(absl::Duration due, uint32_t number) {
    heap_.emplace_back(due, number);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  // Takes out the earliest, if it is due by now.
  std::optional<uint32_t> PopDue(absl::Duration now) {
    if (heap_.empty() || heap_.front().first > now) return std::nullopt;
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const uint32_t number = heap_.back().second;
    heap_.pop_back();
    return number;
  }

  size_t size() const { return heap_.size(); }

 private:
  std::vector<std::pair<absl::Duration, uint32_t>> heap_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_DEADLINE_QUEUE_H_
