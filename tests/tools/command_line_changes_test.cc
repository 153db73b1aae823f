// Runs the real program on what sessions hold, how they end, and what keeps a store in order.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/subprocess.h"
#include "tests/tools/command_line_fixture.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::Conversation;
using batonstore::testing::Finished;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CommandLineChangesTest : public CommandLineFixture {
 protected:
  Json FieldsOf(const std::string& alias) const {
    return Ask({"get", alias}, 0)["attributes"]["fields"];
  }
};

TEST_F(CommandLineChangesTest, GetSetAndMergeAnswer) {
  const std::string alias = NewSession();
  const Json set = Ask({"set", alias, "theme=dark", "greeting=Hello, \"you\" = me"}, 0);
  EXPECT_EQ(set["version"], 1);
  EXPECT_EQ(set["recovery"]["crashed"], false);
  EXPECT_EQ(Ask({"set", alias, "pin=1234", "--secret"}, 0)["version"], 2);
  EXPECT_EQ(Ask({"merge", alias, "visits+=3", "lang?=en", "theme-"}, 0)["version"], 3);
  EXPECT_EQ(Ask({"get", alias}, 0), (Json{{"ok", true},
                                          {"attributes",
                                           {{"version", 3},
                                            {"fields",
                                             {{"greeting", "Hello, \"you\" = me"},
                                              {"pin", {{"withheld", true}}},
                                              {"visits", "3"},
                                              {"lang", "en"}}}}}}));
  EXPECT_EQ(Ask({"get", alias, "visits"}, 0), (Json{{"ok", true}, {"version", 3}, {"value", "3"}}));
  const Finished plain = Run({"get", alias, "--dir", store_});
  EXPECT_EQ(plain.status, 0);
  EXPECT_THAT(plain.out, HasSubstr("    lang      en\n"));
  EXPECT_THAT(plain.out, Not(HasSubstr("1234")));
}

TEST_F(CommandLineChangesTest, FieldsThatDoNotFitAreRefusedAndChangeNothing) {
  const std::string alias = NewSession();
  Ask({"set", alias, "theme=dark", "n=9223372036854775807"}, 0);
  const Json before = FieldsOf(alias);
  const struct {
    std::vector<std::string> words;
    const char* verdict;
  } kCases[] = {
      {{"set", alias, "theme=light", "--if-version", "7"}, "CONFLICT"},
      {{"merge", alias, "a=1", "theme~=light", "theme=x"}, "CONFLICT"},
      {{"merge", alias, "a=1", "theme?=x"}, "CONFLICT"},
      {{"merge", alias, "a=1", "n+=1"}, "INVALID"},
      {{"merge", alias, "a=1", "theme+=1"}, "INVALID"},
      {{"merge", alias, "a=1", "b+=9223372036854775808"}, "INVALID"},
      {{"merge", alias, "a=1", "b"}, "INVALID"},
      {{"merge", alias, "a=1", "a-"}, "INVALID"},
      {{"merge", alias, "a=1", ""}, "INVALID"},
      {{"set", alias, "a=1", "=2"}, "INVALID"},
      {{"set", alias, "a=1", "b-"}, "INVALID"},
      {{"set", alias, "{}"}, "INVALID"},
      {{"set", "zz", "a=1"}, "INVALID"},
      {{"get", alias, ""}, "INVALID"},
      {{"set", kNobody, "a=1"}, "NOT_FOUND"},
      {{"get", alias, "none"}, "NOT_FOUND"},
  };
  for (const auto& expected : kCases) {
    EXPECT_EQ(Ask(expected.words, kRefusedStatus)["verdict"], expected.verdict)
        << ::testing::PrintToString(expected.words);
  }
  EXPECT_EQ(FieldsOf(alias), before);
  EXPECT_EQ(Ask({"set", alias, "theme=light", "--if-version", "1"}, 0)["version"], 2);
  EXPECT_EQ(FieldsOf(alias)["n"], "9223372036854775807") << "the others stay";
}

TEST_F(CommandLineChangesTest, ValuesThatAreNotUtf8AreShownInHex) {
  const std::string alias = NewSession();
  Ask({"set", alias, "raw=\xff\xfe", "\xfd=x", "\"a=b\"=1"}, 0);
  const Json attributes = Ask({"get", alias}, 0)["attributes"];
  EXPECT_EQ(attributes["fields"], (Json{{"raw", {{"hex", "fffe"}}}, {"a=b", "1"}}));
  EXPECT_EQ(attributes["fields_by_hex"], (Json{{"fd", "x"}}));
}

