// Sweeping: what it tidies up, in what pieces, and that nobody can tell.

#include "batonstore/store/sweep.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::Describe;
using ::testing::ElementsAre;
using testing::FakeClock;
using testing::FileStoreFixture;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::OnThreads;
using testing::SpecInGroup;

constexpr absl::Duration kTick = absl::Microseconds(1);
constexpr absl::Duration kLife = absl::Minutes(10);

class SweepTest : public MemoryStoreFixture {
 protected:
  static constexpr absl::Duration kRetention = absl::Hours(24 * 30);

  SessionSpec Brief() {
    SessionSpec spec = LastingSpec();
    spec.expires_at = Now() + kLife;
    return spec;
  }

  Swept Sweep() {
    const absl::StatusOr<Swept> swept = store().Sweep();
    EXPECT_THAT(swept, IsOk());
    return swept.value_or(Swept());
  }

  void ExpectNothingToSweep() {
    ExpectNoChange([this] { return store().Sweep(); });
    const Swept swept = Sweep();
    EXPECT_EQ(swept.expired + swept.revoked + swept.removed + swept.trimmed, 0u);
    EXPECT_FALSE(swept.more);
  }
};

std::string TextOf(const Swept& swept) {
  return absl::StrCat("expired ", swept.expired, ", revoked ", swept.revoked, ", removed ",
                      swept.removed, swept.more ? ", more" : "");
}

TEST_F(SweepTest, ThereIsNothingToDoWhereNothingIsDue) {
  ExpectNothingToSweep();
  Create();
  Create(Brief());
  Reserve();
  ASSERT_THAT(store().Revoke(Create().alias), IsOk());
  Advance(kLife - kTick);
  ExpectNothingToSweep();
}

TEST_F(SweepTest, WhatHasRunOutIsNotedAndShredded) {
  const Session session = CreateWith({{"a", "1"}}, Brief());
  Advance(kLife);
  const std::string before = Describe(Find(session.alias));
  EXPECT_EQ(store().Stats()->live, 1u);
  EXPECT_EQ(TextOf(Sweep()), "expired 1, revoked 0, removed 0");
  EXPECT_EQ(Describe(Find(session.alias)), before);
  EXPECT_EQ(store().Stats()->live, 0u);
  EXPECT_EQ(AttributeRowsOf(session.alias), 0u);
  ExpectNothingToSweep();
}

TEST_F(SweepTest, AReservationPastItsDeadlineIsRemovedAndItsIntentKept) {
  SessionSpec spec = LastingSpec();
  spec.reserve_for = kLife;
  spec.intent = "register alice";
  const Session reserved = Reserve(spec);
  Advance(kLife - kTick);
  ExpectNothingToSweep();
  Advance(kTick);
  EXPECT_EQ(TextOf(Sweep()), "expired 0, revoked 0, removed 1");
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(reserved.alias); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().Create(reserved.alias); });
  ASSERT_EQ(store().PendingCompensations()->size(), 1u);
  EXPECT_EQ(store().PendingCompensations()->front().intent, "register alice");
  EXPECT_EQ(store().PendingCompensations()->front().at, Now());
  ExpectNothingToSweep();
}

TEST_F(SweepTest, OfAReservationThatIsRemovedNoRowIsLeft) {
  const MemoryEngine::Rows before = engine().Committed();
  SessionSpec spec = LastingSpec();
  spec.idempotency_key = "request";
  spec.idle_timeout = kLife;
  const Alias alias = Reserve(spec).alias;
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("1")}}), IsOk());
  Advance(absl::Hours(1));
  EXPECT_EQ(Sweep().removed, 1u);
  for (const Table table : kAllTables) {
    if (table == Table::kMeta) continue;
    EXPECT_EQ(RowsIn(table), before[TableIndex(table)].size()) << TableName(table);
  }
  EXPECT_GT(Create(spec).alias, alias) << "the request counts as never made, the alias as given";
}

// ---- Retention ----

