// RevokeAll: one row that ends all sessions of a principal at once, swept or not.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using ::testing::ElementsAre;
using testing::FileStoreFixture;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::SpecInGroup;

SessionSpec SpecOf(const std::string& principal) {
  SessionSpec spec = LastingSpec();
  spec.principal = principal;
  return spec;
}

class RevokeAllTest : public MemoryStoreFixture {
 protected:
  Session Bob() { return Create(SpecOf("bob")); }

  Session CreateWithFieldsAndIdle() {
    SessionSpec spec = LastingSpec();
    spec.idle_timeout = absl::Hours(1);
    return CreateWith({{"a", "1"}, {"s", Value::Secret("2")}}, spec);
  }

  SessionSpec Brief() {
    SessionSpec spec = LastingSpec();
    spec.expires_at = Now() + absl::Hours(1);
    return spec;
  }

  SessionSpec WithIntent() {
    SessionSpec spec = LastingSpec();
    spec.intent = "register alice";
    return spec;
  }
};

TEST_F(RevokeAllTest, WritesOneRowWhateverTheNumberOfSessions) {
  std::set<int> puts_needed;
  for (const int number : {0, 1, 10, 100}) {
    StartAnew({});
    for (int i = 0; i < number; ++i) Create();
    MemoryEngine::Rows before = engine().Committed();
    int puts = 0;
    int deletes = 0;
    engine().InjectFaults([&](MemoryEngine::Step step) {
      puts += step == MemoryEngine::Step::kPut;
      deletes += step == MemoryEngine::Step::kDelete;
      return Fault::kNone;
    });
    ASSERT_THAT(store().RevokeAll("alice"), IsOk());
    engine().InjectFaults(nullptr);
    MemoryEngine::Rows after = engine().Committed();
    EXPECT_EQ(after[TableIndex(Table::kRevoked)].size(), 1u);
    after[TableIndex(Table::kRevoked)].clear();
    for (MemoryEngine::Rows* rows : {&before, &after}) {
      (*rows)[TableIndex(Table::kMeta)].erase(std::string(meta::kRoot));
    }
    EXPECT_TRUE(after == before) << "something else was written, for " << number << " sessions";
    EXPECT_EQ(deletes, 0);
    puts_needed.insert(puts);
  }
  EXPECT_EQ(puts_needed.size(), 1u) << "the cost depends on the number of sessions";
}

TEST_F(RevokeAllTest, EveryCallHonoursItFromThatMomentOn) {
  const Session session = CreateWithFieldsAndIdle();
  ASSERT_OK_AND_ASSIGN(const std::string baton, store().Issue(session.alias));
  Advance(absl::Seconds(1));
  const absl::Time moment = Now();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Advance(absl::Seconds(1));

  for (const bool swept : {false, true}) {
    SCOPED_TRACE(swept ? "swept" : "not swept");
    const Alias alias = session.alias;
    if (swept) SweepAll();
    const Session found = Find(alias);
    EXPECT_EQ(found.state, State::kRevoked);
    EXPECT_EQ(found.revoked_at, moment);
    EXPECT_EQ(found.deadline, moment);
    EXPECT_EQ(Describe(*store().FindByPublicKey(session.public_key)), Describe(found));
    EXPECT_EQ(store().Count({.state = State::kRevoked}).value(), 1u);
    EXPECT_EQ(store().Count({.state = State::kCreated}).value(), 0u);
    EXPECT_EQ(store().List({.state = State::kRevoked, .principal = "alice"}, 10)->sessions.size(),
              1u);
    ExpectRefused(Verdict::kRevoked, [&] { return store().Issue(alias); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().Verify(baton, "main", "alice"); });
    ExpectRefused(Verdict::kWrongPrincipal, [&] { return store().Verify(baton, "main", "bob"); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().PrivateKey(alias); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().SetRemotePublicKey(alias, "key"); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().Touch(alias); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().CycleKey(alias); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().Load(alias); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().Secret(alias, "s"); });
    ExpectRefused(Verdict::kRevoked, [&] {
      return store().Merge(alias, {{"a", Change::Set("2")}});
    });
    ExpectRefused(Verdict::kRevoked, [&] { return store().RevokeAllExcept("alice", alias); });
    ExpectRefused(Verdict::kIllegalShift, [&] { return store().Shift(alias, State::kExpired); });
    ExpectRefused(Verdict::kIllegalShift, [&] { return store().Create(alias); });
  }
  ExpectNoChange([&] { return store().Revoke(session.alias); });
}

