// Processes that are killed in the middle of a transaction.

#include <string>

#include "absl/strings/str_cat.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "gtest/gtest.h"
#include "tests/integrations/sqlite/sqlite_fixture.h"
#include "tests/support/forked_child.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

using ::batonstore::testing::Ask;
using ::batonstore::testing::Channel;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::Must;
using ::batonstore::testing::Soon;

TEST(KillTest, WhatWasOpenLeavesNothing) {
  const testing::TempDir dir;
  const SqlitePoolOptions options{.path = dir / "items.db", .setup = {"PRAGMA cache_size=10"}};
  for (int round = 0; round < 5; ++round) {
    ForkedChild child([&](Channel& parent) -> std::string {
      const auto pool = Must(SqlitePool::Open(options));
      const auto connection = Must(pool->Acquire(false, Soon()));
      Must(connection->Execute("CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, name)"));
      Must(connection->Execute("INSERT INTO item (name) VALUES ('kept')"));
      // More than the cache holds, so that some of it is in the log already.
      Must(connection->Execute(
          "BEGIN; WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 2000)"
          " INSERT INTO item (name) SELECT hex(randomblob(100)) FROM n"));
      parent.Send("open");
      parent.Receive();
      return "not killed";
    });
    ASSERT_EQ(child.channel().Receive(), "open");
    child.Kill();

    const auto pool = Must(SqlitePool::Open(options));
    const auto connection = Must(pool->Acquire(false, Soon()));
    EXPECT_EQ(Ask(*connection, "SELECT count(*) FROM item"), absl::StrCat(round + 1));
    EXPECT_EQ(Ask(*connection, "SELECT count(*) FROM item WHERE name <> 'kept'"), "0");
    EXPECT_EQ(Ask(*connection, "PRAGMA integrity_check"), "ok");
  }
}

}  // namespace
}  // namespace batonstore
