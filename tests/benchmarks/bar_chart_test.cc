#include "benchmarks/peers/bar_chart.h"

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

TEST(BarChartTest, IsASvgWithABarForEach) {
  const std::string svg = BarChart("create", "a machine",
                                   {{"64 callers", {{"batonstore", 4, "4/s"}, {"sqlite", 2, ""}}},
                                    {"1 caller", {{"batonstore", 1, "1/s"}}}});
  EXPECT_THAT(svg, StartsWith("<svg xmlns="));
  EXPECT_THAT(svg, EndsWith("</svg>\n"));
  EXPECT_EQ(Count(svg, "<rect"), 1 + 3u);  // the ground, and the bars
  EXPECT_EQ(Count(svg, ">batonstore</text>"), 2u);
  EXPECT_THAT(svg, HasSubstr(">64 callers</text>"));
  EXPECT_THAT(svg, HasSubstr(">a machine</text>"));
}

TEST(BarChartTest, TheLongestOfEachGroupFillsTheWidth) {
  const std::string svg =
      BarChart("", "", {{"", {{"a", 1000, ""}, {"b", 500, ""}}}, {"", {{"c", 1, ""}}}});
  EXPECT_EQ(Count(svg, "width=\"440\""), 2u);
  EXPECT_EQ(Count(svg, "width=\"220\""), 1u);
}

TEST(BarChartTest, DrawsNothing) {
  EXPECT_EQ(Count(BarChart("", "", {{"", {{"a", 0, ""}}}}), "width=\"1\""), 1u);
  EXPECT_EQ(Count(BarChart("", "", {}), "<rect"), 1u);
}

TEST(BarChartTest, EscapesWhatIsMarkup) {
  const std::string svg = BarChart("a<b & \"c\"", "", {});
  EXPECT_THAT(svg, HasSubstr("a&lt;b &amp; &quot;c&quot;"));
  EXPECT_THAT(svg, Not(HasSubstr("a<b")));
}

}  // namespace
}  // namespace batonstore::benchmarks
