// How many sessions there may be: exactly as many as the policy says.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/policy.h"
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
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::ScriptedKeys;
using testing::SpecInGroup;

using AtLimit = Limits::AtLimit;

// One of the three limits that count what is live.
struct Scope {
  std::string name;
  uint64_t Limits::*limit;
  std::string SessionSpec::*other;  // what makes a session fall outside; none for the store's
};
const Scope kScopes[] = {{"principal", &Limits::per_principal, &SessionSpec::principal},
                         {"database", &Limits::per_database, &SessionSpec::database},
                         {"store", &Limits::per_store, nullptr}};

class LimitsTest : public MemoryStoreFixture {
 protected:
  static Policy PolicyOf(const Scope& scope, uint64_t limit, AtLimit at_limit = AtLimit::kRefuse) {
    Policy policy;
    policy.limits.*scope.limit = limit;
    policy.limits.at_limit = at_limit;
    return policy;
  }

  // Starts anew with a limit and as many sessions as it allows.
  std::vector<Alias> StartFull(const Scope& scope, uint64_t limit,
                               AtLimit at_limit = AtLimit::kRefuse) {
    StartAnew(PolicyOf(scope, limit, at_limit));
    return CreateMany(limit);
  }

  std::vector<Alias> CreateMany(uint64_t number, const SessionSpec& spec = LastingSpec()) {
    std::vector<Alias> aliases;
    for (uint64_t i = 0; i < number; ++i) aliases.push_back(Create(spec).alias);
    return aliases;
  }

  void ExpectFull() {
    ExpectRefused(Verdict::kTooMany, [this] { return store().ReserveAndCreate(LastingSpec()); });
    ExpectRefused(Verdict::kTooMany, [this] { return store().Reserve(LastingSpec()); });
    ExpectRefused(Verdict::kTooMany, [this] {
      return store().SaveOrCreate(LastingSpec(), {{"a", "1"}});
    });
  }

  // There is room for one more, and that is all.
  void ExpectOnePlace() {
    Create();
    ExpectFull();
  }

  bool IsRevoked(Alias alias) { return Find(alias).state == State::kRevoked; }

  SessionSpec Brief() {
    SessionSpec spec = LastingSpec();
    spec.expires_at = Now() + absl::Hours(1);
    return spec;
  }
};

// ---- Refusing ----

TEST_F(LimitsTest, AtTheLimitOneMoreIsRefused) {
  for (const Scope& scope : kScopes) {
    for (const uint64_t limit : {1, 2, 5}) {
      SCOPED_TRACE(absl::StrCat("limit of ", limit, " per ", scope.name));
      StartAnew(PolicyOf(scope, limit));
      CreateMany(limit - 1);
      ExpectOnePlace();
    }
  }
}

TEST_F(LimitsTest, ZeroIsNoLimit) {
  StartAnew({});
  CreateMany(50);
}

TEST_F(LimitsTest, WhatFallsOutsideIsNotCountedAndNotRefused) {
  for (const Scope& scope : kScopes) {
    if (scope.other == nullptr) continue;
    SCOPED_TRACE(scope.name);
    StartFull(scope, 2);
    SessionSpec other = LastingSpec();
    other.*scope.other = "other";
    CreateMany(2, other);
    ExpectRefused(Verdict::kTooMany, [&] { return store().ReserveAndCreate(other); });
    ExpectFull();
  }
}

TEST_F(LimitsTest, TheStoresLimitCountsEverybody) {
  StartAnew({.limits = {.per_store = 3}});
  for (const std::string name : {"a", "b", "c"}) {
    SessionSpec spec = LastingSpec();
    spec.principal = spec.database = name;
    Create(spec);
  }
  ExpectFull();
}

TEST_F(LimitsTest, ARefusalLeavesThePlaceForLater) {
  for (const Scope& scope : kScopes) {
    const std::vector<Alias> aliases = StartFull(scope, 3);
    ExpectFull();
    ExpectFull();
    ASSERT_THAT(store().Revoke(aliases[1]), IsOk());
    ExpectOnePlace();
  }
}

