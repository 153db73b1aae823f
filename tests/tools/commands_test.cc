#include "batonstore/tools/commands.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;
using batonstore::testing::LastingSpec;
using batonstore::testing::TempDir;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandsTest : public ::testing::Test {
 protected:
  // Works on the store as its owner, who then leaves.
  void Own(const std::function<void(SessionStore&)>& work) {
    ASSERT_OK_AND_ASSIGN(const auto store,
                         recovery::Open(OpenOptions(location_, /*create_if_missing=*/true)));
    work(store->sessions());
  }
  std::vector<Session> MakeSessions(size_t count) {
    std::vector<Session> made;
    Own([&](SessionStore& sessions) {
      while (made.size() < count) {
        const absl::StatusOr<Session> session = sessions.ReserveAndCreate(LastingSpec());
        ASSERT_THAT(session, IsOk());
        made.push_back(*session);
      }
    });
    return made;
  }

  TempDir folder_;
  StoreLocation location_{folder_ / "store", ""};
  std::ostringstream out_;
};

TEST_F(CommandsTest, ListPrintsATable) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject summary, List(location_, {}, ListFormat::kTable, out_));
  EXPECT_THAT(out_.str(), StartsWith("ALIAS "));
  EXPECT_THAT(out_.str(), HasSubstr("\n" + alias + "  created         7  alice  "));
  EXPECT_THAT(out_.str(), EndsWith("  never                 phone\n"));
  EXPECT_EQ(summary.ToLine(), R"({"ok":true,"listed":1,"next":null})");
}

TEST_F(CommandsTest, ListGoesOnFromPageToPage) {
  MakeSessions(kMaxPageSize + 1);
  ASSERT_OK_AND_ASSIGN(const JsonObject summary, List(location_, {}, ListFormat::kJsonLines, out_));
  EXPECT_EQ(summary.ToLine(), R"({"ok":true,"listed":1001,"next":null})");
  const std::string text = out_.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1001);
}

TEST_F(CommandsTest, ListGoesOnAfterPagesThatAreShortOrEmpty) {
  Own([](SessionStore& sessions) {
    SessionSpec other = LastingSpec();
    other.kind = 1;
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&sessions] {
        for (size_t made = 0; made <= kMaxLookedAt / 16; ++made) {
          EXPECT_THAT(sessions.ReserveAndCreate(LastingSpec()), IsOk());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < 2; ++i) EXPECT_THAT(sessions.ReserveAndCreate(other), IsOk());
    ASSERT_OK_AND_ASSIGN(const ListPage first, sessions.List({.kind = 1}, 1));
    EXPECT_TRUE(first.sessions.empty()) << "what this is about";
  });
  ListRequest request;
  request.filter.kind = 1;
  ASSERT_OK_AND_ASSIGN(const JsonObject all,
                       List(location_, request, ListFormat::kJsonLines, out_));
  EXPECT_EQ(all.ToLine(), R"({"ok":true,"listed":2,"next":null})");
  request.limit = 1;
  ASSERT_OK_AND_ASSIGN(const JsonObject one,
                       List(location_, request, ListFormat::kJsonLines, out_));
  EXPECT_THAT(one.ToLine(), StartsWith(R"({"ok":true,"listed":1,"next":")"));
}

TEST_F(CommandsTest, ListStopsAtItsLimitAndTellsWhereToGoOn) {
  const std::vector<Session> made = MakeSessions(3);
  ListRequest request;
  request.limit = 2;
  ASSERT_OK_AND_ASSIGN(const JsonObject some, List(location_, request, ListFormat::kTable, out_));
  const std::string second = made[1].alias.ToString();
  EXPECT_EQ(some.ToLine(), R"({"ok":true,"listed":2,"next":")" + second + "\"}");
  request.after = second;
  ASSERT_OK_AND_ASSIGN(const JsonObject rest, List(location_, request, ListFormat::kTable, out_));
  EXPECT_EQ(rest.ToLine(), R"({"ok":true,"listed":1,"next":null})");
  request.after = "no alias";
  EXPECT_THAT(List(location_, request, ListFormat::kTable, out_), HasVerdict(Verdict::kInvalid));
}

