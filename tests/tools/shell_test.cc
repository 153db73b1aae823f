#include "batonstore/tools/shell.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/tools/shell_fixture.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::IsOk;
using ::testing::HasSubstr;

class ShellTest : public ShellFixture {};

TEST_F(ShellTest, ASessionLivesFromReservationToRevocation) {
  const Json reserved =
      Do("reserve expires=never label=\"Alice's phone\" kind=7 principal=alice "
         "database=main intent=tell key-type=ed25519")["session"];
  EXPECT_EQ(reserved["state"], "reserved");
  EXPECT_EQ(reserved["label"], "Alice's phone");
  EXPECT_EQ(reserved["kind"], 7);
  EXPECT_EQ(reserved["expires_at"], "never");
  EXPECT_EQ(reserved["key_type"], "ed25519");
  const std::string alias = reserved["alias"];
  Do("create alias=" + alias);
  Do("set-remote-key alias=" + alias + " key=00ff");
  EXPECT_EQ(Do("find alias=" + alias)["session"]["remote_public_key"], "00ff");
  const std::string key = reserved["public_key"];
  EXPECT_EQ(Do("find-by-key key=" + key)["session"]["alias"], alias);
  EXPECT_EQ(Do("shift alias=" + alias + " to=revoked")["session"]["state"], "revoked");
  Do("revoke alias=" + alias);
  EXPECT_EQ(VerdictOfLine("create alias=" + alias), "ILLEGAL_SHIFT");
}

TEST_F(ShellTest, AnAbandonedReservationIsGone) {
  const std::string alias = Do("reserve expires=1h")["session"]["alias"];
  Do("abandon alias=" + alias);
  EXPECT_EQ(VerdictOfLine("find alias=" + alias), "NOT_FOUND");
}

TEST_F(ShellTest, BatonsAreIssuedVerifiedAndRetired) {
  const std::string alias = NewSession();
  const std::string baton = Do("issue alias=" + alias)["baton"];
  const std::string verify = "verify baton=" + baton;
  EXPECT_EQ(Do(verify + " principal=alice database=main")["session"]["alias"], alias);
  EXPECT_EQ(VerdictOfLine(verify + " principal=bob database=main"), "WRONG_PRINCIPAL");
  EXPECT_EQ(VerdictOfLine(verify), "WRONG_DATABASE");
  EXPECT_EQ(VerdictOfLine("verify baton=x" + baton), "FORGED");
  const Json old_key = Do("signing-keys")["signing_keys"][0];
  EXPECT_EQ(old_key["status"], "primary");
  const Json new_id = Do("rotate-signing-key")["key_id"];
  EXPECT_NE(new_id, old_key["key_id"]);
  Do(verify + " principal=alice database=main");
  Do("retire-signing-key key-id=" + old_key["key_id"].dump());
  EXPECT_EQ(VerdictOfLine(verify + " principal=alice database=main"), "LOST");
}

TEST_F(ShellTest, GroupsListTheirMembers) {
  const std::string first = NewSession();
  EXPECT_EQ(VerdictOfLine("reserve expires=1h group=" + first), "GROUP_ACTIVE");
  Do("revoke alias=" + first);
  const std::string second = NewSession("group=" + first);
  EXPECT_EQ(Do("group-of alias=" + second)["group"], first);
  EXPECT_EQ(Do("members group=" + first)["members"], Json({first, second}));
  EXPECT_EQ(VerdictOfLine("members group=" + second), "UNKNOWN_GROUP");
}

TEST_F(ShellTest, ListFiltersAndPages) {
  const std::string first = NewSession("kind=1");
  const std::string second = NewSession("kind=2");
  const std::string third = NewSession("kind=2");
  const Json page = Do("list limit=1 kind=2 state=created principal=alice database=main");
  EXPECT_EQ(page["sessions"].size(), 1u);
  EXPECT_EQ(page["sessions"][0]["alias"], second);
  EXPECT_EQ(page["next"], second);
  const Json rest = Do("list after=" + second);
  EXPECT_EQ(rest["sessions"][0]["alias"], third);
  EXPECT_EQ(rest["next"], nullptr);
  EXPECT_EQ(VerdictOfLine("list limit=0"), "INVALID");
}

TEST_F(ShellTest, CountFilters) {
  NewSession("kind=1");
  NewSession("kind=2");
  Do("reserve expires=1h principal=bob");
  EXPECT_EQ(Do("count")["count"], 3);
  EXPECT_EQ(Do("count kind=2 state=created principal=alice database=main")["count"], 1);
  EXPECT_EQ(Do("count state=revoked")["count"], 0);
  EXPECT_EQ(VerdictOfLine("count limit=1"), "INVALID");
}

TEST_F(ShellTest, StatsReportAndClock) {
  NewSession();
  Do("reserve expires=1h");
  EXPECT_EQ(Do("stats")["stats"]["sessions"], 2);
  EXPECT_EQ(Do("stats")["stats"]["live"], 2);
  EXPECT_EQ(Do("stats")["stats"]["reservations"], 1);
  EXPECT_EQ(Do("report")["recovery"]["epoch"], 1);
  EXPECT_EQ(Do("report")["recovery"]["removed"], Json::array());
  EXPECT_TRUE(Ask("adopt-wall-clock").contains("ok"));
}