TEST_F(LimitsTest, OtherRefusalsComeFirstAndFreeNothing) {
  StartFull(kScopes[0], 2, AtLimit::kRevokeOldest);
  SessionSpec bad = LastingSpec();
  bad.expires_at = Now();
  ExpectRefused(Verdict::kInvalid, [&] { return store().Reserve(bad); });
  const Alias member = *store().List({}, 1)->next;
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(member)); });
  ExpectRefused(Verdict::kUnknownGroup,
                [&] { return store().Reserve(SpecInGroup(Alias(member.value() + 9))); });
}

TEST_F(LimitsTest, ARequestThatWasAnsweredBeforeIsAnsweredAgainAtTheLimit) {
  StartAnew({.limits = {.per_principal = 1}});
  SessionSpec spec = LastingSpec();
  spec.idempotency_key = "request";
  const Alias alias = Create(spec).alias;
  EXPECT_EQ(store().ReserveAndCreate(spec)->alias, alias);
  ExpectFull();
}

// ---- What frees a place ----

TEST_F(LimitsTest, AReservationTakesAPlaceAndCreateTakesNoSecond) {
  for (const Scope& scope : kScopes) {
    StartAnew(PolicyOf(scope, 2));
    const Alias created = Reserve().alias;
    ASSERT_THAT(store().Create(created), IsOk());
    const Alias abandoned = Reserve().alias;
    ExpectFull();
    ASSERT_THAT(store().Abandon(abandoned), IsOk());
    ExpectOnePlace();
  }
}

TEST_F(LimitsTest, WhateverEndsASessionFreesItsPlaceAtOnceAndUnswept) {
  using End = std::function<void(Alias)>;
  const std::vector<std::pair<std::string, End>> endings = {
      {"revoked", [this](Alias a) { ASSERT_THAT(store().Revoke(a), IsOk()); }},
      {"revoked twice",
       [this](Alias a) {
         ASSERT_THAT(store().Revoke(a), IsOk());
         ASSERT_THAT(store().Revoke(a), IsOk());
       }},
      {"shifted to Expired",
       [this](Alias a) { ASSERT_THAT(store().Shift(a, State::kExpired), IsOk()); }},
      {"its group revoked", [this](Alias a) { ASSERT_THAT(store().RevokeGroup(a), IsOk()); }},
      {"past its deadline", [this](Alias) { Advance(absl::Hours(1)); }},
      {"past its deadline and noted",
       [this](Alias a) {
         Advance(absl::Hours(1));
         ASSERT_THAT(store().Shift(a, State::kExpired), IsOk());
       }},
      {"swept",
       [this](Alias) {
         Advance(absl::Hours(1));
         SweepAll();
       }},
      {"removed",
       [this](Alias) {
         Advance(absl::Hours(1) + Policy().retention);
         SweepAll();
       }},
  };
  for (const Scope& scope : kScopes) {
    for (const auto& [name, end] : endings) {
      SCOPED_TRACE(absl::StrCat(name, ", per ", scope.name));
      StartAnew(PolicyOf(scope, 3));
      Create();
      const Alias alias = Create(Brief()).alias;
      Create();
      ExpectFull();
      end(alias);
      ExpectOnePlace();
    }
  }
}

TEST_F(LimitsTest, AnIdleSessionFreesItsPlaceAtItsDeadline) {
  StartAnew({.limits = {.per_principal = 1}});
  SessionSpec spec = LastingSpec();
  spec.idle_timeout = absl::Minutes(10);
  Create(spec);
  Advance(absl::Minutes(10) - absl::Microseconds(1));
  ExpectFull();
  Advance(absl::Microseconds(1));
  ExpectOnePlace();
}

TEST_F(LimitsTest, AReservationFreesItsPlaceAtItsDeadline) {
  StartAnew({.limits = {.per_principal = 1}});
  SessionSpec spec = LastingSpec();
  spec.reserve_for = absl::Minutes(10);
  spec.intent = "intent";
  Reserve(spec);
  Advance(absl::Minutes(10) - absl::Microseconds(1));
  ExpectFull();
  Advance(absl::Microseconds(1));
  ExpectOnePlace();
  EXPECT_EQ(store().PendingCompensations()->size(), 1u);
}

