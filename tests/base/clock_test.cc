#include "batonstore/base/clock.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"

namespace batonstore {
namespace {

using testing::FakeClock;

constexpr absl::Time kNoRecord = absl::InfinitePast();

TEST(StoreTimeTest, StartsAtTheWallClockAndAdvancesWithTheTimeSinceBoot) {
  FakeClock clock;
  const StoreTime time(clock, kNoRecord);
  const absl::Time start = clock.Wall();
  EXPECT_EQ(time.Now(), start);
  clock.Advance(absl::Hours(3) + absl::Nanoseconds(1));
  EXPECT_EQ(time.Now(), start + absl::Hours(3) + absl::Nanoseconds(1));
}

TEST(StoreTimeTest, JumpOfTheWallClockMovesNothingAndIsReported) {
  FakeClock clock;
  const StoreTime time(clock, kNoRecord);
  const absl::Time start = time.Now();

  clock.JumpWall(absl::Hours(24 * 365));
  EXPECT_EQ(time.Now(), start);
  EXPECT_EQ(time.WallAhead(), absl::Hours(24 * 365));

  clock.JumpWall(-2 * absl::Hours(24 * 365));
  EXPECT_EQ(time.Now(), start);
  EXPECT_EQ(time.WallAhead(), -absl::Hours(24 * 365));

  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(time.Now(), start + absl::Seconds(5));
  EXPECT_EQ(time.WallAhead(), -absl::Hours(24 * 365));
}

TEST(StoreTimeTest, NeverStartsBeforeTheTimeOnRecord) {
  FakeClock clock;
  const absl::Time on_record = clock.Wall() + absl::Minutes(10);
  const StoreTime time(clock, on_record);
  EXPECT_EQ(time.Now(), on_record);
  EXPECT_EQ(time.WallAhead(), -absl::Minutes(10));
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(time.Now(), on_record + absl::Seconds(1));
}

TEST(StoreTimeTest, TimeOnRecordInThePastChangesNothing) {
  FakeClock clock;
  const StoreTime time(clock, clock.Wall() - absl::Minutes(10));
  EXPECT_EQ(time.Now(), clock.Wall());
}

TEST(SystemClockTest, TheCoarseReadingIsCloseToTheSharpOne) {
  absl::Duration last = -absl::InfiniteDuration();
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration before = SystemClock().SinceBoot();
    const absl::Duration coarse = SystemClock().SinceBootCoarse();
    EXPECT_GE(coarse, last);
    EXPECT_GT(coarse, before - absl::Seconds(2));  // what is kept of a suspension may be off by one
    EXPECT_LE(coarse, SystemClock().SinceBoot());
    last = coarse;
  }
}

TEST(ClockTest, TheCoarseReadingIsTheSharpOneUnlessAClockHasAnother) {
  FakeClock clock;
  clock.Advance(absl::Nanoseconds(17));
  EXPECT_EQ(clock.SinceBootCoarse(), clock.SinceBoot());
}

TEST(StoreTimeTest, AdoptsTheWallClockOnRequestInBothDirections) {
  FakeClock clock;
  StoreTime time(clock, kNoRecord);
  for (const absl::Duration jump : {absl::Hours(5), -absl::Hours(9)}) {
    clock.JumpWall(jump);
    EXPECT_EQ(time.WallAhead(), jump);
    time.AdoptWall();
    EXPECT_EQ(time.Now(), clock.Wall());
    EXPECT_EQ(time.WallAhead(), absl::ZeroDuration());
  }
  const absl::Time adopted = time.Now();
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(time.Now(), adopted + absl::Seconds(1));
}

TEST(SystemClockTest, WallIsTheRealTimeOfDay) {
  const absl::Time before = absl::Now();
  const absl::Time wall = SystemClock().Wall();
  // The machine's clock may be set while the test runs, but hardly by an hour.
  EXPECT_GT(wall, before - absl::Hours(1));
  EXPECT_LT(wall, absl::Now() + absl::Hours(1));
}

TEST(SystemClockTest, TimeSinceBootNeverRunsBackwardsAndDoesAdvance) {
  const absl::Duration start = SystemClock().SinceBoot();
  EXPECT_GT(start, absl::ZeroDuration());
  absl::Duration last = start;
  while (last == start) {
    const absl::Duration now = SystemClock().SinceBoot();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(SystemClockTest, IsOneObject) { EXPECT_EQ(&SystemClock(), &SystemClock()); }

}  // namespace
}  // namespace batonstore
