// Refusals of batons as sessions and streams count them: once each, for who presented the baton,
// and at nobody's cost.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/refusals.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/stream_registry.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/memory_store.h"
#include "tests/support/session_turn_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Allocations;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;

// What the hook was told, kept.
struct Told {
  Verdict verdict;
  BatonKind presented_as;
  std::string database, principal;
  absl::Time at;
  std::optional<uint64_t> id;
};

class RefusedBatonsTest : public testing::SessionTurnFixture {
 protected:
  RefusedBatonsTest() { StartAnew(Rules()); }

  Policy Rules() {
    return {.refusals = {.on_refusal = [this](const BatonRefusal& refusal) {
              told_.push_back({refusal.verdict, refusal.presented_as, std::string(refusal.database),
                               std::string(refusal.principal), refusal.at, refusal.id});
            }}};
  }

  // Presents by both ways, which must refuse, change nothing, and count once each.
  void ExpectCounted(const std::string& baton, Verdict by_verify, Verdict by_resume,
                     std::optional<Alias> alias, const std::string& database = "main",
                     const std::string& principal = "alice") {
    ExpectCountedOnce(BatonKind::kSession, by_verify, IdOf(alias), database, principal,
                      [&] { return store().Verify(baton, database, principal).status(); });
    ExpectCountedOnce(BatonKind::kSession, by_resume, IdOf(alias), database, principal, [&] {
      return store().Resume(baton, "another request", database, principal).status();
    });
  }
  void ExpectCounted(const std::string& baton, Verdict verdict, std::optional<Alias> alias,
                     const std::string& database = "main", const std::string& principal = "alice") {
    ExpectCounted(baton, verdict, verdict, alias, database, principal);
  }

  template <typename Call>
  void ExpectCountedOnce(BatonKind kind, Verdict verdict, std::optional<uint64_t> id,
                         const std::string& database, const std::string& principal,
                         const Call& call) {
    SCOPED_TRACE(VerdictName(verdict));
    const RefusalCounts before = store().refusals().Count(principal);
    const uint64_t all_before = store().refusals().Totals().Sum();
    told_.clear();
    ExpectRefused(verdict, call);
    const RefusalCounts after = store().refusals().Count(principal);
    EXPECT_EQ(after.Of(verdict), before.Of(verdict) + 1);
    EXPECT_EQ(after.last, Now());
    EXPECT_EQ(store().refusals().Totals().Sum(), all_before + 1) << "somebody else is counted too";
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_EQ(told_[0].verdict, verdict);
    EXPECT_EQ(told_[0].presented_as, kind);
    EXPECT_EQ(told_[0].database, database);
    EXPECT_EQ(told_[0].principal, principal);
    EXPECT_EQ(told_[0].at, Now());
    EXPECT_EQ(told_[0].id, id);
  }

  void ExpectNothingCounted() {
    EXPECT_EQ(store().refusals().Totals().Sum(), 0u);
    EXPECT_TRUE(told_.empty());
  }

  static std::optional<uint64_t> IdOf(std::optional<Alias> alias) {
    if (!alias.has_value()) return std::nullopt;
    return alias->value();
  }

  std::vector<Told> told_;
};

TEST_F(RefusedBatonsTest, SuccessesCountNothing) {
  const std::string baton = Issue(Create().alias);
  EXPECT_THAT(store().Verify(baton, "main", "alice"), IsOk());
  const std::string next = Use(baton);
  EXPECT_THAT(Resume(baton), IsOk());  // answered again
  EXPECT_THAT(store().Verify(next, "main", "alice"), IsOk());
  ExpectNothingCounted();
}

TEST_F(RefusedBatonsTest, WhatIsNobodysFailureCountsNothing) {
  const std::string baton = Issue(Create().alias);
  const SessionTurn turn = Turn(baton);
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kBusy));
  EXPECT_THAT(Resume(baton, /*digest=*/""), HasVerdict(Verdict::kInvalid));
  ExpectNothingCounted();
}

