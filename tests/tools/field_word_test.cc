#include "batonstore/tools/field_word.h"

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;
using Verb = FieldWord::Verb;

FieldWord Parse(const std::string& text) {
  const auto words = ParseFieldWords({text});
  EXPECT_THAT(words, IsOk()) << text;
  return words.ok() ? words->at(0) : FieldWord();
}

absl::StatusOr<Changes> Changed(const std::vector<std::string>& texts) {
  const auto words = ParseFieldWords(texts);
  if (!words.ok()) return words.status();
  return ChangesOf(*words);
}

absl::StatusOr<Fields> Given(const std::vector<std::string>& texts) {
  const auto words = ParseFieldWords(texts);
  if (!words.ok()) return words.status();
  return FieldsOf(*words);
}

TEST(FieldWordTest, EveryVerbHasItsMark) {
  const struct {
    const char* text;
    Verb verb;
    const char* value;
  } kCases[] = {{"f=v", Verb::kSet, "v"},          {"f*=v", Verb::kSetSecret, "v"},
                {"f?=v", Verb::kSetIfAbsent, "v"}, {"f~=v", Verb::kExpect, "v"},
                {"f+=1", Verb::kAdd, "1"},         {"f-=1", Verb::kSubtract, "1"},
                {"f-", Verb::kRemove, ""},         {"f*", Verb::kKeep, ""}};
  for (const auto& expected : kCases) {
    const FieldWord word = Parse(expected.text);
    EXPECT_EQ(word.field, "f") << expected.text;
    EXPECT_EQ(word.verb, expected.verb) << expected.text;
    EXPECT_EQ(word.value, expected.value) << expected.text;
  }
}

TEST(FieldWordTest, AValueIsAllThatFollowsTheFirstEqualsSign) {
  for (const std::string value :
       {"", "=", "+=1", "a=b", "\"quoted\"", "two words", "-", "x-", "~=", "\xff\n", "[1,2]"}) {
    const FieldWord word = Parse("f=" + value);
    EXPECT_EQ(word.verb, Verb::kSet) << value;
    EXPECT_EQ(word.value, value);
  }
}

TEST(FieldWordTest, NamesMayHoldMarksInsideAndAnythingInQuotes) {
  EXPECT_EQ(Parse("user-id:theme~x=1").field, "user-id:theme~x");
  EXPECT_EQ(Parse("--x-").field, "--x");
  EXPECT_EQ(Parse("two words=1").field, "two words");
  EXPECT_EQ(Parse(R"("a=b"=1)").field, "a=b");
  EXPECT_EQ(Parse(R"("a+"+=1)").field, "a+");
  EXPECT_EQ(Parse(R"("a+"+=1)").verb, Verb::kAdd);
  EXPECT_EQ(Parse(R"("a-"-)").field, "a-");
  EXPECT_EQ(Parse(R"("q\"\x00\xff"=1)").field, std::string("q\"\0\xff", 4));
}

TEST(FieldWordTest, WhatIsNoWordIsInvalid) {
  for (const std::string& bad :
       std::vector<std::string>{"", "f", "=", "=v", "-", "+=1", "f+", "f?", "f~", "\"f\"", "\"f",
                                "\"f\"x=1", "\"\"=1", "\"\\q\"=1", std::string(256, 'f') + "=1"}) {
    EXPECT_THAT(ParseFieldWords({"a=1", bad}), HasVerdict(Verdict::kInvalid)) << bad;
  }
  EXPECT_THAT(ParseFieldWords({std::string(255, 'f') + "=1"}), IsOk());
}

TEST(FieldWordTest, InALineAWordEndsAtWhiteSpaceUnlessItIsQuoted) {
  absl::string_view text = "a=b c \"d e\"*=\"f\\n g\" \"h\"- i";
  ASSERT_OK_AND_ASSIGN(const FieldWord plain, TakeFieldWord(text));
  EXPECT_EQ(plain.value, "b");
  EXPECT_EQ(text, " c \"d e\"*=\"f\\n g\" \"h\"- i");
  text.remove_prefix(3);
  ASSERT_OK_AND_ASSIGN(const FieldWord quoted, TakeFieldWord(text));
  EXPECT_EQ(quoted.field, "d e");
  EXPECT_EQ(quoted.verb, Verb::kSetSecret);
  EXPECT_EQ(quoted.value, "f\n g");
  text.remove_prefix(1);
  ASSERT_OK_AND_ASSIGN(const FieldWord removed, TakeFieldWord(text));
  EXPECT_EQ(removed.verb, Verb::kRemove);
  EXPECT_EQ(text, " i");
  for (absl::string_view bad : {"a =1", "a\"b=1", "a=\"b", "a=\"b\"c", "\"a\" =1", "\"a\"b-"}) {
    EXPECT_THAT(TakeFieldWord(bad), HasVerdict(Verdict::kInvalid)) << bad;
  }
}

