// SaveOrCreate, and asking again with an idempotency key.

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::ScriptedKeys;

SessionSpec Request(const std::string& key = "request") {
  SessionSpec spec = LastingSpec();
  spec.idempotency_key = key;
  return spec;
}

class SaveOrCreateTest : public MemoryStoreFixture {
 protected:
  Saved Save(const SessionSpec& spec, const Fields& fields = {}) {
    const absl::StatusOr<Saved> saved = store().SaveOrCreate(spec, fields);
    EXPECT_THAT(saved, IsOk());
    return saved.ok() ? *saved : Saved();
  }

  // Asking again gives what there is, and changes nothing.
  void ExpectSame(const SessionSpec& spec, Alias alias) {
    const std::string now = Describe(Find(alias));
    ExpectNoChange([&] { return store().SaveOrCreate(spec, {{"other", "fields"}}); });
    const Saved again = Save(spec, {{"other", "fields"}});
    EXPECT_FALSE(again.created);
    EXPECT_EQ(Describe(again.session), now);
    EXPECT_EQ(Describe(*store().ReserveAndCreate(spec)), now);
    EXPECT_EQ(Describe(*store().Reserve(spec)), now);
  }
};

// ---- Keys that are taken ----

TEST_F(SaveOrCreateTest, AKeyPairThatIsTakenIsDrawnAgainUpToTheEighth) {
  ScriptedKeys keys([](uint64_t draw) -> uint64_t {
    return draw >= 1 && draw < SessionStore::kKeyPairDraws ? 0 : draw;
  });
  StartAnew({}, keys);
  const Session first = Save(LastingSpec()).session;
  const Saved second = Save(LastingSpec(), {{"a", "1"}});
  EXPECT_TRUE(second.created);
  EXPECT_NE(second.session.public_key, first.public_key);
  EXPECT_EQ(keys.draws(), 1u + SessionStore::kKeyPairDraws);
  StartAnew({});  // before its keys
}

TEST_F(SaveOrCreateTest, KeysThatAreExhaustedCreateNothing) {
  ScriptedKeys keys([](uint64_t) { return 0; });
  StartAnew({}, keys);
  Save(LastingSpec());
  ExpectRefused(Verdict::kKeysExhausted, [this] {
    return store().SaveOrCreate(LastingSpec(), {{"a", "1"}});
  });
  EXPECT_EQ(keys.draws(), 1u + SessionStore::kKeyPairDraws);
  StartAnew({});
}

TEST_F(SaveOrCreateTest, TheKeyPairOfAnEndedSessionIsTakenUntilItIsRemoved) {
  ScriptedKeys keys([](uint64_t) { return 0; });
  StartAnew({}, keys);
  ASSERT_THAT(store().Revoke(Save(LastingSpec()).session.alias), IsOk());
  ExpectRefused(Verdict::kKeysExhausted,
                [this] { return store().SaveOrCreate(LastingSpec(), {}); });
  Advance(Policy().retention);
  SweepAll();
  EXPECT_THAT(store().SaveOrCreate(LastingSpec(), {}), IsOk());
  StartAnew({});
}

// ---- Asking again ----

TEST_F(SaveOrCreateTest, WithoutAKeyEachCallMakesASession) {
  std::set<Alias> aliases;
  for (int i = 0; i < 5; ++i) {
    const Saved saved = Save(LastingSpec(), {{"a", "1"}});
    EXPECT_TRUE(saved.created);
    aliases.insert(saved.session.alias);
  }
  EXPECT_EQ(aliases.size(), 5u);
}

TEST_F(SaveOrCreateTest, AskingAgainGivesWhatTheFirstTimeMadeAndOverwritesNothing) {
  const Saved first = Save(Request(), {{"a", "1"}});
  EXPECT_TRUE(first.created);
  for (int i = 0; i < 3; ++i) ExpectSame(Request(), first.session.alias);
  EXPECT_EQ(LoadFields(first.session.alias), (Fields{{"a", "1"}}));
  EXPECT_EQ(store().Stats()->sessions, 1u);
}

TEST_F(SaveOrCreateTest, AskingAgainTellsTheVersionOfNow) {
  const Saved first = Save(Request(), {{"a", "1"}});
  EXPECT_EQ(Save(Request()).version, first.version);
  ASSERT_OK_AND_ASSIGN(const uint64_t version,
                       store().Merge(first.session.alias, {{"a", Change::Set("2")}}));
  EXPECT_EQ(Save(Request()).version, version);
  EXPECT_THAT(store().SaveIf(first.session.alias, Save(Request()).version, {}), IsOk());
}

