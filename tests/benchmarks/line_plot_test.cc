#include "benchmarks/line_plot.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/benchmarks/count.h"

namespace batonstore::benchmarks {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(LinePlotTest, IsASvgWithALineForEachAndADotForEachPoint) {
  const std::string svg =
      ToSvg({.title = "growth",
             .x_label = "sessions",
             .y_label = "a second",
             .lines = {{"creations", {{1, 10}, {2, 20}, {3, 15}}}, {"turns", {{1, 5}, {3, 5}}}}});
  EXPECT_THAT(svg, StartsWith("<svg xmlns="));
  EXPECT_THAT(svg, EndsWith("</svg>\n"));
  EXPECT_EQ(Count(svg, "<polyline"), 2u);
  EXPECT_EQ(Count(svg, "<circle"), 5u);
  for (const char* text : {"growth", "sessions", "a second", "creations", "turns"}) {
    EXPECT_THAT(svg, HasSubstr(std::string(">") + text + "</text>"));
  }
}

// Between x = 90 and 640, and y = 400, which is 0, and 50.
TEST(LinePlotTest, FillsItsAxes) {
  const std::string svg = ToSvg({.lines = {{"", {{10, 0}, {20, 100}, {30, 50}}}}});
  EXPECT_THAT(svg, HasSubstr("points=\"90.0,400.0 365.0,50.0 640.0,225.0 \""));
}

TEST(LinePlotTest, OnALogarithmicAxisPowersAreAsFarApart) {
  const std::string svg =
      ToSvg({.log_x = true, .lines = {{"", {{10'000, 2}, {100'000, 2}, {1'000'000, 2}}}}});
  EXPECT_THAT(svg, HasSubstr("points=\"90.0,"));
  EXPECT_THAT(svg, HasSubstr(" 365.0,"));
  EXPECT_THAT(svg, HasSubstr(" 640.0,"));
  for (const char* tick : {">10k<", ">100k<", ">1M<"}) EXPECT_EQ(Count(svg, tick), 1u) << tick;
}

TEST(LinePlotTest, DrawsASinglePointAndNothingButZeros) {
  EXPECT_THAT(ToSvg({.lines = {{"", {{7, 0}}}}}), HasSubstr("points=\"90.0,400.0 \""));
}

TEST(LinePlotTest, EscapesWhatIsMarkup) {
  const std::string svg = ToSvg({.title = "a<b & c", .lines = {{"", {{1, 1}}}}});
  EXPECT_THAT(svg, HasSubstr("a&lt;b &amp; c"));
  EXPECT_THAT(svg, Not(HasSubstr("a<b")));
}

}  // namespace
}  // namespace batonstore::benchmarks
