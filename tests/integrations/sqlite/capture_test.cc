#include "batonstore/integrations/sqlite/capture.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integrations/sqlite/sqlite_fixture.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::Must;
using ::batonstore::testing::Rows;
using ::batonstore::testing::Soon;
using ::testing::IsEmpty;
using ::testing::Not;

class CaptureTest : public testing::SqliteFixture {
 protected:
  CaptureTest()
      : other_pool_(Must(SqlitePool::Open({.path = dir_ / "other.db"}))),
        connection_(Acquire()),
        other_(Must(other_pool_->Acquire(false, Soon()))) {
    Must(other_->Execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"));
  }

  // What `sql` changes.
  std::string ChangesOf(const std::string& sql) {
    const auto capture = Must(SqliteCapture::Start(*connection_));
    Must(connection_->Execute(sql));
    return Must(capture->Changeset());
  }

  std::unique_ptr<SqlitePool> other_pool_;
  Connection connection_;
  Connection other_;
};

TEST_F(CaptureTest, AChangesetAppliesToAnotherDatabase) {
  Must(other_->Execute("INSERT INTO item VALUES (1, 'a'), (2, 'b')"));
  Must(connection_->Execute("INSERT INTO item VALUES (1, 'a'), (2, 'b')"));
  const std::string changes = ChangesOf(
      "BEGIN; INSERT INTO item VALUES (3, 'c'); UPDATE item SET name = 'B' WHERE id = 2;"
      "DELETE FROM item WHERE id = 1; COMMIT");
  EXPECT_EQ(Rows(*connection_), "2=B 3=c");
  ASSERT_OK_AND_ASSIGN(const AppliedChangeset applied,
                       ApplyChangeset(*other_, changes, ConflictPolicy::kAbort));
  EXPECT_EQ(applied.skipped + applied.replaced, 0);
  EXPECT_EQ(Rows(*other_), "2=B 3=c");
}

TEST_F(CaptureTest, WhatIsNotCommittedIsCapturedToo) {
  const std::string changes = ChangesOf("BEGIN; INSERT INTO item VALUES (1, 'a')");
  Must(ApplyChangeset(*other_, changes, ConflictPolicy::kAbort));
  EXPECT_EQ(Rows(*other_), "1=a");
  EXPECT_EQ(Committed(), "");
}

TEST_F(CaptureTest, WhatWasUndoneIsNotCaptured) {
  const auto capture = Must(SqliteCapture::Start(*connection_));
  EXPECT_THAT(Must(capture->Changeset()), IsEmpty());
  Must(connection_->Execute("BEGIN; INSERT INTO item VALUES (1, 'a')"));
  EXPECT_THAT(Must(capture->Changeset()), Not(IsEmpty()));
  Must(connection_->Rollback(Soon()));
  EXPECT_THAT(Must(capture->Changeset()), IsEmpty());
  Must(connection_->Execute("INSERT INTO item VALUES (2, 'b'); DELETE FROM item"));
  EXPECT_THAT(Must(capture->Changeset()), IsEmpty());
  Must(connection_->Execute("INSERT INTO item VALUES (3, 'c')"));
  EXPECT_THAT(Must(capture->Changeset()), Not(IsEmpty()));
  EXPECT_THAT(ApplyChangeset(*other_, "", ConflictPolicy::kAbort), IsOk());
}

TEST_F(CaptureTest, WhatCameBeforeOrOnOtherConnectionsIsNotCaptured) {
  Must(connection_->Execute("INSERT INTO item VALUES (1, 'a')"));
  const auto capture = Must(SqliteCapture::Start(*connection_));
  const Connection another = Acquire();
  Must(another->Execute("INSERT INTO item VALUES (2, 'b')"));
  EXPECT_THAT(Must(capture->Changeset()), IsEmpty());
}

TEST_F(CaptureTest, NamedTablesOnly) {
  Must(connection_->Execute(
      "CREATE TABLE noise (id INTEGER PRIMARY KEY); CREATE TABLE keyless (id)"));
  const std::vector<std::string> tables = {"item"};
  const auto capture = Must(SqliteCapture::Start(*connection_, tables));
  Must(connection_->Execute("INSERT INTO noise VALUES (1)"));
  EXPECT_THAT(Must(capture->Changeset()), IsEmpty());
  Must(connection_->Execute("INSERT INTO item VALUES (1, 'a')"));
  Must(ApplyChangeset(*other_, Must(capture->Changeset()), ConflictPolicy::kAbort));
  EXPECT_EQ(Rows(*other_), "1=a");

  const std::vector<std::string> missing = {"item", "missing"};
  EXPECT_THAT(SqliteCapture::Start(*connection_, missing), HasVerdict(Verdict::kNotFound));
  const std::vector<std::string> keyless = {"keyless"};
  EXPECT_THAT(SqliteCapture::Start(*connection_, keyless), HasVerdict(Verdict::kInvalid));
}

TEST_F(CaptureTest, TablesOfLaterAndKeysOfSeveralColumns) {
  const std::string table = "CREATE TABLE pair (b, a, c, PRIMARY KEY (a, b));";
  Must(other_->Execute(table));
  const std::string changes = ChangesOf(table + "INSERT INTO pair VALUES (1, 2, 3)");
  EXPECT_THAT(ApplyChangeset(*other_, changes, ConflictPolicy::kAbort), IsOk());
  EXPECT_EQ(testing::Ask(*other_, "SELECT b || a || c FROM pair"), "123");
}

// --- conflicts

class ConflictTest : public CaptureTest {
 protected:
  // Changes that fit nowhere but where they were made, and one that does.
  std::string Changes() {
    Must(connection_->Execute("INSERT INTO item VALUES (1, 'a'), (2, 'b')"));
    return ChangesOf(
        "UPDATE item SET name = 'A' WHERE id = 1;"
        "DELETE FROM item WHERE id = 2;"
        "INSERT INTO item VALUES (3, 'c'), (4, 'd')");
  }
  // An update and an insert that collide, and a row that is not there to be deleted.
  void Collide() { Must(other_->Execute("INSERT INTO item VALUES (1, 'other'), (3, 'other')")); }
};

TEST_F(ConflictTest, AbortAppliesNothing) {
  const std::string changes = Changes();
  Collide();
  EXPECT_THAT(ApplyChangeset(*other_, changes, ConflictPolicy::kAbort),
              HasVerdict(Verdict::kConflict));
  EXPECT_EQ(Rows(*other_), "1=other 3=other");
}

TEST_F(ConflictTest, AbortKeepsTheTransactionThatIsOpen) {
  const std::string changes = Changes();
  Collide();
  Must(other_->Execute("BEGIN; INSERT INTO item VALUES (9, 'mine')"));
  EXPECT_THAT(ApplyChangeset(*other_, changes, ConflictPolicy::kAbort),
              HasVerdict(Verdict::kConflict));
  Must(other_->Execute("COMMIT"));
  EXPECT_EQ(Rows(*other_), "1=other 3=other 9=mine");
}

TEST_F(ConflictTest, SkipLeavesOutWhatCollides) {
  const std::string changes = Changes();
  Collide();
  ASSERT_OK_AND_ASSIGN(const AppliedChangeset applied,
                       ApplyChangeset(*other_, changes, ConflictPolicy::kSkip));
  EXPECT_EQ(applied.skipped, 3);
  EXPECT_EQ(applied.replaced, 0);
  EXPECT_EQ(Rows(*other_), "1=other 3=other 4=d");
}

TEST_F(ConflictTest, ReplaceOverwrites) {
  const std::string changes = Changes();
  Collide();
  ASSERT_OK_AND_ASSIGN(const AppliedChangeset applied,
                       ApplyChangeset(*other_, changes, ConflictPolicy::kReplace));
  EXPECT_EQ(applied.skipped, 1);
  EXPECT_EQ(applied.replaced, 2);
  EXPECT_EQ(Rows(*other_), "1=A 3=c 4=d");
}

TEST_F(ConflictTest, AConstraintInTheWay) {
  const std::string changes = Changes();
  Must(other_->Execute(
      "INSERT INTO item VALUES (1, 'a'), (2, 'b');"
      "CREATE UNIQUE INDEX by_name ON item (name); INSERT INTO item VALUES (8, 'c')"));
  for (const ConflictPolicy policy : {ConflictPolicy::kAbort, ConflictPolicy::kReplace}) {
    EXPECT_THAT(ApplyChangeset(*other_, changes, policy), HasVerdict(Verdict::kConflict));
    EXPECT_EQ(Rows(*other_), "1=a 2=b 8=c");
  }
  EXPECT_EQ(Must(ApplyChangeset(*other_, changes, ConflictPolicy::kSkip)).skipped, 1);
  EXPECT_EQ(Rows(*other_), "1=A 4=d 8=c");
}

TEST_F(ConflictTest, ForeignKeysAreNeverViolated) {
  const std::string changes = Changes();
  Must(other_->Execute(
      "PRAGMA foreign_keys=ON; INSERT INTO item VALUES (1, 'a'), (2, 'b');"
      "CREATE TABLE part (of INTEGER REFERENCES item); INSERT INTO part VALUES (2)"));
  for (const ConflictPolicy policy :
       {ConflictPolicy::kAbort, ConflictPolicy::kSkip, ConflictPolicy::kReplace}) {
    EXPECT_THAT(ApplyChangeset(*other_, changes, policy), HasVerdict(Verdict::kConflict));
    EXPECT_EQ(Rows(*other_), "1=a 2=b");
  }
}

TEST_F(ConflictTest, TablesThatDoNotFit) {
  const std::string changes = Changes();
  Must(other_->Execute("DROP TABLE item"));
  EXPECT_THAT(ApplyChangeset(*other_, changes, ConflictPolicy::kSkip),
              HasVerdict(Verdict::kNotFound));
  for (const char* table :
       {"CREATE TABLE item (id INTEGER PRIMARY KEY)", "CREATE TABLE item (id, name PRIMARY KEY)",
        "CREATE TABLE item (id, name)", "CREATE TABLE item (id, name, x, PRIMARY KEY (id, x))"}) {
    Must(other_->Execute(table));
    EXPECT_THAT(ApplyChangeset(*other_, changes, ConflictPolicy::kSkip),
                HasVerdict(Verdict::kInvalid))
        << table;
    Must(other_->Execute("DROP TABLE item"));
  }
  Must(other_->Execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, more DEFAULT 'x')"));
  EXPECT_THAT(ApplyChangeset(*other_, changes, ConflictPolicy::kSkip), IsOk());
  EXPECT_EQ(Rows(*other_), "3=c 4=d");
}

TEST_F(ConflictTest, WhatIsNoChangesetIsCorrupt) {
  std::string changes = Changes();
  EXPECT_THAT(ApplyChangeset(*other_, "no changeset", ConflictPolicy::kSkip),
              HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(ApplyChangeset(*other_, changes.substr(0, changes.size() - 1), ConflictPolicy::kSkip),
              HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(Rows(*other_), "");
}

TEST_F(ConflictTest, AReadOnlyConnectionRefuses) {
  const std::string changes = Changes();
  const Connection reader = Must(other_pool_->Acquire(/*read_only=*/true, Soon()));
  EXPECT_THAT(ApplyChangeset(*reader, changes, ConflictPolicy::kSkip),
              HasVerdict(Verdict::kInvalid));
  EXPECT_EQ(Rows(*other_), "");
}

// --- the connection's end

TEST_F(CaptureTest, AConnectionIsReusedAfterACaptureAndAnApplication) {
  const std::string changes = ChangesOf("INSERT INTO item VALUES (1, 'a')");
  Must(ApplyChangeset(*other_, changes, ConflictPolicy::kAbort));
  other_->ReturnToPool();
  EXPECT_EQ(other_pool_->usage().idle, 1);
  connection_->ReturnToPool();
  EXPECT_EQ(pool_->usage().idle, 1);
  EXPECT_THAT(SqliteCapture::Start(*connection_), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(ApplyChangeset(*other_, changes, ConflictPolicy::kAbort),
              HasVerdict(Verdict::kClosed));
}

TEST_F(CaptureTest, OneThatOutlivesItsConnectionHarmsNobody) {
  auto capture = Must(SqliteCapture::Start(*connection_));
  Must(connection_->Execute("INSERT INTO item VALUES (1, 'a')"));
  connection_->ReturnToPool();
  EXPECT_EQ(pool_->usage().idle, 0);
  EXPECT_EQ(pool_->usage().in_use, 1);
  EXPECT_THAT(Must(capture->Changeset()), Not(IsEmpty()));
  capture.reset();
  EXPECT_EQ(pool_->usage().in_use, 0);
}

}  // namespace
}  // namespace batonstore
