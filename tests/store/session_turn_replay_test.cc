// Batons of the past, presented again: what is refused, told and revoked; and what comes in between
// the steps of Resume.

#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/session_turn_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::ElementsAre;
using testing::HasVerdict;
using testing::IsOk;
using testing::SpecInGroup;

using SessionTurnReplayTest = testing::SessionTurnFixture;

// ---- Replays: policy and events ----

TEST_F(SessionTurnReplayTest, ThiefWithAPredecessorGetsNothingAndCostsTheOwnerNothing) {
  for (const auto rule : {TurnRules::OnReplay::kRefuse, TurnRules::OnReplay::kRevokeSession,
                          TurnRules::OnReplay::kRevokeGroup}) {
    StartAnew({.turns = {.on_replay = rule}});
    const Session session = Create();
    const std::string first = Issue(session.alias);
    const std::string second = Use(first, "one");
    const std::string third = Use(second, "two");
    for (const std::string& stolen : {first, second, third}) {
      for (const char* digest : {"one", "two", "another"}) {
        ExpectRefused(Verdict::kWrongPrincipal,
                      [&] { return store().Resume(stolen, digest, "main", "eve"); });
        ExpectRefused(Verdict::kWrongDatabase,
                      [&] { return store().Resume(stolen, digest, "other", "alice"); });
        EXPECT_THAT(EventsOf([&] { store().Resume(stolen, digest, "main", "eve").IgnoreError(); }),
                    ElementsAre());
      }
    }
    ExpectReplay(second, "two", {"reply", third});
    EXPECT_NE(Use(third, "three"), "");
  }
}

TEST_F(SessionTurnReplayTest, RefusingIsTheDefault) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  const std::string second = Use(first, "one");
  const std::string third = Use(second, "two");
  ExpectRefused(Verdict::kReplayed, [&] { return Resume(first, "one"); });
  ExpectRefused(Verdict::kReused, [&] { return Resume(second, "another"); });
  EXPECT_NE(Use(third, "three"), "");
}

TEST_F(SessionTurnReplayTest, ReplayRevokesTheSessionOrItsGroupIfAskedTo) {
  for (const bool group : {false, true}) {
    for (const Verdict verdict : {Verdict::kReused, Verdict::kReplayed}) {
      SCOPED_TRACE(absl::StrCat(VerdictName(verdict), group ? " revokes the group" : ""));
      StartAnew({.turns = {.on_replay = group ? TurnRules::OnReplay::kRevokeGroup
                                              : TurnRules::OnReplay::kRevokeSession}});
      const Session bystander = Create();
      const Session ended = Create();
      ASSERT_THAT(store().Revoke(ended.alias), IsOk());
      const Session session = Create(SpecInGroup(ended.alias));
      const std::string first = Issue(session.alias);
      const std::string second = Use(first, "one");
      const std::string third = verdict == Verdict::kReused ? second : Use(second, "two");
      SessionTurn under_way = Turn(third, "three");

      EXPECT_EQ(CommitsOf([&] { EXPECT_THAT(Resume(first, "another"), HasVerdict(verdict)); }), 1u);
      EXPECT_EQ(Find(session.alias).state, State::kRevoked);
      EXPECT_EQ(Find(bystander.alias).state, State::kCreated);
      ExpectRefused(Verdict::kRevoked, [&] { return under_way.Finish("reply"); });
      ExpectRefused(Verdict::kRevoked, [&] { return Resume(first, "another"); });
      ExpectRefused(Verdict::kRevoked, [&] { return Resume(third, "three"); });
    }
  }
}

TEST_F(SessionTurnReplayTest, LostResponsesAndVerifyRevokeNobody) {
  StartAnew({.turns = {.on_replay = TurnRules::OnReplay::kRevokeSession}});
  const Session session = Create();
  const std::string first = Issue(session.alias);
  const std::string second = Use(first);
  ExpectReplay(first, "request", {"reply", second});
  ExpectRefused(Verdict::kReplayed, [&] { return store().Verify(first, "main", "alice"); });
  EXPECT_EQ(Find(session.alias).state, State::kCreated);
}

TEST_F(SessionTurnReplayTest, ReplaysAreEventsWhileSomebodyListens) {
  for (const auto rule : {TurnRules::OnReplay::kRefuse, TurnRules::OnReplay::kRevokeSession}) {
    StartAnew({.turns = {.on_replay = rule}});
    for (const bool reused : {true, false}) {
      const Session session = Create();
      const std::string first = Issue(session.alias);
      const std::string second = Use(first, "one");
      if (!reused) Use(second, "two");
      std::vector<std::tuple<EventType, Alias, Alias, std::string>> told;
      for (const Event& event : EventsOf([&] {
             EXPECT_THAT(Resume(first, "another"),
                         HasVerdict(reused ? Verdict::kReused : Verdict::kReplayed));
           })) {
        told.emplace_back(event.type, event.alias, event.other, event.detail);
        EXPECT_EQ(event.principal, "alice");
      }
      const std::tuple seen{EventType::kReplaySeen, session.alias, Alias(),
                            std::string(reused ? "reused" : "replayed")};
      const std::tuple revoked{EventType::kRevoked, session.alias, Alias(), std::string()};
      if (rule == TurnRules::OnReplay::kRefuse) {
        EXPECT_THAT(told, ElementsAre(seen));
      } else {
        EXPECT_THAT(told, ElementsAre(seen, revoked));
      }
    }
  }
  const Session session = Create();
  const std::string old_baton = Issue(session.alias);
  Use(old_baton);
  const std::vector<Event> verified = EventsOf([&] {
    EXPECT_THAT(store().Verify(old_baton, "main", "alice"), HasVerdict(Verdict::kReplayed));
  });
  ASSERT_EQ(verified.size(), 1u);
  EXPECT_EQ(verified[0].detail, "replayed");
}