TEST_F(SweepTest, RevokedAndExpiredAreToldApartUntilTheRetentionEnds) {
  const Alias revoked = Create().alias;
  const Alias shifted = Create().alias;
  const Alias ran_out = Create(Brief()).alias;
  Advance(kLife);
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  ASSERT_THAT(store().Shift(shifted, State::kExpired), IsOk());
  ASSERT_THAT(store().Issue(ran_out), HasVerdict(Verdict::kExpired));
  for (const absl::Duration step :
       {absl::ZeroDuration(), absl::Hours(24), kRetention - absl::Hours(24) - kTick}) {
    Advance(step);
    SweepAll();
    EXPECT_EQ(Find(revoked).state, State::kRevoked);
    EXPECT_EQ(Find(shifted).state, State::kExpired);
    EXPECT_EQ(Find(ran_out).state, State::kExpired);
    ExpectRefused(Verdict::kRevoked, [&] { return store().Issue(revoked); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Issue(ran_out); });
  }
  Advance(kTick);
  EXPECT_EQ(TextOf(Sweep()), "expired 0, revoked 0, removed 3");
  for (const Alias alias : {revoked, shifted, ran_out}) {
    ExpectRefused(Verdict::kNotFound, [&] { return store().Find(alias); });
  }
  ExpectNothingToSweep();
}

TEST_F(SweepTest, RetentionCountsFromTheEndAndNotFromTheSweepThatNotesIt) {
  const Alias alias = Create(Brief()).alias;
  Advance(kLife + kRetention - kTick);
  SweepAll();
  EXPECT_EQ(Find(alias).state, State::kExpired);
  Advance(kTick);
  SweepAll();
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(alias); });
}

TEST_F(SweepTest, WhatIsNotedOnlyAfterItsRetentionIsRemovedAtOnce) {
  const Alias alias = Create(Brief()).alias;
  Advance(kLife + kRetention);
  const Swept swept = SweepAll();
  EXPECT_EQ(TextOf(swept), "expired 1, revoked 0, removed 1");
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(alias); });
}

TEST_F(SweepTest, OfASessionThatIsRemovedNoRowIsLeft) {
  const MemoryEngine::Rows before = engine().Committed();
  SessionSpec spec = Brief();
  spec.idle_timeout = kLife / 2;
  spec.idempotency_key = "request";
  const Session session = CreateWith({{"a", "1"}, {"s", Value::Secret("2")}}, spec);
  Advance(kLife / 4);
  ASSERT_THAT(store().Touch(session.alias), IsOk());
  Advance(kLife + kRetention);
  SweepAll();
  for (const Table table : kAllTables) {
    if (table == Table::kMeta) continue;
    EXPECT_EQ(RowsIn(table), before[TableIndex(table)].size()) << TableName(table);
  }
  ExpectRefused(Verdict::kNotFound, [&] { return store().FindByPublicKey(session.public_key); });
  EXPECT_EQ(store().Count({.principal = "alice"}).value(), 0u);
  EXPECT_EQ(store().Stats()->sessions, 0u);
}

TEST_F(SweepTest, WithoutAnEndOfTheRetentionNothingIsRemoved) {
  StartAnew({.retention = absl::InfiniteDuration()});
  const Alias revoked = Create().alias;
  const Alias ran_out = Create(Brief()).alias;
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  Advance(absl::Hours(24 * 365 * 50));
  EXPECT_EQ(TextOf(SweepAll()), "expired 1, revoked 0, removed 0");
  EXPECT_EQ(Find(revoked).state, State::kRevoked);
  EXPECT_EQ(Find(ran_out).state, State::kExpired);
  EXPECT_EQ(RowsIn(Table::kExpiries), 0u);
}

TEST_F(SweepTest, WithoutRetentionWhatHasEndedIsRemovedByTheNextSweep) {
  StartAnew({.retention = absl::ZeroDuration()});
  const Alias revoked = Create().alias;
  const Alias ran_out = Create(Brief()).alias;
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  EXPECT_EQ(Find(revoked).state, State::kRevoked);
  Advance(kLife);
  EXPECT_EQ(TextOf(SweepAll()), "expired 1, revoked 0, removed 2");
  for (const Alias alias : {revoked, ran_out}) {
    ExpectRefused(Verdict::kNotFound, [&] { return store().Find(alias); });
  }
}

TEST_F(SweepTest, AnIdempotencyKeyIsForgottenWithItsSession) {
  SessionSpec spec = LastingSpec();
  spec.idempotency_key = "request";
  const Alias alias = Create(spec).alias;
  ASSERT_THAT(store().Revoke(alias), IsOk());
  Advance(kRetention - kTick);
  SweepAll();
  EXPECT_EQ(store().ReserveAndCreate(spec)->alias, alias);
  Advance(kTick);
  SweepAll();
  EXPECT_GT(store().ReserveAndCreate(spec)->alias, alias);
}

