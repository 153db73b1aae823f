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
  session.idle_timeout = absl::Minutes(30);
  session.deadline = session.created_at + session.idle_timeout;
  session.public_key = "\x01\xff";
  EXPECT_EQ(Describe(session).ToLine(),
            R"({"alias":"0000000000000001","state":"created","group":"0000000000000002",)"
            R"("label":"phone","kind":3,"principal":"alice","database":"main",)"
            R"("created_at":"2027-01-15T08:00:00+00:00","expires_at":"never",)"
            R"("idle_timeout":"30m","deadline":"2027-01-15T08:30:00+00:00","revoked_at":null,)"
            R"("key_type":"x25519","public_key":"01ff","remote_public_key":null})");
  session.revoked_at = session.created_at;
  session.idle_timeout = absl::InfiniteDuration();
  session.remote_public_key = "\xaa";
  EXPECT_THAT(Describe(session).ToLine(), HasSubstr(R"("revoked_at":"2027-01-15T08:00:00+00:00")"));
  EXPECT_THAT(Describe(session).ToLine(), HasSubstr(R"("remote_public_key":"aa")"));
  EXPECT_THAT(Describe(session).ToLine(), HasSubstr(R"("idle_timeout":"never")"));
}

TEST(DescribeTest, RefusalsHaveVerdictAndMessage) {
  EXPECT_EQ(Describe(absl::OkStatus()).ToLine(), R"({"ok":true})");
  EXPECT_EQ(Describe(Refuse(Verdict::kNotFound, "no such session")).ToLine(),
            R"({"ok":false,"verdict":"NOT_FOUND","message":"no such session"})");
  EXPECT_EQ(Describe(Moved(Alias(1), Alias(2))).ToLine(),
            R"({"ok":false,"verdict":"MOVED",)"
            R"("message":"session 0000000000000001 has a new identity",)"
            R"("moved_to":"0000000000000002"})");
}

TEST(DescribeTest, AttributesShowWhatTheyMayOfEveryByte) {
  Attributes attributes;
  attributes.version = 7;
  EXPECT_EQ(Describe(attributes).ToLine(), R"({"version":7,"fields":{}})");
  attributes.fields = {{"text", "dark"},
                       {"bytes", "\xff"},
                       {"secret", Value::Secret("1234")},
                       {"withheld", Value::Withheld()},
                       {"\xfe", "x"}};
  EXPECT_EQ(Describe(attributes).ToLine(),
            R"({"version":7,"fields":{"bytes":{"hex":"ff"},"secret":{"withheld":true},)"
            R"("text":"dark","withheld":{"withheld":true}},"fields_by_hex":{"fe":"x"}})");
}

TEST(DescribeTest, CompensationsAndSweeps) {
  const absl::Time at = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(Describe(Compensation{Alias(9), 3, at, "alice", "main", "register 9"}).ToLine(),
            R"({"alias":"0000000000000009","epoch":3,"at":"2027-01-15T08:00:00+00:00",)"
            R"("principal":"alice","database":"main","intent":"register 9"})");
  EXPECT_EQ(Describe(Swept{1, 2, 3, 4, true}).ToLine(),
            R"({"expired":1,"revoked":2,"removed":3,"trimmed":4})");
}

TEST(DescribeTest, EventsAndTheirConsumers) {
  const absl::Time at = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(
      Describe(Event{5, EventType::kMoved, at, Alias(1), Alias(2), "alice", "main", "x"}).ToLine(),
      R"({"sequence":5,"type":"moved","at":"2027-01-15T08:00:00+00:00",)"
      R"("alias":"0000000000000001","other":"0000000000000002","principal":"alice",)"
      R"("database":"main","detail":"x"})");
  EXPECT_THAT(Describe(Event()).ToLine(), HasSubstr(R"("alias":null,"other":null)"));
  EXPECT_EQ(Describe(Consumer{"mailer", 4}).ToLine(), R"({"consumer":"mailer","acknowledged":4})");
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
  stats.live = 4;
  stats.reservations = 1;
  stats.revocations = 2;
  stats.compensations = 3;
  stats.events = 6;
  stats.consumers = 7;
  stats.last_alias = Alias(255);
  EXPECT_EQ(Describe(stats).ToLine(),
            R"({"sessions":5,"live":4,"reservations":1,"linked":0,"revocations":2,)"
            R"("compensations":3,"events":6,"consumers":7,"epoch":0,)"
            R"("last_alias":"00000000000000ff","used_bytes":0,"map_bytes":0})");
  EXPECT_EQ(Describe(Keyring::KeyInfo{2, Keyring::KeyStatus::kRetired}).ToLine(),
            R"({"key_id":2,"status":"retired"})");
}

}  // namespace
}  // namespace batonstore::tools