TEST_F(SessionTurnReplayTest, IdentityThatWasGivenUpIsAnEventToo) {
  const Session session = Create();
  const std::string old_baton = Issue(session.alias);
  ASSERT_OK_AND_ASSIGN(const Session fresh,
                       store().CycleKey(session.alias, {.privilege_change = true}));
  const std::vector<Event> events =
      EventsOf([&] { EXPECT_THAT(Resume(old_baton), HasVerdict(Verdict::kRevoked)); });
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, EventType::kReplaySeen);
  EXPECT_EQ(events[0].other, fresh.alias);
  EXPECT_EQ(events[0].detail, "");
}

TEST_F(SessionTurnReplayTest, RevocationThatCannotBeWrittenDownIsNotKeptQuiet) {
  StartAnew({.turns = {.on_replay = TurnRules::OnReplay::kRevokeSession}});
  const std::string first = Issue(Create().alias);
  Use(first);
  engine().InjectFaults([](MemoryEngine::Step) { return Fault::kMapFull; });
  ExpectRefused(Verdict::kFull, [&] { return Resume(first, "another"); });
  engine().InjectFaults(nullptr);
  EXPECT_THAT(Resume(first, "another"), HasVerdict(Verdict::kReused));
}

TEST_F(SessionTurnReplayTest, ReplayIsRefusedToldAndRevokedInOneMoment) {
  for (const TurnRules::OnReplay rule :
       {TurnRules::OnReplay::kRefuse, TurnRules::OnReplay::kRevokeSession,
        TurnRules::OnReplay::kRevokeGroup}) {
    StartAnew({.turns = {.on_replay = rule}});
    const std::string first = Issue(Create().alias);
    SessionTurn turn = Turn(Use(first), "two");
    const std::vector<Event> events = EventsOf([&] {
      clock().AtNextLook([&] { Finish(std::move(turn)); });
      EXPECT_THAT(Resume(first, "another"), HasVerdict(Verdict::kReplayed));
    });
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events[0].type, EventType::kReplaySeen);
    EXPECT_EQ(events[0].detail, "replayed");
  }
}

TEST_F(SessionTurnReplayTest, SessionThatEndsWhileAReplayIsJudgedIsRefusedAsEnded) {
  for (const TurnRules::OnReplay rule :
       {TurnRules::OnReplay::kRefuse, TurnRules::OnReplay::kRevokeSession}) {
    StartAnew({.turns = {.on_replay = rule}});
    const Session session = Create();
    const std::string first = Issue(session.alias);
    Use(first);
    const std::vector<Event> events = EventsOf([&] {
      clock().AtNextLook([&] { EXPECT_THAT(store().Revoke(session.alias), IsOk()); });
      EXPECT_THAT(Resume(first, "another"), HasVerdict(Verdict::kRevoked));
    });
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].type, EventType::kRevoked);
  }
}

// ---- In between the steps of Resume: after it looked, before it takes the session ----

TEST_F(SessionTurnReplayTest, TurnThatCameAndWentInBetweenIsAnswered) {
  for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
    const std::string first = Issue(Create().alias);
    std::string second;
    clock().AtNextLook([&] { second = Use(first, "request", "reply", cut_off); });
    const absl::StatusOr<Resumed> resumed = Resume(first, "request", cut_off);
    ASSERT_THAT(resumed, IsOk());
    ASSERT_TRUE(std::holds_alternative<TurnReplay>(*resumed));
    EXPECT_TRUE(std::get<TurnReplay>(*resumed) == (TurnReplay{"reply", second}));
    ExpectReplay(first, "request", {"reply", second});
    Use(second);
  }
}

TEST_F(SessionTurnReplayTest, AnotherTurnThatCameAndWentInBetweenMakesTheBatonReused) {
  for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
    const std::string first = Issue(Create().alias);
    std::string second;
    clock().AtNextLook([&] { second = Use(first, "another"); });
    EXPECT_THAT(Resume(first, "request", cut_off), HasVerdict(Verdict::kReused));
    Use(second);
  }
}

TEST_F(SessionTurnReplayTest, SessionThatEndedInBetweenGivesNoTurn) {
  for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
    const Session session = Create();
    const std::string first = Issue(session.alias);
    clock().AtNextLook([&] { EXPECT_THAT(store().Revoke(session.alias), IsOk()); });
    EXPECT_THAT(Resume(first, "request", cut_off), HasVerdict(Verdict::kRevoked));
  }
}

}  // namespace
}  // namespace batonstore
