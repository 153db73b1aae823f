#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/connection.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integrations/sqlite/sqlite_fixture.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using ::batonstore::testing::Ask;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::Must;
using ::batonstore::testing::OnThreads;
using ::batonstore::testing::Soon;

constexpr int kLimit = 4;
constexpr int kThreads = 8;

class PoolConcurrencyTest : public testing::SqliteFixture {
 protected:
  PoolConcurrencyTest() : SqliteFixture(kLimit) {}
};

TEST_F(PoolConcurrencyTest, NeverOneAboveTheLimitAndNothingIsLost) {
  constexpr int kRounds = 40;
  std::atomic<int> in_use = 0;
  std::atomic<int> committed = 0;
  OnThreads(kThreads, [&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      const bool read_only = round % 4 == 3;
      const Connection connection = Acquire(read_only);
      EXPECT_LE(++in_use, kLimit);
      if (read_only) {
        EXPECT_THAT(connection->Execute("DELETE FROM item"), HasVerdict(Verdict::kInvalid));
      } else {
        EXPECT_THAT(connection->Execute(absl::StrCat("BEGIN IMMEDIATE; INSERT INTO item VALUES (",
                                                     thread * kRounds + round, ", 'x')")),
                    IsOk());
      }
      if (round % 4 == 0) {
        EXPECT_THAT(connection->Execute("COMMIT"), IsOk());
        ++committed;
      } else if (round % 4 == 1) {
        EXPECT_THAT(connection->Rollback(Soon()), IsOk());
      }
      --in_use;
      // A transaction that is still open, in every fourth round, closes its connection.
      round % 8 == 7 ? connection->Discard() : connection->ReturnToPool();
    }
  });
  EXPECT_EQ(pool_->usage().in_use, 0);
  EXPECT_LE(pool_->usage().idle, kLimit);
  const Connection connection = Acquire();
  EXPECT_EQ(Ask(*connection, "SELECT count(*) FROM item"), absl::StrCat(committed.load()));
}

TEST_F(PoolConcurrencyTest, WhoGetsNoneIsToldSo) {
  std::atomic<int> got = 0;
  std::atomic<int> refused = 0;
  std::atomic<int> tried = 0;
  OnThreads(kThreads, [&](int) {
    const auto connection = pool_->Acquire(false, absl::InfinitePast());
    if (connection.ok()) ++got;
    if (VerdictOf(connection.status()) == Verdict::kTooMany) ++refused;
    ++tried;
    while (tried < kThreads) absl::SleepFor(absl::Milliseconds(1));
  });
  EXPECT_EQ(got, kLimit);
  EXPECT_EQ(refused, kThreads - kLimit);
}

TEST_F(PoolConcurrencyTest, RollbacksAndDiscardsRaceWithStatements) {
  for (int round = 0; round < 30; ++round) {
    Connection connection = Acquire();
    Must(connection->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
    std::atomic<bool> inside = false;
    OnThreads(2, [&](int thread) {
      if (thread == 0) {
        inside = true;
        connection
            ->Query(
                "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 20000)"
                " SELECT max(i) FROM n")
            .IgnoreError();
        return;
      }
      while (!inside) continue;
      if (round % 2 == 0) {
        EXPECT_THAT(connection->Rollback(Soon()), IsOk());
      } else {
        connection->Discard();
      }
    });
    connection->ReturnToPool();
    EXPECT_EQ(pool_->usage().in_use, 0);
    EXPECT_EQ(Committed(), "");
  }
}

TEST_F(PoolConcurrencyTest, ManyPoolsOpenOneNewFile) {
  options_.path = dir_ / "new.db";
  OnThreads(kThreads, [&](int) {
    for (int round = 0; round < 5; ++round) EXPECT_THAT(SqlitePool::Open(options_), IsOk());
  });
}

}  // namespace
}  // namespace batonstore
