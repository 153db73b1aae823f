// A new identity for a session: everything moves, nobody else gets in.

#include <atomic>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::Describe;
using ::testing::ElementsAre;
using testing::FileStoreFixture;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::OnThreads;
using testing::ScriptedKeys;
using testing::SpecInGroup;
using testing::StatusOf;

MATCHER_P(IsMovedTo, alias, "is MOVED to " + alias.ToString()) {
  *result_listener << "which is " << StatusOf(arg);
  return MovedTo(StatusOf(arg)) == alias;
}

class CycleKeyTest : public MemoryStoreFixture {
 protected:
  Session Cycle(Alias alias, const CycleOptions& options = {}) {
    const absl::StatusOr<Session> fresh = store().CycleKey(alias, options);
    EXPECT_THAT(fresh, IsOk());
    return fresh.value_or(Session());
  }

  // A session that has all that a session can have.
  Session CreateRich() {
    SessionSpec spec = LastingSpec();
    spec.expires_at = Now() + absl::Hours(8);
    spec.idle_timeout = absl::Hours(1);
    spec.key_type = KeyType::kP256;
    spec.idempotency_key = "request";
    const Alias alias = CreateWith({{"a", "1"}, {"s", Value::Secret("2")}}, spec).alias;
    EXPECT_THAT(store().Merge(alias, {{"a", Change::Add(1)}}), IsOk());
    EXPECT_THAT(store().SetRemotePublicKey(alias, "remote"), IsOk());
    return Find(alias);
  }

  // Every call that takes an alias; those that an ended session answers differently are told apart.
  struct AliasCall {
    std::string name;
    std::function<absl::Status(Alias)> call;
    std::optional<Verdict> when_revoked;  // nothing: OK
  };
  std::vector<AliasCall> AliasCalls() {
    return {
        {"Find", [this](Alias a) { return store().Find(a).status(); }, std::nullopt},
        {"GroupOf", [this](Alias a) { return store().GroupOf(a).status(); }, std::nullopt},
        {"Load", [this](Alias a) { return store().Load(a).status(); }, Verdict::kRevoked},
        {"Secret", [this](Alias a) { return store().Secret(a, "s").status(); }, Verdict::kRevoked},
        {"SaveIf",
         [this](Alias a) {
           return store().SaveIf(a, 0, {{"a", "2"}}).status();
         },
         Verdict::kRevoked},
        {"Merge",
         [this](Alias a) {
           return store().Merge(a, {{"a", Change::Set("2")}}).status();
         },
         Verdict::kRevoked},
        {"Touch", [this](Alias a) { return store().Touch(a).status(); }, Verdict::kRevoked},
        {"CycleKey", [this](Alias a) { return store().CycleKey(a).status(); }, Verdict::kRevoked},
        {"PrivateKey", [this](Alias a) { return store().PrivateKey(a).status(); },
         Verdict::kRevoked},
        {"SetRemotePublicKey", [this](Alias a) { return store().SetRemotePublicKey(a, "thief"); },
         Verdict::kRevoked},
        {"Issue", [this](Alias a) { return store().Issue(a).status(); }, Verdict::kRevoked},
        {"RevokeAllExcept", [this](Alias a) { return store().RevokeAllExcept("alice", a); },
         Verdict::kRevoked},
        {"Create", [this](Alias a) { return store().Create(a); }, Verdict::kIllegalShift},
        {"Abandon", [this](Alias a) { return store().Abandon(a); }, Verdict::kIllegalShift},
        {"Shift to Expired", [this](Alias a) { return store().Shift(a, State::kExpired).status(); },
         Verdict::kIllegalShift},
        {"Revoke", [this](Alias a) { return store().Revoke(a); }, std::nullopt},
    };
  }

  size_t TotalRows() {
    size_t rows = 0;
    for (const Table table : kAllTables) rows += RowsIn(table);
    return rows;
  }

