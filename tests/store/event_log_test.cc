// The log of events: what is told, to whom, and how often.

#include "batonstore/store/event_log.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/forked_child.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::Channel;
using ::testing::ElementsAre;
using testing::FileStoreFixture;
using testing::ForkedChild;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::OnThreads;
using testing::SpecInGroup;

std::string Told(EventType type, Alias alias, Alias other = Alias(),
                 const std::string& detail = "") {
  return absl::StrCat(EventTypeName(type), " ", alias.ToString(), " ", other.ToString(), " ",
                      detail);
}

class EventLogTest : public MemoryStoreFixture {
 protected:
  EventLog& log() { return store().events(); }

  void Follow(const std::string& name = "consumer") {
    ASSERT_THAT(log().AddConsumer(name), IsOk());
  }

  std::vector<Event> Read(const std::string& name = "consumer", size_t most = kMaxEventsRead) {
    const absl::StatusOr<std::vector<Event>> events = log().Read(name, most);
    EXPECT_THAT(events, IsOk());
    return events.ok() ? *events : std::vector<Event>();
  }

  std::vector<uint64_t> Sequences(const std::string& name = "consumer") {
    std::vector<uint64_t> sequences;
    for (const Event& event : Read(name)) sequences.push_back(event.sequence);
    return sequences;
  }

  // What the consumer has not been told yet, and has from now on.
  std::vector<std::string> Take(const std::string& name = "consumer") {
    const std::vector<Event> events = Read(name);
    std::vector<std::string> told;
    for (const Event& event : events) {
      told.push_back(Told(event.type, event.alias, event.other, event.detail));
    }
    if (!events.empty()) {
      EXPECT_THAT(log().Acknowledge(name, events.back().sequence), IsOk());
    }
    return told;
  }

  SessionSpec Brief() {
    SessionSpec spec = LastingSpec();
    spec.expires_at = Now() + absl::Minutes(1);
    return spec;
  }
  static SessionSpec WithIntent() {
    SessionSpec spec = LastingSpec();
    spec.intent = "register alice";
    return spec;
  }
  static SessionSpec OfBob() {
    SessionSpec spec = LastingSpec();
    spec.principal = "bob";
    return spec;
  }

  // Something of everything that is told.
  void DoEverything() {
    ASSERT_THAT(store().Create(Reserve().alias), IsOk());
    ASSERT_THAT(store().Abandon(Reserve().alias), IsOk());
    ASSERT_THAT(store().Revoke(Create().alias), IsOk());
    ASSERT_THAT(store().CycleKey(Create().alias), IsOk());
    Reserve(WithIntent());
    Create(Brief());
    ASSERT_THAT(store().RevokeAll("alice"), IsOk());
    Advance(absl::Minutes(1));
    SweepAll();
  }
};

// ---- What is told ----

TEST_F(EventLogTest, WithoutAConsumerNothingIsWritten) {
  DoEverything();
  EXPECT_EQ(RowsIn(Table::kOutbox), 0u);
  Follow();
  EXPECT_THAT(Take(), IsEmpty());
  const Alias alias = Create().alias;
  ASSERT_EQ(Read().size(), 1u);
  EXPECT_EQ(Read()[0].sequence, 1u) << "what was not written has no number";
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kCreated, alias)));
}

TEST_F(EventLogTest, AnEventSaysWhenWhoseAndWhere) {
  Follow();
  Advance(absl::Seconds(7));
  SessionSpec spec = LastingSpec();
  spec.principal = std::string("al\0ice\xff", 7);
  spec.database = "other";
  const Session session = Create(spec);
  ASSERT_EQ(Read().size(), 1u);
  Event expected;
  expected.sequence = 1;
  expected.type = EventType::kCreated;
  expected.at = Now();
  expected.alias = session.alias;
  expected.principal = spec.principal;
  expected.database = spec.database;
  EXPECT_EQ(Read()[0], expected);
}

