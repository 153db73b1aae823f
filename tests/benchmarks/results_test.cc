#include "benchmarks/peers/results.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace batonstore::benchmarks {
namespace {

using ::testing::DoubleEq;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

constexpr Point kCreate{Question::kCreate, 64, 10'000};
constexpr Point kFind{Question::kFind, 1, 10'000};

Sample PerSecond(double per_second) { return {.per_second = per_second}; }

std::vector<std::string> PeersOf(const std::vector<Line>& lines) {
  std::vector<std::string> peers;
  for (const Line& line : lines) peers.push_back(line.peer);
  return peers;
}

TEST(ResultsTest, TakesTheMedianOfEachNumber) {
  Results results;
  results.Add(kCreate, "leveldb", {100, 5, 50, 7});
  results.Add(kCreate, "leveldb", {300, 1, 70, 9});
  results.Add(kCreate, "leveldb", {200, 3, 60, 8});
  const Line line = results.Lines(kCreate).at(0);
  EXPECT_EQ(line.median.per_second, 200);
  EXPECT_EQ(line.median.p50_us, 3);
  EXPECT_EQ(line.median.p99_us, 60);
  EXPECT_EQ(line.median.cpu_us, 8);
  EXPECT_EQ(line.spread, 1);  // from 100 to 300
}

TEST(ResultsTest, RatioSaysHowManyTimesAPeerBatonstoreIs) {
  Results results;
  results.Add(kCreate, "batonstore", PerSecond(300));
  results.Add(kCreate, "leveldb", PerSecond(200));
  results.Add(kCreate, "sqlite", PerSecond(600));
  const std::vector<Line> lines = results.Lines(kCreate);
  EXPECT_EQ(PeersOf(lines), (std::vector<std::string>{"sqlite", "batonstore", "leveldb"}));
  EXPECT_THAT(lines[0].ratio, Optional(DoubleEq(0.5)));
  EXPECT_THAT(lines[1].ratio, Optional(DoubleEq(1)));
  EXPECT_THAT(lines[2].ratio, Optional(DoubleEq(1.5)));
}

TEST(ResultsTest, HasNoRatioWithoutBatonstore) {
  Results results;
  results.Add(kCreate, "leveldb", PerSecond(200));
  EXPECT_FALSE(results.Lines(kCreate).at(0).ratio.has_value());
}

TEST(ResultsTest, DoesNotRankADurableQuestionOfWhoIsNotDurable) {
  Results results;
  results.MarkNotDurable("redis_everysec");
  for (const Point& point : {kCreate, kFind}) {
    results.Add(point, "batonstore", PerSecond(10));
    results.Add(point, "redis_everysec", PerSecond(20));
  }
  EXPECT_FALSE(results.Lines(kCreate).at(0).durable);
  EXPECT_FALSE(results.Lines(kCreate).at(0).ratio.has_value());
  EXPECT_THAT(results.Lines(kFind).at(0).ratio, Optional(DoubleEq(0.5)));
  EXPECT_THAT(Table(results), HasSubstr("not durable"));
}

TEST(ResultsTest, KeepsPointsApartAndInTheOrderTheyCameIn) {
  Results results;
  results.Add(kFind, "batonstore", PerSecond(1));
  results.Add(kCreate, "batonstore", PerSecond(2));
  results.Add(kFind, "batonstore", PerSecond(3));
  EXPECT_EQ(results.points(), (std::vector<Point>{kFind, kCreate}));
  EXPECT_EQ(results.Lines(kFind).at(0).median.per_second, 2);
  EXPECT_EQ(results.Lines(kCreate).at(0).median.per_second, 2);
}

TEST(ResultsTest, TableHasALineForEachPeerAndQuestion) {
  Results results;
  results.Add(kCreate, "batonstore", PerSecond(25'109));
  results.Add(kCreate, "leveldb", PerSecond(12'554.5));
  const std::string table = Table(results);
  EXPECT_THAT(table, HasSubstr("create, 64 callers, 10,000 sessions"));
  EXPECT_THAT(table, HasSubstr("25,109"));
  EXPECT_THAT(table, HasSubstr("2.00 x"));
  EXPECT_THAT(table, Not(HasSubstr("find")));
}

TEST(MedianTest, OfAnEvenNumberIsBetweenTheTwoInTheMiddle) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({4}), 4);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
}

TEST(TitleTest, CountsOneCaller) { EXPECT_EQ(Title(kFind), "find, 1 caller, 10,000 sessions"); }

TEST(ReadableNumberTest, HasThreeDigitsAndMore) {
  EXPECT_EQ(ReadableNumber(1'234'567.8), "1,234,568");
  EXPECT_EQ(ReadableNumber(100), "100");
  EXPECT_EQ(ReadableNumber(12.34), "12.3");
  EXPECT_EQ(ReadableNumber(1.234), "1.23");
  EXPECT_EQ(ReadableNumber(0.1234), "0.123");
}

}  // namespace
}  // namespace batonstore::benchmarks
