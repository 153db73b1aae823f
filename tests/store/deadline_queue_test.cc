#include "batonstore/store/deadline_queue.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

TEST(DeadlineQueueTest, GivesTheEarliestFirstAndNoneBeforeItsTime) {
  DeadlineQueue queue;
  EXPECT_EQ(queue.PopDue(absl::InfiniteDuration()), std::nullopt);
  std::vector<std::pair<absl::Duration, uint32_t>> entries;
  for (uint32_t i = 0; i < 1000; ++i) entries.emplace_back(absl::Seconds(i * 7919 % 1000), i);
  for (const auto& [due, number] : entries) queue.Push(due, number);
  std::sort(entries.begin(), entries.end());
  for (const auto& [due, number] : entries) {
    EXPECT_EQ(queue.PopDue(due - absl::Nanoseconds(1)), std::nullopt);
    EXPECT_EQ(queue.PopDue(due), number);
  }
  EXPECT_EQ(queue.size(), 0u);
}

TEST(DeadlineQueueTest, NothingIsDueTooEarlyOrAMillisecondLate) {
  DeadlineQueue queue;
  queue.Push(absl::Microseconds(1500), 1);
  EXPECT_EQ(queue.PopDue(absl::Microseconds(1499)), std::nullopt);
  EXPECT_EQ(queue.PopDue(absl::Microseconds(2000)), 1u);
}

TEST(DeadlineQueueTest, NeverIsADeadlineToo) {
  DeadlineQueue queue;
  queue.Push(absl::InfiniteDuration(), 1);
  queue.Push(absl::Seconds(1), 2);
  EXPECT_EQ(queue.PopDue(absl::Hours(1)), 2u);
  EXPECT_EQ(queue.PopDue(absl::Hours(1'000'000)), std::nullopt);
  EXPECT_EQ(queue.PopDue(absl::InfiniteDuration()), std::nullopt);
}

}  // namespace
}  // namespace batonstore