TEST_F(CommandsTest, ListPassesItsFilterOn) {
  MakeSessions(2);
  ListRequest request;
  request.filter.principal = "bob";
  ASSERT_OK_AND_ASSIGN(const JsonObject none, List(location_, request, ListFormat::kTable, out_));
  EXPECT_EQ(none.ToLine(), R"({"ok":true,"listed":0,"next":null})");
}

TEST_F(CommandsTest, ShowFindsByAliasAndByPublicKey) {
  const Session session = MakeSessions(1)[0];
  const std::string alias = session.alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject by_alias, Show(location_, alias));
  EXPECT_THAT(by_alias.ToLine(), StartsWith(R"({"ok":true,"session":{"alias":")" + alias));
  EXPECT_THAT(by_alias.ToLine(), EndsWith(R"("group_members":[")" + alias + "\"]}}"));
  ASSERT_OK_AND_ASSIGN(const JsonObject by_key,
                       ShowByPublicKey(location_, absl::BytesToHexString(session.public_key)));
  EXPECT_EQ(by_key.ToLine(), by_alias.ToLine());
  EXPECT_THAT(Show(location_, "1"), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(Show(location_, "0000000000000001"), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(ShowByPublicKey(location_, "00"), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(ShowByPublicKey(location_, "0"), HasVerdict(Verdict::kInvalid));
}

TEST_F(CommandsTest, RevokeRevokesForGood) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject answer, Revoke(location_, alias));
  EXPECT_THAT(answer.ToLine(), HasSubstr(R"("state":"revoked")"));
  EXPECT_THAT(answer.ToLine(), HasSubstr(R"("crashed":false)"));
  ASSERT_OK_AND_ASSIGN(const JsonObject shown, Show(location_, alias));
  EXPECT_THAT(shown.ToLine(), HasSubstr(R"("state":"revoked")"));
  EXPECT_THAT(Revoke(location_, "0000000000000001"), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(Revoke(location_, "x"), HasVerdict(Verdict::kInvalid));
}

TEST_F(CommandsTest, RecoverTellsWhatItRemoved) {
  Own([](SessionStore& sessions) {
    SessionSpec spec = LastingSpec();
    spec.intent = "tell bob";
    EXPECT_THAT(sessions.Reserve(spec), IsOk());
  });
  ASSERT_OK_AND_ASSIGN(const JsonObject stats, Stats(location_));
  EXPECT_THAT(stats.ToLine(), HasSubstr(R"("reservations":1)"));
  ASSERT_OK_AND_ASSIGN(const JsonObject first, Recover(location_));
  EXPECT_THAT(first.ToLine(), HasSubstr(R"("intent":"tell bob")"));
  ASSERT_OK_AND_ASSIGN(const JsonObject second, Recover(location_));
  EXPECT_THAT(second.ToLine(), HasSubstr(R"("removed":[])"));
}

TEST_F(CommandsTest, FieldsAreSetMergedAndShown) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject set, Set(location_, alias, {{"theme=dark", "pin*=1"}}));
  EXPECT_THAT(set.ToLine(), StartsWith(R"({"ok":true,"version":1,"recovery":{"epoch":2,)"));
  ASSERT_OK_AND_ASSIGN(const JsonObject merged,
                       Merge(location_, alias, {"visits+=2", "theme~=dark", "theme=light"}));
  EXPECT_THAT(merged.ToLine(), StartsWith(R"({"ok":true,"version":2,"recovery":)"));
  ASSERT_OK_AND_ASSIGN(const JsonObject all, Get(location_, alias, std::nullopt));
  EXPECT_EQ(all.ToLine(), R"({"ok":true,"attributes":{"version":2,"fields":)"
                          R"({"pin":{"withheld":true},"theme":"light","visits":"2"}}})");
  ASSERT_OK_AND_ASSIGN(const JsonObject one, Get(location_, alias, "theme"));
  EXPECT_EQ(one.ToLine(), R"({"ok":true,"version":2,"value":"light"})");
  EXPECT_THAT(Get(location_, alias, "none"), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(Get(location_, "0000000000000001", std::nullopt), HasVerdict(Verdict::kNotFound));
}

