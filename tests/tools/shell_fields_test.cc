// The shell's commands on the fields of sessions.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/shell_fixture.h"

namespace batonstore::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ShellFieldsTest : public ShellFixture {
 protected:
  Json FieldsNow() { return Do("get alias=" + alias_)["attributes"]["fields"]; }

  const std::string alias_ = NewSession();
};

TEST_F(ShellFieldsTest, ASessionWithoutFieldsHasVersionZero) {
  EXPECT_EQ(Do("get alias=" + alias_),
            (Json{{"ok", true}, {"attributes", {{"version", 0}, {"fields", Json::object()}}}}));
}

TEST_F(ShellFieldsTest, SetLeavesOtherFields) {
  EXPECT_EQ(Do("set alias=" + alias_ + " -- theme=dark greeting=\"Hello, \\\"you\\\"\"")["version"],
            1);
  EXPECT_EQ(Do("set alias=" + alias_ + " -- theme=light")["version"], 2);
  EXPECT_EQ(FieldsNow(), (Json{{"theme", "light"}, {"greeting", "Hello, \"you\""}}));
  EXPECT_EQ(Do("get alias=" + alias_ + " field=theme"),
            (Json{{"ok", true}, {"version", 2}, {"value", "light"}}));
  EXPECT_EQ(VerdictOfLine("get alias=" + alias_ + " field=colour"), "NOT_FOUND");
}

TEST_F(ShellFieldsTest, SetAtAVersionIsRefusedAtAnother) {
  Do("set alias=" + alias_ + " -- a=1 pin*=1234");
  EXPECT_EQ(VerdictOfLine("set alias=" + alias_ + " if-version=0 -- a=2"), "CONFLICT");
  EXPECT_EQ(Do("set alias=" + alias_ + " if-version=1 -- b=2")["version"], 2);
  EXPECT_EQ(FieldsNow(), (Json{{"a", "1"}, {"b", "2"}, {"pin", {{"withheld", true}}}}));
  EXPECT_EQ(Do("secret alias=" + alias_ + " field=pin")["value"], "1234");
}

TEST_F(ShellFieldsTest, SecretsAreWithheldButForTheOneWhoAsks) {
  Do("set alias=" + alias_ + " secret=yes -- pin=1234 code=5678");
  Do("set alias=" + alias_ + " -- other*=9999 plain=1");
  const Json all = Do("get alias=" + alias_);
  EXPECT_EQ(all["attributes"]["fields"]["other"], (Json{{"withheld", true}}));
  for (const char* value : {"1234", "5678", "9999"}) {
    EXPECT_THAT(all.dump(), Not(HasSubstr(value)));
  }
  EXPECT_EQ(Do("get alias=" + alias_ + " field=pin")["value"], (Json{{"withheld", true}}));
  EXPECT_EQ(Do("secret alias=" + alias_ + " field=pin")["value"], "1234");
  EXPECT_EQ(Do("secret alias=" + alias_ + " field=plain")["value"], "1");
  EXPECT_EQ(VerdictOfLine("secret alias=" + alias_ + " field=none"), "NOT_FOUND");
}

TEST_F(ShellFieldsTest, MergeDoesAllOrNothing) {
  Do("merge alias=" + alias_ + " -- theme=dark visits+=41 state=idle draft=x");
  Do("merge alias=" + alias_ + " -- visits+=2 visits2-=5 lang?=en draft- state~=idle state=busy");
  const Json fields = {
      {"theme", "dark"}, {"visits", "43"}, {"visits2", "-5"}, {"lang", "en"}, {"state", "busy"}};
  EXPECT_EQ(FieldsNow(), fields);
  EXPECT_EQ(VerdictOfLine("merge alias=" + alias_ + " -- theme=x lang?=de"), "CONFLICT");
  EXPECT_EQ(VerdictOfLine("merge alias=" + alias_ + " -- theme=x state~=idle state=y"), "CONFLICT");
  EXPECT_EQ(VerdictOfLine("merge alias=" + alias_ + " -- theme=x none~=idle none=y"), "CONFLICT");
  EXPECT_EQ(VerdictOfLine("merge alias=" + alias_ + " -- theme=x lang+=1"), "INVALID");
  EXPECT_EQ(VerdictOfLine("merge alias=" + alias_ + " -- a=x visits+=9223372036854775807"),
            "INVALID");
  EXPECT_EQ(FieldsNow(), fields);
  EXPECT_EQ(Do("merge alias=" + alias_ + " -- none-")["version"], 2) << "no change";
}