TEST_F(LimitsTest, RevokeAllFreesEveryPlaceUnswept) {
  for (const Scope& scope : kScopes) {
    SCOPED_TRACE(scope.name);
    StartFull(scope, 3);
    ASSERT_THAT(store().RevokeAll("alice"), IsOk());
    CreateMany(3);
    ExpectFull();
  }
}

TEST_F(LimitsTest, RevokeAllExceptFreesAllPlacesButOne) {
  for (const Scope& scope : kScopes) {
    const std::vector<Alias> aliases = StartFull(scope, 3);
    ASSERT_THAT(store().RevokeAllExcept("alice", aliases[1]), IsOk());
    CreateMany(2);
    ExpectFull();
  }
}

TEST_F(LimitsTest, MoreUnsweptSessionsThanASweepTakesAtOnceFreeTheirPlacesToo) {
  constexpr uint64_t kLimit = 2 * kSweepSessions + 10;
  StartAnew({.limits = {.per_principal = kLimit}});
  CreateMany(kLimit / 2, Brief());
  CreateMany(kLimit / 2);
  ExpectFull();
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  Advance(absl::Hours(1));
  Create();
  EXPECT_EQ(store().Count({.state = State::kCreated}).value(), 1u);
}

TEST_F(LimitsTest, ANewIdentityTakesThePlaceOfTheOldOne) {
  for (const Scope& scope : kScopes) {
    for (const AtLimit at_limit : {AtLimit::kRefuse, AtLimit::kRevokeOldest}) {
      std::vector<Alias> aliases = StartFull(scope, 2, at_limit);
      for (int i = 0; i < 3; ++i) {
        ASSERT_OK_AND_ASSIGN(const Session fresh, store().CycleKey(aliases[0]));
        aliases[0] = fresh.alias;
      }
      EXPECT_FALSE(IsRevoked(aliases[1]));
      EXPECT_EQ(store().Stats()->live, 2u);
      if (at_limit == AtLimit::kRefuse) ExpectFull();
      ASSERT_THAT(store().Revoke(aliases[0]), IsOk());
      EXPECT_EQ(store().Stats()->live, 1u);
    }
  }
}

TEST_F(LimitsTest, CountsSurviveARestart) {
  for (const Scope& scope : kScopes) {
    const std::vector<Alias> aliases = StartFull(scope, 3);
    Restart(PolicyOf(scope, 3));
    ExpectFull();
    ASSERT_THAT(store().Revoke(aliases[0]), IsOk());
    Restart(PolicyOf(scope, 3));
    ExpectOnePlace();
    ASSERT_THAT(store().RevokeAll("alice"), IsOk());
    Restart(PolicyOf(scope, 3));
    CreateMany(3);
    ExpectFull();
  }
}

TEST_F(LimitsTest, ReservationsThatARestartRemovesFreeTheirPlaces) {
  StartAnew({.limits = {.per_principal = 3}});
  Reserve();
  Create();
  Reserve();
  ExpectFull();
  Restart({.limits = {.per_principal = 3}});
  CreateMany(2);
  ExpectFull();
}

TEST_F(LimitsTest, ALimitIsARuleOfTheOpening) {
  StartAnew({});
  const std::vector<Alias> aliases = CreateMany(5);
  Restart({.limits = {.per_principal = 3}});
  for (const Alias alias : aliases) EXPECT_EQ(Find(alias).state, State::kCreated);
  ExpectFull();
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(store().Revoke(aliases[i]), IsOk());
    ExpectFull();
  }
  ASSERT_THAT(store().Revoke(aliases[2]), IsOk());
  ExpectOnePlace();
  Restart({.limits = {.per_principal = 4}});
  ExpectOnePlace();
  Restart({});
  CreateMany(10);
}

// ---- Revoking the oldest ----