TEST_F(ShellTest, HelpNamesEveryCommandOnceAndForPeopleToo) {
  std::map<std::string, int> usages;
  const Json help = Do("help");
  for (const Json& command : help["commands"]) {
    ++usages[command["usage"]];
    EXPECT_THAT(ShellHelp(), HasSubstr(std::string(command["usage"])));
    EXPECT_NE(command["help"], "");
  }
  EXPECT_EQ(usages.size(), 47u);
  EXPECT_EQ(usages["shift alias=ALIAS to=TO"], 1);
  EXPECT_EQ(usages["merge alias=ALIAS -- CHANGE..."], 1);
}

TEST_F(ShellTest, BadLinesAreInvalidChangeNothingAndEndNothing) {
  const std::string alias = NewSession();
  const Json before = Do("stats");
  for (const std::string& line :
       std::vector<std::string>{"fly",
                                "create",
                                "create alias=",
                                "create alias=zz",
                                "create " + alias,
                                "reserve",
                                "reserve expires=soon",
                                "reserve expires=-1h",
                                "reserve expires=1h kind=-1",
                                "reserve expires=1h colour=red",
                                "reserve expires=1h expires=2h",
                                "reserve expires=1h label=\"x",
                                "reserve expires=1h key-type=rsa",
                                "reserve expires=1h group=1",
                                "reserve expires=1h idle=soon",
                                "reserve expires=1h idle=0",
                                "reserve expires=1h reserve-for=-1m",
                                "reserve-and-create expires=1h reserve-for=1m",
                                "reserve expires=1h idempotency-key=" + std::string(256, 'k'),
                                "reserve expires=1h -- theme=dark",
                                "shift alias=" + alias + " to=gone",
                                "find-by-key key=abc",
                                "set-remote-key alias=" + alias + " key=",
                                "retire-signing-key key-id=x",
                                "list limit=many",
                                "touch",
                                "cycle alias=" + alias + " redirect-for=-1s",
                                "cycle alias=" + alias + " redirect-for=1s privilege-change=yes",
                                "cycle alias=" + alias + " privilege-change=true",
                                "revoke-all",
                                "revoke-all-except principal=alice",
                                "revoke-all-except principal=alice alias=1",
                                "revoke-group group=zz",
                                "get alias=" + alias + " field=",
                                "set alias=" + alias + " theme=dark",
                                "set alias=" + alias,
                                "set alias=" + alias + " --",
                                "set alias=" + alias + " -- theme",
                                "set alias=" + alias + " -- =dark",
                                "set alias=" + alias + " -- theme=dark theme=light",
                                "set alias=" + alias + " -- visits+=1",
                                "set alias=" + alias + " secret=1 -- theme=dark",
                                "set alias=" + alias + " if-version=x -- theme=dark",
                                "set alias=" + alias + " -- " + std::string(256, 'f') + "=1",
                                "merge alias=" + alias,
                                "merge alias=" + alias + " --",
                                "merge alias=" + alias + " -- visits+=1e3",
                                "merge alias=" + alias + " -- visits+=9223372036854775808",
                                "merge alias=" + alias + " -- a=1 visits-=-9223372036854775808",
                                "merge alias=" + alias + " -- state~=idle",
                                "save-if alias=" + alias + " version=0",
                                "save-if alias=" + alias + " version=-1 -- a=1",
                                "save-if alias=" + alias + " version=0 -- a-",
                                "save-if alias=" + alias + " version=0 -- pin*",
                                "save-or-create expires=1h -- a?=1",
                                "save-or-create -- a=1",
                                "secret alias=" + alias + " field=",
                                "compensations limit=0",
                                "acknowledge",
                                "events-add consumer=",
                                "events-add consumer=" + std::string(256, 'c'),
                                "events-acknowledge consumer=a sequence=18446744073709551616",
                                "stats -- a=1",
                                "stats now=1",
                                "\x01\xff\xfe",
                                "=",
                                "\"",
                                "quit now=1",
                                std::string("fi\0nd alias=1", 13),
                                "label=" + std::string(100'000, 'x'),
                                "reserve expires=1h label=" + std::string(256, 'x')}) {
    EXPECT_EQ(VerdictOfLine(line), "INVALID") << line.substr(0, 80);
  }
  EXPECT_EQ(VerdictOfLine("create alias=ffffffffffffffff"), "NOT_FOUND");
  EXPECT_EQ(Do("stats"), before);
}

TEST_F(ShellTest, AMissingKeyIsAnsweredWithTheUsage) {
  EXPECT_THAT(std::string(Ask("shift alias=1")["message"]),
              HasSubstr("the key to is missing; usage: shift alias=ALIAS to=TO"));
}

TEST_F(ShellTest, BlankLinesAndCommentsHaveNoAnswer) {
  EXPECT_EQ(Run("\n  \n# find alias=1\nstats\n\n").size(), 1u);
}

TEST_F(ShellTest, ALastLineWithoutANewlineCounts) { EXPECT_EQ(Run("stats").size(), 1u); }

TEST_F(ShellTest, QuitEndsTheScript) { EXPECT_EQ(Run("stats\nquit\nstats\n").size(), 2u); }

TEST_F(ShellTest, NeverTellsAPrivateKey) {
  const std::string alias = NewSession();
  ASSERT_OK_AND_ASSIGN(const SecretBytes key,
                       store_->sessions().PrivateKey(Alias::Parse(alias).value()));
  EXPECT_EQ(Do("find alias=" + alias).dump().find(absl::BytesToHexString(key.Reveal())),
            std::string::npos);
  EXPECT_EQ(VerdictOfLine("private-key alias=" + alias), "INVALID");
}

}  // namespace
}  // namespace batonstore::tools