TEST_F(ShellFieldsTest, SaveIfReplacesAllFieldsButKeepsSecretsThatItIsTold) {
  Do("set alias=" + alias_ + " -- a=1 b=2 pin*=1234 code*=5678");
  EXPECT_EQ(VerdictOfLine("save-if alias=" + alias_ + " version=7 -- a=3"), "CONFLICT");
  EXPECT_EQ(Do("save-if alias=" + alias_ + " version=1 -- a=3 pin* new*=s")["version"], 2);
  EXPECT_EQ(FieldsNow(),
            (Json{{"a", "3"}, {"pin", {{"withheld", true}}}, {"new", {{"withheld", true}}}}));
  EXPECT_EQ(Do("secret alias=" + alias_ + " field=pin")["value"], "1234");
  Do("save-if alias=" + alias_ + " version=2 --");
  EXPECT_EQ(FieldsNow(), Json::object());
}

TEST_F(ShellFieldsTest, SaveOrCreateCreatesOnce) {
  const std::string line = "save-or-create expires=1h principal=bob idempotency-key=k";
  const Json made = Do(line + " -- theme=dark pin*=1");
  EXPECT_EQ(made["created"], true);
  EXPECT_EQ(made["version"], 1);
  EXPECT_EQ(made["session"]["state"], "created");
  const Json again = Do(line + " -- theme=light");
  EXPECT_EQ(again["created"], false);
  EXPECT_EQ(again["session"], made["session"]);
  const std::string alias = made["session"]["alias"];
  EXPECT_EQ(Do("get alias=" + alias + " field=theme")["value"], "dark");
  EXPECT_EQ(Do("save-or-create expires=1h")["version"], 0);
}

TEST_F(ShellFieldsTest, NamesAndValuesAreAnyBytes) {
  Do("set alias=" + alias_ +
     " -- raw=\"\\xff\\x00\" \"\\xfe=\"=x \"two words\"=\"\" nul=\"\\x00\"");
  EXPECT_EQ(Do("get alias=" + alias_)["attributes"],
            (Json{{"version", 1},
                  {"fields",
                   {{"raw", {{"hex", "ff00"}}}, {"two words", ""}, {"nul", std::string("\0", 1)}}},
                  {"fields_by_hex", {{"fe3d", "x"}}}}));
  EXPECT_EQ(Do("get alias=" + alias_ + " field=\"\\xfe=\"")["value"], "x");
  EXPECT_EQ(Do("secret alias=" + alias_ + " field=raw")["value"], (Json{{"hex", "ff00"}}));
  Do("merge alias=" + alias_ + " -- raw- \"\\xfe=\"- \"two words\"- nul-");
  EXPECT_EQ(FieldsNow(), Json::object());
}

TEST_F(ShellFieldsTest, AnEndedSessionHasNoFields) {
  Do("set alias=" + alias_ + " -- a=1");
  Do("revoke alias=" + alias_);
  for (const std::string& line : std::vector<std::string>{
           "get alias=" + alias_, "secret alias=" + alias_ + " field=a",
           "set alias=" + alias_ + " -- a=1", "set alias=" + alias_ + " if-version=1 -- a=1",
           "merge alias=" + alias_ + " -- a+=1", "save-if alias=" + alias_ + " version=1 --"}) {
    EXPECT_EQ(VerdictOfLine(line), "REVOKED") << line;
  }
  EXPECT_EQ(VerdictOfLine("merge alias=ffffffffffffffff -- a=1"), "NOT_FOUND");
}

TEST_F(ShellFieldsTest, NoRefusalRepeatsAValue) {
  for (const std::string words : {"1234", "pin=1234 pin=1234", "pin~=1234", "pin+=1234x", "\"1234",
                                  "pin?=1234 pin~=1234", "pin=\"1234\"x"}) {
    const Json answer = Ask("merge alias=" + alias_ + " -- " + words);
    EXPECT_EQ(answer["verdict"], "INVALID") << words;
    EXPECT_THAT(std::string(answer["message"]), Not(HasSubstr("1234"))) << words;
  }
}

}  // namespace
}  // namespace batonstore::tools
