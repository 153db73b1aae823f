#include "batonstore/tools/shell_line.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(ShellLineTest, WordsAreSeparatedByWhiteSpace) {
  ASSERT_OK_AND_ASSIGN(const ShellLine line, ParseShellLine(" \treserve  kind=3\tlabel=a=b \r"));
  EXPECT_EQ(line.command, "reserve");
  EXPECT_THAT(line.arguments, ElementsAre(Pair("kind", "3"), Pair("label", "a=b")));
}

TEST(ShellLineTest, QuotedValuesHoldAnything) {
  ASSERT_OK_AND_ASSIGN(const ShellLine line,
                       ParseShellLine(R"(x a="two words" b="\"q\" \\ \n \x41" c="" d="#")"));
  EXPECT_THAT(line.arguments, ElementsAre(Pair("a", "two words"), Pair("b", "\"q\" \\ \n A"),
                                          Pair("c", ""), Pair("d", "#")));
}

TEST(ShellLineTest, BlankLinesAndCommentsHaveNoCommand) {
  for (const char* blank : {"", "   ", "\t\r", "# reserve", "  # a=b \""}) {
    ASSERT_OK_AND_ASSIGN(const ShellLine line, ParseShellLine(blank));
    EXPECT_THAT(line.command, IsEmpty()) << blank;
  }
}

TEST(ShellLineTest, WhatIsNotKeyAndValueIsInvalid) {
  for (const char* bad : {"x a", "x a b=1", "x =1", "x a =1", "x \"a\"=1", "x a=1 a=2", "x a=\"",
                          "x a=\"b", "x a=\"b\"c", "x a=\"\\\"", "x a=\"\\q\"", "x a=\"\\", "x --a",
                          "x ---", "x -- a", "x -- -", "x -- a=\"b", "x -- a=\"b\"c", "x -- =1"}) {
    EXPECT_THAT(ParseShellLine(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ShellLineTest, WhatComesAfterTwoDashesIsForFields) {
  ASSERT_OK_AND_ASSIGN(const ShellLine line,
                       ParseShellLine("x a=1  --\tb=2  \"c d\"*=\"e f\" alias=3 g- "));
  EXPECT_THAT(line.arguments, ElementsAre(Pair("a", "1")));
  ASSERT_TRUE(line.words.has_value());
  ASSERT_EQ(line.words->size(), 4u);
  EXPECT_EQ(line.words->at(0).field, "b");
  EXPECT_EQ(line.words->at(1).field, "c d");
  EXPECT_EQ(line.words->at(1).value, "e f");
  EXPECT_EQ(line.words->at(1).verb, FieldWord::Verb::kSetSecret);
  EXPECT_EQ(line.words->at(2).field, "alias");
  EXPECT_EQ(line.words->at(3).verb, FieldWord::Verb::kRemove);
}

TEST(ShellLineTest, TwoDashesAloneAreNotNoDashes) {
  ASSERT_OK_AND_ASSIGN(const ShellLine without, ParseShellLine("x a=--"));
  EXPECT_FALSE(without.words.has_value());
  ASSERT_OK_AND_ASSIGN(const ShellLine with, ParseShellLine("x --"));
  ASSERT_TRUE(with.words.has_value());
  EXPECT_THAT(*with.words, IsEmpty());
}

TEST(ShellLineTest, GetFallsBack) {
  ASSERT_OK_AND_ASSIGN(const ShellLine line, ParseShellLine("x a=1"));
  EXPECT_EQ(line.Get("a", "2"), "1");
  EXPECT_EQ(line.Get("b", "2"), "2");
  EXPECT_FALSE(line.Has("b"));
}

}  // namespace
}  // namespace batonstore::tools
