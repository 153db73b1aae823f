// The marks that RevokeAll leaves: whom each covers, and which of several counts.

#include "batonstore/store/revocations.h"

#include <memory>
#include <optional>
#include <string>

#include "batonstore/store/number.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_tables.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::MemoryTables;

const absl::Time kNoon = absl::FromUnixSeconds(1'800'000'000);

class RevocationsTest : public MemoryTables {
 protected:
  Revocation MarkOf(const std::string& principal, uint64_t covered, uint64_t except = 0) {
    return {keys_.HashPrincipal(principal),
            Alias(covered),
            {kNoon + absl::Seconds(covered), Alias(except), Alias()}};
  }
  void Mark(const std::string& principal, uint64_t covered, uint64_t except = 0) {
    Write([&](Transaction& transaction) {
      return PutRevocation(transaction, keys_, MarkOf(principal, covered, except));
    });
  }
  void Drop(const std::string& principal, uint64_t covered) {
    Write([&](Transaction& transaction) {
      return DeleteRevocation(transaction, MarkOf(principal, covered));
    });
  }

  // How far the mark goes that covers the session; nothing if it is not covered.
  std::optional<uint64_t> Covering(const std::string& principal, uint64_t alias) {
    Session session;
    session.principal = principal;
    session.alias = Alias(alias);
    return CoveredBy(FindRevocation(*Read(), keys_, session));
  }
  std::optional<uint64_t> Last(const std::string& principal) {
    return CoveredBy(LastRevocation(*Read(), keys_, principal));
  }
  std::optional<uint64_t> First() { return CoveredBy(FirstRevocation(*Read(), keys_)); }

  std::string KeyOf(const std::string& principal, uint64_t covered) {
    return EncodeNumber(keys_.HashPrincipal(principal)) + Alias(covered).ToKey();
  }

 private:
  static std::optional<uint64_t> CoveredBy(const absl::StatusOr<std::optional<Revocation>>& found) {
    EXPECT_THAT(found, IsOk());
    if (!found.ok() || !found->has_value()) return std::nullopt;
    return (*found)->covered.value();
  }
};

TEST_F(RevocationsTest, NobodyIsCoveredWhereThereIsNoMark) {
  EXPECT_EQ(Covering("alice", 1), std::nullopt);
  EXPECT_EQ(Last("alice"), std::nullopt);
  EXPECT_EQ(First(), std::nullopt);
}

TEST_F(RevocationsTest, MarkReadsBackAsItWasPut) {
  Revocation put = MarkOf("alice", 10, 7);
  put.record.done = Alias(4);
  Write([&](Transaction& transaction) { return PutRevocation(transaction, keys_, put); });
  ASSERT_OK_AND_ASSIGN(const auto read, FirstRevocation(*Read(), keys_));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->principal, put.principal);
  EXPECT_EQ(read->covered, put.covered);
  EXPECT_EQ(read->record.at, put.record.at);
  EXPECT_EQ(read->record.except, put.record.except);
  EXPECT_EQ(read->record.done, put.record.done);
}

TEST_F(RevocationsTest, MarkCoversWhoWasGivenAnAliasUpToItsLastAndNobodyLater) {
  Mark("alice", 10);
  for (const uint64_t alias : {1, 9, 10}) EXPECT_EQ(Covering("alice", alias), 10u) << alias;
  for (const uint64_t alias : {11, 1000}) EXPECT_EQ(Covering("alice", alias), std::nullopt);
}

TEST_F(RevocationsTest, MarkCoversNoOtherPrincipal) {
  Mark("alice", 10);
  for (const char* const other : {"", "alic", "alice2", "bob"}) {
    EXPECT_EQ(Covering(other, 1), std::nullopt) << other;
    EXPECT_EQ(Last(other), std::nullopt) << other;
  }
  Mark("", 20);
  EXPECT_EQ(Covering("", 1), 20u);
  EXPECT_EQ(Covering("alice", 1), 10u);
}