TEST_F(EventLogTest, ComingIntoBeingIsTold) {
  Follow();
  const Alias reserved = Reserve().alias;
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kReserved, reserved)));
  ASSERT_THAT(store().Create(reserved), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kCreated, reserved)));
  const Alias created = Create().alias;
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kCreated, created)));
  const Alias saved = CreateWith({{"a", "1"}}).alias;
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kCreated, saved)));
}

TEST_F(EventLogTest, EndingIsTold) {
  const Alias revoked = Create().alias;
  const Alias shifted = Create().alias;
  const Alias group = Create().alias;
  const Alias abandoned = Reserve(WithIntent()).alias;
  Follow();
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kRevoked, revoked)));
  ASSERT_THAT(store().Shift(shifted, State::kExpired), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kExpired, shifted)));
  ASSERT_THAT(store().RevokeGroup(group), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kRevoked, group)));
  ASSERT_THAT(store().Abandon(abandoned), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kRemoved, abandoned)));
}

TEST_F(EventLogTest, RunningOutIsToldWhenItIsNotedAndOnce) {
  const Alias noted = Create(Brief()).alias;
  const Alias swept = Create(Brief()).alias;
  Follow();
  Advance(absl::Minutes(1));
  EXPECT_EQ(Find(swept).state, State::kExpired);
  EXPECT_THAT(Take(), IsEmpty());
  ASSERT_THAT(store().Shift(noted, State::kExpired), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kExpired, noted)));
  SweepAll();
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kExpired, swept)));
  SweepAll();
  EXPECT_THAT(Take(), IsEmpty());
  Advance(Policy().retention);
  SweepAll();
  EXPECT_THAT(Take(),
              ElementsAre(Told(EventType::kRemoved, noted), Told(EventType::kRemoved, swept)));
}

TEST_F(EventLogTest, ANewIdentityIsTold) {
  const Alias old = Create().alias;
  Follow();
  ASSERT_OK_AND_ASSIGN(const Session fresh, store().CycleKey(old));
  EXPECT_THAT(Take(),
              ElementsAre(Told(EventType::kMoved, old, fresh.alias), Told(EventType::kRevoked, old),
                          Told(EventType::kCreated, fresh.alias)));
}

TEST_F(EventLogTest, RevokeAllIsToldAtOnceAndWhomItCoversWhenTheyAreSwept) {
  const Alias first = Create().alias;
  const Alias second = Create().alias;
  const Alias bob = Create(OfBob()).alias;
  Follow();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  ASSERT_EQ(Read().size(), 1u);
  EXPECT_EQ(Read()[0].principal, "alice");
  EXPECT_EQ(Read()[0].database, "");
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kRevokedAll, Alias(), bob)));
  SweepAll();
  EXPECT_THAT(Take(),
              ElementsAre(Told(EventType::kRevoked, first), Told(EventType::kRevoked, second)));
  SweepAll();
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(EventLogTest, RevokeAllExceptTellsWhomItSpares) {
  const Alias kept = Create().alias;
  const Alias other = Create().alias;
  Follow();
  ASSERT_THAT(store().RevokeAllExcept("alice", kept), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kRevokedAll, kept, other)));
  SweepAll();
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kRevoked, other)));
}

TEST_F(EventLogTest, ARevocationThatIsNotedEarlierIsToldThenAndOnce) {
  const Alias alias = Create().alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Follow();
  ASSERT_THAT(store().Revoke(alias), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kRevoked, alias)));
  SweepAll();
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(EventLogTest, TheEndOfAReservationAndItsIntentAreTold) {
  const std::string intent = "register alice";
  const Alias run_out = Reserve(WithIntent()).alias;
  const Alias without = Reserve().alias;
  Follow();
  Advance(absl::Hours(1));
  SweepAll();
  EXPECT_THAT(Take(),
              ElementsAre(Told(EventType::kCompensation, run_out, Alias(), intent),
                          Told(EventType::kRemoved, run_out), Told(EventType::kRemoved, without)));

  const Alias covered = Reserve(WithIntent()).alias;
  Take();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Take();
  SweepAll();
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kCompensation, covered, Alias(), intent),
                                  Told(EventType::kRevoked, covered)));

  const Alias group = Reserve(WithIntent()).alias;
  Take();
  ASSERT_THAT(store().RevokeGroup(group), IsOk());
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kCompensation, group, Alias(), intent),
                                  Told(EventType::kRevoked, group)));
}