  SessionRecord StoredRecord(Alias alias) {
    const recovery::Identity identity = memory().Identity();
    return **GetSession(**engine().Read(), *identity.keys, alias);
  }
};

// ---- What moves ----

TEST_F(CycleKeyTest, EverythingMovesButAliasAndKeyPair) {
  const Session old = CreateRich();
  Advance(absl::Minutes(1));
  const Session fresh = Cycle(old.alias);
  EXPECT_GT(fresh.alias, old.alias);
  EXPECT_NE(fresh.public_key, old.public_key);
  EXPECT_EQ(Describe(Find(fresh.alias)), Describe(fresh));
  EXPECT_EQ(fresh.created_at, Now()) << "the identity is a new one";

  Session expected = old;
  expected.alias = fresh.alias;
  expected.public_key = fresh.public_key;
  expected.created_at = fresh.created_at;
  expected.deadline = fresh.deadline;  // the idle clock starts anew
  EXPECT_EQ(Describe(fresh), Describe(expected));
  EXPECT_EQ(fresh.idle_timeout, old.idle_timeout);
  EXPECT_EQ(fresh.remote_public_key, "remote");
}

TEST_F(CycleKeyTest, TheNewKeyPairBelongsTogetherAndTheOldPrivateKeyIsShredded) {
  const Session old = CreateRich();
  const Session fresh = Cycle(old.alias);
  ASSERT_OK_AND_ASSIGN(const SecretBytes private_key, store().PrivateKey(fresh.alias));
  EXPECT_EQ(PublicKeyOf(KeyType::kP256, private_key).value(), fresh.public_key);
  EXPECT_EQ(StoredRecord(old.alias).sealed_private_key, "");
}

TEST_F(CycleKeyTest, FieldsAndSecretsMoveWithTheirVersion) {
  const Session old = CreateRich();
  ASSERT_OK_AND_ASSIGN(const Attributes before, store().Load(old.alias));
  const Session fresh = Cycle(old.alias);
  ASSERT_OK_AND_ASSIGN(const Attributes after, store().Load(fresh.alias));
  EXPECT_EQ(after.fields, before.fields);
  EXPECT_EQ(after.version, before.version);
  EXPECT_EQ(store().Secret(fresh.alias, "s")->Reveal(), "2");
  EXPECT_EQ(AttributeRowsOf(old.alias), 0u);
  EXPECT_THAT(store().SaveIf(fresh.alias, before.version, before.fields), IsOk())
      << "who loaded before saves after";
}

TEST_F(CycleKeyTest, TheDeadlineStaysAndTheIdleClockStartsAnew) {
  const Session old = CreateRich();
  Advance(absl::Minutes(50));
  const Session fresh = Cycle(old.alias);
  EXPECT_EQ(fresh.expires_at, old.expires_at);
  EXPECT_EQ(fresh.deadline, Now() + absl::Hours(1));
  Advance(absl::Hours(1) - absl::Microseconds(1));
  EXPECT_EQ(Find(fresh.alias).state, State::kCreated);
  Advance(absl::Microseconds(1));
  EXPECT_EQ(Find(fresh.alias).state, State::kExpired);
  EXPECT_EQ(Find(old.alias).state, State::kRevoked);
}

TEST_F(CycleKeyTest, CyclingOftenDoesNotOutliveTheDeadline) {
  Session session = CreateRich();
  const absl::Time end = session.expires_at;
  while (Now() + absl::Minutes(40) < end) {
    Advance(absl::Minutes(40));
    session = Cycle(session.alias);
  }
  Advance(end - Now() - absl::Microseconds(1));
  EXPECT_EQ(Find(session.alias).state, State::kCreated);
  Advance(absl::Microseconds(1));
  ExpectRefused(Verdict::kExpired, [&] { return store().CycleKey(session.alias); });
}

