// Many threads with the same baton, in a real file: one of them has the turn, and what each of them
// asked for happens once.

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;
using testing::OnThreads;

constexpr int kThreads = 16;

class SessionTurnConcurrencyTest : public testing::FileStoreFixture {
 protected:
  std::string Issue(const Session& session) {
    const absl::StatusOr<std::string> baton = store().Issue(session.alias);
    EXPECT_THAT(baton, IsOk());
    return baton.value_or("");
  }

  absl::StatusOr<Resumed> Resume(const std::string& baton, const std::string& digest,
                                 CutOff cut_off = CutOff::kRunAgain) {
    return store().Resume(baton, digest, "main", "alice", cut_off);
  }

  // Takes the turn, or waits for whoever has it; the answer.
  TurnReplay Ask(const std::string& baton, const std::string& digest, CutOff cut_off) {
    for (;;) {
      absl::StatusOr<Resumed> resumed = Resume(baton, digest, cut_off);
      if (VerdictOf(resumed.status()) == Verdict::kBusy) {
        std::this_thread::yield();
        continue;
      }
      EXPECT_THAT(resumed, IsOk());
      if (!resumed.ok()) return {};
      if (auto* replay = std::get_if<TurnReplay>(&*resumed)) return *replay;
      SessionTurn& turn = std::get<SessionTurn>(*resumed);
      EXPECT_THAT(turn.Merge({{"count", Change::Add(1)}}), IsOk());
      const std::string reply = absl::StrCat("reply to ", digest);
      absl::StatusOr<std::string> next = turn.Finish(reply);
      EXPECT_THAT(next, IsOk());
      return {reply, next.value_or("")};
    }
  }

  int CountOf(const Session& session) {
    int count = 0;
    const absl::StatusOr<Attributes> attributes = store().Load(session.alias);
    EXPECT_THAT(attributes, IsOk());
    if (attributes.ok() && attributes->fields.contains("count")) {
      EXPECT_TRUE(absl::SimpleAtoi(attributes->fields.at("count").bytes(), &count));
    }
    return count;
  }
};

TEST_F(SessionTurnConcurrencyTest, ExactlyOneOfManyTakesTheTurn) {
  const Session session = Create();
  std::string baton = Issue(session);
  constexpr int kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    const CutOff cut_off = round % 2 == 0 ? CutOff::kRunAgain : CutOff::kAtMostOnce;
    const std::string digest = absl::StrCat("request ", round);
    std::atomic<int> turns = 0;
    std::atomic<int> answered = 0;
    std::string next;
    OnThreads(kThreads, [&](int) {
      absl::StatusOr<Resumed> resumed = Resume(baton, digest, cut_off);
      ++answered;
      if (!resumed.ok()) {
        EXPECT_THAT(resumed, HasVerdict(Verdict::kBusy));
        return;
      }
      ASSERT_TRUE(std::holds_alternative<SessionTurn>(*resumed));
      ++turns;
      while (answered < kThreads) std::this_thread::yield();  // it holds on until all have asked
      absl::StatusOr<std::string> finished = std::get<SessionTurn>(*resumed).Finish("reply");
      ASSERT_THAT(finished, IsOk());
      next = *std::move(finished);
    });
    ASSERT_EQ(turns, 1) << "round " << round;
    baton = next;
  }
}

TEST_F(SessionTurnConcurrencyTest, WhoAsksTheSameHearsTheSameAndItHappensOnce) {
  const Session session = Create();
  std::string baton = Issue(session);
  constexpr int kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    const CutOff cut_off = round % 2 == 0 ? CutOff::kRunAgain : CutOff::kAtMostOnce;
    std::vector<TurnReplay> heard(kThreads);
    OnThreads(kThreads, [&](int thread) {
      heard[thread] = Ask(baton, absl::StrCat("request ", round), cut_off);
    });
    for (const TurnReplay& one : heard) EXPECT_TRUE(one == heard[0]);
    ASSERT_EQ(CountOf(session), round + 1);
    baton = heard[0].next_baton;
  }
}

TEST_F(SessionTurnConcurrencyTest, OfDifferentRequestsWithOneBatonOneHappens) {
  const Session session = Create();
  std::string baton = Issue(session);
  constexpr int kRounds = 30;
  for (int round = 0; round < kRounds; ++round) {
    const CutOff cut_off = round % 2 == 0 ? CutOff::kRunAgain : CutOff::kAtMostOnce;
    std::atomic<int> winners = 0;
    std::string next;
    OnThreads(kThreads, [&](int thread) {
      for (;;) {
        absl::StatusOr<Resumed> resumed =
            Resume(baton, absl::StrCat("request of ", thread), cut_off);
        if (VerdictOf(resumed.status()) == Verdict::kBusy) {
          std::this_thread::yield();
          continue;
        }
        if (!resumed.ok()) {
          EXPECT_THAT(resumed, HasVerdict(Verdict::kReused));
          return;
        }
        ++winners;
        absl::StatusOr<std::string> finished = std::get<SessionTurn>(*resumed).Finish("reply");
        ASSERT_THAT(finished, IsOk());
        next = *std::move(finished);
        return;
      }
    });
    ASSERT_EQ(winners, 1) << "round " << round;
    baton = next;
  }
}

