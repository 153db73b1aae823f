#include "batonstore/store/lmdb_status.h"

#include <cerrno>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libraries/liblmdb/lmdb.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;

// What each code has to mean to a caller.
const std::map<int, Verdict>& Expected() {
  static const auto* const kExpected = new std::map<int, Verdict>{
      {MDB_KEYEXIST, Verdict::kExists},
      {MDB_NOTFOUND, Verdict::kNotFound},
      {MDB_PAGE_NOTFOUND, Verdict::kCorrupt},
      {MDB_CORRUPTED, Verdict::kCorrupt},
      {MDB_PANIC, Verdict::kPoisoned},
      {MDB_VERSION_MISMATCH, Verdict::kWrongFormat},
      {MDB_INVALID, Verdict::kWrongFormat},
      {MDB_MAP_FULL, Verdict::kFull},
      {MDB_DBS_FULL, Verdict::kInvalid},
      {MDB_READERS_FULL, Verdict::kTooMany},
      {MDB_TLS_FULL, Verdict::kTooMany},
      {MDB_TXN_FULL, Verdict::kTooMany},
      {MDB_CURSOR_FULL, Verdict::kCorrupt},
      {MDB_PAGE_FULL, Verdict::kCorrupt},
      {MDB_MAP_RESIZED, Verdict::kBusy},
      {MDB_INCOMPATIBLE, Verdict::kWrongFormat},
      {MDB_BAD_RSLOT, Verdict::kInvalid},
      {MDB_BAD_TXN, Verdict::kPoisoned},
      {MDB_BAD_VALSIZE, Verdict::kInvalid},
      {MDB_BAD_DBI, Verdict::kInvalid},
      {ENOSPC, Verdict::kFull},
      {EDQUOT, Verdict::kFull},
      {EFBIG, Verdict::kFull},
      {ENOMEM, Verdict::kTooMany},
      {EAGAIN, Verdict::kBusy},
      {EBUSY, Verdict::kBusy},
      {EMFILE, Verdict::kTooMany},
      {ENFILE, Verdict::kTooMany},
      {EIO, Verdict::kIo},
      {EACCES, Verdict::kIo},
      {EROFS, Verdict::kIo},
      {EINVAL, Verdict::kIo},
  };
  return *kExpected;
}

TEST(LmdbStatusTest, EveryCodeHasItsVerdict) {
  for (int code = MDB_KEYEXIST; code <= MDB_LAST_ERRCODE; ++code) {
    EXPECT_EQ(Expected().count(code), 1u) << "no expectation for " << mdb_strerror(code);
  }
  for (const auto& [code, verdict] : Expected()) {
    EXPECT_THAT(LmdbStatus(code, "mdb_put"), HasVerdict(verdict)) << mdb_strerror(code);
  }
}

TEST(LmdbStatusTest, SuccessIsOk) { EXPECT_THAT(LmdbStatus(MDB_SUCCESS, "mdb_put"), IsOk()); }

TEST(LmdbStatusTest, NamesTheCallAndLmdbsExplanation) {
  for (const auto& [code, verdict] : Expected()) {
    const absl::Status status = LmdbStatus(code, "mdb_cursor_get in sessions");
    EXPECT_TRUE(absl::StrContains(status.message(), "mdb_cursor_get in sessions")) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), mdb_strerror(code))) << status;
  }
}

// Codes that no version of LMDB or Linux knows, too: nothing maps to OK or to no verdict.
TEST(LmdbStatusTest, IsTotal) {
  for (int code = -31'000; code <= 300; ++code) {
    if (code == MDB_SUCCESS) continue;
    const absl::Status status = LmdbStatus(code, "mdb_get");
    ASSERT_TRUE(VerdictOf(status).has_value()) << code << ": " << status;
    if (Expected().count(code) == 0) {
      ASSERT_THAT(status, HasVerdict(Verdict::kIo)) << code;
    }
    ASSERT_NE(FaultInTransaction(code), Fault::kNone) << code;
    ASSERT_NE(FaultInTransaction(code), Fault::kUnknown) << code << ": nothing is written yet";
  }
}

TEST(LmdbStatusTest, FaultInTransactionTellsWhatCanBeMended) {
  EXPECT_EQ(FaultInTransaction(MDB_SUCCESS), Fault::kNone);
  EXPECT_EQ(FaultInTransaction(MDB_MAP_FULL), Fault::kMapFull);
  EXPECT_EQ(FaultInTransaction(MDB_TXN_FULL), Fault::kTooBig);
  EXPECT_EQ(FaultInTransaction(ENOMEM), Fault::kNoMemory);
  EXPECT_EQ(FaultInTransaction(EIO), Fault::kFailed);
  EXPECT_EQ(FaultInTransaction(MDB_CORRUPTED), Fault::kFailed);
}

// LMDB returns the same code from a commit that failed and from one that is durable.
TEST(LmdbStatusTest, AnyOtherFailureOfACommitLeavesItsOutcomeUnknown) {
  EXPECT_EQ(FaultInCommit(MDB_SUCCESS), Fault::kNone);
  EXPECT_EQ(FaultInCommit(MDB_MAP_FULL), Fault::kMapFull);
  EXPECT_EQ(FaultInCommit(MDB_TXN_FULL), Fault::kTooBig);
  for (int code = -31'000; code <= 300; ++code) {
    if (code == MDB_SUCCESS || code == MDB_MAP_FULL || code == MDB_TXN_FULL) continue;
    ASSERT_EQ(FaultInCommit(code), Fault::kUnknown) << code;
  }
}

}  // namespace
}  // namespace batonstore