TEST_F(CommandLineChangesTest, TouchStartsTheIdleClockAnew) {
  const std::string alias = NewSession("idle=1h");
  const Json touched = Ask({"touch", alias}, 0)["session"];
  EXPECT_EQ(touched["idle_timeout"], "1h");
  EXPECT_NE(touched["deadline"], "never");
  EXPECT_EQ(Ask({"touch", kNobody}, kRefusedStatus)["verdict"], "NOT_FOUND");
}

TEST_F(CommandLineChangesTest, CycleShowsTheNewSessionAndTheOldAliasTellsIt) {
  const std::string alias = NewSession();
  const std::string moved = Ask({"cycle", alias, "--redirect-for", "1h"}, 0)["session"]["alias"];
  const Json refused = Ask({"show", alias}, kRefusedStatus);
  EXPECT_EQ(refused["verdict"], "MOVED");
  EXPECT_EQ(refused["moved_to"], moved);
  const Finished plain = Run({"touch", alias, "--dir", store_});
  EXPECT_EQ(plain.status, kRefusedStatus);
  EXPECT_THAT(plain.err, StartsWith("batonstore: MOVED: "));
  EXPECT_THAT(plain.err, HasSubstr(": moved_to " + moved + "\n"));
  EXPECT_EQ(Ask({"cycle", moved, "--privilege-change"}, 0)["session"]["state"], "created");
  const Json silent = Ask({"touch", moved}, kRefusedStatus);
  EXPECT_EQ(silent["verdict"], "REVOKED");
  EXPECT_FALSE(silent.contains("moved_to"));
}

TEST_F(CommandLineChangesTest, RevokeAllAndRevokeGroupRevoke) {
  const std::string kept = NewSession();
  const std::string other = NewSession();
  EXPECT_EQ(Ask({"revoke-all", "alice", "--except", ""}, kRefusedStatus)["verdict"], "INVALID");
  EXPECT_EQ(Ask({"revoke-all", "bob", "--except", kept}, kRefusedStatus)["verdict"],
            "WRONG_PRINCIPAL");
  EXPECT_EQ(Ask({"show", other}, 0)["session"]["state"], "created") << "nobody is revoked yet";
  EXPECT_EQ(Ask({"revoke-all", "alice", "--except", kept}, 0)["ok"], true);
  EXPECT_EQ(Ask({"show", other}, 0)["session"]["state"], "revoked");
  EXPECT_EQ(Ask({"show", kept}, 0)["session"]["state"], "created");
  EXPECT_EQ(Ask({"revoke-group", kept}, 0)["revoked"], 1);
  EXPECT_EQ(Ask({"show", kept}, 0)["session"]["state"], "revoked");
  EXPECT_EQ(Ask({"revoke-group", kNobody}, kRefusedStatus)["verdict"], "UNKNOWN_GROUP");
  EXPECT_EQ(Ask({"revoke-all", "nobody"}, 0)["ok"], true);
}

TEST_F(CommandLineChangesTest, SweepShowsItsSums) {
  NewSession();
  NewSession();
  Ask({"revoke-all", "alice"}, 0);
  EXPECT_EQ(Ask({"stats"}, 0)["stats"]["revocations"], 1);
  EXPECT_EQ(Ask({"sweep", "--retention", "never"}, 0)["swept"],
            (Json{{"expired", 0}, {"revoked", 2}, {"removed", 0}, {"trimmed", 0}}));
  EXPECT_EQ(Ask({"sweep"}, 0)["swept"]["revoked"], 0);
  EXPECT_EQ(Ask({"stats"}, 0)["stats"]["live"], 0);
}

TEST_F(CommandLineChangesTest, CompensationsAreListedAndAcknowledged) {
  const std::string alias = InShell("reserve expires=1h intent=tell")["session"]["alias"];
  EXPECT_EQ(Ask({"compensations"}, 0)["compensations"], Json::array());
  Ask({"recover"}, 0);
  const Json pending = Ask({"compensations", "--limit", "5"}, 0);
  ASSERT_EQ(pending["compensations"].size(), 1u);
  EXPECT_EQ(pending["compensations"][0]["alias"], alias);
  EXPECT_EQ(pending["compensations"][0]["intent"], "tell");
  EXPECT_EQ(pending["next"], nullptr);
  EXPECT_EQ(Ask({"compensations", "--after", alias}, 0)["compensations"], Json::array());
  EXPECT_EQ(Ask({"compensations", "--after", ""}, kRefusedStatus)["verdict"], "INVALID");
  EXPECT_EQ(Ask({"compensations", "--acknowledge", alias}, 0)["ok"], true);
  EXPECT_EQ(Ask({"compensations", "--acknowledge", alias}, kRefusedStatus)["verdict"], "NOT_FOUND");
}

