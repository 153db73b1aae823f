// The numbers and the names of events, which are for ever.

#include "batonstore/store/event.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

// Both columns are for ever: the numbers are on disks, the names in scripts.
constexpr std::pair<EventType, absl::string_view> kTypes[] = {
    {EventType{1}, "reserved"},     {EventType{2}, "created"},   {EventType{3}, "revoked"},
    {EventType{4}, "expired"},      {EventType{5}, "removed"},   {EventType{6}, "moved"},
    {EventType{7}, "revoked_all"},  {EventType{8}, "limit_hit"}, {EventType{9}, "compensation"},
    {EventType{10}, "replay_seen"},
};

TEST(EventTest, TypesKeepTheirNumbersAndNames) {
  EXPECT_EQ(EventType::kReserved, EventType{1});
  EXPECT_EQ(EventType::kCreated, EventType{2});
  EXPECT_EQ(EventType::kRevoked, EventType{3});
  EXPECT_EQ(EventType::kExpired, EventType{4});
  EXPECT_EQ(EventType::kRemoved, EventType{5});
  EXPECT_EQ(EventType::kMoved, EventType{6});
  EXPECT_EQ(EventType::kRevokedAll, EventType{7});
  EXPECT_EQ(EventType::kLimitHit, EventType{8});
  EXPECT_EQ(EventType::kCompensation, EventType{9});
  EXPECT_EQ(EventType::kReplaySeen, EventType{10});
  for (const auto& [type, name] : kTypes) EXPECT_EQ(EventTypeName(type), name);
}

}  // namespace
}  // namespace batonstore