TEST_F(SaveOrCreateTest, AskingAgainNeedsTheSameRequest) {
  const Alias alias = Save(Request()).session.alias;
  std::vector<SessionSpec> others(4, Request());
  others[0].database = "other";
  others[1].kind = 8;
  others[2].label = "laptop";
  others[3].key_type = KeyType::kP256;
  for (const SessionSpec& other : others) {
    ExpectRefused(Verdict::kExists, [&] { return store().SaveOrCreate(other, {}); });
    ExpectRefused(Verdict::kExists, [&] { return store().ReserveAndCreate(other); });
    ExpectRefused(Verdict::kExists, [&] { return store().Reserve(other); });
  }
  ExpectSame(Request(), alias);
}

TEST_F(SaveOrCreateTest, WhatIsReckonedFromNowMayDifferWhenAskedAgain) {
  SessionSpec spec = Request();
  spec.expires_at = Now() + absl::Hours(24);
  const Session first = Save(spec).session;
  Advance(absl::Minutes(1));
  spec.expires_at = Now() + absl::Hours(24);
  spec.idle_timeout = absl::Hours(1);
  ExpectSame(spec, first.alias);
  EXPECT_EQ(Find(first.alias).expires_at, first.expires_at);
}

TEST_F(SaveOrCreateTest, AnotherPrincipalsSameKeyIsAnotherSession) {
  const Alias alice = Save(Request()).session.alias;
  SessionSpec spec = Request();
  spec.principal = "bob";
  const Saved bob = Save(spec);
  EXPECT_TRUE(bob.created);
  EXPECT_NE(bob.session.alias, alice);
  ExpectSame(Request(), alice);
  ExpectSame(spec, bob.session.alias);
}

TEST_F(SaveOrCreateTest, PrincipalAndKeyAreNotMixedUp) {
  std::set<Alias> aliases;
  for (const auto& [principal, key] :
       std::vector<std::pair<std::string, std::string>>{{"ab", "c"},
                                                        {"a", "bc"},
                                                        {"", "abc"},
                                                        {"abc", "abc"},
                                                        {"abc", std::string("abc\0", 4)}}) {
    SessionSpec spec = Request(key);
    spec.principal = principal;
    const Saved saved = Save(spec);
    EXPECT_TRUE(saved.created);
    aliases.insert(saved.session.alias);
    ExpectSame(spec, saved.session.alias);
  }
  EXPECT_EQ(aliases.size(), 5u);
}

TEST_F(SaveOrCreateTest, AKeyHasUpTo255BytesOfAnyKind) {
  for (const size_t size : {1, 254, 255}) {
    const SessionSpec spec = Request(std::string(size, '\xff'));
    ExpectSame(spec, Save(spec).session.alias);
  }
  for (const size_t size : {256, 600}) {
    const SessionSpec spec = Request(std::string(size, 'k'));
    ExpectRefused(Verdict::kInvalid, [&] { return store().SaveOrCreate(spec, {}); });
    ExpectRefused(Verdict::kInvalid, [&] { return store().Reserve(spec); });
  }
}

TEST_F(SaveOrCreateTest, AskingAgainAfterACrashGivesTheSame) {
  const Alias alias = Save(Request(), {{"a", "1"}}).session.alias;
  Restart();
  ExpectSame(Request(), alias);
  EXPECT_EQ(LoadFields(alias), (Fields{{"a", "1"}}));
}

TEST_F(SaveOrCreateTest, AskingAgainGivesAnEndedSessionAsItIs) {
  const std::vector<std::pair<State, std::function<void(Alias)>>> endings = {
      {State::kRevoked, [this](Alias a) { ASSERT_THAT(store().Revoke(a), IsOk()); }},
      {State::kExpired,
       [this](Alias a) { ASSERT_THAT(store().Shift(a, State::kExpired), IsOk()); }},
      {State::kRevoked, [this](Alias) { ASSERT_THAT(store().RevokeAll("alice"), IsOk()); }},
      {State::kRevoked,
       [this](Alias) {
         ASSERT_THAT(store().RevokeAll("alice"), IsOk());
         SweepAll();
       }},
      {State::kExpired, [this](Alias) { Advance(absl::Hours(1)); }},
      {State::kExpired, [this](Alias) {
         Advance(absl::Hours(1));
         SweepAll();
       }}};
  for (const auto& [state, end] : endings) {
    StartAnew({});
    SessionSpec spec = Request();
    spec.expires_at = Now() + absl::Hours(1);
    const Alias alias = Save(spec, {{"a", "1"}}).session.alias;
    end(alias);
    EXPECT_EQ(Find(alias).state, state);
    ExpectSame(Request(), alias);
    Restart();
    ExpectSame(Request(), alias);
  }
}

