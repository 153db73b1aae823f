// The shell's commands that keep sessions alive, give them new identities, and end them.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/shell_fixture.h"

namespace batonstore::tools {
namespace {

class ShellSessionsTest : public ShellFixture {
 protected:
  std::string StateOf(const std::string& alias) {
    return Do("find alias=" + alias)["session"]["state"];
  }
};

TEST_F(ShellSessionsTest, AnIdleSessionExpiresUnlessItIsTouched) {
  const Json made = Do("reserve-and-create expires=24h idle=30m")["session"];
  EXPECT_EQ(made["idle_timeout"], "30m");
  EXPECT_EQ(made["deadline"], "2027-01-15T08:30:00+00:00");
  EXPECT_EQ(made["expires_at"], "2027-01-16T08:00:00+00:00");
  const std::string alias = made["alias"];
  clock_.Advance(absl::Minutes(20));
  EXPECT_EQ(Do("touch alias=" + alias)["session"]["deadline"], "2027-01-15T08:50:00+00:00");
  clock_.Advance(absl::Minutes(29));
  EXPECT_EQ(StateOf(alias), "created");
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(StateOf(alias), "expired");
  EXPECT_EQ(VerdictOfLine("touch alias=" + alias), "EXPIRED");
  EXPECT_EQ(VerdictOfLine("touch alias=ffffffffffffffff"), "NOT_FOUND");
}

TEST_F(ShellSessionsTest, WithoutAnIdleTimeoutADeadlineIsTheExpiry) {
  const Json made = Do("reserve-and-create expires=never")["session"];
  EXPECT_EQ(made["idle_timeout"], "never");
  EXPECT_EQ(made["deadline"], "never");
}

TEST_F(ShellSessionsTest, AReservationWaitsAsLongAsItIsTold) {
  const std::string hasty = Do("reserve expires=24h reserve-for=1m")["session"]["alias"];
  const std::string patient = Do("reserve expires=24h reserve-for=never")["session"]["alias"];
  const std::string usual = Do("reserve expires=24h")["session"]["alias"];
  clock_.Advance(absl::Minutes(61));
  EXPECT_EQ(VerdictOfLine("create alias=" + hasty), "EXPIRED");
  EXPECT_EQ(VerdictOfLine("create alias=" + usual), "EXPIRED");
  Do("create alias=" + patient);
}

TEST_F(ShellSessionsTest, AnIdempotencyKeyGivesTheSameSessionAgain) {
  const std::string line = "reserve expires=24h principal=alice idempotency-key=\"form 17\"";
  const std::string alias = Do(line)["session"]["alias"];
  EXPECT_EQ(Do(line)["session"]["alias"], alias);
  EXPECT_EQ(VerdictOfLine(line + " label=other"), "EXISTS");
  EXPECT_EQ(Do("count")["count"], 1);
}

TEST_F(ShellSessionsTest, ACycledSessionAnswersByItsNewAlias) {
  const std::string old_alias = NewSession("label=phone");
  Do("set alias=" + old_alias + " -- theme=dark");
  const Json cycled = Do("cycle alias=" + old_alias + " redirect-for=1m")["session"];
  const std::string new_alias = cycled["alias"];
  EXPECT_NE(new_alias, old_alias);
  EXPECT_EQ(cycled["label"], "phone");
  for (const std::string command : {"find", "touch", "get", "issue", "cycle"}) {
    const Json answer = Ask(command + " alias=" + old_alias);
    EXPECT_EQ(answer["verdict"], "MOVED") << command;
    EXPECT_EQ(answer["moved_to"], new_alias) << command;
  }
  EXPECT_EQ(Do("get alias=" + new_alias + " field=theme")["value"], "dark");
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(VerdictOfLine("touch alias=" + old_alias), "REVOKED");
}

TEST_F(ShellSessionsTest, AfterAPrivilegeChangeTheOldAliasTellsNothing) {
  const std::string alias = NewSession();
  Do("cycle alias=" + alias + " privilege-change=yes");
  const Json answer = Ask("touch alias=" + alias);
  EXPECT_EQ(answer["verdict"], "REVOKED");
  EXPECT_FALSE(answer.contains("moved_to"));
}

TEST_F(ShellSessionsTest, RevokeGroupRevokesItsSessions) {
  const std::string first = NewSession();
  EXPECT_EQ(Do("revoke-group group=" + first)["revoked"], 1);
  EXPECT_EQ(StateOf(first), "revoked");
  EXPECT_EQ(Do("revoke-group group=" + first)["revoked"], 0);
  EXPECT_EQ(VerdictOfLine("revoke-group group=ffffffffffffffff"), "UNKNOWN_GROUP");
}

TEST_F(ShellSessionsTest, RevokeAllRevokesThePrincipalsSessionsAndNoOthers) {
  const std::string one = NewSession();
  const std::string two = NewSession();
  const std::string bobs = Do("reserve-and-create expires=1h principal=bob")["session"]["alias"];
  Do("revoke-all-except principal=alice alias=" + one);
  EXPECT_EQ(StateOf(one), "created");
  EXPECT_EQ(StateOf(two), "revoked");
  EXPECT_EQ(VerdictOfLine("revoke-all-except principal=bob alias=" + one), "WRONG_PRINCIPAL");
  EXPECT_EQ(VerdictOfLine("revoke-all-except principal=alice alias=" + two), "REVOKED");
  Do("revoke-all principal=alice");
  EXPECT_EQ(StateOf(one), "revoked");
  EXPECT_EQ(StateOf(bobs), "created");
}

}  // namespace
}  // namespace batonstore::tools