TEST_F(SweepTest, TheFirstOfAGroupStaysWhileThereAreOthers) {
  const Alias first = Create().alias;
  ASSERT_THAT(store().Revoke(first), IsOk());
  const Alias second = Create(SpecInGroup(first)).alias;
  Advance(kRetention);
  EXPECT_EQ(TextOf(Sweep()), "expired 0, revoked 0, removed 0");
  ExpectNothingToSweep();
  EXPECT_EQ(Find(first).state, State::kRevoked);
  EXPECT_THAT(store().GroupMembers(first).value(), ElementsAre(first, second));

  ASSERT_THAT(store().Revoke(second), IsOk());
  const Alias third = Create(SpecInGroup(first)).alias;
  Advance(kRetention);
  SweepAll();
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(second); });
  EXPECT_THAT(store().GroupMembers(first).value(), ElementsAre(first, third));
  EXPECT_EQ(store().GroupOf(third).value(), first);
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(first)); });

  ASSERT_THAT(store().Revoke(third), IsOk());
  Advance(kRetention);
  SweepAll();
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(third); });
  Advance(absl::Hours(24));  // it is looked at once a day
  SweepAll();
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(first); });
  ExpectRefused(Verdict::kUnknownGroup, [&] { return store().Reserve(SpecInGroup(first)); });
  EXPECT_EQ(RowsIn(Table::kGroups), 0u);
  EXPECT_EQ(RowsIn(Table::kExpiries), 0u);
}

TEST_F(SweepTest, AFirstThatLivesNeedsNobodyToStay) {
  const Alias first = Create().alias;
  Advance(kRetention * 3);
  SweepAll();
  EXPECT_EQ(Find(first).state, State::kCreated);
}

TEST_F(SweepTest, AnExpiredReservationFreesItsGroup) {
  const Alias first = Create().alias;
  ASSERT_THAT(store().Revoke(first), IsOk());
  SessionSpec spec = SpecInGroup(first);
  spec.reserve_for = kLife;
  Reserve(spec);
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(spec); });
  Advance(kLife);
  const Alias second = Create(spec).alias;  // before any sweep
  EXPECT_EQ(Sweep().removed, 1u);
  EXPECT_THAT(store().GroupMembers(first).value(), ElementsAre(first, second));
}

// ---- Pieces ----

TEST_F(SweepTest, WorkComesInPiecesThatSayWhetherThereIsMore) {
  struct Case {
    uint64_t sessions;
    std::vector<std::string> pieces;
  };
  for (const Case& c : std::vector<Case>{
           {255, {"expired 255, revoked 0, removed 0"}},
           {256, {"expired 256, revoked 0, removed 0"}},
           {257, {"expired 256, revoked 0, removed 0, more", "expired 1, revoked 0, removed 0"}},
           {600,
            {"expired 256, revoked 0, removed 0, more", "expired 256, revoked 0, removed 0, more",
             "expired 88, revoked 0, removed 0"}}}) {
    StartAnew({});
    for (uint64_t i = 0; i < c.sessions; ++i) Create(Brief());
    Advance(kLife);
    for (const std::string& expected : c.pieces) EXPECT_EQ(TextOf(Sweep()), expected);
    ExpectNothingToSweep();
    EXPECT_EQ(store().Count({.state = State::kExpired}).value(), c.sessions);

    Advance(kRetention);
    uint64_t removed = 0;
    for (size_t piece = 0; piece < c.pieces.size(); ++piece) {
      const Swept swept = Sweep();
      EXPECT_LE(swept.removed, kSweepSessions);
      EXPECT_EQ(swept.more, piece + 1 < c.pieces.size());
      removed += swept.removed;
    }
    EXPECT_EQ(removed, c.sessions);
    EXPECT_EQ(store().Stats()->sessions, 0u);
    ExpectNothingToSweep();
  }
}

TEST_F(SweepTest, APieceIsBoundedWhateverItIsMadeOf) {
  constexpr uint64_t kEach = 100;
  StartAnew({.retention = kLife});
  SessionSpec bob = LastingSpec();
  bob.principal = "bob";
  for (uint64_t i = 0; i < kEach; ++i) {
    ASSERT_THAT(store().Revoke(Create().alias), IsOk());  // to be removed
    Create(bob);                                          // to be revoked, and removed
    Create(Brief());                                      // to be noted
    SessionSpec reserved = LastingSpec();
    reserved.reserve_for = kLife;
    Reserve(reserved);  // to be removed
  }
  ASSERT_THAT(store().RevokeAll("bob"), IsOk());
  Advance(kLife);
  Swept sum;
  for (bool more = true; more;) {
    const Swept swept = Sweep();
    EXPECT_LE(swept.expired + swept.revoked + swept.removed, kSweepSessions);
    sum.expired += swept.expired;
    sum.revoked += swept.revoked;
    sum.removed += swept.removed;
    more = swept.more;
  }
  EXPECT_EQ(sum.expired, kEach);
  EXPECT_EQ(sum.revoked, kEach);
  EXPECT_EQ(sum.removed, 3 * kEach);
  ExpectNothingToSweep();
  EXPECT_EQ(store().Stats()->sessions, kEach);
}