TEST_F(SaveOrCreateTest, WhatIsSaidOfAnEndedSessionIsTheSameSweptOrNot) {
  const Alias alias = Save(Request(), {{"a", "1"}}).session.alias;
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  const Saved before = Save(Request());
  SweepAll();
  const Saved after = Save(Request());
  EXPECT_EQ(before.session.alias, alias);
  EXPECT_EQ(Describe(after.session), Describe(before.session));
  EXPECT_EQ(after.version, before.version);
}

TEST_F(SaveOrCreateTest, AskingAgainGivesTheNewIdentity) {
  const Alias old = Save(Request(), {{"a", "1"}}).session.alias;
  ASSERT_OK_AND_ASSIGN(const Session fresh, store().CycleKey(old));
  ExpectSame(Request(), fresh.alias);
  EXPECT_EQ(Save(Request()).version, 1u);
  Advance(absl::Hours(1));
  ExpectSame(Request(), fresh.alias);
}

TEST_F(SaveOrCreateTest, AReservationIsFoundAgainWhileItLasts) {
  const Alias reserved = Reserve(Request()).alias;
  ExpectSame(Request(), reserved);
  EXPECT_EQ(Save(Request()).session.state, State::kReserved) << "as it is, not as it was asked for";
  ASSERT_THAT(store().Create(reserved), IsOk());
  ExpectSame(Request(), reserved);
}

TEST_F(SaveOrCreateTest, WhatWasNeverCreatedIsForgotten) {
  const Alias abandoned = Reserve(Request()).alias;
  ASSERT_THAT(store().Abandon(abandoned), IsOk());
  const Alias left_behind = Reserve(Request()).alias;
  EXPECT_GT(left_behind, abandoned);
  Restart();
  const Alias run_out = Reserve(Request()).alias;
  EXPECT_GT(run_out, left_behind);
  Advance(absl::Hours(1));
  SweepAll();
  const Saved saved = Save(Request());
  EXPECT_TRUE(saved.created);
  EXPECT_GT(saved.session.alias, run_out);
}

TEST_F(SaveOrCreateTest, AFaultLeavesTheKeyUnused) {
  for (int step = 0;; ++step) {
    const MemoryEngine::Rows before = engine().Committed();
    int left = step;
    engine().InjectFaults([&left](MemoryEngine::Step at) {
      const bool now = left-- == 0 && at != MemoryEngine::Step::kCommit;
      return now ? Fault::kFailed : Fault::kNone;
    });
    const absl::StatusOr<Saved> saved = store().SaveOrCreate(Request(), {{"a", "1"}});
    engine().InjectFaults(nullptr);
    if (saved.ok()) {
      EXPECT_TRUE(saved->created);
      break;
    }
    ASSERT_TRUE(engine().Committed() == before);
    ASSERT_LT(step, 100);
  }
}

TEST_F(SaveOrCreateTest, AfterAnUnknownOutcomeAskingAgainMakesExactlyOne) {
  for (const bool persisted : {false, true}) {
    StartAnew({});
    engine().InjectFaults(
        [](MemoryEngine::Step step) {
          return step == MemoryEngine::Step::kCommit ? Fault::kUnknown : Fault::kNone;
        },
        persisted);
    EXPECT_THAT(store().SaveOrCreate(Request(), {{"a", "1"}}), HasVerdict(Verdict::kPoisoned));
    Restart();
    const Saved again = Save(Request(), {{"a", "1"}});
    EXPECT_EQ(again.created, !persisted);
    EXPECT_EQ(LoadFields(again.session.alias), (Fields{{"a", "1"}}));
    EXPECT_EQ(store().Stats()->sessions, 1u);
  }
}

}  // namespace
}  // namespace batonstore
