// When sessions end by themselves: to the microsecond, and whether or not anybody sweeps.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::SpecInGroup;

constexpr absl::Duration kTick = absl::Microseconds(1);
constexpr absl::Duration kLife = absl::Minutes(10);

class ExpiryTest : public MemoryStoreFixture {
 protected:
  SessionSpec Absolute(absl::Duration life = kLife) {
    SessionSpec spec = LastingSpec();
    spec.expires_at = Now() + life;
    return spec;
  }
  static SessionSpec Idle(absl::Duration timeout = kLife) {
    SessionSpec spec = LastingSpec();
    spec.idle_timeout = timeout;
    return spec;
  }
  static SessionSpec ReservedFor(absl::Duration duration) {
    SessionSpec spec = LastingSpec();
    spec.reserve_for = duration;
    return spec;
  }

  Session Touch(Alias alias) {
    const absl::StatusOr<Session> touched = store().Touch(alias);
    EXPECT_THAT(touched, IsOk());
    return touched.value_or(Session());
  }

  // Every read and every turn sees a Created session.
  void ExpectAlive(const Session& session, const std::string& baton) {
    const Alias alias = session.alias;
    EXPECT_EQ(Find(alias).state, State::kCreated);
    EXPECT_EQ(store().FindByPublicKey(session.public_key)->state, State::kCreated);
    EXPECT_EQ(store().List({.state = State::kCreated}, 10)->sessions.size(), 1u);
    EXPECT_EQ(store().Count({.state = State::kExpired}).value(), 0u);
    EXPECT_THAT(store().Verify(baton, "main", "alice"), IsOk());
    EXPECT_THAT(store().Issue(alias), IsOk());
    EXPECT_THAT(store().Load(alias), IsOk());
    EXPECT_THAT(store().Secret(alias, "s"), IsOk());
    EXPECT_THAT(store().PrivateKey(alias), IsOk());
    EXPECT_THAT(store().Merge(alias, {{"n", Change::Add(1)}}), IsOk());
    ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(alias)); });
  }

  // Every read and every turn sees an Expired one.
  void ExpectExpired(const Session& session, const std::string& baton, absl::Time deadline) {
    const Alias alias = session.alias;
    const Session found = Find(alias);
    EXPECT_EQ(found.state, State::kExpired);
    EXPECT_EQ(found.deadline, deadline);
    EXPECT_EQ(found.revoked_at, std::nullopt);
    EXPECT_EQ(store().FindByPublicKey(session.public_key)->state, State::kExpired);
    EXPECT_EQ(store().List({.state = State::kExpired}, 10)->sessions.size(), 1u);
    EXPECT_EQ(store().List({.state = State::kCreated}, 10)->sessions.size(), 0u);
    EXPECT_EQ(store().Count({.state = State::kExpired, .principal = "alice"}).value(), 1u);
    ExpectRefused(Verdict::kExpired, [&] { return store().Verify(baton, "main", "alice"); });
    ExpectRefused(Verdict::kWrongPrincipal, [&] { return store().Verify(baton, "main", "eve"); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Issue(alias); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Load(alias); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Secret(alias, "s"); });
    ExpectRefused(Verdict::kExpired, [&] { return store().SaveIf(alias, 2, {}); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Merge(alias, {{"n", Change::Add(1)}}); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Touch(alias); });
    ExpectRefused(Verdict::kExpired, [&] { return store().PrivateKey(alias); });
    ExpectRefused(Verdict::kExpired, [&] { return store().SetRemotePublicKey(alias, "key"); });
    ExpectRefused(Verdict::kExpired, [&] { return store().CycleKey(alias); });
    ExpectRefused(Verdict::kExpired, [&] { return store().RevokeAllExcept("alice", alias); });
    ExpectRefused(Verdict::kIllegalShift, [&] { return store().Revoke(alias); });
    ExpectRefused(Verdict::kIllegalShift, [&] { return store().Create(alias); });
    ExpectRefused(Verdict::kIllegalShift, [&] { return store().Abandon(alias); });
    ExpectNoChange([&] { return store().RevokeGroup(alias); });
    EXPECT_EQ(store().RevokeGroup(alias).value(), 0u);
  }
};

// ---- Deadlines, to the microsecond ----

