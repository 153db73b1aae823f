// The shell's commands that sweep a store, settle compensations, and follow events.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/shell_fixture.h"

namespace batonstore::tools {
namespace {

class ShellHousekeepingTest : public ShellFixture {
 protected:
  std::vector<std::string> TypesFor(const std::string& consumer) {
    std::vector<std::string> types;
    const Json answer = Do("events-read consumer=" + consumer);
    for (const Json& event : answer["events"]) types.push_back(event["type"]);
    return types;
  }
};

TEST_F(ShellHousekeepingTest, SweepTellsWhatItDid) {
  const Json nothing = {{"expired", 0}, {"revoked", 0}, {"removed", 0}, {"trimmed", 0}};
  EXPECT_EQ(Do("sweep"), (Json{{"ok", true}, {"swept", nothing}}));
  NewSession("idle=1h");
  NewSession("idle=1h");
  Do("reserve expires=24h principal=bob reserve-for=30m");
  Do("reserve-and-create expires=24h principal=carol");
  Do("revoke-all principal=carol");
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Do("sweep")["swept"],
            (Json{{"expired", 2}, {"revoked", 1}, {"removed", 1}, {"trimmed", 0}}));
  EXPECT_EQ(Do("sweep")["swept"], nothing);
  EXPECT_EQ(Do("stats")["stats"]["live"], 0);
  clock_.Advance(absl::Hours(24 * 30));
  EXPECT_EQ(Do("sweep")["swept"]["removed"], 3) << "the retention is over";
  EXPECT_EQ(Do("stats")["stats"]["sessions"], 0);
}

TEST_F(ShellHousekeepingTest, SweepGoesOnUntilNothingIsLeft) {
  for (uint64_t i = 0; i <= kSweepSessions; ++i) NewSession("idle=1h");
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Do("sweep")["swept"]["expired"], kSweepSessions + 1);
  EXPECT_EQ(Do("sweep")["swept"]["expired"], 0);
}

TEST_F(ShellHousekeepingTest, CompensationsStayUntilTheyAreAcknowledged) {
  const std::string line = "reserve expires=24h principal=alice database=main intent=";
  const std::string first = Do(line + "\"mailbox 17\"")["session"]["alias"];
  const std::string second = Do(line + "b")["session"]["alias"];
  Do("reserve expires=24h principal=alice");
  EXPECT_EQ(Do("compensations")["compensations"], Json::array());
  Open();
  const Json answer = Do("compensations");
  EXPECT_EQ(answer["next"], nullptr);
  ASSERT_EQ(answer["compensations"].size(), 2u) << "the third has no intent";
  EXPECT_EQ(answer["compensations"][0], (Json{{"alias", first},
                                              {"epoch", 1},
                                              {"at", "2027-01-15T08:00:00+00:00"},
                                              {"principal", "alice"},
                                              {"database", "main"},
                                              {"intent", "mailbox 17"}}));
  EXPECT_EQ(Do("compensations limit=2")["next"], nullptr);
  const Json page = Do("compensations limit=1");
  EXPECT_EQ(page["compensations"].size(), 1u);
  EXPECT_EQ(page["next"], first);
  EXPECT_EQ(Do("compensations after=" + first)["compensations"][0]["alias"], second);
  Do("acknowledge alias=" + first);
  EXPECT_EQ(VerdictOfLine("acknowledge alias=" + first), "NOT_FOUND");
  EXPECT_EQ(Do("stats")["stats"]["compensations"], 1);
}

TEST_F(ShellHousekeepingTest, EventsAreReadAndAcknowledgedByConsumers) {
  NewSession();
  Do("events-add consumer=mailer");
  Do("events-add consumer=\"the log\"");
  const std::string alias = NewSession();
  const std::string moved = Do("cycle alias=" + alias)["session"]["alias"];
  EXPECT_EQ(TypesFor("mailer"),
            (std::vector<std::string>{"created", "moved", "revoked", "created"}));
  const Json page = Do("events-read consumer=mailer limit=2")["events"];
  ASSERT_EQ(page.size(), 2u);
  const uint64_t sequence = page[1]["sequence"];
  EXPECT_EQ(page[1], (Json{{"sequence", sequence},
                           {"type", "moved"},
                           {"at", "2027-01-15T08:00:00+00:00"},
                           {"alias", alias},
                           {"other", moved},
                           {"principal", "alice"},
                           {"database", "main"},
                           {"detail", ""}}));
  Do("events-acknowledge consumer=mailer sequence=" + std::to_string(sequence));
  EXPECT_EQ(TypesFor("mailer"), (std::vector<std::string>{"revoked", "created"}));
  EXPECT_EQ(Do("events-consumers")["consumers"],
            (Json{{{"consumer", "mailer"}, {"acknowledged", sequence}},
                  {{"consumer", "the log"}, {"acknowledged", 0}}}));
  EXPECT_EQ(Do("stats")["stats"]["events"], 4) << "the other has read none";
  Do("events-remove consumer=\"the log\"");
  EXPECT_EQ(Do("stats")["stats"]["events"], 2);
  EXPECT_EQ(Do("stats")["stats"]["consumers"], 1);
}

TEST_F(ShellHousekeepingTest, EventsOfAPrincipalAsAWholeNameNoSession) {
  Do("events-add consumer=mailer");
  Do("revoke-all principal=alice");
  const Json event = Do("events-read consumer=mailer")["events"][0];
  EXPECT_EQ(event["type"], "revoked_all");
  EXPECT_EQ(event["alias"], nullptr);
  EXPECT_EQ(event["principal"], "alice");
}

TEST_F(ShellHousekeepingTest, EventsAreRefusedToWhoIsNoConsumerAndBeyondTheEnd) {
  EXPECT_EQ(VerdictOfLine("events-read consumer=mailer"), "NOT_FOUND");
  EXPECT_EQ(VerdictOfLine("events-remove consumer=mailer"), "NOT_FOUND");
  EXPECT_EQ(VerdictOfLine("events-acknowledge consumer=mailer sequence=1"), "NOT_FOUND");
  Do("events-add consumer=mailer");
  EXPECT_EQ(VerdictOfLine("events-acknowledge consumer=mailer sequence=1"), "INVALID");
  EXPECT_EQ(VerdictOfLine("events-read consumer=mailer limit=0"), "INVALID");
  EXPECT_EQ(VerdictOfLine("events-read consumer=mailer limit=10001"), "INVALID");
  EXPECT_EQ(VerdictOfLine("events-read"), "INVALID");
}

}  // namespace
}  // namespace batonstore::tools