TEST_F(RefusedBatonsTest, ForgedAndOfNoSession) {
  const Alias alias = Create().alias;
  std::string forged = Issue(alias);
  forged[50] = forged[50] == 'A' ? 'B' : 'A';
  ExpectCounted(forged, Verdict::kForged, std::nullopt);
  ExpectCounted("no baton", Verdict::kForged, std::nullopt);
  ExpectCounted(Signed(alias, 0, BatonKind::kStream), Verdict::kForged, std::nullopt);
  ExpectCounted(Signed(Alias(17), 0), Verdict::kNotFound, std::nullopt);
  EXPECT_EQ(store().refusals().Count("alice").Sum(), 8u);
}

TEST_F(RefusedBatonsTest, LostWhenItsKeyIsRetired) {
  const std::string baton = Issue(Create().alias);
  ASSERT_THAT(store().RotateSigningKey(), IsOk());
  ASSERT_THAT(store().RetireSigningKey(store().SigningKeys().front().id), IsOk());
  ExpectCounted(baton, Verdict::kLost, std::nullopt);
}

TEST_F(RefusedBatonsTest, AStolenBatonCountsForTheThiefAndNotForTheOwner) {
  const std::string baton = Issue(Create().alias);
  ExpectCounted(baton, Verdict::kWrongPrincipal, std::nullopt, "main", "mallory");
  ExpectCounted(baton, Verdict::kWrongDatabase, std::nullopt, "other", "mallory");
  EXPECT_EQ(store().refusals().Count("mallory").Sum(), 4u);
  EXPECT_EQ(store().refusals().Count("alice").Sum(), 0u);
  EXPECT_THAT(store().Verify(baton, "main", "alice"), IsOk());
  Use(baton);
}

TEST_F(RefusedBatonsTest, RevokedAndExpired) {
  const Alias revoked = Create().alias;
  const std::string of_revoked = Issue(revoked);
  ASSERT_THAT(store().Revoke(revoked), IsOk());
  ExpectCounted(of_revoked, Verdict::kRevoked, revoked);

  SessionSpec spec = LastingSpec();
  spec.expires_at = Now() + absl::Hours(1);
  const Alias expired = Create(spec).alias;
  const std::string of_expired = Issue(expired);
  Advance(absl::Hours(2));
  ExpectCounted(of_expired, Verdict::kExpired, expired);
}

TEST_F(RefusedBatonsTest, ReusedAndReplayed) {
  const Alias alias = Create().alias;
  const std::string first = Issue(alias);
  const std::string second = Use(first);
  ExpectCounted(first, Verdict::kReplayed, Verdict::kReused, alias);
  Use(second, "a second request");
  ExpectCounted(first, Verdict::kReplayed, alias);
}

// Which the hook finds done.
TEST_F(RefusedBatonsTest, AReuseThatRevokesIsCountedOnceItIsCommitted) {
  Alias alias;
  std::vector<State> states;
  Policy rules = {.turns = {.on_replay = TurnRules::OnReplay::kRevokeSession}};
  rules.refusals.on_refusal = [&](const BatonRefusal& refusal) {
    EXPECT_EQ(refusal.verdict, Verdict::kReused);
    states.push_back(Find(alias).state);
  };
  StartAnew(rules);
  alias = Create().alias;
  const std::string baton = Issue(alias);
  Use(baton);
  EXPECT_THAT(Resume(baton, "another request"), HasVerdict(Verdict::kReused));
  EXPECT_EQ(states, std::vector<State>{State::kRevoked});
  EXPECT_EQ(store().refusals().Count("alice").Of(Verdict::kReused), 1u);
}

TEST_F(RefusedBatonsTest, TheHookMayRevoke) {
  Policy rules;
  rules.refusals.on_refusal = [this](const BatonRefusal& refusal) {
    EXPECT_THAT(store().Revoke(Alias(*refusal.id)), IsOk());
    EXPECT_THAT(store().RevokeAll(refusal.principal), IsOk());
  };
  StartAnew(rules);
  const Alias alias = Create().alias;
  const std::string baton = Issue(alias);
  Use(baton);
  EXPECT_THAT(Resume(baton, "another request"), HasVerdict(Verdict::kReused));
  EXPECT_EQ(Find(alias).state, State::kRevoked);
}