TEST_F(ExpiryTest, ASessionLivesUntilItsDeadlineAndEndsAtItSweptOrNot) {
  for (const bool idle : {false, true}) {
    for (const bool swept : {false, true}) {
      for (const absl::Duration after : {absl::ZeroDuration(), kTick, absl::Hours(100)}) {
        SCOPED_TRACE(absl::StrCat(idle ? "idle" : "absolute", swept ? ", swept" : "", ", ",
                                  absl::FormatDuration(after), " after"));
        StartAnew({});
        const Session session = CreateWith({{"s", Value::Secret("1")}}, idle ? Idle() : Absolute());
        ASSERT_OK_AND_ASSIGN(const std::string baton, store().Issue(session.alias));
        const absl::Time deadline = Now() + kLife;
        EXPECT_EQ(session.deadline, deadline);
        Advance(kLife - kTick);
        if (swept) SweepAll();
        ExpectAlive(session, baton);
        Advance(kTick + after);
        if (swept) SweepAll();
        ExpectExpired(session, baton, deadline);
        EXPECT_THAT(store().ReserveAndCreate(SpecInGroup(session.alias)), IsOk());
      }
    }
  }
}

TEST_F(ExpiryTest, TheEarlierOfTwoDeadlinesCounts) {
  SessionSpec spec = Absolute(absl::Minutes(30));
  spec.idle_timeout = absl::Minutes(20);
  const Alias alias = Create(spec).alias;
  EXPECT_EQ(Find(alias).deadline, Now() + absl::Minutes(20));
  Advance(absl::Minutes(15));
  EXPECT_EQ(Touch(alias).deadline, spec.expires_at) << "a touch does not reach past the absolute";
  Advance(absl::Minutes(15) - kTick);
  EXPECT_EQ(Find(alias).state, State::kCreated);
  Advance(kTick);
  EXPECT_EQ(Find(alias).state, State::kExpired);
  EXPECT_EQ(Find(alias).deadline, spec.expires_at);
}

TEST_F(ExpiryTest, WhatNeverEndsHasNoDeadlineAndNoSweepFindsIt) {
  const Alias alias = Create().alias;
  EXPECT_EQ(Find(alias).deadline, absl::InfiniteFuture());
  EXPECT_EQ(Find(alias).idle_timeout, absl::InfiniteDuration());
  EXPECT_EQ(RowsIn(Table::kExpiries), 0u);
  Advance(absl::Hours(24 * 365 * 100));
  ExpectNoChange([&] { return store().Sweep(); });
  EXPECT_EQ(Find(alias).state, State::kCreated);
  ExpectNoChange([&] { return store().Touch(alias); });
}

TEST_F(ExpiryTest, AnAbsurdlyFarDeadlineIsKeptAndNeverComesDue) {
  SessionSpec spec = Idle(absl::Hours(24 * 365) * 280'000);
  spec.expires_at = absl::FromCivil(absl::CivilSecond(200'000, 1, 1), absl::UTCTimeZone());
  const Alias alias = Create(spec).alias;
  EXPECT_EQ(Find(alias).deadline, spec.expires_at);
  Advance(absl::Hours(24 * 365 * 100));
  ExpectNoChange([&] { return store().Sweep(); });
  EXPECT_EQ(Find(alias).state, State::kCreated);
  EXPECT_THAT(store().Touch(alias), IsOk());
  EXPECT_THAT(store().Revoke(alias), IsOk());
}

TEST_F(ExpiryTest, TimeoutsAreAMicrosecondOrMore) {
  for (const absl::Duration bad : {absl::ZeroDuration(), absl::Nanoseconds(999), -absl::Seconds(1),
                                   -absl::InfiniteDuration()}) {
    ExpectRefused(Verdict::kInvalid, [&] { return store().ReserveAndCreate(Idle(bad)); });
    ExpectRefused(Verdict::kInvalid, [&] { return store().Reserve(ReservedFor(bad)); });
  }
  const Alias idle = Create(Idle(kTick)).alias;
  EXPECT_EQ(Find(idle).state, State::kCreated);
  const Alias reserved = Reserve(ReservedFor(kTick)).alias;
  EXPECT_EQ(Find(reserved).state, State::kReserved);
  Advance(kTick);
  EXPECT_EQ(Find(idle).state, State::kExpired);
  EXPECT_EQ(Find(reserved).state, State::kExpired);
}

TEST_F(ExpiryTest, TimeoutsAreKeptInWholeMicroseconds) {
  const Session session = Create(Idle(kTick * 7 + absl::Nanoseconds(999)));
  EXPECT_EQ(session.idle_timeout, kTick * 7);
  EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
}

// ---- Touching ----

TEST_F(ExpiryTest, ATouchStartsTheIdleClockAnew) {
  const Alias alias = Create(Idle()).alias;
  for (int i = 0; i < 3; ++i) {
    Advance(kLife - kTick);
    EXPECT_EQ(Touch(alias).deadline, Now() + kLife);
  }
  Advance(kLife - kTick);
  EXPECT_EQ(Find(alias).state, State::kCreated);
  Advance(kTick);
  EXPECT_EQ(Find(alias).state, State::kExpired);
  ExpectRefused(Verdict::kExpired, [&] { return store().Touch(alias); });
}

TEST_F(ExpiryTest, NothingButATouchStartsItAnew) {
  const Alias alias = CreateWith({{"a", "1"}}, Idle()).alias;
  Advance(kLife - kTick);
  ASSERT_THAT(store().Load(alias), IsOk());
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("2")}}), IsOk());
  ASSERT_THAT(store().Issue(alias), IsOk());
  ASSERT_THAT(store().SetRemotePublicKey(alias, "key"), IsOk());
  Advance(kTick);
  EXPECT_EQ(Find(alias).state, State::kExpired);
}