TEST_F(LimitsTest, AtTheLimitTheOldestIsRevokedForTheNewOne) {
  for (const Scope& scope : kScopes) {
    SCOPED_TRACE(scope.name);
    std::vector<Alias> aliases = StartFull(scope, 3, AtLimit::kRevokeOldest);
    for (int i = 0; i < 5; ++i) {
      Advance(absl::Seconds(1));
      aliases.push_back(Create().alias);
      for (size_t at = 0; at < aliases.size(); ++at) {
        EXPECT_EQ(IsRevoked(aliases[at]), at + 3 < aliases.size()) << at;
      }
      EXPECT_EQ(Find(aliases[i]).revoked_at, Now());
      EXPECT_EQ(store().Stats()->live, 3u);
    }
  }
}

TEST_F(LimitsTest, BelowTheLimitNobodyIsRevoked) {
  for (const Scope& scope : kScopes) {
    StartAnew(PolicyOf(scope, 3, AtLimit::kRevokeOldest));
    for (const Alias alias : CreateMany(3)) EXPECT_FALSE(IsRevoked(alias));
  }
}

TEST_F(LimitsTest, ALimitOfOneIsOneSessionAtATime) {
  for (const Scope& scope : kScopes) {
    StartAnew(PolicyOf(scope, 1, AtLimit::kRevokeOldest));
    const Alias first = Create().alias;
    const Alias second = Create().alias;
    EXPECT_TRUE(IsRevoked(first));
    EXPECT_FALSE(IsRevoked(second));
  }
}

TEST_F(LimitsTest, OnlyWhatStandsInTheWayIsRevoked) {
  for (const Scope& scope : kScopes) {
    if (scope.other == nullptr) continue;
    StartAnew(PolicyOf(scope, 1, AtLimit::kRevokeOldest));
    SessionSpec other = LastingSpec();
    other.*scope.other = "other";
    const Alias outside = Create(other).alias;
    const Alias inside = Create().alias;
    Create();
    EXPECT_FALSE(IsRevoked(outside));
    EXPECT_TRUE(IsRevoked(inside));
  }
}

TEST_F(LimitsTest, ADatabasesOldestIsRevokedWhoeverItIs) {
  StartAnew({.limits = {.per_database = 2, .at_limit = AtLimit::kRevokeOldest}});
  SessionSpec bob = LastingSpec();
  bob.principal = "bob";
  const Alias oldest = Create(bob).alias;
  const Alias second = Create().alias;
  Create();
  EXPECT_TRUE(IsRevoked(oldest));
  EXPECT_FALSE(IsRevoked(second));
}

TEST_F(LimitsTest, TheOldestIsTheOneThatStillLives) {
  for (const Scope& scope : kScopes) {
    SCOPED_TRACE(scope.name);
    const std::vector<Alias> aliases = StartFull(scope, 5, AtLimit::kRevokeOldest);
    ASSERT_THAT(store().Revoke(aliases[0]), IsOk());
    ASSERT_THAT(store().Revoke(aliases[2]), IsOk());
    CreateMany(2);  // full again
    Create();
    EXPECT_TRUE(IsRevoked(aliases[1]));
    EXPECT_FALSE(IsRevoked(aliases[3]));
    Create();
    EXPECT_TRUE(IsRevoked(aliases[3]));
    EXPECT_FALSE(IsRevoked(aliases[4]));
  }
}

TEST_F(LimitsTest, TheOldestIsFoundAfterOthersWereRemovedForGood) {
  for (const Scope& scope : kScopes) {
    SCOPED_TRACE(scope.name);
    StartAnew(PolicyOf(scope, 4, AtLimit::kRevokeOldest));
    CreateMany(2, Brief());
    const Alias oldest = Create().alias;
    const Alias second = Create().alias;
    Advance(absl::Hours(1) + Policy().retention);
    SweepAll();
    EXPECT_EQ(store().Stats()->sessions, 2u);
    Restart(PolicyOf(scope, 4, AtLimit::kRevokeOldest));
    CreateMany(3);
    EXPECT_TRUE(IsRevoked(oldest));
    EXPECT_FALSE(IsRevoked(second));
  }
}

