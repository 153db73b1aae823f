// A database file with one table, and a pool on it.

#ifndef BATONSTORE_TESTS_INTEGRATIONS_SQLITE_SQLITE_FIXTURE_H_
#define BATONSTORE_TESTS_INTEGRATIONS_SQLITE_SQLITE_FIXTURE_H_

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/integrations/sqlite/connection.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {

// Of what succeeds by the test's plan.
template <typename T>
T Must(absl::StatusOr<T> result) {
  if (result.ok()) return *std::move(result);
  std::cerr << result.status() << std::endl;
  std::abort();
}

inline void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << std::endl;
  std::abort();
}

inline absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

// The only value of a query's only row; "NULL", or "" when there is no row.
inline std::string Ask(SqliteConnection& connection, const std::string& sql) {
  const auto rows = Must(connection.Query(sql));
  return rows.empty() ? "" : rows.at(0).at(0).value_or("NULL");
}

// The table's rows as "1=a 2=b".
inline std::string Rows(SqliteConnection& connection, const std::string& table = "item") {
  return Ask(connection,
             "SELECT coalesce(group_concat(id || '=' || name, ' '), '') FROM (SELECT * FROM " +
                 table + " ORDER BY id)");
}

class SqliteFixture : public ::testing::Test {
 protected:
  using Connection = std::unique_ptr<SqliteConnection>;

  explicit SqliteFixture(int max_connections = 4) : options_{.path = dir_ / "items.db"} {
    options_.max_connections = max_connections;
    options_.busy_timeout = absl::Seconds(10);
    pool_ = Must(SqlitePool::Open(options_));
    const Connection connection = Acquire();
    Must(connection->Execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"));
    connection->ReturnToPool();
  }

  Connection Acquire(bool read_only = false) { return Must(pool_->Acquire(read_only, Soon())); }

  // What a connection of its own sees: what is committed.
  std::string Committed() {
    const Connection connection = Acquire(/*read_only=*/true);
    std::string rows = Rows(*connection);
    connection->ReturnToPool();
    return rows;
  }

  TempDir dir_;
  SqlitePoolOptions options_;
  std::unique_ptr<SqlitePool> pool_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_INTEGRATIONS_SQLITE_SQLITE_FIXTURE_H_