TEST_F(RefusedBatonsTest, AFloodOfForgedBatonsTakesNoMemory) {
  StartAnew({});
  std::string forged = Issue(Create().alias);
  forged[50] = forged[50] == 'A' ? 'B' : 'A';
  EXPECT_THAT(Resume(forged), HasVerdict(Verdict::kForged));  // alice is known from here on
  const std::string digest = "request";
  const uint64_t before = Allocations();
  for (int i = 0; i < 100; ++i) {
    (void)store().Verify(forged, "main", "alice");
    (void)store().Resume(forged, digest, "main", "alice");
  }
  EXPECT_EQ(Allocations(), before);
  EXPECT_EQ(store().refusals().Count("alice").Of(Verdict::kForged), 201u);
}

TEST_F(RefusedBatonsTest, AClosedStoreCountsNothing) {
  ASSERT_THAT(store().Close(), IsOk());
  EXPECT_FALSE(store().Verify("no baton", "main", "alice").ok());
  ExpectNothingCounted();
}

class RefusedStreamsTest : public RefusedBatonsTest {
 protected:
  void ExpectStreamCounted(const std::string& baton, Verdict verdict,
                           std::optional<uint64_t> id = std::nullopt,
                           const std::string& database = "main",
                           const std::string& principal = "alice") {
    ExpectCountedOnce(BatonKind::kStream, verdict, id, database, principal,
                      [&] { return streams_.Resume(baton, database, principal).status(); });
  }

  StreamTurn Open() { return *streams_.Open({.database = "main", .principal = "alice"}); }

  StreamRegistry streams_{store().stream_host(), clock()};
};

TEST_F(RefusedStreamsTest, EachVerdictCountsOnceForWhoPresented) {
  StreamTurn turn = Open();
  const uint64_t id = turn.id();
  const std::string first = *turn.Finish();
  ExpectStreamCounted(first, Verdict::kWrongPrincipal, std::nullopt, "main", "mallory");
  ExpectStreamCounted(first, Verdict::kWrongDatabase, std::nullopt, "other", "mallory");
  EXPECT_EQ(store().refusals().Count("alice").Sum(), 0u) << "the owner pays for the thief";
  EXPECT_EQ(store().refusals().Count("mallory").Sum(), 2u);

  std::string forged = first;
  forged[50] = forged[50] == 'A' ? 'B' : 'A';
  ExpectStreamCounted(forged, Verdict::kForged);
  ExpectStreamCounted(Issue(Create().alias), Verdict::kForged);
  ExpectStreamCounted(memory().Identity().keyring->Mint({BatonKind::kStream, id, 0, 99}),
                      Verdict::kLost);

  const std::string second = *streams_.Resume(first, "main", "alice")->Finish();
  ExpectStreamCounted(first, Verdict::kReplayed, id);
  Advance(absl::Hours(1));
  ExpectStreamCounted(second, Verdict::kExpired, id);
  EXPECT_EQ(streams_.Reap(), 1u);
  ExpectStreamCounted(second, Verdict::kNotFound);
}

TEST_F(RefusedStreamsTest, TurnsAndBusyStreamsCountNothing) {
  const std::string baton = *Open().Finish();
  {
    const absl::StatusOr<StreamTurn> turn = streams_.Resume(baton, "main", "alice");
    EXPECT_THAT(turn, IsOk());
    EXPECT_THAT(streams_.Resume(baton, "main", "alice"), HasVerdict(Verdict::kBusy));
  }
  ExpectNothingCounted();
}

// With the lock of the stream held it could do neither.
TEST_F(RefusedStreamsTest, TheHookMayLookAtTheStreamAndEndIt) {
  Policy rules;
  StreamRegistry* streams = nullptr;
  rules.refusals.on_refusal = [&](const BatonRefusal& refusal) {
    EXPECT_EQ(streams->List().size(), 1u);
    EXPECT_EQ(streams->Kill(*refusal.id), Killed::kKilled);
  };
  testing::MemoryStore memory(SystemKeyPairs(), rules);
  StreamRegistry registry(memory->stream_host(), memory.clock);
  streams = &registry;
  const std::string first = *registry.Open({.database = "main", .principal = "alice"})->Finish();
  const std::string second = *registry.Resume(first, "main", "alice")->Finish();
  EXPECT_THAT(registry.Resume(first, "main", "alice"), HasVerdict(Verdict::kReplayed));
  EXPECT_EQ(registry.Count(), 0u);
  EXPECT_EQ(memory->refusals().Count("alice").Of(Verdict::kReplayed), 1u);
}

}  // namespace
}  // namespace batonstore
