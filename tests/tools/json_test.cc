#include "batonstore/tools/json.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace batonstore::tools {
namespace {

TEST(JsonObjectTest, KeepsFieldsInTheOrderOfAdding) {
  JsonObject object;
  object.Flag("ok", true).Text("b", "text").Number("a", UINT64_MAX).Null("none");
  object.Object("in", JsonObject().Number("n", 1)).Texts("list", {"x", "y"}).Objects("empty", {});
  EXPECT_EQ(object.ToLine(),
            R"({"ok":true,"b":"text","a":18446744073709551615,"none":null,"in":{"n":1},)"
            R"("list":["x","y"],"empty":[]})");
}

TEST(JsonObjectTest, ALineStaysOneLineWhateverTheText) {
  EXPECT_EQ(JsonObject().Text("t", "a\n\"b\"\\").ToLine(), R"({"t":"a\n\"b\"\\"})");
}

TEST(JsonObjectTest, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(JsonObject().Text("t", "a\xff").ToLine(), "{\"t\":\"a\xef\xbf\xbd\"}");
}

TEST(JsonObjectTest, BytesAreATextOrHexAndNeverLost) {
  EXPECT_EQ(JsonObject().Bytes("b", "Zo\xc3\xab").ToLine(), "{\"b\":\"Zo\xc3\xab\"}");
  EXPECT_EQ(JsonObject().Bytes("b", "").ToLine(), R"({"b":""})");
  EXPECT_EQ(JsonObject().Bytes("b", absl::string_view("\0", 1)).ToLine(), R"({"b":"\u0000"})");
  for (const auto& [bytes, hex] : std::vector<std::pair<std::string, std::string>>{
           {"a\xff", "61ff"},              // never in UTF-8
           {"\xc3", "c3"},                 // cut off
           {"\xc0\xaf", "c0af"},           // overlong
           {"\xed\xa0\x80", "eda080"}}) {  // a surrogate
    EXPECT_EQ(JsonObject().Bytes("b", bytes).ToLine(), R"({"b":{"hex":")" + hex + "\"}}");
  }
  EXPECT_EQ(JsonObject().Bytes("b", "\xef\xbf\xbd").ToLine(), "{\"b\":\"\xef\xbf\xbd\"}")
      << "U+FFFD itself is a text";
}

TEST(JsonObjectTest, CopiesAreIndependent) {
  JsonObject original;
  JsonObject copy = original.Number("n", 1);
  copy.Number("n", 2);
  EXPECT_EQ(original.ToLine(), R"({"n":1})");
  original = copy;
  EXPECT_EQ(original.ToLine(), R"({"n":2})");
}

TEST(JsonObjectTest, TextForPeopleIsInColumns) {
  JsonObject object;
  object.Flag("ok", true).Null("nothing").Texts("list", {"x", "y"}).Texts("empty", {});
  object.Object("inner", JsonObject().Number("n", 1))
      .Objects("each", {JsonObject().Text("t", "u")});
  EXPECT_EQ(object.ToText(),
            "ok       yes\n"
            "nothing  -\n"
            "list     x y\n"
            "empty    -\n"
            "inner\n"
            "  n  1\n"
            "each\n"
            "  t  u\n");
}

TEST(JsonObjectTest, TextForPeopleCannotSteerATerminal) {
  EXPECT_EQ(JsonObject().Text("t", "\x1b[2J\r").ToText(), "t  \\x1b[2J\\r\n");
  EXPECT_EQ(JsonObject().Number("\x1b[2J", 1).Number("bc", 2).ToText(),
            "\\x1b[2J  1\n"
            "bc       2\n")
      << "nor can a name";
  EXPECT_EQ(Printable("Zo\xc3\xab\n"), "Zo\xc3\xab\\n");
}

}  // namespace
}  // namespace batonstore::tools