TEST_F(RevokeAllTest, CoversWhatHadItsAliasBeforeAndNothingThatCameLater) {
  const Alias first = Create().alias;
  const Alias second = Create().alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  const Alias later = Create().alias;
  for (int sweeps = 0; sweeps < 2; ++sweeps) {
    EXPECT_EQ(Find(first).state, State::kRevoked);
    EXPECT_EQ(Find(second).state, State::kRevoked);
    EXPECT_EQ(Find(later).state, State::kCreated);
    SweepAll();
  }
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  EXPECT_EQ(Find(later).state, State::kRevoked);
}

TEST_F(RevokeAllTest, OtherPrincipalsAreUntouched) {
  std::vector<Session> others;
  for (const std::string& principal : {std::string("bob"), std::string("alice2"), std::string(),
                                       std::string("alic"), std::string("alice\0", 6)}) {
    others.push_back(Create(SpecOf(principal)));
  }
  Create();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  for (int sweeps = 0; sweeps < 2; ++sweeps) {
    for (const Session& other : others) EXPECT_EQ(Describe(Find(other.alias)), Describe(other));
    SweepAll();
  }
}

TEST_F(RevokeAllTest, CoversEveryDatabaseAndThePrincipalWithoutAName) {
  SessionSpec nameless = SpecOf("");
  const Alias one = Create(nameless).alias;
  nameless.database = "other";
  const Alias two = Create(nameless).alias;
  ASSERT_THAT(store().RevokeAll(""), IsOk());
  EXPECT_EQ(Find(one).state, State::kRevoked);
  EXPECT_EQ(Find(two).state, State::kRevoked);
}

TEST_F(RevokeAllTest, OfNobodySucceedsAndLeavesNothingBehind) {
  ASSERT_THAT(store().RevokeAll("nobody"), IsOk());
  Create();
  ASSERT_THAT(store().RevokeAll("nobody"), IsOk());
  SweepAll();
  EXPECT_EQ(RowsIn(Table::kRevoked), 0u);
}

TEST_F(RevokeAllTest, WhatHadEndedBeforeStaysAsItWas) {
  const Alias revoked = Create().alias;
  const Alias shifted = Create().alias;
  const Alias ran_out = Create(Brief()).alias;
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  ASSERT_THAT(store().Shift(shifted, State::kExpired), IsOk());
  Advance(absl::Hours(1));
  std::vector<std::string> before;
  for (const Alias alias : {revoked, shifted, ran_out}) before.push_back(Describe(Find(alias)));
  ASSERT_EQ(Find(ran_out).state, State::kExpired) << "at its deadline, and not noted yet";
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  for (int sweeps = 0; sweeps < 2; ++sweeps) {
    size_t i = 0;
    for (const Alias alias : {revoked, shifted, ran_out}) {
      EXPECT_EQ(Describe(Find(alias)), before[i++]);
    }
    SweepAll();
  }
}

TEST_F(RevokeAllTest, WhatItCoversStaysRevokedPastItsDeadline) {
  const Alias alias = Create(Brief()).alias;
  Advance(absl::Hours(1) - absl::Microseconds(1));
  const absl::Time moment = Now();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Advance(absl::Hours(2));
  for (int sweeps = 0; sweeps < 2; ++sweeps) {
    EXPECT_EQ(Find(alias).state, State::kRevoked);
    EXPECT_EQ(Find(alias).revoked_at, moment);
    SweepAll();
  }
}

TEST_F(RevokeAllTest, ShredsWhenItIsSwept) {
  const Session session = CreateWithFieldsAndIdle();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  const Swept swept = SweepAll();
  EXPECT_EQ(swept.revoked, 1u);
  EXPECT_EQ(swept.expired, 0u);
  EXPECT_EQ(swept.removed, 0u);
  EXPECT_EQ(AttributeRowsOf(session.alias), 0u);
  EXPECT_EQ(RowsIn(Table::kTurns), 0u);
  EXPECT_EQ(RowsIn(Table::kRevoked), 0u);
  EXPECT_EQ(store().Stats()->live, 0u);
  ExpectNoChange([&] { return store().Sweep(); });
}