TEST_F(CycleKeyTest, TheIdempotencyKeyLeadsToTheNewIdentity) {
  const Session old = CreateRich();
  const Session fresh = Cycle(old.alias);
  SessionSpec spec = LastingSpec();
  spec.expires_at = old.expires_at;
  spec.key_type = KeyType::kP256;
  spec.idempotency_key = "request";
  EXPECT_EQ(store().SaveOrCreate(spec, {})->session.alias, fresh.alias);
  EXPECT_FALSE(store().SaveOrCreate(spec, {})->created);

  Advance(absl::Hours(2) + Policy().retention);  // the old record goes, and the new one with it
  SweepAll();
  spec.expires_at = absl::InfiniteFuture();
  EXPECT_TRUE(store().SaveOrCreate(spec, {})->created);
}

TEST_F(CycleKeyTest, TheOldRecordGoesAlone) {
  SessionSpec spec = LastingSpec();
  spec.idempotency_key = "request";
  const Session old = CreateWith({{"a", "1"}}, spec);
  const Session fresh = Cycle(old.alias);
  Advance(Policy().retention);
  EXPECT_EQ(SweepAll().removed, 0u) << "the old alias names the group";
  ASSERT_THAT(store().Find(old.alias), IsOk());
  EXPECT_EQ(Describe(Find(fresh.alias)), Describe(fresh));
  EXPECT_EQ(store().FindByPublicKey(fresh.public_key)->alias, fresh.alias);
  EXPECT_EQ(store().SaveOrCreate(spec, {})->session.alias, fresh.alias);

  const Session again = Cycle(fresh.alias);
  Advance(Policy().retention);
  EXPECT_EQ(SweepAll().removed, 1u);
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(fresh.alias); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().FindByPublicKey(fresh.public_key); });
  EXPECT_EQ(store().FindByPublicKey(again.public_key)->alias, again.alias);
  EXPECT_EQ(store().SaveOrCreate(spec, {})->session.alias, again.alias);
  EXPECT_EQ(LoadFields(again.alias), (Fields{{"a", "1"}}));
  EXPECT_THAT(store().GroupMembers(old.alias).value(), ElementsAre(old.alias, again.alias));
}

TEST_F(CycleKeyTest, ALinkedSessionHandsItsPlaceInTheGroupOver) {
  const Alias first = Create().alias;
  ASSERT_THAT(store().Revoke(first), IsOk());
  const Alias second = Create(SpecInGroup(first)).alias;
  const Session fresh = Cycle(second);
  EXPECT_EQ(fresh.group, first);
  EXPECT_EQ(store().GroupOf(fresh.alias).value(), first);
  EXPECT_THAT(store().GroupMembers(first).value(), ElementsAre(first, fresh.alias));
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(first)); });
  ASSERT_THAT(store().Revoke(fresh.alias), IsOk());
  EXPECT_THAT(store().Reserve(SpecInGroup(first)), IsOk());
}

TEST_F(CycleKeyTest, TheFirstSessionsAliasStaysTheNameOfTheGroup) {
  const Alias first = Create().alias;
  const Session fresh = Cycle(first);
  EXPECT_EQ(fresh.group, first);
  EXPECT_THAT(store().GroupMembers(first).value(), ElementsAre(first, fresh.alias));
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(first)); });
  ExpectRefused(Verdict::kUnknownGroup, [&] { return store().Reserve(SpecInGroup(fresh.alias)); });
  const Session again = Cycle(fresh.alias);
  EXPECT_THAT(store().GroupMembers(first).value(), ElementsAre(first, again.alias));
  EXPECT_EQ(store().RevokeGroup(first).value(), 1u);
  EXPECT_EQ(Find(again.alias).state, State::kRevoked);
  EXPECT_THAT(store().Reserve(SpecInGroup(first)), IsOk());
}

