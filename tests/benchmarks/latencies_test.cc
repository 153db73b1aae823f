#include "benchmarks/latencies.h"

#include <cstddef>
#include <vector>

#include "gtest/gtest.h"

namespace batonstore::benchmarks {
namespace {

TEST(LatenciesTest, NoneTookNoTime) {
  Latencies latencies;
  EXPECT_EQ(latencies.count(), 0u);
  EXPECT_EQ(latencies.Microseconds(0.5), 0);
  EXPECT_EQ(latencies.Microseconds(1), 0);
}

TEST(LatenciesTest, HandsOnWhatTheCallReturnsAndKeepsEachCall) {
  Latencies latencies;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(latencies.Measure([i] { return i; }), i);
  EXPECT_EQ(latencies.count(), 100u);
}

TEST(LatenciesTest, SharesAreInOrder) {
  Latencies latencies;
  std::vector<int> filled;
  for (int i = 0; i < 1'000; ++i)
    latencies.Measure([&] { filled.assign(static_cast<size_t>(i), i); });
  const double shortest = latencies.Microseconds(0);
  const double median = latencies.Microseconds(0.5);
  const double longest = latencies.Microseconds(1);
  EXPECT_GE(shortest, 0);
  EXPECT_LE(shortest, median);
  EXPECT_LE(median, latencies.Microseconds(0.99));
  EXPECT_LE(latencies.Microseconds(0.99), longest);
}

TEST(LatenciesTest, TakesInThoseOfOtherCallers) {
  Latencies all;
  Latencies of_one;
  all.Measure([] {});
  for (int i = 0; i < 3; ++i) of_one.Measure([] {});
  all.Add(of_one);
  EXPECT_EQ(all.count(), 4u);
  EXPECT_GE(all.Microseconds(1), of_one.Microseconds(1));
}

}  // namespace
}  // namespace batonstore::benchmarks