TEST_F(EventLogTest, WhatRecoveryRemovesIsTold) {
  Follow();
  const Alias with = Reserve(WithIntent()).alias;
  const Alias without = Reserve().alias;
  Take();
  Restart();
  EXPECT_THAT(Take(),
              ElementsAre(Told(EventType::kCompensation, with, Alias(), "register alice"),
                          Told(EventType::kRemoved, with), Told(EventType::kRemoved, without)));
}

TEST_F(EventLogTest, ABatonOfAnIdentityThatWasGivenUpIsToldOnceItIsRefused) {
  const Alias old = Create().alias;
  const Alias revoked = Create().alias;
  ASSERT_OK_AND_ASSIGN(const std::string old_baton, store().Issue(old));
  ASSERT_OK_AND_ASSIGN(const std::string revoked_baton, store().Issue(revoked));
  ASSERT_OK_AND_ASSIGN(const Session fresh, store().CycleKey(old));
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  Follow();
  EXPECT_THAT(store().Verify(old_baton, "main", "alice"), HasVerdict(Verdict::kMoved));
  EXPECT_THAT(store().Verify(revoked_baton, "main", "alice"), HasVerdict(Verdict::kRevoked));
  EXPECT_THAT(Take(), IsEmpty());
  Advance(absl::Seconds(30));
  EXPECT_THAT(store().Verify(old_baton, "main", "thief"), HasVerdict(Verdict::kWrongPrincipal));
  EXPECT_THAT(store().Verify(old_baton, "other", "alice"), HasVerdict(Verdict::kWrongDatabase));
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_THAT(store().Verify(old_baton, "main", "alice"), HasVerdict(Verdict::kRevoked));
  EXPECT_THAT(Take(), ElementsAre(Told(EventType::kReplaySeen, old, fresh.alias)));
}

TEST_F(EventLogTest, WhatChangesNoStateIsNotTold) {
  SessionSpec spec = LastingSpec();
  spec.idle_timeout = absl::Hours(1);
  spec.idempotency_key = "request";
  const Alias alias = Create(spec).alias;
  const Alias revoked = Create().alias;
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  Follow();
  Advance(absl::Minutes(30));
  ASSERT_THAT(store().Touch(alias), IsOk());
  ASSERT_THAT(store().Merge(alias, {{"a", Change::Set("1")}}), IsOk());
  ASSERT_THAT(store().SaveIf(alias, 1, {}), IsOk());
  ASSERT_THAT(store().SetRemotePublicKey(alias, "key"), IsOk());
  ASSERT_THAT(store().Create(alias), IsOk());
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  ASSERT_THAT(store().ReserveAndCreate(spec), IsOk());
  ASSERT_THAT(store().RotateSigningKey(), IsOk());
  SweepAll();
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(EventLogTest, WhatWasRefusedIsNotTold) {
  const Alias created = Create().alias;
  const Alias reserved = Reserve().alias;
  Follow();
  ExpectRefused(Verdict::kInvalid, [&] { return store().Reserve({}); });
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(created)); });
  ExpectRefused(Verdict::kIllegalShift, [&] { return store().Abandon(created); });
  ExpectRefused(Verdict::kIllegalShift, [&] { return store().Revoke(reserved); });
  ExpectRefused(Verdict::kReserved, [&] { return store().CycleKey(reserved); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().RevokeAllExcept("alice", Alias(1)); });
  ExpectRefused(Verdict::kUnknownGroup, [&] { return store().RevokeGroup(Alias(1)); });
  EXPECT_THAT(Take(), IsEmpty());
}

// ---- In the transaction that it tells of ----