TEST_F(CycleKeyTest, NothingOfTheOldOneIsLeftButItsRecord) {
  const Session old = CreateRich();
  const size_t rows = TotalRows();
  Cycle(old.alias);
  // A record, the new place in the group, and the day on which the old record goes; the indexes
  // follow later.
  EXPECT_EQ(TotalRows(), rows + 3);
  EXPECT_EQ(RowsIn(Table::kTurns, old.alias.ToKey()), 0u);
  EXPECT_EQ(store().Stats()->live, 1u);
}

// ---- The old alias ----

TEST_F(CycleKeyTest, EveryCallOnTheOldAliasIsMovedForAWhileAndThenRevoked) {
  const Session old = CreateRich();
  const Session fresh = Cycle(old.alias, {.redirect_for = absl::Minutes(1)});
  for (const absl::Duration step :
       {absl::ZeroDuration(), absl::Minutes(1) - absl::Microseconds(1)}) {
    Advance(step);
    for (const AliasCall& call : AliasCalls()) {
      SCOPED_TRACE(call.name);
      const MemoryEngine::Rows before = engine().Committed();
      const absl::Status moved = call.call(old.alias);
      EXPECT_THAT(moved, HasVerdict(Verdict::kMoved));
      EXPECT_THAT(moved, IsMovedTo(fresh.alias));
      EXPECT_TRUE(engine().Committed() == before);
    }
    EXPECT_THAT(store().FindByPublicKey(old.public_key), IsMovedTo(fresh.alias));
  }
  Advance(absl::Microseconds(1));
  for (const AliasCall& call : AliasCalls()) {
    SCOPED_TRACE(call.name);
    if (call.when_revoked.has_value()) {
      ExpectRefused(*call.when_revoked, [&] { return call.call(old.alias); });
    } else {
      ExpectNoChange([&] { return call.call(old.alias); });
    }
    EXPECT_EQ(MovedTo(call.call(old.alias)), std::nullopt);
  }
  EXPECT_EQ(Find(old.alias).state, State::kRevoked);
  EXPECT_EQ(store().FindByPublicKey(old.public_key)->state, State::kRevoked);
  EXPECT_EQ(Describe(Find(fresh.alias)), Describe(fresh)) << "nothing reached the new identity";
}

TEST_F(CycleKeyTest, ByDefaultTheOldAliasRedirectsForHalfAMinute) {
  const Alias old = Create().alias;
  const Session fresh = Cycle(old);
  Advance(absl::Seconds(30) - absl::Microseconds(1));
  EXPECT_THAT(store().Find(old), IsMovedTo(fresh.alias));
  Advance(absl::Microseconds(1));
  EXPECT_EQ(Find(old).state, State::kRevoked);
}

TEST_F(CycleKeyTest, WithoutARedirectTheOldAliasIsRevokedAtOnce) {
  const Alias old = Create().alias;
  Cycle(old, {.redirect_for = absl::ZeroDuration()});
  ExpectRefused(Verdict::kRevoked, [&] { return store().Load(old); });
  EXPECT_EQ(Find(old).state, State::kRevoked);
}

TEST_F(CycleKeyTest, ARedirectMayLastAsLongAsTheRecord) {
  const Alias head = Create().alias;
  const Alias old = Cycle(head, {.redirect_for = absl::InfiniteDuration()}).alias;
  const Session fresh = Cycle(old, {.redirect_for = absl::InfiniteDuration()});
  Advance(Policy().retention - absl::Microseconds(1));
  SweepAll();
  EXPECT_THAT(store().Find(old), IsMovedTo(fresh.alias));
  Advance(absl::Microseconds(1));
  SweepAll();
  ExpectRefused(Verdict::kNotFound, [&] { return store().Find(old); });
  EXPECT_THAT(store().Find(head), IsMovedTo(old)) << "the first of a group stays";
}

TEST_F(CycleKeyTest, ANegativeRedirectIsInvalid) {
  const Alias alias = Create().alias;
  ExpectRefused(Verdict::kInvalid,
                [&] { return store().CycleKey(alias, {.redirect_for = -absl::Nanoseconds(1)}); });
}

