#include "batonstore/integrations/sqlite/pool.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sqlite3.h"
#include "tests/integrations/sqlite/sqlite_fixture.h"
#include "tests/support/forked_child.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

using ::batonstore::testing::Ask;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::Must;
using ::batonstore::testing::Rows;
using ::batonstore::testing::Soon;
using ::batonstore::testing::TempDir;

constexpr int kLimit = 3;

class PoolTest : public testing::SqliteFixture {
 protected:
  PoolTest() : SqliteFixture(kLimit) {}

  absl::StatusOr<Connection> TryAcquire() {
    return pool_->Acquire(/*read_only=*/false, absl::InfinitePast());
  }
  int in_use() const { return pool_->usage().in_use; }
  int idle() const { return pool_->usage().idle; }
};

TEST_F(PoolTest, OpensConnectionsAsTheyAreNeeded) {
  EXPECT_EQ(idle(), 1);
  const Connection first = Acquire();
  EXPECT_EQ(in_use(), 1);
  EXPECT_EQ(idle(), 0);
  const Connection second = Acquire();
  EXPECT_EQ(in_use(), 2);
  second->ReturnToPool();
  EXPECT_EQ(in_use(), 1);
  EXPECT_EQ(idle(), 1);
  first->ReturnToPool();
  EXPECT_EQ(in_use(), 0);
  EXPECT_EQ(idle(), 2);
}

TEST_F(PoolTest, HoldsItsLimit) {
  std::vector<Connection> taken;
  for (int i = 0; i < kLimit; ++i) {
    ASSERT_OK_AND_ASSIGN(Connection connection, TryAcquire());
    taken.push_back(std::move(connection));
  }
  EXPECT_THAT(TryAcquire(), HasVerdict(Verdict::kTooMany));
  EXPECT_EQ(in_use(), kLimit);

  const absl::Time start = absl::Now();
  EXPECT_THAT(pool_->Acquire(false, start + absl::Milliseconds(50)), HasVerdict(Verdict::kTooMany));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(49));

  taken.back()->ReturnToPool();
  EXPECT_THAT(TryAcquire(), IsOk());
}

TEST_F(PoolTest, DiscardFreesThePlace) {
  std::vector<Connection> taken;
  for (int i = 0; i < kLimit; ++i) taken.push_back(Acquire());
  taken.back()->Discard();
  EXPECT_EQ(in_use(), kLimit - 1);
  EXPECT_EQ(idle(), 0);
  taken.back() = Acquire();
  EXPECT_THAT(TryAcquire(), HasVerdict(Verdict::kTooMany));

  // As does dropping one.
  taken.back().reset();
  EXPECT_EQ(in_use(), kLimit - 1);
  EXPECT_THAT(TryAcquire(), IsOk());
}

TEST_F(PoolTest, WaitsForOneThatComesBack) {
  for (const bool discard : {false, true}) {
    std::vector<Connection> taken;
    for (int i = 0; i < kLimit; ++i) taken.push_back(Acquire());
    std::thread other([&] {
      absl::SleepFor(absl::Milliseconds(20));
      discard ? taken.back()->Discard() : taken.back()->ReturnToPool();
    });
    EXPECT_THAT(pool_->Acquire(false, absl::InfiniteFuture()), IsOk());
    other.join();
  }
}

TEST_F(PoolTest, DeadlinesAreReadFromThePoolsClock) {
  const absl::Time now = absl::FromUnixSeconds(0);
  options_.now = [now] { return now; };
  options_.max_connections = 1;
  const auto pool = Must(SqlitePool::Open(options_));
  const Connection connection = Must(pool->Acquire(false, now));
  const absl::Time start = absl::Now();
  EXPECT_THAT(pool->Acquire(false, now + absl::Milliseconds(20)), HasVerdict(Verdict::kTooMany));
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
  EXPECT_THAT(connection->Rollback(now + absl::Milliseconds(20)), IsOk());
}

