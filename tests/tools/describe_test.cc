#include "batonstore/tools/describe.h"

#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace batonstore::tools {
namespace {

using ::testing::HasSubstr;

TEST(DescribeTest, SessionsHaveEveryFieldAlways) {
  Session session;
  session.alias = Alias(1);
  session.group = Alias(2);
  session.state = State::kCreated;
  session.label = "phone";
  session.kind = 3;
  session.principal = "alice";
  session.database = "main";
  session.created_at = absl::FromUnixSeconds(1'800'000'000);
  session.expires_at = absl::InfiniteFuture();
  session.public_key = "\x01\xff";
  EXPECT_EQ(Describe(session).ToLine(),
            R"({"alias":"0000000000000001","state":"created","group":"0000000000000002",)"
            R"("label":"phone","kind":3,"principal":"alice","database":"main",)"
            R"("created_at":"2027-01-15T08:00:00+00:00","expires_at":"never","revoked_at":null,)"
            R"("key_type":"x25519","public_key":"01ff","remote_public_key":null})");
  session.revoked_at = session.created_at;
  session.remote_public_key = "\xaa";
  EXPECT_THAT(Describe(session).ToLine(), HasSubstr(R"("revoked_at":"2027-01-15T08:00:00+00:00")"));
  EXPECT_THAT(Describe(session).ToLine(), HasSubstr(R"("remote_public_key":"aa")"));
}

TEST(DescribeTest, RefusalsHaveVerdictAndMessage) {
  EXPECT_EQ(Describe(absl::OkStatus()).ToLine(), R"({"ok":true})");
  EXPECT_EQ(Describe(Refuse(Verdict::kNotFound, "no such session")).ToLine(),
            R"({"ok":false,"verdict":"NOT_FOUND","message":"no such session"})");
}

TEST(DescribeTest, ReportsTellWhatHasToBeUndoneOutside) {
  recovery::RecoveryReport report;
  report.epoch = 4;
  report.crashed = true;
  report.duration = absl::Milliseconds(3);
  report.removed.push_back({Alias(9), 3, "alice", "main", "register 9"});
  EXPECT_EQ(Describe(report).ToLine(),
            R"({"epoch":4,"crashed":true,"extended":false,"readers_cleared":0,"duration":"3ms",)"
            R"("removed":[{"alias":"0000000000000009","epoch":3,"principal":"alice",)"
            R"("database":"main","intent":"register 9"}]})");
}

TEST(DescribeTest, StatsAndSigningKeys) {
  StoreStats stats;
  stats.sessions = 5;
  stats.reservations = 1;
  stats.last_alias = Alias(255);
  EXPECT_EQ(Describe(stats).ToLine(),
            R"({"sessions":5,"reservations":1,"linked":0,"epoch":0,)"
            R"("last_alias":"00000000000000ff","used_bytes":0,"map_bytes":0})");
  EXPECT_EQ(Describe(Keyring::KeyInfo{2, Keyring::KeyStatus::kRetired}).ToLine(),
            R"({"key_id":2,"status":"retired"})");
}

}  // namespace
}  // namespace batonstore::tools
