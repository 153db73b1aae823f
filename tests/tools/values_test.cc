#include "batonstore/tools/values.h"

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(ValuesTest, AliasesAreSixteenHexDigits) {
  ASSERT_OK_AND_ASSIGN(const Alias alias, ParseAlias("0123456789abcdef"));
  EXPECT_EQ(alias.value(), 0x0123456789abcdefu);
  for (const char* bad : {"", "1", "0123456789abcdeg", "0123456789abcdef0", " 123456789abcdef"}) {
    EXPECT_THAT(ParseAlias(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ValuesTest, StatesHaveTheirNames) {
  ASSERT_OK_AND_ASSIGN(const State state, ParseState("in_use"));
  EXPECT_EQ(state, State::kInUse);
  EXPECT_THAT(ParseState("Created"), HasVerdict(Verdict::kInvalid));
}

TEST(ValuesTest, NumbersAreDecimalAndHave32Bits) {
  ASSERT_OK_AND_ASSIGN(const uint32_t most, ParseNumber("4294967295"));
  EXPECT_EQ(most, UINT32_MAX);
  for (const char* bad : {"", "-1", "+1", " 1", "1.5", "0x10", "4294967296"}) {
    EXPECT_THAT(ParseNumber(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ValuesTest, NumbersOf64Bits) {
  ASSERT_OK_AND_ASSIGN(const uint64_t most, ParseNumber64("18446744073709551615"));
  EXPECT_EQ(most, UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", " 1", "1.5", "0x10", "18446744073709551616"}) {
    EXPECT_THAT(ParseNumber64(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
  ASSERT_OK_AND_ASSIGN(const int64_t high, ParseInteger("9223372036854775807"));
  EXPECT_EQ(high, INT64_MAX);
  ASSERT_OK_AND_ASSIGN(const int64_t low, ParseInteger("-9223372036854775808"));
  EXPECT_EQ(low, INT64_MIN);
  for (const char* bad :
       {"", "-", "--1", "+1", "- 1", "1 ", "1e3", "9223372036854775808", "-9223372036854775809"}) {
    EXPECT_THAT(ParseInteger(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ValuesTest, FlagsAreYesOrNo) {
  ASSERT_OK_AND_ASSIGN(const bool yes, ParseFlag("yes"));
  EXPECT_TRUE(yes);
  ASSERT_OK_AND_ASSIGN(const bool no, ParseFlag("no"));
  EXPECT_FALSE(no);
  for (const char* bad : {"", "true", "Yes", "1"}) {
    EXPECT_THAT(ParseFlag(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ValuesTest, HexIsTwoDigitsAByte) {
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ParseHex("00fFa5"));
  EXPECT_EQ(bytes, std::string("\x00\xff\xa5", 3));
  for (const char* bad : {"0", "0g", "0x00", "00 11"}) {
    EXPECT_THAT(ParseHex(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ValuesTest, AnExpiryIsADurationATimeOrNever) {
  ASSERT_OK_AND_ASSIGN(const absl::Time in_a_while, ParseExpiry("1h30m", kNow));
  EXPECT_EQ(in_a_while, kNow + absl::Minutes(90));
  ASSERT_OK_AND_ASSIGN(const absl::Time then, ParseExpiry("2030-01-31T12:00:00+01:00", kNow));
  EXPECT_EQ(TimeText(then), "2030-01-31T11:00:00+00:00");
  ASSERT_OK_AND_ASSIGN(const absl::Time never, ParseExpiry("never", kNow));
  EXPECT_EQ(never, absl::InfiniteFuture());
  EXPECT_EQ(TimeText(never), "never");
  for (const char* bad : {"", "24", "tomorrow", "2030-01-31", "Never"}) {
    EXPECT_THAT(ParseExpiry(bad, kNow), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ValuesTest, ADurationIsNotNegativeAndMayBeNever) {
  ASSERT_OK_AND_ASSIGN(const absl::Duration duration, ParseDuration("1h30m"));
  EXPECT_EQ(duration, absl::Minutes(90));
  EXPECT_EQ(DurationText(duration), "1h30m");
  ASSERT_OK_AND_ASSIGN(const absl::Duration none, ParseDuration("0"));
  EXPECT_EQ(none, absl::ZeroDuration());
  ASSERT_OK_AND_ASSIGN(const absl::Duration never, ParseDuration("never"));
  EXPECT_EQ(never, absl::InfiniteDuration());
  EXPECT_EQ(DurationText(never), "never");
  for (const char* bad : {"", "30", "-1s", "-inf", "soon", "2030-01-31T12:00:00Z", "Never"}) {
    EXPECT_THAT(ParseDuration(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(ValuesTest, ARefusalQuotesWhatItWasGiven) {
  EXPECT_EQ(ParseNumber("\x1b[2J").status().message(),
            "INVALID: \"\\x1b[2J\" is not a number from 0 to 4294967295");
}

}  // namespace
}  // namespace batonstore::tools
