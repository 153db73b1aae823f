#include "batonstore/store/stream_slots.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/process_memory.h"

namespace batonstore {
namespace {

TEST(StreamSlotsTest, SlotsNeverMoveAndAreFoundByNumber) {
  StreamSlots slots;
  EXPECT_EQ(slots.Find(0), nullptr);
  EXPECT_EQ(slots.Find(StreamSlot::kMaxSlots - 1), nullptr);
  std::vector<StreamSlot*> all;
  for (uint32_t i = 0; i < 20'000; ++i) {
    EXPECT_EQ(slots.size(), i);
    EXPECT_EQ(slots.Find(i), nullptr);
    all.push_back(&slots.Grow());
  }
  for (uint32_t i = 0; i < 20'000; ++i) {
    ASSERT_EQ(slots.Find(i), all[i]);
    MutexLock lock(all[i]->mu);
    EXPECT_EQ(all[i]->state, SlotState::kFree);
    EXPECT_EQ(StreamSlot::IndexOf(all[i]->id), i);
    EXPECT_NE(all[i]->id, 0u);
  }
}

// A baton is good for as long as the process lives, so a core that was made of it must have none.
TEST(StreamSlotsTest, SlotsAreLeftOutOfCores) {
  StreamSlots slots;
  for (int i = 0; i < 20'000; ++i) {
    if (const StreamSlot& slot = slots.Grow(); i % 1000 == 0) {
      EXPECT_TRUE(testing::IsLeftOutOfCore(&slot)) << i;
    }
  }
}

}  // namespace
}  // namespace batonstore