TEST_F(LimitsTest, WhatHasRunOutUnnoticedMakesRoomBeforeAnybodyIsRevoked) {
  for (const Scope& scope : kScopes) {
    StartAnew(PolicyOf(scope, 2, AtLimit::kRevokeOldest));
    const Alias oldest = Create().alias;
    const Alias run_out = Create(Brief()).alias;
    Advance(absl::Hours(1));
    Create();
    EXPECT_FALSE(IsRevoked(oldest));
    EXPECT_EQ(Find(run_out).state, State::kExpired);
  }
}

TEST_F(LimitsTest, WithANewIdentityASessionIsAYoungOne) {
  for (const Scope& scope : kScopes) {
    const std::vector<Alias> aliases = StartFull(scope, 3, AtLimit::kRevokeOldest);
    ASSERT_OK_AND_ASSIGN(const Session fresh, store().CycleKey(aliases[0]));
    Create();
    EXPECT_TRUE(IsRevoked(aliases[1])) << "the oldest alias that lives";
    EXPECT_FALSE(IsRevoked(fresh.alias));
    Create();
    EXPECT_TRUE(IsRevoked(aliases[2]));
    EXPECT_FALSE(IsRevoked(fresh.alias));
    Create();
    EXPECT_TRUE(IsRevoked(fresh.alias));
  }
}

TEST_F(LimitsTest, AReservationThatIsTheOldestGoesAndLeavesItsIntent) {
  StartAnew({.limits = {.per_principal = 1, .at_limit = AtLimit::kRevokeOldest}});
  SessionSpec spec = LastingSpec();
  spec.intent = "register alice";
  const Alias reserved = Reserve(spec).alias;
  Create();
  EXPECT_TRUE(IsRevoked(reserved));
  ASSERT_EQ(store().PendingCompensations()->size(), 1u);
  EXPECT_EQ(store().PendingCompensations()->front().alias, reserved);
  EXPECT_EQ(store().Stats()->reservations, 0u);
}

TEST_F(LimitsTest, AReservationRevokesTheOldestToo) {
  const Alias oldest = StartFull(kScopes[0], 1, AtLimit::kRevokeOldest)[0];
  Reserve();
  EXPECT_TRUE(IsRevoked(oldest));
}

TEST_F(LimitsTest, WhoGoesForANarrowLimitMakesRoomInTheWideOnesToo) {
  StartAnew({.limits = {.per_principal = 2,
                        .per_database = 3,
                        .per_store = 3,
                        .at_limit = AtLimit::kRevokeOldest}});
  SessionSpec bob = LastingSpec();
  bob.principal = "bob";
  const Alias of_bob = Create(bob).alias;
  const std::vector<Alias> of_alice = CreateMany(2);
  Create();
  EXPECT_FALSE(IsRevoked(of_bob)) << "one had to go, and it was not his turn";
  EXPECT_TRUE(IsRevoked(of_alice[0]));
  EXPECT_FALSE(IsRevoked(of_alice[1]));
}

TEST_F(LimitsTest, AWideLimitHoldsWhereANarrowOneLeavesRoom) {
  StartAnew({.limits = {.per_principal = 2, .per_store = 3}});
  for (const std::string name : {"a", "b", "c"}) {
    SessionSpec spec = LastingSpec();
    spec.principal = name;
    Create(spec);
  }
  ExpectFull();
}

TEST_F(LimitsTest, ALimitThatWasLoweredRevokesAsManyAsItTakes) {
  for (const uint64_t more : {uint64_t{4}, 2 * kSweepSessions + 10}) {
    StartAnew({});
    const std::vector<Alias> aliases = CreateMany(more);
    Restart({.limits = {.per_principal = 2, .at_limit = AtLimit::kRevokeOldest}});
    const Alias fresh = Create().alias;
    EXPECT_EQ(store().Count({.state = State::kCreated}).value(), 2u);
    EXPECT_FALSE(IsRevoked(fresh));
    EXPECT_FALSE(IsRevoked(aliases.back()));
    EXPECT_TRUE(IsRevoked(aliases[more - 2]));
  }
}