TEST_F(ExpiryTest, AThousandTouchesOverOneTimeoutAreAtMost17Writes) {
  constexpr int kTouches = 1000;
  for (const absl::Duration timeout :
       {absl::Minutes(30), absl::Milliseconds(50), absl::Hours(720)}) {
    for (int session = 0; session < 5; ++session) {
      const Alias alias = Create(Idle(timeout)).alias;
      const uint64_t writes = CommitsOf([&] {
        for (int i = 0; i < kTouches; ++i) {
          Advance(timeout / kTouches);
          Touch(alias);
        }
      });
      EXPECT_LE(writes, 16u + 1u);
      EXPECT_GE(writes, 7u) << "an eighth at a time, at the least";
      EXPECT_EQ(Find(alias).state, State::kCreated);
    }
  }
}

TEST_F(ExpiryTest, ASessionThatIsTouchedSteadilyNeverExpires) {
  for (const absl::Duration interval :
       {kLife / 1000, kLife / 17, kLife / 16, kLife / 9, kLife / 8, kLife / 2, kLife * 7 / 8}) {
    SCOPED_TRACE(absl::FormatDuration(interval));
    StartAnew({});
    std::vector<Alias> aliases;
    for (int i = 0; i < 10; ++i) aliases.push_back(Create(Idle()).alias);
    for (absl::Duration passed; passed < 5 * kLife; passed += interval) {
      Advance(interval);
      for (const Alias alias : aliases) ASSERT_THAT(store().Touch(alias), IsOk());
    }
    EXPECT_EQ(SweepAll().expired, 0u);
  }
}

TEST_F(ExpiryTest, ASessionEndsUpToAnEighthEarlierThanItsLastTouchSaysAndNoMore) {
  std::mt19937 random(1);
  std::map<Alias, absl::Time> touched;
  for (int i = 0; i < 50; ++i) touched[Create(Idle()).alias] = Now();
  for (int round = 0; round < 200; ++round) {
    Advance(kLife * static_cast<double>(random() % 1000) / 8000);
    for (auto& [alias, at] : touched) {
      if (random() % 3 == 0) {
        const absl::StatusOr<Session> session = store().Touch(alias);
        if (!session.ok()) continue;
        at = Now();
        EXPECT_EQ(session->deadline, Find(alias).deadline);
      }
      const absl::Time deadline = Find(alias).deadline;
      EXPECT_LE(deadline, at + kLife);
      EXPECT_GE(deadline, at + kLife * 7 / 8 - kTick);
    }
  }
}

TEST_F(ExpiryTest, ATouchTooSoonIsNotWrittenDown) {
  const Alias alias = Create(Idle()).alias;
  const absl::Time deadline = Find(alias).deadline;
  Advance(kLife / 16 - kTick);
  ExpectNoChange([&] { return store().Touch(alias); });
  EXPECT_EQ(Touch(alias).deadline, deadline);
  Advance(kLife / 16 + 2 * kTick);
  EXPECT_EQ(Touch(alias).deadline, Now() + kLife);
}