// --- no trace of the last user

class TraceTest : public PoolTest {
 protected:
  // Whether the connection was used again after `sql`.
  bool IsReusedAfter(const std::string& sql) {
    const Connection connection = Acquire();
    sqlite3_set_last_insert_rowid(connection->handle(), 17);
    Must(connection->Execute(sql));
    Must(connection->Rollback(Soon()));
    const int idle_before = idle();
    connection->ReturnToPool();
    EXPECT_EQ(in_use(), 0);
    const bool reused = idle() > idle_before;

    const Connection next = Acquire();
    EXPECT_EQ(Ask(*next, "SELECT count(*) FROM sqlite_temp_master"), "0");
    EXPECT_EQ(
        Ask(*next, "SELECT count(*) FROM pragma_database_list WHERE name NOT IN ('main', 'temp')"),
        "0");
    EXPECT_EQ(Ask(*next, "PRAGMA query_only"), "0");
    EXPECT_EQ(Ask(*next, "PRAGMA foreign_keys"), "0");
    EXPECT_EQ(Ask(*next, "PRAGMA defer_foreign_keys"), "0");
    EXPECT_EQ(Ask(*next, "SELECT last_insert_rowid()"), "0");
    EXPECT_EQ(sqlite3_get_autocommit(next->handle()), 1);
    EXPECT_EQ(sqlite3_next_stmt(next->handle(), nullptr), nullptr);
    next->ReturnToPool();
    return reused;
  }
};

TEST_F(TraceTest, OrdinaryUseLeavesNoneAndTheConnectionIsReused) {
  EXPECT_TRUE(IsReusedAfter("SELECT * FROM item"));
  EXPECT_TRUE(IsReusedAfter("INSERT INTO item VALUES (1, 'a'); UPDATE item SET name='b'"));
  EXPECT_TRUE(IsReusedAfter("BEGIN; DELETE FROM item"));
  EXPECT_TRUE(IsReusedAfter("CREATE TABLE other (id); DROP TABLE other"));
  EXPECT_TRUE(
      IsReusedAfter("PRAGMA foreign_keys; PRAGMA table_info(item); PRAGMA integrity_check(1)"));
  EXPECT_TRUE(IsReusedAfter("SELECT * FROM pragma_table_info('item'); ANALYZE; REINDEX"));
}

TEST_F(TraceTest, WhatOutlivesATransactionEndsTheConnection) {
  EXPECT_FALSE(IsReusedAfter("CREATE TEMP TABLE mine (id)"));
  EXPECT_FALSE(IsReusedAfter("CREATE TABLE temp.mine (id)"));
  EXPECT_FALSE(IsReusedAfter("CREATE VIEW temp.mine AS SELECT 1"));
  EXPECT_FALSE(IsReusedAfter("CREATE TEMP VIEW mine AS SELECT 1"));
  EXPECT_FALSE(IsReusedAfter("CREATE TEMP TRIGGER mine AFTER INSERT ON item BEGIN SELECT 1; END"));
  EXPECT_FALSE(IsReusedAfter("CREATE VIRTUAL TABLE temp.mine USING fts5(text)"));
  EXPECT_FALSE(IsReusedAfter("BEGIN; CREATE TEMP TABLE mine (id)"));
  EXPECT_FALSE(IsReusedAfter("PRAGMA foreign_keys=ON"));
  EXPECT_FALSE(IsReusedAfter("PRAGMA query_only=ON"));
  EXPECT_FALSE(IsReusedAfter("PRAGMA defer_foreign_keys=ON"));
  EXPECT_FALSE(IsReusedAfter("PRAGMA main.Cache_Size(7)"));
  EXPECT_FALSE(IsReusedAfter("ATTACH '" + (dir_ / "other.db") + "' AS other"));
  EXPECT_FALSE(IsReusedAfter("ATTACH ':memory:' AS other; DETACH other"));
}

