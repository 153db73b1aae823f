#include "batonstore/store/reservations.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStore;
using testing::SpecInGroup;

class ReservationsTest : public ::testing::Test {
 protected:
  absl::Status Scan(std::vector<std::pair<Alias, std::string>>& seen) {
    return ScanReservations(**store_.engine().Read(), *identity_.keys,
                            [&](Alias alias, ReservationRecord record) {
                              EXPECT_EQ(record.epoch, store_.report().epoch);
                              seen.emplace_back(alias, std::move(record.intent));
                            });
  }

  absl::StatusOr<Session> ReserveFor(const std::string& intent) {
    SessionSpec spec = LastingSpec();
    spec.intent = intent;
    return store_->Reserve(spec);
  }

  MemoryStore store_;
  recovery::Identity identity_ = store_.Identity();
};

TEST_F(ReservationsTest, ScanSeesWhatIsReservedInOrderOfCreation) {
  ASSERT_OK_AND_ASSIGN(const Session first, ReserveFor("one"));
  ASSERT_OK_AND_ASSIGN(const Session created, ReserveFor("two"));
  ASSERT_OK_AND_ASSIGN(const Session last, ReserveFor(""));
  ASSERT_THAT(store_->Create(created.alias), IsOk());

  std::vector<std::pair<Alias, std::string>> seen;
  ASSERT_THAT(Scan(seen), IsOk());
  EXPECT_EQ(seen,
            (std::vector<std::pair<Alias, std::string>>{{first.alias, "one"}, {last.alias, ""}}));
}

TEST_F(ReservationsTest, DamagedReservationEndsTheScan) {
  ASSERT_OK_AND_ASSIGN(const Session first, ReserveFor("one"));
  ASSERT_OK_AND_ASSIGN(const Session damaged, ReserveFor("two"));
  ASSERT_OK_AND_ASSIGN(const Session last, ReserveFor("three"));
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kReservations, damaged.alias.ToKey(), "damaged");
  });
  std::vector<std::pair<Alias, std::string>> seen;
  EXPECT_THAT(Scan(seen), HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(seen, (std::vector<std::pair<Alias, std::string>>{{first.alias, "one"}}));
}

TEST_F(ReservationsTest, SealedBytesThatAreNoReservationAreCorrupt) {
  const std::string key = Alias(1).ToKey();
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kReservations, key,
                           identity_.keys->SealRow(Table::kReservations, key, "nonsense"));
  });
  std::vector<std::pair<Alias, std::string>> seen;
  EXPECT_THAT(Scan(seen), HasVerdict(Verdict::kCorrupt));
}

TEST_F(ReservationsTest, ReservationUnderAKeyThatIsNoAliasIsCorrupt) {
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(
        Table::kReservations, "odd",
        identity_.keys->SealRow(Table::kReservations, "odd", EncodeReservation({1, ""})));
  });
  std::vector<std::pair<Alias, std::string>> seen;
  EXPECT_THAT(Scan(seen), HasVerdict(Verdict::kCorrupt));
}

TEST_F(ReservationsTest, RemovingLeavesNoRowOfTheSessionInAnyTable) {
  ASSERT_OK_AND_ASSIGN(const Session first, store_->ReserveAndCreate(LastingSpec()));
  ASSERT_THAT(store_->Revoke(first.alias), IsOk());
  const MemoryEngine::Rows before = store_.engine().Committed();
  ASSERT_OK_AND_ASSIGN(const Session linked, store_->Reserve(SpecInGroup(first.alias)));

  store_.Tamper([&](Transaction& transaction) {
    return RemoveReserved(transaction, Indexes(*identity_.keys), linked);
  });
  const MemoryEngine::Rows after = store_.engine().Committed();
  for (const Table table : kAllTables) {
    if (table == Table::kMeta) continue;  // keeps the last alias given
    EXPECT_EQ(after[TableIndex(table)], before[TableIndex(table)]) << TableName(table);
  }
}

}  // namespace
}  // namespace batonstore