TEST_F(RevokeAllTest, ASweepLeavesTheRecordAsARevocationWould) {
  const Alias at_once = Create().alias;
  const Alias by_sweep = Create(SpecOf("bob")).alias;
  ASSERT_THAT(store().Revoke(at_once), IsOk());
  ASSERT_THAT(store().RevokeAll("bob"), IsOk());
  Advance(absl::Hours(5));
  SweepAll();
  EXPECT_EQ(Find(at_once).revoked_at, Find(by_sweep).revoked_at);
  Advance(Policy().retention - absl::Hours(5) - absl::Microseconds(1));
  SweepAll();
  EXPECT_THAT(store().Find(by_sweep), IsOk());
  Advance(absl::Microseconds(1));
  EXPECT_EQ(SweepAll().removed, 2u) << "retention counts from the RevokeAll, not from the sweep";
  EXPECT_THAT(store().Find(at_once), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(store().Find(by_sweep), HasVerdict(Verdict::kNotFound));
}

TEST_F(RevokeAllTest, AFaultLeavesEverybodyAsTheyWere) {
  const Alias alias = Create().alias;
  ASSERT_THAT(store().events().AddConsumer("consumer"), IsOk());
  const MemoryEngine::Rows before = engine().Committed();
  for (int step = 0; step < 3; ++step) {  // the mark, the event's number, the event
    int left = step;
    engine().InjectFaults(
        [&left](MemoryEngine::Step) { return left-- == 0 ? Fault::kFailed : Fault::kNone; });
    EXPECT_THAT(store().RevokeAll("alice"), HasVerdict(Verdict::kIo));
    engine().InjectFaults(nullptr);
    EXPECT_TRUE(engine().Committed() == before);
    EXPECT_EQ(Find(alias).state, State::kCreated);
  }
}

// ---- Reservations ----

TEST_F(RevokeAllTest, AReservationIsCoveredAndItsLateCreateIsRevoked) {
  const Alias alias = Reserve(WithIntent()).alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  EXPECT_EQ(Find(alias).state, State::kRevoked);
  ExpectRefused(Verdict::kRevoked, [&] { return store().Create(alias); });
  ExpectRefused(Verdict::kRevoked, [&] { return store().Shift(alias, State::kCreated); });
  ExpectRefused(Verdict::kRevoked, [&] { return store().Abandon(alias); });
  for (int sweeps = 0; sweeps < 2; ++sweeps) {
    ExpectRefused(Verdict::kRevoked, [&] { return store().Load(alias); });
    ExpectRefused(Verdict::kRevoked, [&] { return store().PrivateKey(alias); });
    SweepAll();
  }
}

TEST_F(RevokeAllTest, ALateCreateIsToldTheSameSweptOrNot) {
  const Alias alias = Reserve(WithIntent()).alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  const absl::Status created = store().Create(alias);
  const absl::Status abandoned = store().Abandon(alias);
  SweepAll();
  EXPECT_EQ(VerdictOf(store().Create(alias)), VerdictOf(created));
  EXPECT_EQ(VerdictOf(store().Abandon(alias)), VerdictOf(abandoned));
}

TEST_F(RevokeAllTest, TheIntentOfACoveredReservationBecomesACompensationWhenItIsSwept) {
  const Alias alias = Reserve(WithIntent()).alias;
  const Alias without = Reserve().alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  EXPECT_THAT(*store().PendingCompensations(), IsEmpty());
  SweepAll();
  ASSERT_OK_AND_ASSIGN(const std::vector<Compensation> pending, store().PendingCompensations());
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].alias, alias);
  EXPECT_EQ(pending[0].intent, "register alice");
  EXPECT_EQ(pending[0].principal, "alice");
  EXPECT_EQ(pending[0].database, "main");
  EXPECT_EQ(pending[0].epoch, report().epoch);
  EXPECT_EQ(Find(alias).state, State::kRevoked);
  EXPECT_EQ(Find(without).state, State::kRevoked);
  EXPECT_EQ(store().Stats()->reservations, 0u);
}

TEST_F(RevokeAllTest, ARestartBeforeTheSweepKeepsTheIntentOfACoveredReservation) {
  const Alias alias = Reserve(WithIntent()).alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Restart();
  ASSERT_OK_AND_ASSIGN(const std::vector<Compensation> pending, store().PendingCompensations());
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].alias, alias);
  SweepAll();
  EXPECT_EQ(store().PendingCompensations()->size(), 1u) << "told once, not twice";
}