TEST_F(CommandLineChangesTest, EventsAreFollowedByConsumers) {
  NewSession();
  EXPECT_EQ(Ask({"events"}, 0)["consumers"], Json::array());
  EXPECT_EQ(Ask({"events", "--consumer", "mailer"}, kRefusedStatus)["verdict"], "NOT_FOUND");
  EXPECT_EQ(Ask({"events", "--consumer", "", "--add"}, kRefusedStatus)["verdict"], "INVALID");
  Ask({"events", "--consumer", "mailer", "--add"}, 0);
  const std::string alias = NewSession();
  Ask({"revoke", alias}, 0);
  const Json events = Ask({"events", "--consumer", "mailer"}, 0)["events"];
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["type"], "created");
  EXPECT_EQ(events[1]["type"], "revoked");
  EXPECT_EQ(events[1]["alias"], alias);
  EXPECT_EQ(Ask({"events", "--consumer", "mailer", "--limit", "1"}, 0)["events"].size(), 1u);
  const std::string last = absl::StrCat(uint64_t{events[1]["sequence"]});
  EXPECT_EQ(Ask({"events", "--consumer", "mailer", "--acknowledge", last + "0"},
                kRefusedStatus)["verdict"],
            "INVALID");
  Ask({"events", "--consumer", "mailer", "--acknowledge", last}, 0);
  EXPECT_EQ(Ask({"events", "--consumer", "mailer"}, 0)["events"], Json::array());
  EXPECT_EQ(Ask({"events"}, 0)["consumers"],
            (Json{{{"consumer", "mailer"}, {"acknowledged", events[1]["sequence"]}}}));
  Ask({"events", "--consumer", "mailer", "--remove"}, 0);
  EXPECT_EQ(Ask({"stats"}, 0)["stats"]["consumers"], 0);
}

TEST_F(CommandLineChangesTest, WhileAnOwnerServesOnlyLookingGoes) {
  const std::string alias = NewSession();
  Conversation owner(Words({"shell", "--dir", store_}));
  EXPECT_EQ(Json::parse(owner.Ask("set alias=" + alias + " -- theme=dark"))["ok"], true);
  EXPECT_EQ(FieldsOf(alias)["theme"], "dark");
  EXPECT_EQ(Ask({"compensations"}, 0)["ok"], true);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"set", alias, "theme=light"},
                                             {"merge", alias, "theme-"},
                                             {"touch", alias},
                                             {"cycle", alias},
                                             {"revoke-group", alias},
                                             {"revoke-all", "alice"},
                                             {"sweep"},
                                             {"events"},
                                             {"events", "--consumer", "mailer", "--add"},
                                             {"compensations", "--acknowledge", alias}}) {
    const Json refusal = Ask(words, kRefusedStatus);
    EXPECT_EQ(refusal["verdict"], "NOT_OWNER") << words[0];
    EXPECT_THAT(std::string(refusal["message"]), HasSubstr(absl::StrCat(owner.pid())));
  }
  EXPECT_EQ(FieldsOf(alias)["theme"], "dark");
}

TEST_F(CommandLineChangesTest, WhereThereIsNoStoreThereIsNothingToChange) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"get", kNobody},
                                             {"set", kNobody, "a=1"},
                                             {"merge", kNobody, "a=1"},
                                             {"touch", kNobody},
                                             {"cycle", kNobody},
                                             {"revoke-group", kNobody},
                                             {"revoke-all", "alice"},
                                             {"sweep"},
                                             {"events"},
                                             {"compensations"}}) {
    const Json answer = Ask(words, kRefusedStatus);
    EXPECT_EQ(answer["verdict"], "NOT_FOUND") << words[0];
    EXPECT_THAT(std::string(answer["message"]), HasSubstr(store_)) << words[0];
  }
}

}  // namespace
}  // namespace batonstore::tools