TEST_F(SweepTest, SessionsWithManyFieldsComeFewerToAPiece) {
  Fields fields;
  for (size_t i = 0; i < kMaxFields; ++i) fields[absl::StrCat("field", i)] = "value";
  for (int i = 0; i < 5; ++i) CreateWith(fields, Brief());
  Advance(kLife);
  // A piece ends with the session that takes it over the rows that it may write.
  EXPECT_EQ(TextOf(Sweep()), "expired 2, revoked 0, removed 0, more");
  EXPECT_EQ(TextOf(Sweep()), "expired 2, revoked 0, removed 0, more");
  EXPECT_EQ(TextOf(Sweep()), "expired 1, revoked 0, removed 0");
  EXPECT_EQ(RowsIn(Table::kAttributes), 0u);

  SessionSpec bob = LastingSpec();
  bob.principal = "bob";
  for (int i = 0; i < 3; ++i) CreateWith(fields, bob);
  ASSERT_THAT(store().RevokeAll("bob"), IsOk());
  EXPECT_EQ(TextOf(Sweep()), "expired 0, revoked 2, removed 0, more");
  EXPECT_EQ(TextOf(Sweep()), "expired 0, revoked 1, removed 0");
  ExpectNothingToSweep();
}

TEST_F(SweepTest, NobodyCanTellHowFarASweepHasCome) {
  constexpr int kSessions = 300;
  std::vector<Alias> aliases;
  for (int i = 0; i < kSessions; ++i) aliases.push_back(Create(Brief()).alias);
  Advance(kLife + absl::Seconds(1));
  std::vector<std::string> before;
  for (const Alias alias : aliases) before.push_back(Describe(Find(alias)));
  for (bool more = true; more;) {
    more = Sweep().more;
    for (int i = 0; i < kSessions; ++i) EXPECT_EQ(Describe(Find(aliases[i])), before[i]);
    EXPECT_EQ(store().Count({.state = State::kExpired}).value(), uint64_t{kSessions});
    Restart();
  }
}

TEST_F(SweepTest, AFaultLeavesThePieceUndone) {
  SessionSpec spec = Brief();
  spec.idle_timeout = kLife;
  CreateWith({{"a", "1"}}, spec);
  ASSERT_THAT(store().Revoke(Create().alias), IsOk());
  SessionSpec bob = LastingSpec();
  bob.principal = "bob";
  Create(bob);
  ASSERT_THAT(store().RevokeAll("bob"), IsOk());
  Advance(kRetention);
  const MemoryEngine::Rows before = engine().Committed();
  for (int step = 0;; ++step) {
    int left = step;
    engine().InjectFaults([&left](MemoryEngine::Step at) {
      const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
      return now ? Fault::kFailed : Fault::kNone;
    });
    const absl::StatusOr<Swept> swept = store().Sweep();
    engine().InjectFaults(nullptr);
    if (swept.ok()) break;
    ASSERT_TRUE(engine().Committed() == before) << "step " << step;
    ASSERT_LT(step, 200);
  }
  ExpectNothingToSweep();
}

// ---- In a real file ----

class SweepFileTest : public FileStoreFixture {
 protected:
  void CreateMany(int number) {
    constexpr int kThreads = 32;
    OnThreads(kThreads, [&](int thread) {
      for (int i = thread; i < number; i += kThreads) Create();
    });
  }

  FakeClock clock_;
};

TEST_F(SweepFileTest, APiecePassesAndDropsSoManyRowsAndNoMore) {
  constexpr uint64_t kSessions = kSweepRows + 300;
  ASSERT_THAT(store().events().AddConsumer("consumer"), IsOk());
  CreateMany(kSessions);
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  uint64_t revoked = 0;
  for (bool more = true; more;) {
    ASSERT_OK_AND_ASSIGN(const Swept swept, store().Sweep());
    revoked += swept.revoked;
    more = swept.more;
  }
  EXPECT_EQ(revoked, kSessions);

  // Tombstones, which a second RevokeAll has to pass, and one session behind them.
  const Alias last = Create().alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  ASSERT_OK_AND_ASSIGN(const Swept first_piece, store().Sweep());
  EXPECT_EQ(first_piece.revoked, 0u);
  EXPECT_TRUE(first_piece.more);
  ASSERT_OK_AND_ASSIGN(const Swept second_piece, store().Sweep());
  EXPECT_EQ(second_piece.revoked, 1u);
  EXPECT_EQ(store().Find(last)->state, State::kRevoked);
  EXPECT_EQ(store().Stats()->revocations, 0u);

  // Events that everybody has read: what does not go at once goes by sweeps.
  const uint64_t events = store().Stats()->events;
  EXPECT_EQ(events, 2 * kSessions + 4);
  ASSERT_THAT(store().events().Acknowledge("consumer", events), IsOk());
  uint64_t left = store().Stats()->events;
  EXPECT_LT(left, events);
  EXPECT_GT(left, kSweepRows) << "the test has too few events";
  while (left > 0) {
    ASSERT_OK_AND_ASSIGN(const Swept swept, store().Sweep());
    EXPECT_EQ(swept.trimmed, std::min(left, kSweepRows));
    left -= swept.trimmed;
    EXPECT_EQ(store().Stats()->events, left);
  }
}