TEST_F(LimitsTest, RevokingAndInsertingAreOneTransaction) {
  const Alias oldest = StartFull(kScopes[0], 1, AtLimit::kRevokeOldest)[0];
  EXPECT_EQ(CommitsOf([this] { Create(); }), 1u);
  EXPECT_TRUE(IsRevoked(oldest));

  bool done = false;
  for (int step = 0; !done; ++step) {
    const MemoryEngine::Rows before = engine().Committed();
    int left = step;
    engine().InjectFaults([&left](MemoryEngine::Step at) {
      const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
      return now ? Fault::kFailed : Fault::kNone;
    });
    done = store().ReserveAndCreate(LastingSpec()).ok();
    engine().InjectFaults(nullptr);
    EXPECT_EQ(engine().Committed() == before, !done) << "step " << step;
    ASSERT_LT(step, 200);
  }
  EXPECT_EQ(store().Stats()->live, 1u);
}

TEST_F(LimitsTest, KeysThatAreExhaustedCostNobodyHisSession) {
  ScriptedKeys keys([](uint64_t) { return 1; });
  StartAnew({.limits = {.per_principal = 1, .at_limit = AtLimit::kRevokeOldest}}, keys);
  const Alias alias = Create().alias;
  ExpectRefused(Verdict::kKeysExhausted,
                [this] { return store().ReserveAndCreate(LastingSpec()); });
  EXPECT_FALSE(IsRevoked(alias));
  StartAnew({});
}

// ---- Groups ----

TEST_F(LimitsTest, AGroupHasUpToItsLimitEndedOnesIncluded) {
  for (const AtLimit at_limit : {AtLimit::kRefuse, AtLimit::kRevokeOldest}) {
    for (const uint64_t limit : {1, 2, 5}) {
      SCOPED_TRACE(limit);
      StartAnew({.limits = {.per_group = limit, .at_limit = at_limit}});
      const Alias group = Create().alias;
      ASSERT_THAT(store().Revoke(group), IsOk());
      for (uint64_t i = 1; i < limit; ++i) {
        ASSERT_THAT(store().Revoke(Create(SpecInGroup(group)).alias), IsOk());
      }
      ExpectRefused(Verdict::kTooMany,
                    [&] { return store().ReserveAndCreate(SpecInGroup(group)); });
      ExpectRefused(Verdict::kTooMany, [&] { return store().Reserve(SpecInGroup(group)); });
      EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), IsOk()) << "a group of its own";
      Restart({.limits = {.per_group = limit + 1}});
      EXPECT_THAT(store().ReserveAndCreate(SpecInGroup(group)), IsOk());
    }
  }
}

TEST_F(LimitsTest, ANewIdentityTakesThePlaceOfTheOldOneInItsGroup) {
  StartAnew({.limits = {.per_group = 2}});
  const Alias group = Create().alias;
  ASSERT_OK_AND_ASSIGN(const Session cycled, store().CycleKey(group));
  ASSERT_THAT(store().Revoke(cycled.alias), IsOk());
  const Alias second = Create(SpecInGroup(group)).alias;
  ASSERT_OK_AND_ASSIGN(const Session again, store().CycleKey(second));
  ASSERT_THAT(store().Revoke(again.alias), IsOk());
  ExpectRefused(Verdict::kTooMany, [&] { return store().Reserve(SpecInGroup(group)); });
}

TEST_F(LimitsTest, AReservationThatIsTakenBackFreesItsPlaceInItsGroup) {
  StartAnew({.limits = {.per_group = 2}});
  const Alias group = Create().alias;
  ASSERT_THAT(store().Revoke(group), IsOk());
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(store().Abandon(Reserve(SpecInGroup(group)).alias), IsOk());
  }
  Create(SpecInGroup(group));
}

