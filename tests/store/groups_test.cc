// Groups: chains of sessions of which one lives at a time.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::ElementsAre;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::ScriptedKeys;
using testing::SpecInGroup;

class GroupsTest : public MemoryStoreFixture {
 protected:
  // A group of `number` sessions, all of them revoked; its name.
  Alias EndedGroup(int number) {
    const Alias group = Create().alias;
    EXPECT_THAT(store().Revoke(group), IsOk());
    for (int i = 1; i < number; ++i) {
      EXPECT_THAT(store().Revoke(Create(SpecInGroup(group)).alias), IsOk());
    }
    return group;
  }

  std::vector<Alias> Members(Alias group) {
    const absl::StatusOr<std::vector<Alias>> members = store().GroupMembers(group);
    EXPECT_THAT(members, IsOk());
    return members.ok() ? *members : std::vector<Alias>();
  }

  static SessionSpec WithIntent(SessionSpec spec) {
    spec.intent = "register alice";
    return spec;
  }
};

// ---- RevokeGroup ----

TEST_F(GroupsTest, RevokingAGroupRevokesWhatLivesInIt) {
  const Alias group = EndedGroup(3);
  const Alias live = CreateWith({{"a", "1"}}, SpecInGroup(group)).alias;
  ASSERT_OK_AND_ASSIGN(const std::string baton, store().Issue(live));
  const Alias outside = Create().alias;
  Advance(absl::Seconds(1));
  EXPECT_EQ(store().RevokeGroup(group).value(), 1u);
  EXPECT_EQ(Find(live).state, State::kRevoked);
  EXPECT_EQ(Find(live).revoked_at, Now());
  EXPECT_EQ(AttributeRowsOf(live), 0u);
  EXPECT_THAT(store().Verify(baton, "main", "alice"), HasVerdict(Verdict::kRevoked));
  EXPECT_EQ(Find(outside).state, State::kCreated);
  EXPECT_EQ(Members(group).size(), 4u) << "they stay its members";
}

TEST_F(GroupsTest, RevokingAGroupOfOneRevokesThatOne) {
  const Alias group = Create().alias;
  EXPECT_EQ(store().RevokeGroup(group).value(), 1u);
  EXPECT_EQ(Find(group).state, State::kRevoked);
}

TEST_F(GroupsTest, RevokingAGroupWithoutALiveSessionChangesNothing) {
  const Alias group = EndedGroup(3);
  ExpectNoChange([&] { return store().RevokeGroup(group); });
  EXPECT_EQ(store().RevokeGroup(group).value(), 0u);
}

TEST_F(GroupsTest, RevokingAGroupLeavesWhatHasRunOutExpired) {
  const Alias group = EndedGroup(1);
  SessionSpec spec = SpecInGroup(group);
  spec.expires_at = Now() + absl::Minutes(1);
  const Alias run_out = Create(spec).alias;
  Advance(absl::Minutes(1));
  ExpectNoChange([&] { return store().RevokeGroup(group); });
  SweepAll();
  EXPECT_EQ(Find(run_out).state, State::kExpired);
}

TEST_F(GroupsTest, RevokingAGroupTakesAReservationAndKeepsItsIntent) {
  for (const bool first : {false, true}) {
    StartAnew({});
    const Alias group = first ? Alias() : EndedGroup(2);
    const Alias reserved = Reserve(WithIntent(first ? LastingSpec() : SpecInGroup(group))).alias;
    EXPECT_EQ(store().RevokeGroup(first ? reserved : group).value(), 1u);
    EXPECT_EQ(Find(reserved).state, State::kRevoked);
    EXPECT_THAT(store().Create(reserved), HasVerdict(Verdict::kRevoked));
    ASSERT_EQ(store().PendingCompensations()->size(), 1u);
    EXPECT_EQ(store().PendingCompensations()->front().alias, reserved);
    EXPECT_EQ(store().PendingCompensations()->front().intent, "register alice");
    EXPECT_EQ(store().Stats()->reservations, 0u);
    Restart();
    EXPECT_EQ(Find(reserved).state, State::kRevoked) << "it is no reservation any more";
    EXPECT_EQ(store().PendingCompensations()->size(), 1u);
  }
}

TEST_F(GroupsTest, ARevokedGroupCanBeJoined) {
  const Alias group = Create().alias;
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(group)); });
  ASSERT_THAT(store().RevokeGroup(group), IsOk());
  const Alias next = Create(SpecInGroup(group)).alias;
  EXPECT_THAT(Members(group), ElementsAre(group, next));
}

TEST_F(GroupsTest, OnlyTheFirstSessionsAliasNamesAGroup) {
  const Alias group = EndedGroup(1);
  const Alias linked = Create(SpecInGroup(group)).alias;
  for (const Alias other : {linked, Alias(linked.value() + 1), Alias()}) {
    ExpectRefused(Verdict::kUnknownGroup, [&] { return store().RevokeGroup(other); });
    ExpectRefused(Verdict::kUnknownGroup, [&] { return store().GroupMembers(other); });
    ExpectRefused(Verdict::kUnknownGroup, [&] { return store().Reserve(SpecInGroup(other)); });
  }
}