TEST_F(EventLogTest, AFaultAtAnyStepLeavesNeitherTheChangeNorItsEvent) {
  Follow();
  std::vector<std::pair<std::string, std::function<absl::Status()>>> calls = {
      {"Reserve", [this] { return store().Reserve(WithIntent()).status(); }},
      {"ReserveAndCreate", [this] { return store().ReserveAndCreate(LastingSpec()).status(); }},
      {"Create", [this, alias = Reserve().alias] { return store().Create(alias); }},
      {"Abandon", [this, alias = Reserve().alias] { return store().Abandon(alias); }},
      {"Revoke", [this, alias = Create().alias] { return store().Revoke(alias); }},
      {"CycleKey", [this, alias = Create().alias] { return store().CycleKey(alias).status(); }},
      {"RevokeAll", [this] { return store().RevokeAll("alice"); }},
      {"Sweep", [this] { return store().Sweep().status(); }}};
  for (const auto& [name, call] : calls) {
    SCOPED_TRACE(name);
    for (int step = 0;; ++step) {
      const MemoryEngine::Rows before = engine().Committed();
      int left = step;
      engine().InjectFaults([&left](MemoryEngine::Step at) {
        const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
        return now ? Fault::kFailed : Fault::kNone;
      });
      const absl::Status done = call();
      engine().InjectFaults(nullptr);
      const MemoryEngine::Rows after = engine().Committed();
      if (done.ok()) {
        EXPECT_FALSE(after[TableIndex(Table::kOutbox)] == before[TableIndex(Table::kOutbox)]);
        break;
      }
      EXPECT_TRUE(after == before) << "step " << step;
      ASSERT_LT(step, 500);
    }
  }
  const std::vector<uint64_t> sequences = Sequences();
  for (size_t i = 1; i < sequences.size(); ++i) EXPECT_EQ(sequences[i], sequences[i - 1] + 1);
}

TEST_F(EventLogTest, ChangeAndEventAreOneCommit) {
  Follow();
  EXPECT_EQ(CommitsOf([this] { Create(); }), 1u);
  EXPECT_EQ(CommitsOf([this] { ASSERT_THAT(store().RevokeAll("alice"), IsOk()); }), 1u);
}

TEST_F(EventLogTest, AfterAnUnknownOutcomeTheEventIsThereExactlyIfTheChangeIs) {
  for (const bool persisted : {false, true}) {
    StartAnew({});
    Follow();
    engine().InjectFaults(
        [](MemoryEngine::Step step) {
          return step == MemoryEngine::Step::kCommit ? Fault::kUnknown : Fault::kNone;
        },
        persisted);
    EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), HasVerdict(Verdict::kPoisoned));
    EXPECT_THAT(log().Read("consumer", 1), HasVerdict(Verdict::kPoisoned));
    Restart();
    EXPECT_EQ(store().Stats()->sessions, persisted ? 1u : 0u);
    EXPECT_EQ(Read().size(), persisted ? 1u : 0u);
  }
}

// ---- Consumers ----

TEST_F(EventLogTest, EachConsumerReadsAtItsOwnPace) {
  Follow("fast");
  Follow("slow");
  for (int i = 0; i < 5; ++i) Create();
  EXPECT_THAT(Sequences("fast"), ElementsAre(1, 2, 3, 4, 5));
  ASSERT_THAT(log().Acknowledge("fast", 4), IsOk());
  EXPECT_THAT(Sequences("fast"), ElementsAre(5));
  EXPECT_THAT(Sequences("slow"), ElementsAre(1, 2, 3, 4, 5));
  ASSERT_THAT(log().Acknowledge("slow", 1), IsOk());
  Create();
  EXPECT_THAT(Sequences("fast"), ElementsAre(5, 6));
  EXPECT_THAT(Sequences("slow"), ElementsAre(2, 3, 4, 5, 6));
}

TEST_F(EventLogTest, ReadingMovesNothing) {
  Follow();
  for (int i = 0; i < 3; ++i) Create();
  ExpectNoChange([this] { return log().Read("consumer", 2); });
  EXPECT_EQ(Read("consumer", 2).size(), 2u);
  EXPECT_EQ(Read("consumer", 1)[0].sequence, 1u);
  EXPECT_EQ(Read().size(), 3u);
}

