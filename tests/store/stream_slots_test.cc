#include "batonstore/store/stream_slots.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

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

}  // namespace
}  // namespace batonstore