// Not only when somebody takes it again.
TEST_F(TraceTest, ReadOnlyModeIsLiftedBeforeTheConnectionGoesBack) {
  const Connection connection = Acquire(/*read_only=*/true);
  sqlite3* const db = connection->handle();
  const auto query_only = [db] {
    std::string value;
    const auto take = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0];
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(db, "PRAGMA query_only", take, &value, nullptr), SQLITE_OK);
    return value;
  };
  EXPECT_EQ(query_only(), "1");
  connection->ReturnToPool();
  ASSERT_GE(pool_->usage().idle, 1);
  EXPECT_EQ(query_only(), "0");
}

TEST_F(TraceTest, TheUserCanSaySo) {
  const Connection connection = Acquire();
  connection->DoNotReuse();
  connection->ReturnToPool();
  EXPECT_EQ(idle(), 0);
  EXPECT_EQ(in_use(), 0);
}

TEST_F(TraceTest, WhatComesBackOpenIsClosed) {
  const Connection connection = Acquire();
  Must(connection->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
  connection->ReturnToPool();
  EXPECT_EQ(idle(), 0);
  EXPECT_EQ(in_use(), 0);
  EXPECT_EQ(Committed(), "");
}

TEST_F(TraceTest, AStatementThatWasNotFinalizedStaysItsOwners) {
  const Connection connection = Acquire();
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(connection->handle(), "SELECT 1", -1, &statement, nullptr),
            SQLITE_OK);
  connection->ReturnToPool();
  EXPECT_EQ(idle(), 0);
  EXPECT_EQ(sqlite3_finalize(statement), SQLITE_OK);
}

TEST_F(TraceTest, TheSetupIsThereForEveryone) {
  options_.setup = {"PRAGMA foreign_keys=ON", "CREATE TEMP TABLE of_the_operator (id)"};
  const auto pool = Must(SqlitePool::Open(options_));
  for (int i = 0; i < 2; ++i) {
    const Connection connection = Must(pool->Acquire(/*read_only=*/true, Soon()));
    EXPECT_EQ(Ask(*connection, "PRAGMA foreign_keys"), "1");
    connection->ReturnToPool();
    EXPECT_EQ(pool->usage().idle, 1);
  }
  options_.setup = {"SELEC"};
  EXPECT_THAT(SqlitePool::Open(options_), HasVerdict(Verdict::kInvalid));
}

// --- opening and closing

TEST_F(PoolTest, RefusesOptionsThatMakeNoSense) {
  for (const char* path : {"", ":memory:"}) {
    EXPECT_THAT(SqlitePool::Open({.path = path}), HasVerdict(Verdict::kInvalid)) << path;
  }
  options_.max_connections = 0;
  EXPECT_THAT(SqlitePool::Open(options_), HasVerdict(Verdict::kInvalid));
  options_.max_connections = 1;
  options_.busy_timeout = absl::Seconds(-1);
  EXPECT_THAT(SqlitePool::Open(options_), HasVerdict(Verdict::kInvalid));
}

TEST_F(PoolTest, AMissingFileIsMadeOnRequestOnly) {
  options_.path = dir_ / "missing.db";
  options_.create_if_missing = false;
  EXPECT_THAT(SqlitePool::Open(options_), HasVerdict(Verdict::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(options_.path));
  options_.create_if_missing = true;
  EXPECT_THAT(SqlitePool::Open(options_), IsOk());
  options_.create_if_missing = false;
  EXPECT_THAT(SqlitePool::Open(options_), IsOk());
}

TEST_F(PoolTest, WhatIsNoDatabaseIsRefused) {
  const std::string path = dir_ / "text";
  std::ofstream(path) << std::string(8192, 'x');
  EXPECT_THAT(SqlitePool::Open({.path = path}), HasVerdict(Verdict::kWrongFormat));
  EXPECT_THAT(SqlitePool::Open({.path = dir_.path()}), HasVerdict(Verdict::kIo));
}

TEST_F(PoolTest, APathIsNoUri) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path());
  const auto pool = SqlitePool::Open({.path = "file:name?mode=memory"});
  std::filesystem::current_path(before);
  ASSERT_THAT(pool, IsOk());
  EXPECT_TRUE(std::filesystem::exists(dir_ / "file:name?mode=memory"));
}

