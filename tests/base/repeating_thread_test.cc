#include "batonstore/base/repeating_thread.h"

#include <atomic>
#include <new>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

void WaitUntil(const std::atomic<int>& count, int least) {
  while (count < least) absl::SleepFor(absl::Milliseconds(1));
}

TEST(RepeatingThreadTest, PausesAsLongAsTheWorkSays) {
  std::atomic<int> done = 0;
  RepeatingThread thread(absl::Milliseconds(1), [&done] {
    return ++done < 100 ? absl::ZeroDuration() : absl::InfiniteDuration();
  });
  WaitUntil(done, 100);
  absl::SleepFor(absl::Milliseconds(10));
  EXPECT_EQ(done, 100);
}

TEST(RepeatingThreadTest, BeginsNothingOnceItIsStopped) {
  std::atomic<int> done = 0;
  RepeatingThread thread(absl::Milliseconds(1), [&done] {
    ++done;
    return absl::Milliseconds(1);
  });
  WaitUntil(done, 3);
  thread.Stop();
  absl::SleepFor(absl::Milliseconds(10));  // for what was under way
  const int stopped_at = done;
  absl::SleepFor(absl::Milliseconds(10));
  EXPECT_EQ(done, stopped_at);
}

TEST(RepeatingThreadTest, ItsEndWaitsForTheWorkUnderWay) {
  std::atomic<int> begun = 0;
  std::atomic<int> done = 0;
  {
    const RepeatingThread thread(absl::ZeroDuration(), [&] {
      ++begun;
      absl::SleepFor(absl::Milliseconds(20));
      ++done;
      return absl::InfiniteDuration();
    });
    WaitUntil(begun, 1);
  }
  EXPECT_EQ(done, 1);
}

TEST(RepeatingThreadTest, EndsAtOnceInTheMiddleOfALongPause) {
  const absl::Time began = absl::Now();
  {
    const RepeatingThread thread(absl::InfiniteDuration(), [] { return absl::ZeroDuration(); });
  }
  EXPECT_LT(absl::Now() - began, absl::Minutes(1));
}

TEST(RepeatingThreadTest, WorkWithoutMemoryIsDoneAgain) {
  std::atomic<int> tried = 0;
  const RepeatingThread thread(absl::Milliseconds(1), [&tried]() -> absl::Duration {
    ++tried;
    throw std::bad_alloc();
  });
  WaitUntil(tried, 3);
}

}  // namespace
}  // namespace batonstore