// The reservation that a RevokeAll has ended becomes a tombstone in the transaction that links
// somebody to it, and in no other.
TEST_F(GroupsTest, AKeyPairThatIsTakenWritesNothing) {
  ScriptedKeys keys([](uint64_t draw) { return draw < 3 ? 0 : draw; });
  StartAnew({}, keys);
  const Alias group = Reserve().alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  int commits = 0;
  engine().InjectFaults([&commits](MemoryEngine::Step at) {
    commits += at == MemoryEngine::Step::kCommit;
    return Fault::kNone;
  });
  EXPECT_THAT(store().Reserve(SpecInGroup(group)), IsOk());
  engine().InjectFaults(nullptr);
  EXPECT_EQ(keys.draws(), 4u);
  EXPECT_EQ(commits, 1);
}

TEST_F(GroupsTest, RevokingAGroupIsOneTransaction) {
  const Alias group = EndedGroup(2);
  const Alias live = CreateWith({{"a", "1"}}, SpecInGroup(group)).alias;
  for (int step = 0;; ++step) {
    const MemoryEngine::Rows before = engine().Committed();
    int left = step;
    engine().InjectFaults([&left](MemoryEngine::Step at) {
      const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
      return now ? Fault::kFailed : Fault::kNone;
    });
    const absl::StatusOr<uint64_t> revoked = store().RevokeGroup(group);
    engine().InjectFaults(nullptr);
    if (revoked.ok()) break;
    ASSERT_TRUE(engine().Committed() == before);
    ASSERT_LT(step, 100);
  }
  EXPECT_EQ(Find(live).state, State::kRevoked);
}

// ---- Reservations that come and go ----

TEST_F(GroupsTest, WhenItsLastReservationIsTakenBackAGroupIsAsBefore) {
  enum Way { kAbandoned, kRanOutAndSwept, kRestarted };
  for (const int members : {1, 2, 4}) {
    for (const Way way : {kAbandoned, kRanOutAndSwept, kRestarted}) {
      SCOPED_TRACE(way);
      StartAnew({});
      const Alias group = EndedGroup(members);
      const std::vector<Alias> before = Members(group);
      const MemoryEngine::TableRows rows = engine().Committed()[TableIndex(Table::kGroups)];
      const Alias reserved = Reserve(WithIntent(SpecInGroup(group))).alias;
      ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(group)); });
      if (way == kAbandoned) {
        ASSERT_THAT(store().Abandon(reserved), IsOk());
      }
      if (way == kRanOutAndSwept) {
        Advance(absl::Hours(1));
        SweepAll();
      }
      if (way == kRestarted) Restart();
      EXPECT_EQ(Members(group), before);
      EXPECT_EQ(engine().Committed()[TableIndex(Table::kGroups)], rows);
      const Alias next = Create(SpecInGroup(group)).alias;
      EXPECT_EQ(Members(group).back(), next);
      EXPECT_EQ(Members(group).size(), before.size() + 1);
    }
  }
}

TEST_F(GroupsTest, AReservationThatRanOutBlocksNobodySweptOrNot) {
  const Alias group = EndedGroup(2);
  SessionSpec spec = SpecInGroup(group);
  spec.reserve_for = absl::Minutes(1);
  const Alias run_out = Reserve(spec).alias;
  Advance(absl::Minutes(1));
  const Alias next = Create(spec).alias;
  ExpectRefused(Verdict::kExpired, [&] { return store().Create(run_out); });
  SweepAll();
  EXPECT_EQ(Members(group).back(), next);
  EXPECT_EQ(Members(group).size(), 3u);
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(spec); });
}

TEST_F(GroupsTest, AGroupWhoseFirstWasNeverCreatedGoesWithIt) {
  const Alias first = Reserve().alias;
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(first)); });
  EXPECT_THAT(Members(first), ElementsAre(first));
  ASSERT_THAT(store().Abandon(first), IsOk());
  ExpectRefused(Verdict::kUnknownGroup, [&] { return store().Reserve(SpecInGroup(first)); });
  ExpectRefused(Verdict::kUnknownGroup, [&] { return store().GroupMembers(first); });
}

TEST_F(GroupsTest, MembersAreListedInTheOrderOfLinkingAcrossRestarts) {
  const Alias group = EndedGroup(1);
  std::vector<Alias> expected = {group};
  for (int i = 0; i < 6; ++i) {
    const Alias reserved = Reserve(SpecInGroup(group)).alias;
    ASSERT_THAT(store().Abandon(reserved), IsOk());
    expected.push_back(Create(SpecInGroup(group)).alias);
    ASSERT_THAT(store().Revoke(expected.back()), IsOk());
    if (i % 3 == 0) Restart();
    EXPECT_EQ(Members(group), expected);
  }
  for (const Alias member : expected) EXPECT_EQ(store().GroupOf(member).value(), group);
  EXPECT_EQ(store().Stats()->linked, 6u);
}

TEST_F(GroupsTest, NobodyCanTellThatAMemberCameAndWent) {
  const Alias group = EndedGroup(2);
  Reserve(SpecInGroup(group));
  Restart();
  EXPECT_THAT(*store().PendingCompensations(), IsEmpty());
  EXPECT_EQ(store().RevokeGroup(group).value(), 0u);
  EXPECT_EQ(Members(group).size(), 2u);
}

}  // namespace
}  // namespace batonstore
