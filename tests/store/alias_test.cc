// Properties print their seed; replay one with --test_env=RC_PARAMS="seed=...".

#include "batonstore/store/alias.h"

#include <gtest/gtest.h>  // before RapidCheck, which uses it
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/hash/hash_testing.h"
#include "absl/time/time.h"

namespace batonstore {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kOneMilli = uint64_t{1} << 22;

absl::Time Start() { return absl::FromCivil(absl::CivilYear(2020), absl::UTCTimeZone()); }

TEST(AliasTest, HighBitsAreMillisecondsSince2020) {
  EXPECT_EQ(Alias::FirstAt(Start()).value(), 0u);
  EXPECT_EQ(Alias::FirstAt(Start() + absl::Milliseconds(1)).value(), kOneMilli);
  EXPECT_EQ(Alias::FirstAt(Start() + absl::Hours(1)).value(), 3'600'000 * kOneMilli);
}

TEST(AliasTest, FirstAtRoundsDownToTheMillisecond) {
  const absl::Time time = Start() + absl::Milliseconds(5);
  EXPECT_EQ(Alias::FirstAt(time + absl::Nanoseconds(999'999)), Alias::FirstAt(time));
}

TEST(AliasTest, TimesOutsideTheYears2020To2159AreHeldAtTheBounds) {
  const Alias last(kLargest - (kOneMilli - 1));
  EXPECT_EQ(Alias::FirstAt(Start() - absl::Nanoseconds(1)), Alias());
  EXPECT_EQ(Alias::FirstAt(absl::InfinitePast()), Alias());
  EXPECT_EQ(Alias::FirstAt(last.time()), last);
  EXPECT_EQ(Alias::FirstAt(last.time() + absl::Milliseconds(1)), last);
  EXPECT_EQ(Alias::FirstAt(absl::InfiniteFuture()), last);
  EXPECT_EQ(absl::ToCivilYear(last.time(), absl::UTCTimeZone()), absl::CivilYear(2159));
}

TEST(AliasTest, NextIsTheFirstOfTheMomentWhenTimeHasPassed) {
  const Alias last = Alias::FirstAt(Start() + absl::Hours(1));
  const absl::Time now = Start() + absl::Hours(2);
  EXPECT_EQ(Alias::Next(now, last), Alias::FirstAt(now));
}

TEST(AliasTest, NextCountsUpWhileTheClockStandsStill) {
  const absl::Time now = Start() + absl::Hours(1);
  Alias last;
  for (uint64_t i = 0; i < 100; ++i) {
    last = Alias::Next(now, last);
    EXPECT_EQ(last.value(), Alias::FirstAt(now).value() + i);
  }
}

TEST(AliasTest, NextCountsUpWhenTheClockRunsBackwards) {
  const Alias last = Alias::FirstAt(Start() + absl::Hours(1));
  EXPECT_EQ(Alias::Next(Start(), last), Alias(last.value() + 1));
}

TEST(AliasTest, CounterThatOverflowsBorrowsFromTheNextMillisecond) {
  const absl::Time now = Start() + absl::Milliseconds(7);
  const Alias full(Alias::FirstAt(now).value() + kOneMilli - 1);
  EXPECT_EQ(Alias::Next(now, full), Alias::FirstAt(now + absl::Milliseconds(1)));
}

RC_GTEST_PROP(AliasProperty, NextAlwaysRises, (int64_t micros_since_1970)) {
  const Alias last(*rc::gen::inRange<uint64_t>(0, kLargest));
  RC_ASSERT(Alias::Next(absl::FromUnixMicros(micros_since_1970), last) > last);
}

RC_GTEST_PROP(AliasProperty, TimeIsThatOfItsMillisecond, (uint64_t value)) {
  const Alias alias(value);
  RC_ASSERT(Alias::FirstAt(alias.time()).value() == value - value % kOneMilli);
}

RC_GTEST_PROP(AliasProperty, TextAndKeyRoundTrip, (uint64_t value)) {
  const Alias alias(value);
  RC_ASSERT(Alias::Parse(alias.ToString()) == alias);
  RC_ASSERT(Alias::FromKey(alias.ToKey()) == alias);
}

RC_GTEST_PROP(AliasProperty, TextAndKeySortAsTheNumber, (uint64_t a, uint64_t b)) {
  RC_ASSERT((Alias(a) < Alias(b)) == (Alias(a).ToKey() < Alias(b).ToKey()));
  RC_ASSERT((Alias(a) < Alias(b)) == (Alias(a).ToString() < Alias(b).ToString()));
}

TEST(AliasTest, IsWrittenAs16LowerCaseHexDigits) {
  EXPECT_EQ(Alias(0x0123456789abcdef).ToString(), "0123456789abcdef");
  EXPECT_EQ(Alias().ToString(), "0000000000000000");
}

TEST(AliasTest, KeyIsBigEndian) {
  EXPECT_EQ(Alias(0x0123456789abcdef).ToKey(), "\x01\x23\x45\x67\x89\xab\xcd\xef");
}

TEST(AliasTest, ParsesDigitsOfEitherCase) {
  EXPECT_EQ(Alias::Parse("0123456789ABCDEF"), Alias(0x0123456789abcdef));
  EXPECT_EQ(Alias::Parse("ffffffffffffffff"), Alias(kLargest));
}

TEST(AliasTest, ParsesNothingElse) {
  for (const std::string text :
       {"", "0", "123456789abcdef", "00123456789abcdef", "0x23456789abcdef", " 123456789abcdef",
        "123456789abcdef ", "+123456789abcdef", "-123456789abcdef", "0123456789abcdeg",
        "0123-4567-89ab-c", "0123456789abcde\n"}) {
    EXPECT_EQ(Alias::Parse(text), std::nullopt) << '"' << text << '"';
  }
  EXPECT_EQ(Alias::Parse(std::string("0123456789abcde\0", 16)), std::nullopt);
}

TEST(AliasTest, KeyHasExactly8Bytes) {
  EXPECT_EQ(Alias::FromKey(""), std::nullopt);
  EXPECT_EQ(Alias::FromKey(std::string(7, 'x')), std::nullopt);
  EXPECT_EQ(Alias::FromKey(std::string(9, 'x')), std::nullopt);
}

TEST(AliasTest, HashesByValue) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({Alias(), Alias(1), Alias(kLargest)}));
}

}  // namespace
}  // namespace batonstore