TEST_F(EventLogTest, AConsumerBeginsWithWhatHappensAfterIt) {
  Follow("early");
  Create();
  Follow("late");
  EXPECT_THAT(Sequences("late"), IsEmpty());
  Create();
  EXPECT_THAT(Sequences("late"), ElementsAre(2));
  EXPECT_THAT(Sequences("early"), ElementsAre(1, 2));
}

TEST_F(EventLogTest, AddingAConsumerThatIsThereChangesNothing) {
  Follow();
  for (int i = 0; i < 3; ++i) Create();
  ASSERT_THAT(log().Acknowledge("consumer", 1), IsOk());
  ExpectNoChange([this] { return log().AddConsumer("consumer"); });
  EXPECT_THAT(Sequences(), ElementsAre(2, 3));
}

TEST_F(EventLogTest, WhatWasAcknowledgedStaysSo) {
  Follow();
  Follow("other");
  for (int i = 0; i < 4; ++i) Create();
  ASSERT_THAT(log().Acknowledge("consumer", 3), IsOk());
  for (const uint64_t less : {0, 1, 3}) {
    ExpectNoChange([&] { return log().Acknowledge("consumer", less); });
  }
  EXPECT_THAT(Sequences(), ElementsAre(4));
}

TEST_F(EventLogTest, WhatHasNotHappenedCannotBeAcknowledged) {
  Follow();
  ExpectRefused(Verdict::kInvalid, [this] { return log().Acknowledge("consumer", 1); });
  ASSERT_THAT(log().Acknowledge("consumer", 0), IsOk());
  Create();
  for (const uint64_t later : {uint64_t{2}, UINT64_MAX}) {
    ExpectRefused(Verdict::kInvalid, [&] { return log().Acknowledge("consumer", later); });
  }
  EXPECT_THAT(log().Acknowledge("consumer", 1), IsOk());
}

TEST_F(EventLogTest, ConsumersAreListedByNameWithTheirPlaces) {
  Follow("b");
  Create();
  Follow("a");
  Create();
  ASSERT_THAT(log().Acknowledge("b", 2), IsOk());
  ASSERT_OK_AND_ASSIGN(const std::vector<Consumer> consumers, log().Consumers());
  ASSERT_EQ(consumers.size(), 2u);
  EXPECT_EQ(consumers[0].name, "a");
  EXPECT_EQ(consumers[0].acknowledged, 1u);
  EXPECT_EQ(consumers[1].name, "b");
  EXPECT_EQ(consumers[1].acknowledged, 2u);
  EXPECT_EQ(store().Stats()->consumers, 2u);
}

TEST_F(EventLogTest, ARemovedConsumerIsNotFoundAndHoldsNothingBack) {
  Follow("gone");
  Follow("stays");
  Create();
  Take("stays");
  EXPECT_EQ(RowsIn(Table::kOutbox), 1u);
  ASSERT_THAT(log().RemoveConsumer("gone"), IsOk());
  EXPECT_EQ(RowsIn(Table::kOutbox), 0u);
  ExpectRefused(Verdict::kNotFound, [this] { return log().Read("gone", 1); });
  ExpectRefused(Verdict::kNotFound, [this] { return log().Acknowledge("gone", 0); });
  ExpectRefused(Verdict::kNotFound, [this] { return log().RemoveConsumer("gone"); });
  Follow("gone");
  EXPECT_THAT(Take("gone"), IsEmpty()) << "it begins anew";
}

TEST_F(EventLogTest, WithItsLastConsumerTheLogEnds) {
  Follow();
  Create();
  Create();
  ASSERT_THAT(log().RemoveConsumer("consumer"), IsOk());
  EXPECT_EQ(RowsIn(Table::kOutbox), 0u);
  Create();
  EXPECT_EQ(RowsIn(Table::kOutbox), 0u);
}

TEST_F(EventLogTest, WhatEverybodyHasReadIsDropped) {
  Follow("a");
  Follow("b");
  for (int i = 0; i < 5; ++i) Create();
  ASSERT_THAT(log().Acknowledge("a", 5), IsOk());
  EXPECT_EQ(store().Stats()->events, 5u);
  ASSERT_THAT(log().Acknowledge("b", 2), IsOk());
  EXPECT_EQ(store().Stats()->events, 3u);
  ASSERT_THAT(log().Acknowledge("b", 5), IsOk());
  EXPECT_EQ(store().Stats()->events, 0u);
  EXPECT_EQ(RowsIn(Table::kOutbox), 0u);
}