TEST_F(RevokeAllTest, RevokeNotesWhatACoveredReservationCountsAs) {
  const Alias alias = Reserve(WithIntent()).alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  const absl::Time moment = Now();
  Advance(absl::Seconds(1));
  ASSERT_THAT(store().Revoke(alias), IsOk());
  EXPECT_EQ(store().PendingCompensations()->size(), 1u);
  EXPECT_EQ(Find(alias).revoked_at, moment);
  EXPECT_EQ(SweepAll().revoked, 0u);
}

TEST_F(RevokeAllTest, AGroupCanBeJoinedOnceItsSessionsAreCovered) {
  const Alias first = Create().alias;
  ExpectRefused(Verdict::kGroupActive,
                [&] { return store().ReserveAndCreate(SpecInGroup(first)); });
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  EXPECT_EQ(Find(Create(SpecInGroup(first)).alias).state, State::kCreated);
}

TEST_F(RevokeAllTest, AGroupWhoseFirstSessionIsACoveredReservationAnswersTheSameSweptOrNot) {
  const Alias unswept = Reserve(WithIntent()).alias;
  const Alias swept = Reserve(WithIntent()).alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  EXPECT_THAT(store().ReserveAndCreate(SpecInGroup(unswept)), IsOk());
  SweepAll();
  EXPECT_THAT(store().ReserveAndCreate(SpecInGroup(swept)), IsOk());
}

// ---- But one ----

TEST_F(RevokeAllTest, ExceptKeepsTheOneAndRevokesTheOthers) {
  const Alias before = Create().alias;
  const Session kept = CreateWithFieldsAndIdle();
  const Alias after = Create().alias;
  ASSERT_THAT(store().RevokeAllExcept("alice", kept.alias), IsOk());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Find(before).state, State::kRevoked);
    EXPECT_EQ(Find(after).state, State::kRevoked);
    EXPECT_EQ(Describe(Find(kept.alias)), Describe(kept));
    EXPECT_EQ(LoadFields(kept.alias).at("a"), Value("1"));
    EXPECT_THAT(store().PrivateKey(kept.alias), IsOk());
    EXPECT_THAT(store().Touch(kept.alias), IsOk());
    if (round == 0) SweepAll();
    if (round == 1) Restart();
  }
}

TEST_F(RevokeAllTest, ExceptKeepsAReservation) {
  const Alias kept = Reserve(WithIntent()).alias;
  const Alias other = Create().alias;
  ASSERT_THAT(store().RevokeAllExcept("alice", kept), IsOk());
  SweepAll();
  EXPECT_EQ(Find(other).state, State::kRevoked);
  EXPECT_THAT(store().Create(kept), IsOk());
  EXPECT_THAT(*store().PendingCompensations(), IsEmpty());
}

TEST_F(RevokeAllTest, ExceptForSomebodyElsesSessionRevokesNobody) {
  const Alias alice = Create().alias;
  const Alias bob = Bob().alias;
  ExpectRefused(Verdict::kWrongPrincipal, [&] { return store().RevokeAllExcept("alice", bob); });
  ExpectRefused(Verdict::kWrongPrincipal, [&] { return store().RevokeAllExcept("bob", alice); });
  ASSERT_THAT(store().Revoke(bob), IsOk());
  ExpectRefused(Verdict::kWrongPrincipal, [&] { return store().RevokeAllExcept("alice", bob); });
}

TEST_F(RevokeAllTest, ExceptForADeadSessionRevokesNobody) {
  const Alias alive = Create().alias;
  const Alias revoked = Create().alias;
  const Alias expired = Create(Brief()).alias;
  const Alias moved = Create().alias;
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  Advance(absl::Hours(1));
  ASSERT_OK_AND_ASSIGN(const Session successor, store().CycleKey(moved));
  const auto except = [this](Alias keep) {
    return [this, keep] { return store().RevokeAllExcept("alice", keep); };
  };
  ExpectRefused(Verdict::kRevoked, except(revoked));
  ExpectRefused(Verdict::kExpired, except(expired));
  ExpectRefused(Verdict::kMoved, except(moved));
  ExpectRefused(Verdict::kNotFound, except(Alias(successor.alias.value() + 1)));
  ExpectRefused(Verdict::kNotFound, except(Alias()));
  EXPECT_EQ(Find(alive).state, State::kCreated);
  ASSERT_THAT(store().RevokeAllExcept("alice", successor.alias), IsOk());
  EXPECT_EQ(Find(alive).state, State::kRevoked);
  EXPECT_EQ(Find(successor.alias).state, State::kCreated);
}

