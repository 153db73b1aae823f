// Turns on sessions when memory runs out, at any allocation: no session stays busy, what has not
// run is not given up for unknown, and what has finished is not run again.

#include <new>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::IsOk;
using testing::ScopedAllocationFault;

const std::string& Digest() {
  static const std::string& digest = *new std::string(32, 'd');  // longer than fits into a string
  return digest;
}

class SessionTurnMemoryTest : public testing::MemoryStoreFixture,
                              public ::testing::WithParamInterface<CutOff> {
 protected:
  absl::StatusOr<Resumed> Resume(const std::string& baton) {
    return store().Resume(baton, Digest(), "main", "alice", GetParam());
  }

  // Memory ran out inside a commit, which leaves open whether that has happened.
  bool IsPoisoned() { return VerdictOf(store().Stats().status()) == Verdict::kPoisoned; }

  template <typename T>
  static bool Holds(const absl::StatusOr<Resumed>& resumed) {
    return resumed.ok() && std::holds_alternative<T>(*resumed);
  }

  // Calls `attempt` with ever later allocations failing, until none does. On a new store each time,
  // with the baton of a new session.
  template <typename Attempt>
  void WithEveryAllocationFailing(const Attempt& attempt) {
    size_t nth = 0;
    for (bool struck = true; struck; ++nth) {
      SCOPED_TRACE(nth);
      StartAnew({});
      const std::string baton = *store().Issue(Create().alias);
      struck = attempt(baton, nth);
      if (HasFailure()) return;
    }
    EXPECT_GT(nth, 10u);
  }
};

TEST_P(SessionTurnMemoryTest, AResumeThatFailsHasTakenNothing) {
  WithEveryAllocationFailing([this](const std::string& baton, size_t nth) {
    bool struck = false;
    bool ran = false;
    try {
      const ScopedAllocationFault fault(nth, /*for_good=*/false);
      const absl::StatusOr<Resumed> resumed = Resume(baton);
      struck = fault.Struck();
      ran = Holds<SessionTurn>(resumed);
    } catch (const std::bad_alloc&) {
      struck = true;
    }
    if (IsPoisoned()) return struck;
    const absl::StatusOr<Resumed> again = Resume(baton);
    EXPECT_THAT(again, IsOk()) << "the session is busy";
    if (!ran) {
      EXPECT_TRUE(Holds<SessionTurn>(again)) << "what never ran is given up";
    }
    return struck;
  });
}

TEST_P(SessionTurnMemoryTest, AFinishThatFailsCanBeRepeated) {
  WithEveryAllocationFailing([this](const std::string& baton, size_t nth) {
    bool struck = false;
    absl::StatusOr<std::string> next;
    {
      absl::StatusOr<Resumed> resumed = Resume(baton);
      SessionTurn& turn = std::get<SessionTurn>(*resumed);
      try {
        const ScopedAllocationFault fault(nth, /*for_good=*/false);
        next = turn.Finish("a reply that is longer than fits into a string");
        struck = fault.Struck();
      } catch (const std::bad_alloc&) {
        struck = true;
      }
      if (IsPoisoned()) return struck;
      if (!next.ok()) next = turn.Finish("a reply that is longer than fits into a string");
    }
    EXPECT_THAT(next, IsOk());
    const absl::StatusOr<Resumed> again = Resume(baton);
    EXPECT_TRUE(Holds<TurnReplay>(again)) << again.status();
    EXPECT_EQ(std::get<TurnReplay>(*again).next_baton, *next);
    return struck;
  });
}

INSTANTIATE_TEST_SUITE_P(Both, SessionTurnMemoryTest,
                         ::testing::Values(CutOff::kRunAgain, CutOff::kAtMostOnce));

}  // namespace
}  // namespace batonstore