TEST_F(EventLogTest, SequencesRiseByOneForEver) {
  Follow();
  Create();
  EXPECT_THAT(Sequences(), ElementsAre(1));
  Take();
  Restart();
  Create();
  Create();
  EXPECT_THAT(Sequences(), ElementsAre(2, 3));
  ASSERT_THAT(log().RemoveConsumer("consumer"), IsOk());
  Create();  // told to nobody
  ASSERT_THAT(store().Close(), IsOk());
  Restart();
  Follow();
  Create();
  EXPECT_THAT(Sequences(), ElementsAre(4));
}

TEST_F(EventLogTest, AfterACrashWhatWasNotAcknowledgedIsToldAgainAndTheRestIsNot) {
  Follow();
  for (int i = 0; i < 4; ++i) Create();
  const std::vector<Event> before = Read();
  ASSERT_THAT(log().Acknowledge("consumer", 2), IsOk());
  for (int crash = 0; crash < 3; ++crash) {
    Restart();
    EXPECT_THAT(Read(), ElementsAre(before[2], before[3]));
  }
  Take();
  Restart();
  EXPECT_THAT(Take(), IsEmpty());
}

// ---- Limits ----

TEST_F(EventLogTest, AConsumersNameHas1To255Bytes) {
  for (const size_t size : {0, 1, 254, 255, 256, 600}) {
    SCOPED_TRACE(size);
    const std::string name(size, '\xff');
    if (size >= 1 && size <= 255) {
      EXPECT_THAT(log().AddConsumer(name), IsOk());
      Create();
      EXPECT_EQ(Take(name).size(), 1u);
      EXPECT_THAT(log().RemoveConsumer(name), IsOk());
    } else {
      ExpectRefused(Verdict::kInvalid, [&] { return log().AddConsumer(name); });
      ExpectRefused(Verdict::kNotFound, [&] { return log().Read(name, 1); });
      ExpectRefused(Verdict::kNotFound, [&] { return log().Acknowledge(name, 0); });
      ExpectRefused(Verdict::kNotFound, [&] { return log().RemoveConsumer(name); });
    }
  }
  const std::string nul(1, '\0');
  for (const std::string& name : {nul, nul + nul, "a" + nul}) {
    EXPECT_THAT(log().AddConsumer(name), IsOk());
  }
  EXPECT_EQ(store().Stats()->consumers, 3u);
}