TEST_F(CycleKeyTest, AChangeOfPrivilegeTellsNobodyTheNewIdentity) {
  for (const absl::Duration redirect_for : {absl::Seconds(30), absl::InfiniteDuration()}) {
    const Session old = Create();
    ASSERT_OK_AND_ASSIGN(const std::string baton, store().Issue(old.alias));
    Cycle(old.alias, {.redirect_for = redirect_for, .privilege_change = true});
    for (const AliasCall& call : AliasCalls()) {
      SCOPED_TRACE(call.name);
      const absl::Status answer = call.call(old.alias);
      EXPECT_NE(VerdictOf(answer), Verdict::kMoved);
      EXPECT_EQ(VerdictOf(answer), call.when_revoked);
      EXPECT_EQ(MovedTo(answer), std::nullopt);
    }
    EXPECT_THAT(store().Verify(baton, "main", "alice"), HasVerdict(Verdict::kRevoked));
    EXPECT_EQ(store().FindByPublicKey(old.public_key)->state, State::kRevoked);
  }
}

TEST_F(CycleKeyTest, TheOldAliasIsListedAsRevokedAtTheMomentOfTheChange) {
  const Alias old = Create().alias;
  Advance(absl::Seconds(1));
  const absl::Time moment = Now();
  const Alias fresh = Cycle(old).alias;
  Advance(absl::Seconds(1));
  ASSERT_OK_AND_ASSIGN(const ListPage page, store().List({}, 10));
  ASSERT_EQ(page.sessions.size(), 2u);
  EXPECT_EQ(page.sessions[0].alias, old);
  EXPECT_EQ(page.sessions[0].state, State::kRevoked);
  EXPECT_EQ(page.sessions[0].revoked_at, moment);
  EXPECT_EQ(page.sessions[1].alias, fresh);
  EXPECT_EQ(page.sessions[1].state, State::kCreated);
}

TEST_F(CycleKeyTest, EachOldAliasTellsTheNextOne) {
  const Alias first = Create().alias;
  const Alias second = Cycle(first).alias;
  const Alias third = Cycle(second).alias;
  EXPECT_THAT(store().Find(first), IsMovedTo(second));
  EXPECT_THAT(store().Find(second), IsMovedTo(third));
  EXPECT_EQ(Find(third).state, State::kCreated);
}

TEST_F(CycleKeyTest, TheRedirectSurvivesARestartAndASweep) {
  const Alias old = Create().alias;
  const Alias fresh = Cycle(old).alias;
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(store().Find(old), IsMovedTo(fresh));
    if (round == 0) SweepAll();
    Restart();
  }
  Advance(absl::Seconds(30));
  EXPECT_EQ(Find(old).state, State::kRevoked);
}

TEST_F(CycleKeyTest, RevokingTheOldAliasDoesNotTouchTheNewOne) {
  const Alias old = Create().alias;
  const Alias fresh = Cycle(old).alias;
  EXPECT_THAT(store().Revoke(old), IsMovedTo(fresh));
  Advance(absl::Hours(1));
  ExpectNoChange([&] { return store().Revoke(old); });
  EXPECT_EQ(Find(fresh).state, State::kCreated);
}

// ---- Batons ----

TEST_F(CycleKeyTest, AnOldBatonIsMovedAndANewOneVerifies) {
  const Alias old = Create().alias;
  ASSERT_OK_AND_ASSIGN(const std::string old_baton, store().Issue(old));
  const Alias fresh = Cycle(old).alias;
  ASSERT_OK_AND_ASSIGN(const std::string new_baton, store().Issue(fresh));
  EXPECT_THAT(store().Verify(old_baton, "main", "alice"), HasVerdict(Verdict::kMoved));
  EXPECT_THAT(store().Verify(old_baton, "main", "alice"), IsMovedTo(fresh));
  EXPECT_EQ(store().Verify(new_baton, "main", "alice")->alias, fresh);
  Advance(absl::Seconds(30));
  ExpectRefused(Verdict::kRevoked, [&] { return store().Verify(old_baton, "main", "alice"); });
}