TEST_F(CommandsTest, SetAtAVersionKeepsOtherFieldsAndRefusesAnotherVersion) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_THAT(Set(location_, alias, {{"a=1", "pin*=1"}}), IsOk());
  EXPECT_THAT(Set(location_, alias, {{"a=2"}, false, 0}), HasVerdict(Verdict::kConflict));
  EXPECT_THAT(Set(location_, alias, {{"b=2"}, true, 1}), IsOk());
  ASSERT_OK_AND_ASSIGN(const JsonObject all, Get(location_, alias, std::nullopt));
  EXPECT_THAT(all.ToLine(), HasSubstr(R"({"a":"1","b":{"withheld":true},"pin":)"));
}

TEST_F(CommandsTest, CycleGivesANewIdentityThatTheOldOneTells) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject cycled,
                       Cycle(location_, alias, {.redirect_for = absl::Hours(1)}));
  EXPECT_THAT(cycled.ToLine(), HasSubstr(R"("state":"created")"));
  const absl::Status refused = Touch(location_, alias).status();
  EXPECT_THAT(refused, HasVerdict(Verdict::kMoved));
  ASSERT_TRUE(MovedTo(refused).has_value());
  const std::string moved_to = MovedTo(refused)->ToString();
  EXPECT_THAT(cycled.ToLine(), HasSubstr(moved_to));
  EXPECT_THAT(Touch(location_, moved_to), IsOk());
  EXPECT_THAT(Cycle(location_, moved_to, {.privilege_change = true}), IsOk());
  EXPECT_THAT(Touch(location_, moved_to), HasVerdict(Verdict::kRevoked));
}

TEST_F(CommandsTest, RevokeAllAndRevokeGroup) {
  const std::vector<Session> made = MakeSessions(2);
  const std::string kept = made[0].alias.ToString();
  EXPECT_THAT(RevokeAll(location_, "alice", kept), IsOk());
  EXPECT_THAT(Touch(location_, kept), IsOk());
  EXPECT_THAT(Touch(location_, made[1].alias.ToString()), HasVerdict(Verdict::kRevoked));
  EXPECT_THAT(RevokeAll(location_, "bob", kept), HasVerdict(Verdict::kWrongPrincipal));
  ASSERT_OK_AND_ASSIGN(const JsonObject group, RevokeGroup(location_, kept));
  EXPECT_THAT(group.ToLine(), StartsWith(R"({"ok":true,"revoked":1,"recovery":)"));
  EXPECT_THAT(RevokeAll(location_, "alice", std::nullopt), IsOk());
  EXPECT_THAT(RevokeGroup(location_, "0000000000000001"), HasVerdict(Verdict::kUnknownGroup));
}

TEST_F(CommandsTest, SweepShredsWhatIsRevokedAndForgetsItAsLateAsItIsTold) {
  MakeSessions(2);
  ASSERT_THAT(RevokeAll(location_, "alice", std::nullopt), IsOk());
  location_.policy.retention = absl::ZeroDuration();
  ASSERT_OK_AND_ASSIGN(const JsonObject swept, SweepStore(location_));
  EXPECT_THAT(
      swept.ToLine(),
      StartsWith(R"({"ok":true,"swept":{"expired":0,"revoked":2,"removed":2,"trimmed":0})"));
  ASSERT_OK_AND_ASSIGN(const JsonObject stats, Stats(location_));
  EXPECT_THAT(stats.ToLine(), HasSubstr(R"("sessions":0,"live":0)"));
}

