// Many threads that link to one group, in a real file.

#include <atomic>
#include <barrier>
#include <cstdint>
#include <optional>
#include <vector>

#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::FileStoreFixture;
using testing::HasVerdict;
using testing::IsOk;
using testing::OnThreads;
using testing::SpecInGroup;

constexpr int kThreads = 32;

class GroupsConcurrencyTest : public FileStoreFixture {};

TEST_F(GroupsConcurrencyTest, OfManyThatLinkToOneGroupExactlyOneWinsEachOfAThousandTimes) {
  constexpr int kRounds = 1000;
  const Alias group = Create().alias;
  ASSERT_THAT(store().Revoke(group), IsOk());
  std::vector<std::optional<Alias>> linked(kThreads);
  std::vector<Alias> expected = {group};
  std::barrier start(kThreads);
  std::barrier end(kThreads);
  OnThreads(kThreads, [&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      start.arrive_and_wait();
      const absl::StatusOr<Session> session = thread % 2 == 0
                                                  ? store().Reserve(SpecInGroup(group))
                                                  : store().ReserveAndCreate(SpecInGroup(group));
      linked[thread] = session.ok() ? std::optional(session->alias) : std::nullopt;
      if (!session.ok()) {
        EXPECT_THAT(session, HasVerdict(Verdict::kGroupActive));
      }
      end.arrive_and_wait();
      if (thread != 0) continue;

      std::optional<Alias> winner;
      int winners = 0;
      for (const std::optional<Alias>& alias : linked) {
        if (!alias.has_value()) continue;
        winner = alias;
        ++winners;
      }
      EXPECT_EQ(winners, 1) << "round " << round;
      if (winners != 1) continue;
      const bool is_reserved = store().Find(*winner)->state == State::kReserved;
      if (is_reserved && round % 3 == 0) {
        EXPECT_THAT(store().Abandon(*winner), IsOk());
        continue;
      }
      EXPECT_THAT(store().Create(*winner), IsOk());
      EXPECT_THAT(store().Revoke(*winner), IsOk());
      expected.push_back(*winner);
    }
  });
  EXPECT_EQ(store().GroupMembers(group).value(), expected);
  EXPECT_EQ(store().Stats()->sessions, expected.size());
  EXPECT_EQ(store().Stats()->live, 0u);
}

TEST_F(GroupsConcurrencyTest, RevokingAGroupThatIsJoinedLeavesOneAliveAtTheMost) {
  constexpr int kRounds = 30;
  for (int round = 0; round < kRounds; ++round) {
    const Alias group = Create().alias;
    std::atomic<int> joined = 0;
    std::atomic<int> revoked = 0;
    OnThreads(kThreads, [&](int thread) {
      if (thread % 4 == 0) {
        const absl::StatusOr<uint64_t> done = store().RevokeGroup(group);
        EXPECT_THAT(done, IsOk());
        EXPECT_LE(done.value_or(0), 1u);
        revoked += static_cast<int>(done.value_or(0));
        return;
      }
      joined += store().ReserveAndCreate(SpecInGroup(group)).ok();
    });
    int alive = 0;
    const std::vector<Alias> members = store().GroupMembers(group).value();
    for (const Alias member : members) {
      alive += store().Find(member)->state == State::kCreated;
    }
    EXPECT_LE(alive, 1);
    EXPECT_EQ(1 + joined - revoked, alive) << "each that joined was revoked once, or lives";
  }
}

}  // namespace
}  // namespace batonstore