TEST_F(LimitsTest, AnActiveGroupIsToldSoRatherThanItsLimit) {
  StartAnew({.limits = {.per_group = 1}});
  const Alias group = Create().alias;
  ExpectRefused(Verdict::kGroupActive, [&] { return store().Reserve(SpecInGroup(group)); });
}

// ---- Events ----

class LimitEventsTest : public LimitsTest {
 protected:
  void Follow() { ASSERT_THAT(store().events().AddConsumer("consumer"), IsOk()); }

  // Type, alias and detail of each.
  std::vector<std::string> Events() {
    std::vector<std::string> told;
    const absl::StatusOr<std::vector<Event>> events = store().events().Read("consumer", 1000);
    EXPECT_THAT(events, IsOk());
    if (!events.ok()) return told;
    for (const Event& event : *events) {
      EXPECT_EQ(event.principal, "alice");
      EXPECT_EQ(event.database, "main");
      told.push_back(absl::StrCat(EventTypeName(event.type), " ", event.alias.ToString(),
                                  event.detail.empty() ? "" : " ", event.detail));
    }
    return told;
  }

  static std::string Told(EventType type, Alias alias, const std::string& detail = "") {
    return absl::StrCat(EventTypeName(type), " ", alias.ToString(), detail.empty() ? "" : " ",
                        detail);
  }
};

TEST_F(LimitEventsTest, ARefusalIsToldWithTheLimitAndWhoseItWas) {
  for (const Scope& scope : kScopes) {
    StartFull(scope, 1);
    Follow();
    EXPECT_THAT(store().Reserve(LastingSpec()), HasVerdict(Verdict::kTooMany));
    EXPECT_THAT(Events(), ElementsAre(Told(EventType::kLimitHit, Alias(), scope.name)));
  }
}

TEST_F(LimitEventsTest, ARefusalWritesItsEventAndNothingElse) {
  StartFull(kScopes[0], 1);
  Follow();
  MemoryEngine::Rows before = engine().Committed();
  EXPECT_THAT(store().Reserve(LastingSpec()), HasVerdict(Verdict::kTooMany));
  MemoryEngine::Rows after = engine().Committed();
  for (MemoryEngine::Rows* rows : {&before, &after}) {
    (*rows)[TableIndex(Table::kOutbox)].clear();
    (*rows)[TableIndex(Table::kMeta)].erase(std::string(meta::kLastEvent));
    (*rows)[TableIndex(Table::kMeta)].erase(std::string(meta::kTime));
    (*rows)[TableIndex(Table::kMeta)].erase(std::string(meta::kRoot));
  }
  EXPECT_TRUE(after == before);
}

TEST_F(LimitEventsTest, WhoIsRevokedForANewOneIsTold) {
  for (const Scope& scope : kScopes) {
    const Alias oldest = StartFull(scope, 1, AtLimit::kRevokeOldest)[0];
    Follow();
    const Alias fresh = Create().alias;
    EXPECT_THAT(Events(),
                ElementsAre(Told(EventType::kLimitHit, oldest, scope.name),
                            Told(EventType::kRevoked, oldest), Told(EventType::kCreated, fresh)));
  }
}

TEST_F(LimitEventsTest, AGroupThatIsFullIsTold) {
  StartAnew({.limits = {.per_group = 1}});
  const Alias group = Create().alias;
  ASSERT_THAT(store().Revoke(group), IsOk());
  Follow();
  EXPECT_THAT(store().Reserve(SpecInGroup(group)), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(Events(), ElementsAre(Told(EventType::kLimitHit, Alias(), "group")));
}

TEST_F(LimitEventsTest, RoomThatWasThereAllAlongIsNoLimitHit) {
  StartAnew({.limits = {.per_principal = 1}});
  const Alias run_out = Create(Brief()).alias;
  Follow();
  Advance(absl::Hours(1));
  const Alias fresh = Create().alias;
  EXPECT_THAT(Events(),
              ElementsAre(Told(EventType::kExpired, run_out), Told(EventType::kCreated, fresh)));
}

}  // namespace
}  // namespace batonstore
