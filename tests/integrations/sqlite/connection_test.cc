#include "batonstore/integrations/sqlite/connection.h"

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sqlite3.h"
#include "tests/integrations/sqlite/sqlite_fixture.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::batonstore::testing::Ask;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::Must;
using ::batonstore::testing::Rows;
using ::batonstore::testing::Soon;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kEndless[] =
    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

class ConnectionTest : public testing::SqliteFixture {
 protected:
  // A statement that was begun and not finished, by way of the handle.
  static sqlite3_stmt* Begun(SqliteConnection& connection, const char* sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(connection.handle(), sql, -1, &statement, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
    return statement;
  }
};

TEST_F(ConnectionTest, ExecutesScripts) {
  const Connection connection = Acquire();
  EXPECT_THAT(connection->Execute(""), IsOk());
  EXPECT_THAT(connection->Execute(" ; -- nothing\n;"), IsOk());
  EXPECT_THAT(connection->Execute("INSERT INTO item VALUES (1, 'a'); SELECT * FROM item;\n"
                                  "INSERT INTO item VALUES (2, 'b') -- the last one"),
              IsOk());
  EXPECT_EQ(Rows(*connection), "1=a 2=b");
}

TEST_F(ConnectionTest, AScriptEndsAtWhatFails) {
  const Connection connection = Acquire();
  EXPECT_THAT(connection->Execute("INSERT INTO item VALUES (1, 'a');"
                                  "INSERT INTO item VALUES (1, 'b');"
                                  "INSERT INTO item VALUES (3, 'c')"),
              HasVerdict(Verdict::kExists));
  EXPECT_EQ(Rows(*connection), "1=a");
}

TEST_F(ConnectionTest, QueriesAnswerInText) {
  const Connection connection = Acquire();
  const auto rows = Must(connection->Query(
      "SELECT 1, 2.5, 'text', NULL, x'6100', x'', '' UNION ALL SELECT 2, 0, 0, 0, 0, 0, 0"));
  ASSERT_EQ(rows.size(), 2);
  EXPECT_THAT(rows[0],
              ElementsAre("1", "2.5", "text", std::nullopt, std::string("a\0", 2), "", ""));
}

TEST_F(ConnectionTest, ParametersAreBoundInOrder) {
  const Connection connection = Acquire();
  const auto rows =
      Must(connection->Query("SELECT ?, ?, ?", {"'; DROP TABLE item", std::nullopt, ""}));
  ASSERT_EQ(rows.size(), 1);
  EXPECT_THAT(rows[0], ElementsAre("'; DROP TABLE item", std::nullopt, ""));
  EXPECT_THAT(connection->Query("SELECT ?", {}), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(connection->Query("SELECT ?", {"1", "2"}), HasVerdict(Verdict::kInvalid));
}

TEST_F(ConnectionTest, AQueryIsOneStatement) {
  const Connection connection = Acquire();
  EXPECT_THAT(connection->Query("SELECT 1; -- and no more\n ;"), IsOk());
  EXPECT_THAT(connection->Query(""), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(connection->Query("DELETE FROM item; SELECT 1"), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(connection->Query("SELECT 1; SELEC"), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(connection->Execute(absl::string_view("SELECT 1;\0DROP TABLE item", 24)),
              HasVerdict(Verdict::kInvalid));
}

TEST_F(ConnectionTest, ErrorsNameTheCallAndNeitherStatementNorValue) {
  const Connection connection = Acquire();
  const absl::Status syntax = connection->Execute("SELECT topsecret FROM nowhere");
  EXPECT_THAT(syntax, HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(std::string(syntax.message()), HasSubstr("sqlite3_prepare_v3: "));
  EXPECT_THAT(std::string(syntax.message()), Not(HasSubstr("topsecret")));
  EXPECT_THAT(std::string(syntax.message()), Not(HasSubstr("nowhere")));

  Must(connection->Execute("INSERT INTO item VALUES (1, 'topsecret')"));
  const absl::Status twice =
      connection->Query("INSERT INTO item VALUES (1, ?)", {"topsecret"}).status();
  EXPECT_THAT(twice, HasVerdict(Verdict::kExists));
  EXPECT_THAT(std::string(twice.message()), HasSubstr("sqlite3_step: "));
  EXPECT_THAT(std::string(twice.message()), Not(HasSubstr("topsecret")));
}

TEST_F(ConnectionTest, IsInWalModeAndSyncsEachCommit) {
  const Connection connection = Acquire();
  EXPECT_EQ(Ask(*connection, "PRAGMA journal_mode"), "wal");
  EXPECT_EQ(Ask(*connection, "PRAGMA synchronous"), "2");
}

TEST_F(ConnectionTest, NoStatementCanDamageTheFile) {
  const Connection connection = Acquire();
  EXPECT_THAT(connection->Execute("PRAGMA writable_schema=ON; DELETE FROM sqlite_schema"),
              HasVerdict(Verdict::kInvalid));
  Must(connection->Execute("PRAGMA journal_mode=OFF"));
  EXPECT_EQ(Ask(*connection, "PRAGMA journal_mode"), "wal");
}

// --- read-only mode

TEST_F(ConnectionTest, ReadOnlyRefusesWrites) {
  const Connection connection = Acquire(/*read_only=*/true);
  EXPECT_TRUE(connection->read_only());
  for (const char* sql :
       {"INSERT INTO item VALUES (1, 'a')", "DELETE FROM item", "DROP TABLE item",
        "CREATE TABLE other (id)", "CREATE TEMP TABLE other (id)", "BEGIN IMMEDIATE", "VACUUM",
        "PRAGMA user_version=7", "ANALYZE", "ALTER TABLE item RENAME TO other"}) {
    EXPECT_THAT(connection->Execute(sql), HasVerdict(Verdict::kInvalid)) << sql;
  }
  EXPECT_THAT(connection->Execute("BEGIN; SELECT * FROM item; COMMIT"), IsOk());
  EXPECT_EQ(Ask(*connection, "SELECT count(*) FROM item"), "0");
  EXPECT_EQ(Ask(*connection, "SELECT count(*) FROM pragma_table_info('item')"), "2");
}

TEST_F(ConnectionTest, ReadOnlyCannotBeLiftedOrCircumvented) {
  const Connection connection = Acquire(/*read_only=*/true);
  const std::string other = dir_ / "other.db";
  for (const std::string& sql :
       {std::string("PRAGMA query_only=OFF"), std::string("PRAGMA Query_Only(0)"),
        std::string("PRAGMA main.query_only=0"), std::string("PRAGMA journal_mode=DELETE"),
        std::string("PRAGMA writable_schema=ON"), "ATTACH '" + other + "' AS other",
        "VACUUM INTO '" + other + "'"}) {
    EXPECT_THAT(connection->Execute(sql), HasVerdict(Verdict::kInvalid)) << sql;
  }
  EXPECT_FALSE(std::filesystem::exists(other));
  EXPECT_EQ(Ask(*connection, "PRAGMA query_only"), "1");
  EXPECT_EQ(Ask(*connection, "PRAGMA journal_mode"), "wal");
  EXPECT_THAT(connection->Execute("DELETE FROM item"), HasVerdict(Verdict::kInvalid));
}

TEST_F(ConnectionTest, ReadOnlyIsLiftedBeforeTheNextUser) {
  const Connection reader = Acquire(/*read_only=*/true);
  sqlite3* const first = reader->handle();
  EXPECT_THAT(reader->Rollback(Soon()), IsOk());
  EXPECT_THAT(reader->Execute("DELETE FROM item"), HasVerdict(Verdict::kInvalid));
  reader->ReturnToPool();

  const Connection writer = Acquire();
  EXPECT_EQ(writer->handle(), first);
  EXPECT_FALSE(writer->read_only());
  EXPECT_THAT(writer->Execute("INSERT INTO item VALUES (1, 'a')"), IsOk());
  writer->ReturnToPool();

  const Connection again = Acquire(/*read_only=*/true);
  EXPECT_EQ(again->handle(), first);
  EXPECT_THAT(again->Execute("DELETE FROM item"), HasVerdict(Verdict::kInvalid));
}

// --- rollback

TEST_F(ConnectionTest, RollbackWithNothingOpenIsOk) {
  const Connection connection = Acquire();
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_THAT(connection->Rollback(absl::InfinitePast()), IsOk());
  EXPECT_THAT(connection->Rollback(absl::InfiniteFuture()), IsOk());
}

TEST_F(ConnectionTest, RollbackUndoesAnInsert) {
  const Connection connection = Acquire();
  Must(connection->Execute("INSERT INTO item VALUES (1, 'kept')"));
  Must(connection->Execute("BEGIN; INSERT INTO item VALUES (2, 'undone')"));
  EXPECT_EQ(Rows(*connection), "1=kept 2=undone");
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(Rows(*connection), "1=kept");
  EXPECT_THAT(connection->Execute("BEGIN IMMEDIATE; COMMIT"), IsOk());
}

TEST_F(ConnectionTest, RollbackUndoesADefinition) {
  const Connection connection = Acquire();
  Must(connection->Execute("BEGIN; CREATE TABLE other (id); INSERT INTO other VALUES (1)"));
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_THAT(connection->Query("SELECT * FROM other"), HasVerdict(Verdict::kInvalid));
}

TEST_F(ConnectionTest, RollbackAfterAFailedStatement) {
  const Connection connection = Acquire();
  Must(connection->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
  EXPECT_THAT(connection->Execute("INSERT INTO item VALUES (1, 'b')"),
              HasVerdict(Verdict::kExists));
  EXPECT_THAT(connection->Execute("SELEC"), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(Rows(*connection), "");
}

TEST_F(ConnectionTest, RollbackAfterSqliteHasRolledBackByItself) {
  const Connection connection = Acquire();
  Must(
      connection->Execute("INSERT INTO item VALUES (1, 'kept'); BEGIN;"
                          "INSERT INTO item VALUES (2, 'undone')"));
  EXPECT_THAT(connection->Execute("INSERT OR ROLLBACK INTO item VALUES (1, 'b')"),
              HasVerdict(Verdict::kExists));
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(Rows(*connection), "1=kept");
}

TEST_F(ConnectionTest, RollbackUndoesSavepoints) {
  const Connection connection = Acquire();
  Must(
      connection->Execute("SAVEPOINT a; INSERT INTO item VALUES (1, 'a');"
                          "SAVEPOINT b; INSERT INTO item VALUES (2, 'b');"
                          "ROLLBACK TO b; INSERT INTO item VALUES (3, 'c'); RELEASE b"));
  EXPECT_EQ(Rows(*connection), "1=a 3=c");
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(Rows(*connection), "");
  EXPECT_THAT(connection->Execute("RELEASE a"), HasVerdict(Verdict::kInvalid));
}

TEST_F(ConnectionTest, RollbackWithAnUnfinishedSelect) {
  const Connection connection = Acquire();
  Must(
      connection->Execute("INSERT INTO item VALUES (1, 'a'), (2, 'b');"
                          "BEGIN; INSERT INTO item VALUES (3, 'c')"));
  sqlite3_stmt* const select = Begun(*connection, "SELECT id FROM item");
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(sqlite3_stmt_busy(select), 0);
  EXPECT_EQ(sqlite3_txn_state(connection->handle(), nullptr), SQLITE_TXN_NONE);
  EXPECT_EQ(Rows(*connection), "1=a 2=b");
  EXPECT_EQ(sqlite3_finalize(select), SQLITE_OK);
}

TEST_F(ConnectionTest, RollbackEndsASnapshotOutsideOfATransaction) {
  const Connection connection = Acquire();
  Must(connection->Execute("INSERT INTO item VALUES (1, 'a'), (2, 'b')"));
  sqlite3_stmt* const select = Begun(*connection, "SELECT id FROM item");
  EXPECT_EQ(sqlite3_txn_state(connection->handle(), nullptr), SQLITE_TXN_READ);
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(sqlite3_txn_state(connection->handle(), nullptr), SQLITE_TXN_NONE);
  EXPECT_EQ(sqlite3_finalize(select), SQLITE_OK);
}

// Such a statement is a transaction of its own, which its end commits.
TEST_F(ConnectionTest, RollbackUndoesAWriteUnderWayOutsideOfATransaction) {
  const Connection connection = Acquire();
  sqlite3_stmt* const insert =
      Begun(*connection, "INSERT INTO item VALUES (1, 'a'), (2, 'b') RETURNING id");
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(sqlite3_txn_state(connection->handle(), nullptr), SQLITE_TXN_NONE);
  sqlite3_finalize(insert);
  EXPECT_EQ(Committed(), "");
}

TEST_F(ConnectionTest, RollbackInReadOnlyMode) {
  const Connection connection = Acquire(/*read_only=*/true);
  Must(connection->Execute("BEGIN; SELECT * FROM item"));
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  EXPECT_EQ(sqlite3_get_autocommit(connection->handle()), 1);
}

TEST_F(ConnectionTest, RollbackReleasesTheWriteLock) {
  const Connection holder = Acquire();
  Must(holder->Execute("BEGIN IMMEDIATE; INSERT INTO item VALUES (1, 'a')"));
  EXPECT_THAT(holder->Rollback(Soon()), IsOk());
  const Connection writer = Acquire();
  EXPECT_THAT(writer->Execute("INSERT INTO item VALUES (2, 'b')"), IsOk());
}

// --- while another thread is inside

TEST_F(ConnectionTest, RollbackInterruptsAnEndlessStatement) {
  const Connection connection = Acquire();
  Must(connection->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
  absl::Status ended;
  std::atomic<bool> started = false;
  std::thread user([&] {
    started = true;
    ended = connection->Query(kEndless).status();
  });
  while (!started) std::this_thread::yield();
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  user.join();
  EXPECT_THAT(ended, HasVerdict(Verdict::kBusy));
  EXPECT_EQ(Rows(*connection), "");
  connection->ReturnToPool();
  EXPECT_EQ(pool_->usage().idle, 1);
}

TEST_F(ConnectionTest, RollbackStopsAScriptBetweenItsStatements) {
  const Connection connection = Acquire();
  std::string script;
  for (int i = 0; i < 20'000; ++i) script += "SELECT 1;";
  std::atomic<bool> done = false;
  std::thread user([&] {
    while (connection->Execute(script).ok()) continue;
    done = true;
  });
  while (!done) EXPECT_THAT(connection->Rollback(Soon()), IsOk());
  user.join();
}

TEST_F(ConnectionTest, RollbackEndsAWaitForALock) {
  const Connection holder = Acquire();
  Must(holder->Execute("BEGIN IMMEDIATE"));
  const Connection waiter = Acquire();
  absl::Status ended;
  std::atomic<bool> started = false;
  const absl::Time start = absl::Now();
  std::thread user([&] {
    started = true;
    ended = waiter->Execute("BEGIN IMMEDIATE");
  });
  while (!started) std::this_thread::yield();
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_THAT(waiter->Rollback(Soon()), IsOk());
  user.join();
  EXPECT_THAT(ended, HasVerdict(Verdict::kBusy));
  EXPECT_LT(absl::Now() - start, options_.busy_timeout);
}

// A function that SQLite cannot interrupt.
struct Hang {
  absl::Notification entered;
  absl::Notification may_go;

  static void Call(sqlite3_context* context, int, sqlite3_value**) {
    auto* const hang = static_cast<Hang*>(sqlite3_user_data(context));
    hang->entered.Notify();
    hang->may_go.WaitForNotification();
    sqlite3_result_int(context, 1);
  }
};

TEST_F(ConnectionTest, ADeadlineThatPassesDiscards) {
  Hang hang;
  Connection connection = Acquire();
  ASSERT_EQ(sqlite3_create_function(connection->handle(), "hang", 0, SQLITE_UTF8, &hang,
                                    &Hang::Call, nullptr, nullptr),
            SQLITE_OK);
  Must(connection->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
  absl::Status ended;
  std::thread user(
      [&, inside = connection.get()] { ended = inside->Query("SELECT hang()").status(); });
  hang.entered.WaitForNotification();

  const absl::Time start = absl::Now();
  EXPECT_THAT(connection->Rollback(start + absl::Milliseconds(50)), HasVerdict(Verdict::kBusy));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(49));
  EXPECT_THAT(connection->Rollback(absl::InfinitePast()), HasVerdict(Verdict::kBusy));
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));

  // Does not wait either; the file is closed when the function has come back.
  connection->Discard();
  connection.reset();
  EXPECT_EQ(pool_->usage().in_use, 1);
  hang.may_go.Notify();
  user.join();
  EXPECT_THAT(ended, HasVerdict(Verdict::kBusy));
  EXPECT_EQ(pool_->usage().in_use, 0);
  EXPECT_EQ(pool_->usage().idle, 0);
  EXPECT_EQ(Committed(), "");
}

// --- the end

TEST_F(ConnectionTest, AfterTheEndEverythingIsClosed) {
  for (const bool discard : {false, true}) {
    const Connection connection = Acquire();
    discard ? connection->Discard() : connection->ReturnToPool();
    EXPECT_THAT(connection->Execute("SELECT 1"), HasVerdict(Verdict::kClosed));
    EXPECT_THAT(connection->Query("SELECT 1"), HasVerdict(Verdict::kClosed));
    EXPECT_THAT(connection->Rollback(Soon()), HasVerdict(Verdict::kClosed));
    EXPECT_EQ(connection->handle(), nullptr);
    EXPECT_FALSE(connection->read_only());
    connection->DoNotReuse();
    connection->ReturnToPool();
    connection->Discard();
  }
}

TEST_F(ConnectionTest, DiscardUndoesWhatIsOpen) {
  const Connection connection = Acquire();
  Must(connection->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
  connection->Discard();
  EXPECT_EQ(Committed(), "");
}

}  // namespace
}  // namespace batonstore