TEST_F(PoolTest, OpeningWaitsForLocksOfOthersAndThenSaysBusy) {
  const std::string path = dir_ / "held.db";
  sqlite3* holder = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &holder), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(holder, "CREATE TABLE t (id); BEGIN EXCLUSIVE", nullptr, nullptr, nullptr),
            SQLITE_OK);
  EXPECT_THAT(SqlitePool::Open({.path = path, .busy_timeout = absl::Milliseconds(50)}),
              HasVerdict(Verdict::kBusy));
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(50));
    EXPECT_EQ(sqlite3_exec(holder, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  });
  EXPECT_THAT(SqlitePool::Open({.path = path, .busy_timeout = absl::Seconds(20)}), IsOk());
  other.join();
  EXPECT_EQ(sqlite3_close(holder), SQLITE_OK);
}

TEST_F(PoolTest, AConnectionThatCannotBeOpenedFreesItsPlace) {
  const Connection first = Acquire();
  std::filesystem::remove(options_.path);
  std::filesystem::create_directory(options_.path);
  for (int i = 0; i < 2 * kLimit; ++i) EXPECT_THAT(TryAcquire(), HasVerdict(Verdict::kIo));
  EXPECT_EQ(in_use(), 1);
  std::filesystem::remove(options_.path);
}

TEST_F(PoolTest, StatementsWaitForLocksAndThenSayBusy) {
  options_.busy_timeout = absl::Milliseconds(50);
  const auto impatient = Must(SqlitePool::Open(options_));
  const Connection holder = Acquire();
  Must(holder->Execute("BEGIN IMMEDIATE"));
  const Connection waiter = Must(impatient->Acquire(false, Soon()));
  const absl::Time start = absl::Now();
  EXPECT_THAT(waiter->Execute("DELETE FROM item"), HasVerdict(Verdict::kBusy));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(49));
}

TEST_F(PoolTest, ConnectionsMayOutliveIt) {
  const Connection returned = Acquire();
  const Connection discarded = Acquire();
  const Connection dropped = Acquire();
  pool_.reset();
  EXPECT_THAT(returned->Execute("INSERT INTO item VALUES (1, 'a')"), IsOk());
  EXPECT_EQ(Rows(*discarded), "1=a");
  returned->ReturnToPool();
  discarded->Discard();
  EXPECT_EQ(Rows(*dropped), "1=a");
}

TEST_F(PoolTest, ClosesEverythingAtItsEnd) {
  const Connection connection = Acquire();
  Must(connection->Execute("INSERT INTO item VALUES (1, 'a')"));
  connection->ReturnToPool();
  EXPECT_TRUE(std::filesystem::exists(options_.path + "-wal"));
  pool_.reset();
  // The last connection that closes puts the log into the file.
  EXPECT_FALSE(std::filesystem::exists(options_.path + "-wal"));
}

TEST_F(PoolTest, AChildAfterAForkMustOpenItsOwn) {
  const Connection connection = Acquire();
  Must(connection->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
  testing::ForkedChild child([&](testing::Channel&) -> std::string {
    if (VerdictOf(pool_->Acquire(false, Soon()).status()) != Verdict::kClosed) return "not refused";
    pool_.reset();
    return SqlitePool::Open(options_).ok() ? "" : "its own is refused";
  });
  EXPECT_EQ(child.Join(), "");
  EXPECT_THAT(connection->Execute("COMMIT"), IsOk());
  EXPECT_EQ(Committed(), "1=a");
}

}  // namespace
}  // namespace batonstore
