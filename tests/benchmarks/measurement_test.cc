#include "benchmarks/peers/measurement.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace batonstore::benchmarks {
namespace {

TEST(MeasureTest, CountsWhatEndedInTheMeasuredTime) {
  std::array<std::atomic<int64_t>, 2> asked{};
  double cpu = 0;
  const Measurement measured = Measure({.callers = 2,
                                        .seconds = 0.05,
                                        .block = 10,
                                        .ask = [&](int i) { ++asked[static_cast<size_t>(i)]; },
                                        .cpu_seconds = [&] { return cpu += 1; }});
  EXPECT_GT(asked[0], 0);
  EXPECT_GT(asked[1], 0);
  EXPECT_EQ(measured.total, asked[0] + asked[1]);
  EXPECT_GT(measured.operations, 0);
  EXPECT_LT(measured.operations, measured.total);  // some ran before
  EXPECT_EQ(measured.operations % 10, 0);
  EXPECT_EQ(measured.seconds, 0.05);
  EXPECT_EQ(measured.per_second(), static_cast<double>(measured.operations) / 0.05);
  EXPECT_EQ(measured.cpu_us, 1e6 / static_cast<double>(measured.operations));
  EXPECT_LE(measured.p50_us, measured.p99_us);
}

TEST(PercentileTest, IsTheValueBelowWhichAShareLies) {
  std::vector<float> none;
  EXPECT_EQ(Percentile(none, 0.5), 0);
  std::vector<float> values;
  for (int i = 100; i > 0; --i) values.push_back(static_cast<float>(i));
  EXPECT_EQ(Percentile(values, 0.50), 51);
  EXPECT_EQ(Percentile(values, 0.99), 100);
  EXPECT_EQ(Percentile(values, 0), 1);
  EXPECT_EQ(Percentile(values, 1), 100);
}

}  // namespace
}  // namespace batonstore::benchmarks
