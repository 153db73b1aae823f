// Turns on sessions when writing fails: a turn happens once, or is unknown, and the client that
// asks again finds out.

#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "absl/strings/str_cat.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/session_turn_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::IsOk;
using testing::LastingSpec;

// Every write of a turn fails once, in every way; the client asks again until it has its answer.
class SessionTurnFaultTest : public testing::SessionTurnFixture,
                             public ::testing::WithParamInterface<std::tuple<CutOff, Fault, bool>> {
 protected:
  // One attempt of the client's; its answer, if it got one.
  std::optional<TurnReplay> Attempt(const std::string& baton) {
    absl::StatusOr<Resumed> resumed = Resume(baton, "request", std::get<0>(GetParam()));
    if (!resumed.ok()) return std::nullopt;
    if (auto* replay = std::get_if<TurnReplay>(&*resumed)) return *replay;
    if (auto* unknown = std::get_if<TurnUnknown>(&*resumed)) {
      unknown_ = true;
      return TurnReplay{"unknown", unknown->next_baton};
    }
    SessionTurn& turn = std::get<SessionTurn>(*resumed);
    ++runs_;
    EXPECT_THAT(turn.Merge({{"count", Change::Add(1)}}), IsOk());
    absl::StatusOr<std::string> next = turn.Finish("reply");
    if (!next.ok()) return std::nullopt;
    return TurnReplay{"reply", *next};
  }

  int runs_ = 0;
  bool unknown_ = false;
};

TEST_P(SessionTurnFaultTest, TurnHappensOnceOrIsUnknown) {
  const auto [cut_off, fault, persist] = GetParam();
  for (int failing = 0;; ++failing) {
    SCOPED_TRACE(absl::StrCat("write ", failing));
    SessionSpec spec = LastingSpec();
    spec.idle_timeout = absl::Hours(1);
    StartAnew({});
    const Session session = CreateWith({{"count", "0"}}, spec);
    const std::string baton = Issue(session.alias);
    Advance(absl::Minutes(30));
    runs_ = 0;
    unknown_ = false;
    int step = 0;
    bool failed = false;
    engine().InjectFaults(
        [&, fault = fault](MemoryEngine::Step at) {
          if (fault == Fault::kUnknown && at != MemoryEngine::Step::kCommit) return Fault::kNone;
          const bool fails = step++ == failing;
          failed |= fails;
          return fails ? fault : Fault::kNone;
        },
        persist);
    std::optional<TurnReplay> answer = Attempt(baton);
    engine().InjectFaults(nullptr);
    if (!failed) {
      EXPECT_EQ(runs_, 1);
      EXPECT_NE(answer, std::nullopt);
      break;
    }
    if (fault == Fault::kUnknown) {
      EXPECT_EQ(answer, std::nullopt) << "it is not known to be durable";
    }
    for (int attempt = 0; !answer.has_value(); ++attempt) {
      ASSERT_LT(attempt, 3);
      Restart();
      answer = Attempt(baton);
    }
    // However often it is asked: the same.
    EXPECT_EQ(Attempt(baton), answer);
    Restart();
    EXPECT_EQ(Attempt(baton), answer);
    EXPECT_EQ(LoadFields(session.alias).at("count"), Value(unknown_ ? "0" : "1"));
    EXPECT_THAT(Resume(answer->next_baton, "next"), IsOk());
    EXPECT_FALSE(unknown_ && cut_off == CutOff::kRunAgain);
    EXPECT_FALSE(runs_ > 1 && cut_off == CutOff::kAtMostOnce);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SessionTurnFaultTest,
                         ::testing::Values(std::tuple{CutOff::kRunAgain, Fault::kMapFull, false},
                                           std::tuple{CutOff::kRunAgain, Fault::kFailed, false},
                                           std::tuple{CutOff::kRunAgain, Fault::kNoMemory, false},
                                           std::tuple{CutOff::kRunAgain, Fault::kTooBig, false},
                                           std::tuple{CutOff::kRunAgain, Fault::kUnknown, false},
                                           std::tuple{CutOff::kRunAgain, Fault::kUnknown, true},
                                           std::tuple{CutOff::kAtMostOnce, Fault::kMapFull, false},
                                           std::tuple{CutOff::kAtMostOnce, Fault::kFailed, false},
                                           std::tuple{CutOff::kAtMostOnce, Fault::kNoMemory, false},
                                           std::tuple{CutOff::kAtMostOnce, Fault::kTooBig, false},
                                           std::tuple{CutOff::kAtMostOnce, Fault::kUnknown, false},
                                           std::tuple{CutOff::kAtMostOnce, Fault::kUnknown, true}));

}  // namespace
}  // namespace batonstore