// Which of two marks lies first in the table depends on hashes: look from both sides.
TEST_F(RevocationsTest, EndOfOnePrincipalsMarksIsNotTheBeginningOfAnothers) {
  Mark("alice", 10);
  Mark("bob", 10);
  for (const char* const principal : {"alice", "bob"}) {
    EXPECT_EQ(Covering(principal, 11), std::nullopt) << principal;
    EXPECT_EQ(Last(principal), 10u) << principal;
  }
}

// A later one does not change when the session was revoked.
TEST_F(RevocationsTest, FirstMarkThatCoversASessionCounts) {
  Mark("alice", 30);
  Mark("alice", 10);
  Mark("alice", 20);
  EXPECT_EQ(Covering("alice", 5), 10u);
  EXPECT_EQ(Covering("alice", 10), 10u);
  EXPECT_EQ(Covering("alice", 11), 20u);
  EXPECT_EQ(Covering("alice", 21), 30u);
  EXPECT_EQ(Covering("alice", 31), std::nullopt);
  Drop("alice", 10);
  EXPECT_EQ(Covering("alice", 5), 20u);
}

TEST_F(RevocationsTest, ExceptedSessionIsNotCoveredUntilAnotherMarkCoversIt) {
  Mark("alice", 10, /*except=*/5);
  EXPECT_EQ(Covering("alice", 4), 10u);
  EXPECT_EQ(Covering("alice", 5), std::nullopt);
  EXPECT_EQ(Covering("alice", 6), 10u);
  Mark("alice", 20, /*except=*/5);
  EXPECT_EQ(Covering("alice", 5), std::nullopt) << "excepted from both";
  Mark("alice", 30, /*except=*/25);
  EXPECT_EQ(Covering("alice", 5), 30u);
  EXPECT_EQ(Covering("alice", 25), std::nullopt);
  EXPECT_EQ(Covering("alice", 4), 10u);
}

TEST_F(RevocationsTest, LastMarkOfAPrincipalIsTheOneThatGoesFurthest) {
  for (const uint64_t covered : {255, 256, 3}) Mark("alice", covered);
  Mark("bob", 1000);
  EXPECT_EQ(Last("alice"), 256u);
  Mark("alice", UINT64_MAX);
  EXPECT_EQ(Last("alice"), UINT64_MAX);
}

TEST_F(RevocationsTest, OneMarkAfterTheOtherIsWorkedOffUntilNoneIsLeft) {
  Mark("alice", 20);
  Mark("alice", 10);
  EXPECT_EQ(First(), 10u);
  Drop("alice", 10);
  Drop("alice", 15);  // there is none
  EXPECT_EQ(First(), 20u);
  Drop("alice", 20);
  EXPECT_EQ(First(), std::nullopt);
  EXPECT_THAT(RowsOf(Table::kRevoked), IsEmpty());
}

// Were it skipped, a session would live again.
TEST_F(RevocationsTest, DamagedMarkIsCorrupt) {
  Mark("alice", 20);
  Put(Table::kRevoked, KeyOf("alice", 10), "damaged");
  Session session;
  session.principal = "alice";
  session.alias = Alias(5);
  EXPECT_THAT(FindRevocation(*Read(), keys_, session), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(FirstRevocation(*Read(), keys_), HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(Last("alice"), 20u);
  Put(Table::kRevoked, KeyOf("alice", 30), "damaged");
  EXPECT_THAT(LastRevocation(*Read(), keys_, "alice"), HasVerdict(Verdict::kCorrupt));
}

TEST_F(RevocationsTest, MarkThatWasMovedToAnotherPrincipalIsCorrupt) {
  Mark("alice", 10);
  Put(Table::kRevoked, KeyOf("bob", 10), RowsOf(Table::kRevoked).at(KeyOf("alice", 10)));
  Session session;
  session.principal = "bob";
  session.alias = Alias(5);
  EXPECT_THAT(FindRevocation(*Read(), keys_, session), HasVerdict(Verdict::kCorrupt));
}

}  // namespace
}  // namespace batonstore
