#include "batonstore/store/rows.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "batonstore/store/number.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStore;

// A store with three sessions, read below the store.
class RowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK_AND_ASSIGN(const Session session, store_->ReserveAndCreate(LastingSpec()));
      sessions_.push_back(session);
    }
  }

  std::unique_ptr<Snapshot> Read() { return *store_.engine().Read(); }

  std::vector<Alias> Scan(Alias from, size_t most, absl::Status& status) {
    std::vector<Alias> seen;
    status = ScanSessions(*Read(), *identity_.keys, from, [&](SessionRecord record) {
      seen.push_back(record.session.alias);
      return seen.size() < most;
    });
    return seen;
  }

  void Damage(Alias alias) {
    store_.Tamper([&](Transaction& transaction) {
      return transaction.Put(Table::kSessions, alias.ToKey(), "damaged");
    });
  }

  MemoryStore store_;
  recovery::Identity identity_ = store_.Identity();
  std::vector<Session> sessions_;
};

TEST_F(RowsTest, SessionReadsBackAsItWasPut) {
  SessionRecord record;
  record.session = sessions_[0];
  record.session.label = "another";
  record.session.deadline = absl::Time();  // no part of the record
  record.idempotency_key = "request";
  record.sealed_private_key = "sealed private key";
  store_.Tamper(
      [&](Transaction& transaction) { return PutSession(transaction, *identity_.keys, record); });
  ASSERT_OK_AND_ASSIGN(const auto read, GetSession(*Read(), *identity_.keys, record.session.alias));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(Describe(read->session), Describe(record.session));
  EXPECT_EQ(read->idempotency_key, "request");
  EXPECT_EQ(read->sealed_private_key, "sealed private key");
}

TEST_F(RowsTest, AbsentSessionIsNothing) {
  ASSERT_OK_AND_ASSIGN(const auto read, GetSession(*Read(), *identity_.keys, Alias(1)));
  EXPECT_FALSE(read.has_value());
}

TEST_F(RowsTest, SealedBytesThatAreNoSessionAreCorrupt) {
  const std::string key = sessions_[0].alias.ToKey();
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kSessions, key,
                           identity_.keys->SealRow(Table::kSessions, key, "no session"));
  });
  EXPECT_THAT(GetSession(*Read(), *identity_.keys, sessions_[0].alias),
              HasVerdict(Verdict::kCorrupt));
}

TEST_F(RowsTest, ScanVisitsInOrderOfCreationFromTheGivenAlias) {
  absl::Status status;
  const std::vector<Alias> all = {sessions_[0].alias, sessions_[1].alias, sessions_[2].alias};
  EXPECT_EQ(Scan(Alias(), 9, status), all);
  EXPECT_THAT(status, IsOk());
  EXPECT_EQ(Scan(all[1], 9, status), std::vector<Alias>(all.begin() + 1, all.end()));
  EXPECT_EQ(Scan(Alias(all[1].value() + 1), 9, status), std::vector<Alias>{all[2]});
  EXPECT_EQ(Scan(Alias(all[2].value() + 1), 9, status), std::vector<Alias>());
}

TEST_F(RowsTest, ScanEndsWhenTheVisitorSaysSo) {
  absl::Status status;
  EXPECT_EQ(Scan(Alias(), 2, status).size(), 2u);
  EXPECT_THAT(status, IsOk());
}

TEST_F(RowsTest, ScanEndsAtTheFirstDamagedRow) {
  Damage(sessions_[1].alias);
  absl::Status status;
  EXPECT_EQ(Scan(Alias(), 9, status), std::vector<Alias>{sessions_[0].alias});
  EXPECT_THAT(status, HasVerdict(Verdict::kCorrupt));
}

TEST_F(RowsTest, ScanNeverMeetsDamageBeyondItsEnd) {
  Damage(sessions_[2].alias);
  absl::Status status;
  Scan(Alias(), 2, status);
  EXPECT_THAT(status, IsOk());
}

TEST_F(RowsTest, SessionRowWhoseKeyIsNoAliasIsCorrupt) {
  store_.Tamper(
      [&](Transaction& transaction) { return transaction.Put(Table::kSessions, "odd", "row"); });
  absl::Status status;
  Scan(Alias(), 9, status);
  EXPECT_THAT(status, HasVerdict(Verdict::kCorrupt));
}

TEST_F(RowsTest, MetaRowThatIsMissingOrMisshapenIsCorruptAndNamed) {
  EXPECT_THAT(GetMeta(*Read(), "no such row"), HasVerdict(Verdict::kCorrupt));
  store_.Tamper([](Transaction& transaction) {
    return transaction.Put(Table::kMeta, meta::kEpoch, "seven b");
  });
  const absl::Status status = GetMetaNumber(*Read(), meta::kEpoch).status();
  EXPECT_THAT(status, HasVerdict(Verdict::kCorrupt));
  EXPECT_TRUE(absl::StrContains(status.message(), "of meta")) << status;
}

TEST_F(RowsTest, MetaNumberReadsBack) {
  store_.Tamper([](Transaction& transaction) {
    return PutMetaNumber(transaction, meta::kEpoch, 0x0102030405060708);
  });
  ASSERT_OK_AND_ASSIGN(const uint64_t number, GetMetaNumber(*Read(), meta::kEpoch));
  EXPECT_EQ(number, 0x0102030405060708u);
  ASSERT_OK_AND_ASSIGN(const std::string bytes, GetMeta(*Read(), meta::kEpoch));
  EXPECT_EQ(bytes, EncodeNumber(number));
}

}  // namespace
}  // namespace batonstore
