#include "batonstore/tools/demo_ledger.h"

#include <limits.h>

#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::IsOk;
using batonstore::testing::LastingSpec;
using batonstore::testing::MemoryStore;
using batonstore::testing::ScriptedKeys;
using Kind = DemoEvent::Kind;

TEST(DemoEventTest, ComesBackFromItsLine) {
  const std::string line = DemoEvent{Kind::kReserved, Alias(7), std::string(65, '\xab')}.ToLine();
  EXPECT_LT(line.size(), size_t{PIPE_BUF} / 2) << "two lines must fit into one write";
  const std::optional<DemoEvent> event = DemoEvent::Parse(line.substr(0, line.size() - 1));
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->kind, Kind::kReserved);
  EXPECT_EQ(event->alias, Alias(7));
  EXPECT_EQ(event->public_key, std::string(65, '\xab'));
}

TEST(DemoEventTest, RubbishIsNoEvent) {
  for (const char* line : {"", "created", "created 0000000000000007", "made 0000000000000007 ",
                           "created 7 ", "created 0000000000000007 xy"}) {
    EXPECT_FALSE(DemoEvent::Parse(line).has_value()) << line;
  }
}

// A store, and a ledger that notes what the store says, or what a test makes it say.
class DemoLedgerTest : public ::testing::Test {
 protected:
  Session Reserve() {
    const absl::StatusOr<Session> session = store_->Reserve(LastingSpec());
    EXPECT_THAT(session, IsOk());
    Note(Kind::kReserved, *session);
    return *session;
  }
  Session Create() {
    const Session session = Reserve();
    EXPECT_THAT(store_->Create(session.alias), IsOk());
    Note(Kind::kCreated, session);
    return session;
  }
  void Note(Kind kind, const Session& session) {
    ledger_.Record({kind, session.alias, kind == Kind::kReserved ? session.public_key : ""});
  }

  // Of the store as it is opened again after a kill.
  DemoResult Check() {
    MemoryStore again(store_.Crash());
    return CheckIn(*again);
  }
  DemoResult CheckIn(const SessionStore& store) {
    uint64_t steps = 0;
    DemoResult result = ledger_.Check(store, [&steps] { ++steps; });
    EXPECT_EQ(steps, ledger_.size());
    EXPECT_THAT(result.error, IsOk());
    return result;
  }

  MemoryStore store_;
  DemoLedger ledger_;
};

TEST_F(DemoLedgerTest, KeptPromisesCountAsKept) {
  Create();
  Reserve();
  const Session abandoned = Reserve();
  ASSERT_THAT(store_->Abandon(abandoned.alias), IsOk());
  Note(Kind::kAbandoned, abandoned);
  const Session revoked = Create();
  Note(Kind::kRevoking, revoked);
  ASSERT_THAT(store_->Revoke(revoked.alias), IsOk());
  Note(Kind::kRevoked, revoked);
  EXPECT_EQ(Check().ToLine(),
            "demo: ok acknowledged=2 lost=0 reserved_left=0 duplicate_aliases=0 "
            "forged_accepted=0 replays_accepted=0 thefts_accepted=0 rolled_back=0");
}

TEST_F(DemoLedgerTest, WhatWasUnderWayMayHaveHappenedOrNot) {
  const Session reserved = Reserve();
  ASSERT_THAT(store_->Create(reserved.alias), IsOk());  // killed before the acknowledgement
  const Session spared = Create();
  Note(Kind::kRevoking, spared);
  const Session hit = Create();
  Note(Kind::kRevoking, hit);
  ASSERT_THAT(store_->Revoke(hit.alias), IsOk());
  EXPECT_TRUE(Check().ok());
}

TEST_F(DemoLedgerTest, CountsACreationThatIsMissing) {
  const Session session = Reserve();
  Note(Kind::kCreated, session);  // which it was not
  const DemoResult result = Check();
  EXPECT_EQ(result.acknowledged, 1u);
  EXPECT_EQ(result.lost, 1u);
}

TEST_F(DemoLedgerTest, CountsASessionWithAnotherPublicKey) {
  Session session = Create();
  session.public_key[0] ^= 1;
  DemoLedger tampered;
  tampered.Record({Kind::kReserved, session.alias, session.public_key});
  tampered.Record({Kind::kCreated, session.alias, ""});
  EXPECT_EQ(tampered.Check(*store_, [] {}).lost, 1u);
}

TEST_F(DemoLedgerTest, CountsAPrivateKeyOfAnotherPair) {
  ScriptedKeys unreal([](uint64_t draw) { return draw; });  // pairs that do not belong together
  MemoryStore store(unreal);
  ASSERT_OK_AND_ASSIGN(const Session session, store->ReserveAndCreate(LastingSpec()));
  Note(Kind::kReserved, session);
  Note(Kind::kCreated, session);
  EXPECT_EQ(CheckIn(*store).lost, 1u);
}

TEST_F(DemoLedgerTest, CountsARevokedSessionThatRevived) {
  const Session session = Create();
  Note(Kind::kRevoking, session);
  Note(Kind::kRevoked, session);  // which it was not
  EXPECT_EQ(Check().lost, 1u);
}

TEST_F(DemoLedgerTest, CountsARevocationThatNobodyAskedFor) {
  const Session session = Create();
  ASSERT_THAT(store_->Revoke(session.alias), IsOk());
  EXPECT_EQ(Check().lost, 1u);
}

TEST_F(DemoLedgerTest, CountsAnAbandonedReservationThatCameBack) {
  const Session session = Create();
  Note(Kind::kAbandoned, session);  // which it was not
  EXPECT_EQ(Check().lost, 1u);
}

TEST_F(DemoLedgerTest, CountsWhatIsStillReserved) {
  Reserve();
  Reserve();
  const DemoResult result = CheckIn(*store_);  // without a recovery
  EXPECT_EQ(result.reserved_left, 2u);
  EXPECT_EQ(result.lost, 0u) << "counted once";
}

TEST_F(DemoLedgerTest, CountsAnAliasThatWasGivenTwice) {
  const Session session = Reserve();
  Note(Kind::kReserved, session);
  EXPECT_EQ(Check().duplicate_aliases, 1u);
}

}  // namespace
}  // namespace batonstore::tools