TEST_F(CycleKeyTest, AStolenOldBatonTellsTheThiefNothing) {
  const Alias old = Create().alias;
  ASSERT_OK_AND_ASSIGN(const std::string baton, store().Issue(old));
  Cycle(old);
  for (const auto& [principal, database, verdict] :
       std::vector<std::tuple<std::string, std::string, Verdict>>{
           {"thief", "main", Verdict::kWrongPrincipal},
           {"", "main", Verdict::kWrongPrincipal},
           {"alice", "other", Verdict::kWrongDatabase},
           {"thief", "other", Verdict::kWrongDatabase}}) {
    const absl::StatusOr<Session> verified = store().Verify(baton, database, principal);
    EXPECT_THAT(verified, HasVerdict(verdict));
    EXPECT_EQ(MovedTo(verified.status()), std::nullopt);
  }
}

// ---- What is refused ----

TEST_F(CycleKeyTest, OnlyACreatedSessionGetsANewIdentity) {
  SessionSpec brief = LastingSpec();
  brief.expires_at = Now() + absl::Minutes(1);
  const Alias reserved = Reserve().alias;
  const Alias revoked = Create().alias;
  const Alias expired = Create(brief).alias;
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  Advance(absl::Minutes(1));
  ExpectRefused(Verdict::kReserved, [&] { return store().CycleKey(reserved); });
  ExpectRefused(Verdict::kRevoked, [&] { return store().CycleKey(revoked); });
  ExpectRefused(Verdict::kExpired, [&] { return store().CycleKey(expired); });
  ExpectRefused(Verdict::kNotFound, [&] { return store().CycleKey(Alias(expired.value() + 1)); });
}

TEST_F(CycleKeyTest, KeysThatAreExhaustedWriteNothing) {
  ScriptedKeys keys([](uint64_t) { return 1; });
  StartAnew({}, keys);
  const Session session = CreateWith({{"a", "1"}});
  ExpectRefused(Verdict::kKeysExhausted, [&] { return store().CycleKey(session.alias); });
  EXPECT_EQ(keys.draws(), 1u + SessionStore::kKeyPairDraws);
  EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
  StartAnew({});  // before its keys
}

TEST_F(CycleKeyTest, KeysThatAreTakenAreDrawnAgain) {
  // Its own, an other's, its own again, and then a fresh one.
  ScriptedKeys keys([](uint64_t draw) -> uint64_t {
    const uint64_t script[] = {1, 2, 1, 2, 1, 3};
    return draw < std::size(script) ? script[draw] : draw;
  });
  StartAnew({}, keys);
  const Alias alias = Create().alias;
  const Alias other = Create().alias;
  const Session fresh = Cycle(alias);
  EXPECT_EQ(keys.draws(), 6u);
  EXPECT_NE(fresh.public_key, Find(other).public_key);
  StartAnew({});
}

// ---- Atomicity ----

TEST_F(CycleKeyTest, ItIsOneTransaction) {
  const Alias alias = CreateRich().alias;
  EXPECT_EQ(CommitsOf([&] { Cycle(alias); }), 1u);
}

TEST_F(CycleKeyTest, AFaultAtAnyStepLeavesEverythingAsItWas) {
  const Session session = CreateRich();
  ASSERT_THAT(store().events().AddConsumer("consumer"), IsOk());
  const MemoryEngine::Rows before = engine().Committed();
  int step = 0;
  for (;; ++step) {
    int left = step;
    engine().InjectFaults([&left](MemoryEngine::Step at) {
      const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
      return now ? Fault::kFailed : Fault::kNone;
    });
    const absl::StatusOr<Session> fresh = store().CycleKey(session.alias);
    engine().InjectFaults(nullptr);
    if (fresh.ok()) break;
    EXPECT_THAT(fresh, HasVerdict(Verdict::kIo));
    ASSERT_TRUE(engine().Committed() == before) << "step " << step;
    ASSERT_LT(step, 200);
  }
  EXPECT_GT(step, 20) << "the test has met too few steps";
}