TEST_F(ExpiryTest, SessionsOfOneMomentDoNotAllWriteAtOneTouch) {
  constexpr int kSessions = 200;
  constexpr int kTouches = 1000;
  std::vector<Alias> aliases;
  for (int i = 0; i < kSessions; ++i) aliases.push_back(Create(Idle()).alias);
  uint64_t most = 0;
  int touches_with_writes = 0;
  uint64_t writes = 0;
  for (int touch = 1; touch <= kTouches / 8 + 1; ++touch) {
    Advance(kLife / kTouches);
    const uint64_t now = CommitsOf([&] {
      for (const Alias alias : aliases) Touch(alias);
    });
    if (touch < kTouches / 16) {
      EXPECT_EQ(now, 0u);
    }
    most = std::max(most, now);
    writes += now;
    touches_with_writes += now > 0;
  }
  EXPECT_GE(writes, uint64_t{kSessions}) << "each has to write by an eighth";
  EXPECT_LE(most, uint64_t{kSessions} / 10) << "they write together";
  EXPECT_GE(touches_with_writes, kTouches / 16 / 2) << "they are not spread over the time there is";
}

TEST_F(ExpiryTest, OnceTheAbsoluteDeadlineCountsATouchWritesNothing) {
  SessionSpec spec = Absolute(kLife);
  spec.idle_timeout = kLife / 2;
  const Alias alias = Create(spec).alias;
  for (int i = 0; i < 2; ++i) {
    Advance(kLife * 3 / 8);
    Touch(alias);
  }
  EXPECT_EQ(Find(alias).deadline, spec.expires_at);
  ExpectNoChange([&] { return store().Touch(alias); });
  Advance(kLife / 8);
  ExpectNoChange([&] { return store().Touch(alias); });
}

TEST_F(ExpiryTest, ATouchThatWasWrittenSurvivesACrash) {
  const Alias alias = Create(Idle()).alias;
  Advance(kLife / 2);
  const absl::Time deadline = Touch(alias).deadline;
  Restart();
  EXPECT_EQ(Find(alias).deadline, deadline);
  Advance(kLife - kTick);
  EXPECT_EQ(Find(alias).state, State::kCreated);
  Advance(kTick);
  EXPECT_EQ(Find(alias).state, State::kExpired);
}

TEST_F(ExpiryTest, ATouchOfWhatIsNotCreatedIsRefused) {
  const Alias reserved = Reserve(Idle()).alias;
  ExpectRefused(Verdict::kReserved, [&] { return store().Touch(reserved); });
  const Alias revoked = Create(Idle()).alias;
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  ExpectRefused(Verdict::kRevoked, [&] { return store().Touch(revoked); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().Touch(Alias(revoked.value() + 1)); });
}

TEST_F(ExpiryTest, AFaultDuringATouchLeavesTheDeadlineAsItWas) {
  const Alias alias = Create(Idle()).alias;
  Advance(kLife / 2);
  const MemoryEngine::Rows before = engine().Committed();
  bool done = false;
  for (int step = 0; !done; ++step) {
    int left = step;
    engine().InjectFaults([&left](MemoryEngine::Step at) {
      const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
      return now ? Fault::kFailed : Fault::kNone;
    });
    done = store().Touch(alias).ok();
    engine().InjectFaults(nullptr);
    EXPECT_EQ(engine().Committed() == before, !done);
    ASSERT_LT(step, 20);
  }
}

// ---- Reservations ----

TEST_F(ExpiryTest, AReservationCanBeCreatedUntilItsDeadlineAndNotAtIt) {
  for (const absl::Duration reserve_for : {kTick, kLife, absl::Hours(1)}) {
    const Alias in_time = Reserve(ReservedFor(reserve_for)).alias;
    const Alias late = Reserve(ReservedFor(reserve_for)).alias;
    EXPECT_EQ(Find(late).deadline, Now() + reserve_for);
    Advance(reserve_for - kTick);
    EXPECT_EQ(Find(late).state, State::kReserved);
    EXPECT_THAT(store().Create(in_time), IsOk());
    Advance(kTick);
    EXPECT_EQ(Find(late).state, State::kExpired);
    EXPECT_EQ(Find(in_time).state, State::kCreated);
    EXPECT_EQ(Find(in_time).deadline, absl::InfiniteFuture());
    ExpectRefused(Verdict::kExpired, [&] { return store().Create(late); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Shift(late, State::kCreated); });
    ExpectRefused(Verdict::kExpired, [&] { return store().Load(late); });
    ExpectRefused(Verdict::kExpired, [&] {
      return store().Merge(late, {{"a", Change::Set("1")}});
    });
    ExpectRefused(Verdict::kExpired, [&] { return store().PrivateKey(late); });
    ExpectRefused(Verdict::kIllegalShift, [&] { return store().Revoke(late); });
    EXPECT_THAT(store().Abandon(late), IsOk());
  }
}