TEST(FieldWordTest, FieldsAreSetOrKept) {
  ASSERT_OK_AND_ASSIGN(const Fields fields, Given({"a=1", "b*=2", "c*"}));
  EXPECT_EQ(fields, (Fields{{"a", "1"}, {"b", Value::Secret("2")}, {"c", Value::Withheld()}}));
  ASSERT_OK_AND_ASSIGN(const Fields none, Given({}));
  EXPECT_TRUE(none.empty());
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {"a=1", "a=1"}, {"a=1", "a*"}, {"a?=1"}, {"a~=1"}, {"a+=1"}, {"a-=1"}, {"a-"}}) {
    EXPECT_THAT(Given(bad), HasVerdict(Verdict::kInvalid)) << bad.back();
  }
}

TEST(FieldWordTest, FieldsToSetAreSomeAndAllSecretIfAsked) {
  ASSERT_OK_AND_ASSIGN(const auto words, ParseFieldWords({"a=1", "b*=2"}));
  ASSERT_OK_AND_ASSIGN(const Fields as_given, FieldsToSet(words, /*secret=*/false));
  EXPECT_EQ(as_given, (Fields{{"a", "1"}, {"b", Value::Secret("2")}}));
  ASSERT_OK_AND_ASSIGN(const Fields secret, FieldsToSet(words, /*secret=*/true));
  EXPECT_EQ(secret, (Fields{{"a", Value::Secret("1")}, {"b", Value::Secret("2")}}));
  EXPECT_THAT(FieldsToSet({}, false), HasVerdict(Verdict::kInvalid));
  ASSERT_OK_AND_ASSIGN(const auto keep, ParseFieldWords({"a*"}));
  EXPECT_THAT(FieldsToSet(keep, false), HasVerdict(Verdict::kInvalid));
}

TEST(FieldWordTest, ChangesAreWhatTheWordsSay) {
  ASSERT_OK_AND_ASSIGN(const Changes changes,
                       Changed({"cas*=new", "cas~=old", "set=1", "absent?=2", "gone-", "add+=-3",
                                "low+=-9223372036854775808", "sub-=4", "high-=-4"}));
  EXPECT_EQ(changes.size(), 8u);
  const auto& cas = std::get<Change::ToCompareAndSet>(changes.at("cas").what());
  EXPECT_EQ(cas.expected, "old");
  EXPECT_EQ(cas.value, Value::Secret("new"));
  EXPECT_EQ(std::get<Change::ToSet>(changes.at("set").what()).value, Value("1"));
  EXPECT_EQ(std::get<Change::ToSetIfAbsent>(changes.at("absent").what()).value, Value("2"));
  EXPECT_TRUE(std::holds_alternative<Change::ToRemove>(changes.at("gone").what()));
  const auto delta = [&changes](const char* field) {
    return std::get<Change::ToAdd>(changes.at(field).what()).delta;
  };
  EXPECT_EQ(delta("add"), -3);
  EXPECT_EQ(delta("low"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(delta("sub"), -4);
  EXPECT_EQ(delta("high"), 4);
}

TEST(FieldWordTest, ChangesThatMakeNoSenseAreInvalid) {
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{},
                                             {"a=1", "a+=1"},
                                             {"a~=1"},
                                             {"a~=1", "b=1"},
                                             {"a~=1", "a~=2", "a=3"},
                                             {"a~=1", "a-"},
                                             {"a~=1", "a+=1"},
                                             {"a*"},
                                             {"a+="},
                                             {"a+=one"},
                                             {"a+=+1"},
                                             {"a+= 1"},
                                             {"a+=--1"},
                                             {"a+=9223372036854775808"},
                                             {"a+=-9223372036854775809"},
                                             {"a-=9223372036854775808"},
                                             {"a-=-9223372036854775808"}}) {
    EXPECT_THAT(Changed(bad), HasVerdict(Verdict::kInvalid)) << ::testing::PrintToString(bad);
  }
}

}  // namespace
}  // namespace batonstore::tools