TEST_F(CycleKeyTest, AnUnknownOutcomeIsTheOldOneOrTheNewOneAndNeverHalf) {
  for (const bool persisted : {false, true}) {
    StartAnew({});
    const Session old = CreateRich();
    engine().InjectFaults(
        [](MemoryEngine::Step step) {
          return step == MemoryEngine::Step::kCommit ? Fault::kUnknown : Fault::kNone;
        },
        persisted);
    EXPECT_THAT(store().CycleKey(old.alias), HasVerdict(Verdict::kPoisoned));
    EXPECT_THAT(store().Find(old.alias), HasVerdict(Verdict::kPoisoned));
    Restart();
    const absl::StatusOr<Session> found = store().Find(old.alias);
    const std::optional<Alias> moved_to = MovedTo(found.status());
    EXPECT_EQ(moved_to.has_value(), persisted);
    const Alias now = moved_to.value_or(old.alias);
    EXPECT_EQ(Find(now).state, State::kCreated);
    EXPECT_EQ(LoadFields(now).size(), 2u);
    EXPECT_EQ(store().Stats()->live, 1u);
  }
}

// ---- In a real file, with many threads ----

class CycleKeyConcurrencyTest : public FileStoreFixture {};

TEST_F(CycleKeyConcurrencyTest, OfManyThatCycleOneSessionOneWinsAndTheOthersAreToldWhere) {
  constexpr int kThreads = 16;
  for (int round = 0; round < 20; ++round) {
    const Alias alias = Create().alias;
    std::vector<absl::StatusOr<Session>> answers(kThreads);
    OnThreads(kThreads, [&](int thread) { answers[thread] = store().CycleKey(alias); });
    std::optional<Alias> winner;
    for (const absl::StatusOr<Session>& answer : answers) {
      if (!answer.ok()) continue;
      EXPECT_EQ(winner, std::nullopt) << "two new identities";
      winner = answer->alias;
    }
    ASSERT_NE(winner, std::nullopt);
    for (const absl::StatusOr<Session>& answer : answers) {
      if (answer.ok()) continue;
      EXPECT_THAT(answer, IsMovedTo(*winner));
    }
  }
  EXPECT_EQ(store().Stats()->live, 20u);
}

TEST_F(CycleKeyConcurrencyTest, NoSaveIsLostWhileTheSessionMoves) {
  constexpr int kThreads = 16;
  constexpr int kEach = 20;
  const Alias first = Create().alias;
  std::atomic<int> working = kThreads - 1;
  OnThreads(kThreads, [&](int thread) {
    Alias alias = first;
    if (thread == 0) {
      while (working > 0) {
        const absl::StatusOr<Session> fresh =
            store().CycleKey(alias, {.redirect_for = absl::InfiniteDuration()});
        ASSERT_THAT(fresh, IsOk());
        alias = fresh->alias;
      }
      return;
    }
    for (int done = 0; done < kEach;) {
      const absl::StatusOr<uint64_t> merged = store().Merge(alias, {{"n", Change::Add(1)}});
      if (merged.ok()) {
        ++done;
      } else {
        const std::optional<Alias> moved_to = MovedTo(merged.status());
        ASSERT_TRUE(moved_to.has_value()) << merged.status();
        alias = *moved_to;
      }
    }
    --working;
  });
  Alias last = first;
  while (const std::optional<Alias> next = MovedTo(store().Find(last).status())) last = *next;
  EXPECT_EQ(store().Load(last)->fields.at("n"), Value(absl::StrCat((kThreads - 1) * kEach)));
}

}  // namespace
}  // namespace batonstore