TEST_F(RevokeAllTest, TheOneThatWasKeptLivesOnUnderANewIdentity) {
  const Alias kept = Create().alias;
  const Alias other = Create().alias;
  ASSERT_THAT(store().RevokeAllExcept("alice", kept), IsOk());
  ASSERT_OK_AND_ASSIGN(const Session fresh, store().CycleKey(kept));
  for (int sweeps = 0; sweeps < 2; ++sweeps) {
    EXPECT_EQ(Find(fresh.alias).state, State::kCreated);
    EXPECT_EQ(Find(other).state, State::kRevoked);
    SweepAll();
  }
}

// ---- Again and again ----

// All sequences of RevokeAll and RevokeAllExcept, with nothing or something in between, against
// what is to be expected: who is alive, and when the others were revoked.
TEST_F(RevokeAllTest, RepeatedInEveryCombinationItRevokesWhomItSaysWhenItSays) {
  constexpr int kLength = 4;
  enum Op { kAll, kExceptA, kExceptB, kOps };
  enum Between { kNothing, kSweep, kNewAliasOfBob, kRestart };
  int combinations = 1;
  for (int i = 0; i < kLength; ++i) combinations *= kOps;
  for (const Between between : {kNothing, kSweep, kNewAliasOfBob, kRestart}) {
    for (int combination = 0; combination < combinations; ++combination) {
      SCOPED_TRACE(absl::StrCat("combination ", combination, ", in between ", between));
      StartAnew({});
      const std::vector<Alias> aliases = {Create().alias, Create().alias, Create().alias};
      std::map<Alias, std::optional<absl::Time>> revoked_at;
      for (const Alias alias : aliases) revoked_at[alias] = std::nullopt;

      int rest = combination;
      for (int i = 0; i < kLength; ++i, rest /= kOps) {
        Advance(absl::Seconds(1));
        const int op = rest % kOps;
        if (op == kAll) {
          ASSERT_THAT(store().RevokeAll("alice"), IsOk());
        } else {
          const Alias keep = aliases[op == kExceptA ? 0 : 1];
          const absl::Status revoked = store().RevokeAllExcept("alice", keep);
          if (revoked_at[keep].has_value()) {
            EXPECT_THAT(revoked, HasVerdict(Verdict::kRevoked));
          } else {
            EXPECT_THAT(revoked, IsOk());
          }
        }
        const std::optional<Alias> keep =
            op == kAll ? std::nullopt : std::optional(aliases[op == kExceptA ? 0 : 1]);
        const bool refused = keep.has_value() && revoked_at[*keep].has_value();
        for (auto& [alias, at] : revoked_at) {
          if (!refused && alias != keep && !at.has_value()) at = Now();
        }
        if (between == kSweep) SweepAll();
        if (between == kNewAliasOfBob) Bob();
        if (between == kRestart) Restart();
        for (const auto& [alias, at] : revoked_at) {
          const Session found = Find(alias);
          EXPECT_EQ(found.state, at.has_value() ? State::kRevoked : State::kCreated);
          EXPECT_EQ(found.revoked_at, at);
        }
      }
      SweepAll();
      for (const auto& [alias, at] : revoked_at) EXPECT_EQ(Find(alias).revoked_at, at);
      EXPECT_EQ(RowsIn(Table::kRevoked), 0u);
    }
  }
}

TEST_F(RevokeAllTest, ASecondOneWithNoNewAliasWritesNothing) {
  Create();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Advance(absl::Seconds(1));
  ExpectNoChange([&] { return store().RevokeAll("alice"); });
}

TEST_F(RevokeAllTest, TheFirstOneThatCoversASessionIsWhenItWasRevoked) {
  const Alias alias = Create().alias;
  const absl::Time first = Now();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  for (int i = 0; i < 3; ++i) {
    Advance(absl::Seconds(1));
    Create();
    ASSERT_THAT(store().RevokeAll("alice"), IsOk());
    EXPECT_EQ(Find(alias).revoked_at, first);
  }
  EXPECT_EQ(store().Stats()->revocations, 4u);
  Advance(absl::Seconds(1));
  SweepAll();
  EXPECT_EQ(Find(alias).revoked_at, first);
  EXPECT_EQ(store().Stats()->revocations, 0u);
}