TEST_F(EventLogTest, OneTo10000EventsAreReadAtATime) {
  Follow();
  Create();
  ExpectRefused(Verdict::kInvalid, [this] { return log().Read("consumer", 0); });
  EXPECT_THAT(log().Read("consumer", 1), IsOk());
  EXPECT_THAT(log().Read("consumer", 10'000), IsOk());
  ExpectRefused(Verdict::kInvalid, [this] { return log().Read("consumer", 10'001); });
  ExpectRefused(Verdict::kInvalid, [this] { return log().Read("consumer", SIZE_MAX); });
}

TEST_F(EventLogTest, AnEventOfTheLongestFieldsIsTold) {
  SessionSpec spec = LastingSpec();
  spec.principal = std::string(kMaxPrincipalBytes, 'p');
  spec.database = std::string(kMaxDatabaseBytes, 'd');
  spec.intent = std::string(kMaxIntentBytes, 'i');
  Follow();
  const Alias alias = Reserve(spec).alias;
  Take();
  Restart();
  EXPECT_EQ(Read()[0].detail, spec.intent);
  EXPECT_EQ(Read()[0].principal, spec.principal);
  EXPECT_EQ(Read()[0].database, spec.database);
  EXPECT_EQ(Read()[0].alias, alias);
}

// ---- On the disk ----

TEST_F(EventLogTest, EventsAreSealed) {
  Follow();
  Reserve(WithIntent());
  Restart();
  const MemoryEngine::Rows rows = engine().Committed();
  ASSERT_FALSE(rows[TableIndex(Table::kOutbox)].empty());
  for (const auto& [key, value] : rows[TableIndex(Table::kOutbox)]) {
    EXPECT_FALSE(absl::StrContains(value, "alice"));
  }
}

TEST_F(EventLogTest, EventsThatWereChangedBehindTheStoresBackAreCorrupt) {
  Follow();
  Create();
  Create();
  memory().Tamper([](Transaction& transaction) {
    std::vector<std::string> keys;
    absl::Status scanned =
        transaction.ScanUp(Table::kOutbox, "", [&](absl::string_view key, absl::string_view) {
          keys.emplace_back(key);
          return true;
        });
    const std::string second(**transaction.Get(Table::kOutbox, keys[1]));
    scanned.Update(transaction.Put(Table::kOutbox, keys[0], second));
    return scanned;
  });
  ExpectRefused(Verdict::kCorrupt, [this] { return log().Read("consumer", 1); });
}

TEST_F(EventLogTest, AfterTheCloseEveryCallIsClosed) {
  Follow();
  ASSERT_THAT(store().Close(), IsOk());
  EXPECT_THAT(log().AddConsumer("other"), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(log().RemoveConsumer("consumer"), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(log().Consumers(), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(log().Read("consumer", 1), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(log().Acknowledge("consumer", 0), HasVerdict(Verdict::kClosed));
  log().WaitForEvents("consumer", absl::InfiniteDuration());  // or the test times out
}

// ---- Waiting ----

TEST_F(EventLogTest, WaitingEndsAtOnceWhenThereIsSomething) {
  Follow();
  Create();
  log().WaitForEvents("consumer", absl::Hours(1));
}

TEST_F(EventLogTest, WaitingEndsAtOnceForNobody) { log().WaitForEvents("nobody", absl::Hours(1)); }

TEST_F(EventLogTest, WaitingEndsAfterItsTime) {
  Follow();
  log().WaitForEvents("consumer", absl::Milliseconds(1));
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(EventLogTest, WaitingEndsWhenSomethingHappens) {
  Follow();
  for (const absl::Duration timeout : {absl::Hours(1), absl::InfiniteDuration()}) {
    std::thread other([this] { Create(); });
    while (Read().empty()) log().WaitForEvents("consumer", timeout);
    other.join();
    EXPECT_EQ(Take().size(), 1u);
  }
}

TEST_F(EventLogTest, WaitingForEverIsNotSpinning) {
  Follow();
  std::atomic<bool> came_back = false;
  std::thread waiting([&] {
    log().WaitForEvents("consumer", absl::InfiniteDuration());
    came_back = true;
  });
  // A wait that ends by itself does so at once; give it time to.
  for (int i = 0; i < 1000 && !came_back; ++i)
    log().WaitForEvents("consumer", absl::Microseconds(50));
  EXPECT_FALSE(came_back);
  Create();
  waiting.join();
}

// One that is read, and whose reader is not answered until it is let go.
class HeldEngine final : public Engine {
 public:
  absl::Status Grow() override { return absl::OkStatus(); }
  absl::StatusOr<int> ClearStaleReaders() override { return 0; }
  void Close() override {}
  absl::StatusOr<Space> MeasureSpace() override { return Space{}; }

  std::latch reading{1};
  std::latch let_go{1};

 private:
  absl::StatusOr<std::unique_ptr<Snapshot>> DoRead() override {
    reading.count_down();
    let_go.wait();
    return Refuse(Verdict::kIo, "by the test");
  }
  void DoWrite(absl::FunctionRef<Decision(Transaction&)>, Outcome&) override {}
};

// The log's lock may be held by a thread that the child does not have.
TEST_F(EventLogTest, AForkedChildWaitsForNothing) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own locks do not survive the fork of a process with threads";
#endif
  HeldEngine engine;
  GroupCommitter committer(engine, [](Transaction&) { return absl::OkStatus(); });
  const recovery::Identity identity = memory().Identity();
  EventLog held(committer, engine, *identity.keys);
  std::thread holder([&] { held.WaitForEvents("consumer", absl::InfiniteDuration()); });
  engine.reading.wait();
  {
    ForkedChild child([&](Channel&) -> std::string {
      alarm(10);  // rather than hang
      engine.Shut(Verdict::kClosed);
      held.WaitForEvents("consumer", absl::InfiniteDuration());
      return "";
    });
    EXPECT_EQ(child.Join(), "");
  }
  engine.let_go.count_down();
  holder.join();
}

// ---- In a real file, with many threads ----

class EventLogFileTest : public FileStoreFixture {};

TEST_F(EventLogFileTest, EveryChangeOfEveryThreadIsToldOnceAndInTheOrderOfTheCommits) {
  constexpr int kThreads = 16;
  constexpr int kEach = 20;
  EventLog* log = &store().events();
  ASSERT_THAT(log->AddConsumer("consumer"), IsOk());
  OnThreads(kThreads, [&](int) {
    for (int i = 0; i < kEach; ++i) {
      const Alias alias = Create().alias;
      EXPECT_THAT(store().Revoke(alias), IsOk());
    }
  });
  ASSERT_NO_FATAL_FAILURE(Open());
  log = &store().events();
  ASSERT_OK_AND_ASSIGN(const std::vector<Event> events, log->Read("consumer", kMaxEventsRead));
  ASSERT_EQ(events.size(), size_t{kThreads} * kEach * 2);
  std::map<Alias, std::vector<EventType>> of_session;
  Alias last_created;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence, i + 1);
    of_session[events[i].alias].push_back(events[i].type);
    if (events[i].type != EventType::kCreated) continue;
    EXPECT_GT(events[i].alias, last_created) << "aliases and events are given in one order";
    last_created = events[i].alias;
  }
  EXPECT_EQ(of_session.size(), size_t{kThreads} * kEach);
  for (const auto& [alias, types] : of_session) {
    EXPECT_THAT(types, ElementsAre(EventType::kCreated, EventType::kRevoked));
  }
}

TEST_F(EventLogFileTest, NamesOfAnyLengthAreRefusedBeforeTheyReachTheFile) {
  EventLog& log = store().events();
  for (const size_t size : {0, 256, 511, 512, 100'000}) {
    SCOPED_TRACE(size);
    const std::string name(size, 'n');
    EXPECT_THAT(log.AddConsumer(name), HasVerdict(Verdict::kInvalid));
    EXPECT_THAT(log.RemoveConsumer(name), HasVerdict(Verdict::kNotFound));
    EXPECT_THAT(log.Read(name, 1), HasVerdict(Verdict::kNotFound));
    EXPECT_THAT(log.Acknowledge(name, 0), HasVerdict(Verdict::kNotFound));
  }
  EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), IsOk());
}

TEST_F(EventLogFileTest, ConsumersThatReadBesideTheWriterMissNothing) {
  constexpr int kWriters = 8;
  constexpr int kEach = 30;
  constexpr uint64_t kEvents = kWriters * kEach;
  EventLog& log = store().events();
  ASSERT_THAT(log.AddConsumer("a"), IsOk());
  ASSERT_THAT(log.AddConsumer("b"), IsOk());
  OnThreads(kWriters + 2, [&](int thread) {
    if (thread < kWriters) {
      for (int i = 0; i < kEach; ++i) Create();
      return;
    }
    const std::string name = thread == kWriters ? "a" : "b";
    for (uint64_t told = 0; told < kEvents;) {
      log.WaitForEvents(name, absl::Seconds(10));
      const absl::StatusOr<std::vector<Event>> events = log.Read(name, 7);
      ASSERT_THAT(events, IsOk());
      for (const Event& event : *events) EXPECT_EQ(event.sequence, ++told);
      if (events->empty()) continue;
      ASSERT_THAT(log.Acknowledge(name, told), IsOk());
    }
  });
  EXPECT_EQ(store().Stats()->events, 0u);
}

}  // namespace
}  // namespace batonstore
