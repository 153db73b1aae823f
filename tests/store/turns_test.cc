// The rules of rotation, on a row alone.

#include "batonstore/store/turns.h"

#include <cstdint>
#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace batonstore {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

TurnRecord At(uint64_t generation, TurnRecord::Last last = TurnRecord::Last::kFinished) {
  return {.generation = generation, .last = last, .digest = "request", .successor = "successor"};
}

TEST(TurnsTest, SessionWithoutARowIsAtGenerationZero) {
  EXPECT_EQ(StandingOf({}, 0, "request"), Standing::kCurrent);
  EXPECT_EQ(StandingOf({}, 0, ""), Standing::kCurrent);
  EXPECT_EQ(StandingOf({}, 1, "request"), Standing::kAhead);
  EXPECT_EQ(StandingOf({}, kMost, "request"), Standing::kAhead);
}

TEST(TurnsTest, StandingFollowsFromGenerationAndRequest) {
  EXPECT_EQ(StandingOf(At(7), 8, "request"), Standing::kAhead);
  EXPECT_EQ(StandingOf(At(7), kMost, "request"), Standing::kAhead);
  EXPECT_EQ(StandingOf(At(7), 7, "request"), Standing::kCurrent);
  EXPECT_EQ(StandingOf(At(7), 7, "another"), Standing::kCurrent);
  EXPECT_EQ(StandingOf(At(7), 6, "request"), Standing::kAnswered);
  EXPECT_EQ(StandingOf(At(7), 6, "another"), Standing::kReused);
  EXPECT_EQ(StandingOf(At(7), 6, ""), Standing::kReplayed);
  EXPECT_EQ(StandingOf(At(7), 5, "request"), Standing::kReplayed);
  EXPECT_EQ(StandingOf(At(7), 0, "request"), Standing::kReplayed);
}

TEST(TurnsTest, WhatHasOnlyBegunIsCutOff) {
  const TurnRecord begun = At(7, TurnRecord::Last::kBegun);
  EXPECT_EQ(StandingOf(begun, 7, "request"), Standing::kCurrent);
  EXPECT_EQ(StandingOf(begun, 6, "request"), Standing::kCutOff);
  EXPECT_EQ(StandingOf(begun, 6, "another"), Standing::kReused);
  EXPECT_EQ(StandingOf(begun, 5, "request"), Standing::kReplayed);
}

TEST(TurnsTest, NothingComesAfterTheLargestGeneration) {
  EXPECT_EQ(StandingOf(At(kMost), kMost, "request"), Standing::kWornOut);
  EXPECT_EQ(StandingOf(At(kMost), kMost - 1, "request"), Standing::kAnswered);
  EXPECT_EQ(StandingOf(At(kMost), kMost - 2, "request"), Standing::kReplayed);
  EXPECT_EQ(StandingOf(At(kMost - 1), kMost - 1, "request"), Standing::kCurrent);
  EXPECT_EQ(StandingOf(At(kMost - 1), kMost, "request"), Standing::kAhead);
}

}  // namespace
}  // namespace batonstore