TEST_F(SweepFileTest, AnOpenStoreSweepsByItself) {
  options_.clock = &clock_;
  options_.sweep_every = absl::Milliseconds(1);
  ASSERT_NO_FATAL_FAILURE(Open());
  SessionSpec spec = LastingSpec();
  spec.expires_at = clock_.Wall() + kLife;
  const Session session = Create(spec);
  SessionSpec reserved = LastingSpec();
  reserved.intent = "intent";
  reserved.reserve_for = kLife;
  ASSERT_THAT(store().Reserve(reserved), IsOk());
  EXPECT_EQ(store().Stats()->live, 2u);
  clock_.Advance(kLife);
  while (store().Stats()->live > 0) std::this_thread::yield();
  EXPECT_EQ(store().PendingCompensations()->size(), 1u);
  clock_.Advance(options_.policy.retention);
  while (store().Find(session.alias).ok()) std::this_thread::yield();
  EXPECT_THAT(store().Find(session.alias), HasVerdict(Verdict::kNotFound));
  Close();  // before its clock
}

TEST_F(SweepFileTest, AnOpenStoreWithALongBacklogSweepsItWithoutPauses) {
  constexpr int kSessions = 1000;
  options_.clock = &clock_;
  ASSERT_NO_FATAL_FAILURE(Open());
  CreateMany(kSessions);
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  options_.sweep_every = absl::Milliseconds(100);
  ASSERT_NO_FATAL_FAILURE(Open());
  while (store().Stats()->live > 0) std::this_thread::yield();
  Close();
}

TEST_F(SweepFileTest, ClosingDoesNotWaitForTheNextSweep) {
  options_.sweep_every = absl::Hours(24 * 365);
  ASSERT_NO_FATAL_FAILURE(Open());
  Close();  // or the test times out
}

TEST_F(SweepFileTest, AnIntervalOfCenturiesIsNotNone) {
  options_.clock = &clock_;
  options_.sweep_every = absl::Hours(24 * 365) * 1000;
  ASSERT_NO_FATAL_FAILURE(Open());
  SessionSpec spec = LastingSpec();
  spec.expires_at = clock_.Wall() + kLife;
  Create(spec);
  clock_.Advance(kLife);
  for (int i = 0; i < 200; ++i) Create();  // gives a thread that does not wait the time to sweep
  EXPECT_EQ(store().Stats()->live, 201u);
  Close();
}

TEST_F(SweepFileTest, SweepsBesideEverythingElseDisturbNobody) {
  constexpr int kThreads = 8;
  options_.clock = &clock_;
  options_.sweep_every = absl::Microseconds(100);
  options_.policy.retention = absl::Milliseconds(1);
  ASSERT_NO_FATAL_FAILURE(Open());
  OnThreads(kThreads, [&](int thread) {
    for (int i = 0; i < 50; ++i) {
      if (thread == 0) {
        clock_.Advance(absl::Milliseconds(1));
        continue;
      }
      const Alias alias = Create().alias;
      EXPECT_THAT(store().Merge(alias, {{"n", Change::Add(1)}}), IsOk());
      EXPECT_EQ(store().Find(alias)->state, State::kCreated);
      EXPECT_THAT(store().Revoke(alias), IsOk());
      const absl::StatusOr<Session> found = store().Find(alias);
      if (found.ok()) {
        EXPECT_EQ(found->state, State::kRevoked);
      } else {
        EXPECT_THAT(found, HasVerdict(Verdict::kNotFound));
      }
    }
  });
  clock_.Advance(absl::Seconds(1));
  while (store().Stats()->sessions > 0) std::this_thread::yield();
  Close();
}

}  // namespace
}  // namespace batonstore