TEST_F(ExpiryTest, ByDefaultAReservationWaitsForAnHour) {
  const Alias alias = Reserve().alias;
  Advance(absl::Hours(1) - kTick);
  EXPECT_EQ(Find(alias).state, State::kReserved);
  Advance(kTick);
  EXPECT_EQ(Find(alias).state, State::kExpired);
}

TEST_F(ExpiryTest, AReservationWithoutADeadlineWaitsAsLongAsItsOwner) {
  const Alias alias = Reserve(ReservedFor(absl::InfiniteDuration())).alias;
  Advance(absl::Hours(24 * 365));
  SweepAll();
  EXPECT_EQ(Find(alias).state, State::kReserved);
  Restart();
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(alias); });
}

TEST_F(ExpiryTest, ASessionsOwnDeadlineEndsItsReservationToo) {
  const Alias alias = Reserve(Absolute(absl::Minutes(5))).alias;
  EXPECT_EQ(Find(alias).deadline, Now() + absl::Minutes(5));
  Advance(absl::Minutes(5));
  ExpectRefused(Verdict::kExpired, [&] { return store().Create(alias); });
}

TEST_F(ExpiryTest, TheIdleClockStartsWhenAReservationIsCreated) {
  SessionSpec spec = Idle(absl::Minutes(1));
  const Alias alias = Reserve(spec).alias;
  Advance(absl::Minutes(59));
  ASSERT_THAT(store().Create(alias), IsOk()) << "a reservation is not idle";
  EXPECT_EQ(Find(alias).deadline, Now() + absl::Minutes(1));
  Advance(absl::Minutes(1) - kTick);
  EXPECT_EQ(Find(alias).state, State::kCreated);
  Advance(kTick);
  EXPECT_EQ(Find(alias).state, State::kExpired);
}

TEST_F(ExpiryTest, CreateAnswersTheSameDeadlineAsFind) {
  for (const SessionSpec& spec : {LastingSpec(), Absolute(), Idle()}) {
    const Alias alias = Reserve(spec).alias;
    ASSERT_OK_AND_ASSIGN(const Session created, store().Shift(alias, State::kCreated));
    EXPECT_EQ(Describe(created), Describe(Find(alias)));
    EXPECT_EQ(created.deadline, Find(alias).deadline);
  }
}

// ---- The wall clock ----

TEST_F(ExpiryTest, AWallClockThatJumpsAheadExpiresNobody) {
  const Session session = CreateWith({{"s", Value::Secret("1")}}, Absolute());
  const Alias idle = Create(Idle()).alias;
  const Alias reserved = Reserve(ReservedFor(kLife)).alias;
  clock().JumpWall(absl::Hours(24 * 365));
  EXPECT_EQ(Find(session.alias).state, State::kCreated);
  EXPECT_EQ(Find(idle).state, State::kCreated);
  EXPECT_EQ(Find(reserved).state, State::kReserved);
  ExpectNoChange([&] { return store().Sweep(); });
  Advance(kLife - kTick);
  EXPECT_EQ(Find(session.alias).state, State::kCreated);
  Advance(kTick);
  EXPECT_EQ(Find(session.alias).state, State::kExpired);
  EXPECT_EQ(Find(idle).state, State::kExpired);
}

TEST_F(ExpiryTest, AWallClockThatIsSetBackRevivesNobody) {
  const Alias alias = Create(Absolute()).alias;
  Advance(kLife);
  clock().JumpWall(-absl::Hours(24 * 365));
  EXPECT_EQ(Find(alias).state, State::kExpired);
  SweepAll();
  EXPECT_EQ(Find(alias).state, State::kExpired);
  ExpectRefused(Verdict::kInvalid, [&] { return store().AdoptWallClock(); });
  Restart();
  EXPECT_EQ(Find(alias).state, State::kExpired) << "time does not run back over a restart";
}

TEST_F(ExpiryTest, AWallClockThatIsAdoptedCounts) {
  const Alias absolute = Create(Absolute()).alias;
  const Alias idle = Create(Idle()).alias;
  clock().JumpWall(kLife);
  ASSERT_THAT(store().AdoptWallClock(), IsOk());
  EXPECT_EQ(Find(absolute).state, State::kExpired);
  EXPECT_EQ(Find(idle).state, State::kExpired);
}

TEST_F(ExpiryTest, ARestartGoesByTheWallClock) {
  const Alias alias = Create(Absolute()).alias;
  clock().JumpWall(kLife);
  EXPECT_EQ(Find(alias).state, State::kCreated);
  Restart();
  EXPECT_EQ(Find(alias).state, State::kExpired);
}

}  // namespace
}  // namespace batonstore
