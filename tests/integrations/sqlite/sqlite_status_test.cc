#include "batonstore/integrations/sqlite/sqlite_status.h"

#include <string>

#include "absl/strings/match.h"
#include "batonstore/base/verdict.h"
#include "gtest/gtest.h"
#include "sqlite3.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;

TEST(SqliteStatusTest, WhatIsNoErrorIsOk) {
  EXPECT_THAT(SqliteStatus(SQLITE_OK, "sqlite3_step"), IsOk());
  EXPECT_THAT(SqliteStatus(SQLITE_ROW, "sqlite3_step"), IsOk());
  EXPECT_THAT(SqliteStatus(SQLITE_DONE, "sqlite3_step"), IsOk());
}

TEST(SqliteStatusTest, EveryOtherCodeHasAVerdict) {
  for (int code = 1; code < SQLITE_ROW; ++code) {
    EXPECT_TRUE(VerdictOf(SqliteStatus(code, "sqlite3_step")).has_value()) << code;
  }
}

TEST(SqliteStatusTest, TellsWhatACallerActsOnApart) {
  EXPECT_THAT(SqliteStatus(SQLITE_BUSY, ""), HasVerdict(Verdict::kBusy));
  EXPECT_THAT(SqliteStatus(SQLITE_BUSY_SNAPSHOT, ""), HasVerdict(Verdict::kConflict));
  EXPECT_THAT(SqliteStatus(SQLITE_INTERRUPT, ""), HasVerdict(Verdict::kBusy));
  EXPECT_THAT(SqliteStatus(SQLITE_CONSTRAINT_UNIQUE, ""), HasVerdict(Verdict::kExists));
  EXPECT_THAT(SqliteStatus(SQLITE_CONSTRAINT_NOTNULL, ""), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(SqliteStatus(SQLITE_READONLY, ""), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(SqliteStatus(SQLITE_READONLY_DBMOVED, ""), HasVerdict(Verdict::kIo));
  EXPECT_THAT(SqliteStatus(SQLITE_NOMEM, ""), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(SqliteStatus(SQLITE_IOERR_NOMEM, ""), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(SqliteStatus(SQLITE_IOERR_FSYNC, ""), HasVerdict(Verdict::kIo));
  EXPECT_THAT(SqliteStatus(SQLITE_FULL, ""), HasVerdict(Verdict::kFull));
  EXPECT_THAT(SqliteStatus(SQLITE_CORRUPT_INDEX, ""), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(SqliteStatus(SQLITE_NOTADB, ""), HasVerdict(Verdict::kWrongFormat));
}

TEST(SqliteStatusTest, NamesTheCallAndTheCode) {
  const std::string message(SqliteStatus(SQLITE_IOERR_FSYNC, "sqlite3_step").message());
  EXPECT_TRUE(absl::StrContains(message, "sqlite3_step: disk I/O error (1034)")) << message;
}

}  // namespace
}  // namespace batonstore