TEST_F(RevokeAllTest, ARestartBeforeTheSweepChangesNothing) {
  const Alias covered = CreateWithFieldsAndIdle().alias;
  const absl::Time moment = Now();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Restart();
  Advance(absl::Seconds(1));
  const Alias later = Create().alias;
  EXPECT_EQ(Find(covered).state, State::kRevoked);
  EXPECT_EQ(Find(covered).revoked_at, moment);
  ExpectRefused(Verdict::kRevoked, [&] { return store().Load(covered); });
  EXPECT_EQ(SweepAll().revoked, 1u);
  EXPECT_EQ(AttributeRowsOf(covered), 0u);
  EXPECT_EQ(Find(covered).revoked_at, moment);
  EXPECT_EQ(Find(later).state, State::kCreated);
}

// ---- Many ----

TEST_F(RevokeAllTest, AThousandAreWorkedOffInPiecesAndNobodySeesADifference) {
  constexpr size_t kSessions = 1000;
  std::vector<Alias> covered;
  for (size_t i = 0; i < kSessions; ++i) covered.push_back(Create().alias);
  const Alias bob = Bob().alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  const absl::Time moment = Now();

  std::vector<Alias> later;
  std::vector<uint64_t> pieces;
  for (bool more = true; more;) {
    Advance(absl::Seconds(1));
    ASSERT_OK_AND_ASSIGN(const Swept swept, store().Sweep());
    EXPECT_LE(swept.revoked, kSweepSessions);
    pieces.push_back(swept.revoked);
    more = swept.more;
    later.push_back(Create().alias);
    if (pieces.size() == 2) Restart();
    for (const size_t i : {size_t{0}, kSessions / 2, kSessions - 1}) {
      EXPECT_EQ(Find(covered[i]).revoked_at, moment);
    }
    EXPECT_EQ(store().Count({.state = State::kRevoked}).value(), kSessions);
    EXPECT_EQ(store().Stats()->revocations, more ? 1u : 0u);
    ASSERT_LT(pieces.size(), 100u);
  }
  EXPECT_THAT(pieces, ElementsAre(kSweepSessions, kSweepSessions, kSweepSessions,
                                  kSessions - 3 * kSweepSessions));
  EXPECT_EQ(store().Stats()->live, later.size() + 1);
  for (const Alias alias : later) EXPECT_EQ(Find(alias).state, State::kCreated);
  EXPECT_EQ(Find(bob).state, State::kCreated);
}

// ---- In a real file ----

class RevokeAllFileTest : public FileStoreFixture {};

TEST_F(RevokeAllFileTest, ObserversHonourIt) {
  const Session covered = Create();
  const Session bob = Create(SpecOf("bob"));
  ASSERT_OK_AND_ASSIGN(const Session reserved, store().Reserve(LastingSpec()));
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  const Session later = Create();
  Close();

  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<recovery::Observer> observer,
                       recovery::OpenReadOnly(options_));
  const SessionReader& sessions = observer->sessions();
  EXPECT_EQ(sessions.Find(covered.alias)->state, State::kRevoked);
  EXPECT_EQ(sessions.Find(reserved.alias)->state, State::kRevoked);
  EXPECT_EQ(sessions.Find(bob.alias)->state, State::kCreated);
  EXPECT_EQ(sessions.Find(later.alias)->state, State::kCreated);
  EXPECT_EQ(sessions.FindByPublicKey(covered.public_key)->state, State::kRevoked);
  EXPECT_EQ(sessions.Count({.state = State::kRevoked}).value(), 2u);
  EXPECT_EQ(sessions.List({.state = State::kCreated, .principal = "alice"}, 10)->sessions.size(),
            1u);
  EXPECT_THAT(sessions.Load(covered.alias), HasVerdict(Verdict::kRevoked));
}

TEST_F(RevokeAllFileTest, TheOwnersThreadShredsWhatItCovers) {
  options_.sweep_every = absl::Milliseconds(1);
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_OK_AND_ASSIGN(const Saved saved, store().SaveOrCreate(LastingSpec(), {{"a", "1"}}));
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  while (store().Stats()->revocations > 0) std::this_thread::yield();
  EXPECT_EQ(store().Stats()->live, 0u);
  EXPECT_EQ(store().Find(saved.session.alias)->state, State::kRevoked);
}

}  // namespace
}  // namespace batonstore
