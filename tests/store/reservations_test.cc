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
        identity_.keys->SealRow(Table::kReservations, "odd",
                                EncodeReservation({1, absl::InfiniteFuture(), ""})));
  });
  std::vector<std::pair<Alias, std::string>> seen;
  EXPECT_THAT(Scan(seen), HasVerdict(Verdict::kCorrupt));
}

TEST_F(ReservationsTest, ReservationReadsBackAsItWasPut) {
  const ReservationRecord record{7, store_.clock.Wall() + absl::Minutes(1), "intent"};
  store_.Tamper([&](Transaction& transaction) {
    return PutReservation(transaction, *identity_.keys, Alias(5), record);
  });
  ASSERT_OK_AND_ASSIGN(const auto read,
                       GetReservation(**store_.engine().Read(), *identity_.keys, Alias(5)));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->epoch, 7u);
  EXPECT_EQ(read->deadline, record.deadline);
  EXPECT_EQ(read->intent, "intent");
}

TEST_F(ReservationsTest, AbsentReservationIsNothing) {
  ASSERT_OK_AND_ASSIGN(const auto read,
                       GetReservation(**store_.engine().Read(), *identity_.keys, Alias(5)));
  EXPECT_FALSE(read.has_value());
}

TEST_F(ReservationsTest, DamagedReservationIsCorrupt) {
  ASSERT_OK_AND_ASSIGN(const Session session, ReserveFor("one"));
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kReservations, session.alias.ToKey(), "damaged");
  });
  EXPECT_THAT(GetReservation(**store_.engine().Read(), *identity_.keys, session.alias),
              HasVerdict(Verdict::kCorrupt));
}

// ---- Compensations ----

class CompensationsTest : public ReservationsTest {
 protected:
  Compensation Put(uint64_t alias, const std::string& intent = "intent") {
    const Compensation compensation{Alias(alias), 3, store_.clock.Wall(), "alice", "main", intent};
    store_.Tamper([&](Transaction& transaction) {
      return PutCompensation(transaction, *identity_.keys, compensation);
    });
    return compensation;
  }

  absl::StatusOr<std::vector<Compensation>> List(size_t most = 9, uint64_t after = 0) {
    return ListCompensations(**store_.engine().Read(), *identity_.keys, most, Alias(after));
  }

  std::vector<uint64_t> AliasesIn(size_t most = 9, uint64_t after = 0) {
    std::vector<uint64_t> aliases;
    const auto listed = List(most, after);
    EXPECT_THAT(listed, IsOk());
    if (!listed.ok()) return aliases;
    for (const Compensation& compensation : *listed) aliases.push_back(compensation.alias.value());
    return aliases;
  }

  using Numbers = std::vector<uint64_t>;
};

TEST_F(CompensationsTest, CompensationReadsBackAsItWasPut) {
  const Compensation put = Put(5, std::string("\0binary", 7));
  ASSERT_OK_AND_ASSIGN(const std::vector<Compensation> listed, List());
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].alias, put.alias);
  EXPECT_EQ(listed[0].epoch, put.epoch);
  EXPECT_EQ(listed[0].at, put.at);
  EXPECT_EQ(listed[0].principal, put.principal);
  EXPECT_EQ(listed[0].database, put.database);
  EXPECT_EQ(listed[0].intent, put.intent);
}

TEST_F(CompensationsTest, ListGoesInOrderOfCreationAfterTheGivenAliasUpToABound) {
  EXPECT_EQ(AliasesIn(), Numbers());
  for (const uint64_t alias : {300, 7, 65536}) Put(alias);
  EXPECT_EQ(AliasesIn(), (Numbers{7, 300, 65536}));
  EXPECT_EQ(AliasesIn(2), (Numbers{7, 300}));
  EXPECT_EQ(AliasesIn(0), Numbers());
  EXPECT_EQ(AliasesIn(9, 6), (Numbers{7, 300, 65536}));
  EXPECT_EQ(AliasesIn(9, 7), (Numbers{300, 65536}));
  EXPECT_EQ(AliasesIn(9, 65536), Numbers());
  EXPECT_EQ(AliasesIn(9, UINT64_MAX), Numbers());
}

TEST_F(CompensationsTest, DamagedCompensationIsCorrupt) {
  Put(1);
  Put(2);
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kCompensations, Alias(2).ToKey(), "damaged");
  });
  EXPECT_THAT(List(), HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(AliasesIn(1), (Numbers{1})) << "what comes before it can be read";
}

TEST_F(CompensationsTest, SealedBytesThatAreNoCompensationAreCorrupt) {
  const std::string key = Alias(1).ToKey();
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kCompensations, key,
                           identity_.keys->SealRow(Table::kCompensations, key, "nonsense"));
  });
  EXPECT_THAT(List(), HasVerdict(Verdict::kCorrupt));
}

TEST_F(CompensationsTest, CompensationUnderAKeyThatIsNoAliasIsCorrupt) {
  const std::string key = Alias(1).ToKey() + "odd";
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(
        Table::kCompensations, key,
        identity_.keys->SealRow(Table::kCompensations, key, EncodeCompensation({})));
  });
  EXPECT_THAT(List(), HasVerdict(Verdict::kCorrupt));
}

}  // namespace
}  // namespace batonstore