TEST_F(CommandsTest, CompensationsAreListedAndAcknowledged) {
  std::string alias;
  Own([&alias](SessionStore& sessions) {
    SessionSpec spec = LastingSpec();
    spec.intent = "tell bob";
    ASSERT_OK_AND_ASSIGN(const Session session, sessions.Reserve(spec));
    alias = session.alias.ToString();
  });
  ASSERT_THAT(Recover(location_), IsOk());
  ASSERT_OK_AND_ASSIGN(const JsonObject pending, ListPending(location_, 1, std::nullopt));
  EXPECT_THAT(pending.ToLine(), StartsWith(R"({"ok":true,"compensations":[{"alias":")" + alias));
  EXPECT_THAT(pending.ToLine(), EndsWith(R"("intent":"tell bob"}],"next":null})"));
  ASSERT_OK_AND_ASSIGN(const JsonObject later, ListPending(location_, std::nullopt, alias));
  EXPECT_EQ(later.ToLine(), R"({"ok":true,"compensations":[],"next":null})");
  EXPECT_THAT(AcknowledgePending(location_, alias), IsOk());
  EXPECT_THAT(AcknowledgePending(location_, alias), HasVerdict(Verdict::kNotFound));
}

TEST_F(CommandsTest, EventsAreForConsumers) {
  using What = EventsRequest::What;
  MakeSessions(1);
  ASSERT_THAT(Events(location_, {"mailer", What::kAdd}), IsOk());
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject events, Events(location_, {"mailer"}));
  EXPECT_THAT(events.ToLine(),
              StartsWith(R"({"ok":true,"events":[{"sequence":1,"type":"created")"));
  EXPECT_THAT(events.ToLine(), HasSubstr(alias));
  EXPECT_THAT(Events(location_, {"mailer", What::kAcknowledge, 1, 2}),
              HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(Events(location_, {"mailer", What::kAcknowledge, 1, 1}), IsOk());
  ASSERT_OK_AND_ASSIGN(const JsonObject consumers, Events(location_, {}));
  EXPECT_THAT(consumers.ToLine(),
              HasSubstr(R"("consumers":[{"consumer":"mailer","acknowledged":1}])"));
  EXPECT_THAT(Events(location_, {"mailer", What::kRemove}), IsOk());
  EXPECT_THAT(Events(location_, {"mailer"}), HasVerdict(Verdict::kNotFound));
}

TEST_F(CommandsTest, WhatCannotBeUnderstoodDoesNotEvenOpenTheStore) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject before, Stats(location_));
  for (const absl::Status& refused :
       {Set(location_, "1", {{"a=1"}}).status(), Set(location_, alias, {}).status(),
        Set(location_, alias, {{"a"}}).status(), Set(location_, alias, {{"=1"}}).status(),
        Set(location_, alias, {{"a=1", "a+=1"}}).status(), Merge(location_, "1", {"a=1"}).status(),
        Merge(location_, alias, {}).status(),
        Merge(location_, alias, {"a+=9223372036854775808"}).status(),
        Get(location_, alias, "").status(), Get(location_, "1", std::nullopt).status(),
        Touch(location_, "1").status(), Cycle(location_, "1", {}).status(),
        Revoke(location_, "").status(), RevokeGroup(location_, "g").status(),
        RevokeAll(location_, "alice", "").status(), AcknowledgePending(location_, "1").status(),
        ListPending(location_, 1, "1").status(),
        Events(location_, {"", EventsRequest::What::kAdd}).status()}) {
    EXPECT_THAT(refused, HasVerdict(Verdict::kInvalid));
  }
  ASSERT_OK_AND_ASSIGN(const JsonObject after, Stats(location_));
  EXPECT_EQ(after.ToLine(), before.ToLine()) << "the epoch, too";
}

TEST_F(CommandsTest, NobodyMakesAStoreByLookingAtIt) {
  for (const absl::Status& refused :
       {Recover(location_).status(), Revoke(location_, "0000000000000001").status(),
        Stats(location_).status(), Show(location_, "0000000000000001").status(),
        Get(location_, "0000000000000001", std::nullopt).status(), SweepStore(location_).status(),
        ListPending(location_, 1, std::nullopt).status(), Events(location_, {}).status(),
        RevokeAll(location_, "alice", std::nullopt).status(),
        List(location_, {}, ListFormat::kTable, out_).status()}) {
    EXPECT_THAT(refused, HasVerdict(Verdict::kNotFound));
  }
  EXPECT_EQ(out_.str(), "");
  EXPECT_FALSE(std::filesystem::exists(location_.directory));
}

TEST_F(CommandsTest, AnotherKeyIsRefused) {
  MakeSessions(1);
  location_.key_file = folder_ / "missing";
  EXPECT_THAT(Stats(location_), HasVerdict(Verdict::kWrongKey));
  EXPECT_THAT(Recover(location_), HasVerdict(Verdict::kWrongKey));
}

}  // namespace
}  // namespace batonstore::tools