TEST_F(SessionTurnConcurrencyTest, ThievesDoNotKeepTheOwnerFromHisTurn) {
  const Session session = Create();
  std::string baton = Issue(session);
  std::atomic<bool> done = false;
  std::string stolen = baton;
  OnThreads(4, [&](int thread) {
    if (thread > 0) {
      while (!done) {
        EXPECT_THAT(store().Resume(stolen, "request", "main", "eve"),
                    HasVerdict(Verdict::kWrongPrincipal));
        std::this_thread::yield();
      }
      return;
    }
    for (int i = 0; i < 100; ++i) {
      absl::StatusOr<Resumed> resumed = Resume(baton, absl::StrCat("request ", i));
      EXPECT_THAT(resumed, IsOk());
      if (!resumed.ok()) break;
      baton = *std::get<SessionTurn>(*resumed).Finish("reply");
    }
    done = true;
  });
}

TEST_F(SessionTurnConcurrencyTest, RevokingAndFinishingHaveAnOrder) {
  constexpr int kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    const Session session = Create();
    const std::string baton = Issue(session);
    absl::StatusOr<Resumed> resumed = Resume(baton, "request");
    ASSERT_THAT(resumed, IsOk());
    absl::StatusOr<std::string> finished;
    OnThreads(2, [&](int thread) {
      if (thread == 0) {
        finished = std::get<SessionTurn>(*resumed).Finish("reply");
      } else if (round % 2 == 0) {
        EXPECT_THAT(store().Revoke(session.alias), IsOk());
      } else {
        EXPECT_THAT(store().RevokeAll("alice"), IsOk());
      }
    });
    if (!finished.ok()) {
      EXPECT_THAT(finished, HasVerdict(Verdict::kRevoked));
    }
    EXPECT_THAT(Resume(baton, "request"), HasVerdict(Verdict::kRevoked));
    EXPECT_THAT(Resume(finished.value_or(baton), "next"), HasVerdict(Verdict::kRevoked));
  }
}

TEST_F(SessionTurnConcurrencyTest, ReusedBatonsRevokeOnceHoweverManyPresentThem) {
  options_.policy.turns.on_replay = TurnRules::OnReplay::kRevokeSession;
  Open();
  ASSERT_THAT(store().events().AddConsumer("test"), IsOk());
  const Session session = Create();
  const std::string baton = Issue(session);
  Ask(baton, "request", CutOff::kRunAgain);
  std::atomic<int> reused = 0;
  OnThreads(kThreads, [&](int) {
    const absl::StatusOr<Resumed> resumed = Resume(baton, "another");
    if (VerdictOf(resumed.status()) == Verdict::kReused) {
      ++reused;
    } else {
      EXPECT_THAT(resumed, HasVerdict(Verdict::kRevoked));
    }
  });
  EXPECT_EQ(reused, 1);
  int revoked = 0;
  const absl::StatusOr<std::vector<Event>> events = store().events().Read("test", kMaxEventsRead);
  ASSERT_THAT(events, IsOk());
  for (const Event& event : *events) revoked += event.type == EventType::kRevoked;
  EXPECT_EQ(revoked, 1);
}

TEST_F(SessionTurnConcurrencyTest, ManySessionsShareCommitsAndKeepApart) {
  constexpr int kEach = 25;
  std::vector<Session> sessions;
  for (int i = 0; i < kThreads; ++i) sessions.push_back(Create());
  std::vector<std::string> last(kThreads);
  OnThreads(kThreads, [&](int thread) {
    std::string baton = Issue(sessions[thread]);
    for (int i = 0; i < kEach; ++i) {
      baton = Ask(baton, absl::StrCat("request ", i), CutOff::kRunAgain).next_baton;
    }
    last[thread] = baton;
  });
  Open();
  std::set<std::string> batons;
  for (int i = 0; i < kThreads; ++i) {
    EXPECT_EQ(CountOf(sessions[i]), kEach);
    EXPECT_EQ(Issue(sessions[i]), last[i]);
    batons.insert(last[i]);
  }
  EXPECT_EQ(batons.size(), size_t{kThreads});
}

}  // namespace
}  // namespace batonstore
