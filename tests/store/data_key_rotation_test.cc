// A new data key, and the pass that seals every row again.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/admission.h"
#include "batonstore/store/reseal.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/memory_tables.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;

constexpr std::array kSealedTables = {
    Table::kSessions, Table::kReservations,  Table::kTurns, Table::kAttributes,
    Table::kRevoked,  Table::kCompensations, Table::kOutbox};

class DataKeyRotationTest : public MemoryStoreFixture {
 protected:
  // Rows of every sealed table.
  void Fill() {
    ASSERT_THAT(store().events().AddConsumer("audit"), IsOk());
    for (int i = 0; i < 3; ++i) {
      SessionSpec spec = LastingSpec();
      spec.idle_timeout = absl::Hours(1);
      sessions_.push_back(CreateWith(
          {{"theme", Value("dark")}, {"token", Value::Secret(absl::StrCat("secret ", i))}}, spec));
    }
    ASSERT_OK_AND_ASSIGN(baton_, store().Issue(sessions_[0].alias));
    ASSERT_OK_AND_ASSIGN(Resumed resumed, store().Resume(baton_, "digest", "main", "alice"));
    ASSERT_OK_AND_ASSIGN(baton_, std::get<SessionTurn>(resumed).Finish("reply"));
    SessionSpec of_bob = LastingSpec();
    of_bob.principal = "bob";
    of_bob.intent = "register bob";
    Reserve(of_bob);
    Restart();  // which makes a compensation of it
    Reserve(of_bob);
    ASSERT_THAT(store().RevokeAll("bob"), IsOk());
    for (const Table table : kSealedTables) ASSERT_GT(RowsIn(table), 0u) << TableName(table);
  }

  // Everything that a caller gets is what it was.
  void CheckAll() {
    for (size_t i = 0; i < sessions_.size(); ++i) {
      const Session& session = sessions_[i];
      EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
      EXPECT_THAT(store().PrivateKey(session.alias), IsOk());
      ASSERT_OK_AND_ASSIGN(const SecretBytes secret, store().Secret(session.alias, "token"));
      EXPECT_EQ(secret.Reveal(), absl::StrCat("secret ", i));
    }
    EXPECT_THAT(store().Verify(baton_, "main", "alice"), IsOk());
    ASSERT_OK_AND_ASSIGN(const auto compensations, store().PendingCompensations());
    EXPECT_FALSE(compensations.empty());
    EXPECT_THAT(store().events().Read("audit", kMaxEventsRead), IsOk());
    EXPECT_THAT(store().Count({}), IsOk());
  }

  // How many rows, and private keys in them, are not sealed under the current key.
  int RowsOfFormerKeys() {
    const recovery::Identity identity = memory().Identity();
    const MemoryEngine::Rows rows = engine().Committed();
    int former = 0;
    for (const Table table : kSealedTables) {
      for (const auto& [key, value] : rows[TableIndex(table)]) {
        former += !identity.keys->IsCurrent(value);
        if (table != Table::kSessions) continue;
        const auto plaintext = identity.keys->OpenRow(table, key, value);
        EXPECT_THAT(plaintext, IsOk());
        const auto record = DecodeSession(*Alias::FromKey(key), *plaintext);
        if (!record.has_value() || record->sealed_private_key.empty()) continue;
        former += !identity.keys->IsCurrentPrivateKey(record->sealed_private_key);
      }
    }
    return former;
  }

  // Pieces until nothing is left.
  int ResealAll() {
    for (int pieces = 1; pieces < 1'000; ++pieces) {
      const absl::StatusOr<ResealProgress> progress = store().Reseal();
      EXPECT_THAT(progress, IsOk());
      if (!progress.ok() || !progress->is_rotating) return pieces;
    }
    ADD_FAILURE() << "it never ends";
    return 0;
  }

  std::vector<Session> sessions_;
  std::string baton_;
};

TEST_F(DataKeyRotationTest, EveryRowAndPrivateKeyIsSealedAgain) {
  Fill();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  EXPECT_GT(RowsOfFormerKeys(), 10);
  ResealAll();
  EXPECT_EQ(RowsOfFormerKeys(), 0);
  EXPECT_FALSE(memory().Identity().data_keys->former().has_value());
  CheckAll();
  Restart();
  CheckAll();
}

TEST_F(DataKeyRotationTest, TheStoreServesInEveryStateOfIt) {
  Fill();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  for (bool is_rotating = true; is_rotating;) {
    CheckAll();
    const Session fresh = Create();
    EXPECT_THAT(store().PrivateKey(fresh.alias), IsOk());
    ASSERT_THAT(store().Merge(sessions_[1].alias, {{"visits", Change::Add(1)}}), IsOk());
    ASSERT_OK_AND_ASSIGN(const ResealProgress progress, store().Reseal());
    is_rotating = progress.is_rotating;
  }
  EXPECT_EQ(RowsOfFormerKeys(), 0);
  CheckAll();
}

TEST_F(DataKeyRotationTest, ACrashAfterEachPieceCostsNothingOfWhatIsDone) {
  Fill();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  uint64_t done = 0;
  int pieces = 0;
  for (bool is_rotating = true; is_rotating; ++pieces) {
    Restart();
    CheckAll();
    ASSERT_OK_AND_ASSIGN(const ResealProgress before, store().DataKeyRotation());
    EXPECT_TRUE(before.is_rotating);
    EXPECT_EQ(before.done, done);
    EXPECT_LE(before.done, before.total);
    ASSERT_OK_AND_ASSIGN(const ResealProgress progress, store().Reseal());
    EXPECT_TRUE(!progress.is_rotating || progress.done >= done);
    done = progress.done;
    is_rotating = progress.is_rotating;
  }
  EXPECT_GE(pieces, 7) << "one to a table at least";
  EXPECT_EQ(RowsOfFormerKeys(), 0);
  Restart();
  CheckAll();
}

TEST_F(DataKeyRotationTest, APieceIsBounded) {
  for (int i = 0; i < 600; ++i) Create();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  ASSERT_OK_AND_ASSIGN(const ResealProgress progress, store().Reseal());
  EXPECT_TRUE(progress.is_rotating);
  EXPECT_EQ(progress.done, 256u);
  EXPECT_GE(progress.total, 600u);
  EXPECT_EQ(RowsOfFormerKeys(), 2 * (600 - 256));
}

TEST_F(DataKeyRotationTest, TheNextHasToWaitForTheLast) {
  Create();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  ExpectRefused(Verdict::kBusy, [&] { return store().RotateDataKey(); });
  Restart();
  ExpectRefused(Verdict::kBusy, [&] { return store().RotateDataKey(); });
  ResealAll();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  ResealAll();
  EXPECT_EQ(RowsOfFormerKeys(), 0);
}

TEST_F(DataKeyRotationTest, WithoutARotationThereIsNothingToDo) {
  Fill();
  ExpectNoChange([&] { return store().Reseal(); });
  ASSERT_OK_AND_ASSIGN(const ResealProgress progress, store().DataKeyRotation());
  EXPECT_FALSE(progress.is_rotating);
}

TEST_F(DataKeyRotationTest, KeyPairsThatLayInStockAreNotGivenOut) {
  for (int i = 0; i < 8; ++i) Create();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  ResealAll();
  for (int i = 0; i < 80; ++i) Create();
  EXPECT_EQ(RowsOfFormerKeys(), 0);
}

TEST_F(DataKeyRotationTest, ARowThatDoesNotOpenStopsItAndNothingIsLost) {
  Fill();
  const std::string key = sessions_[1].alias.ToKey();
  std::string good;
  memory().Tamper([&](Transaction& transaction) {
    good = std::string(**transaction.Get(Table::kSessions, key));
    std::string bad = good;
    bad.back() ^= 1;
    return transaction.Put(Table::kSessions, key, bad);
  });
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  EXPECT_THAT(store().Reseal(), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(store().Find(sessions_[0].alias), IsOk());
  memory().Tamper(
      [&](Transaction& transaction) { return transaction.Put(Table::kSessions, key, good); });
  ResealAll();
  CheckAll();
}

TEST_F(DataKeyRotationTest, AFailureAtAnyWriteLeavesTheOldStateOrTheNew) {
  for (int nth = 0;; ++nth) {
    StartAnew({});
    sessions_.clear();
    Fill();
    engine().InjectFaults([left = nth](MemoryEngine::Step) mutable {
      return left-- == 0 ? Fault::kDiskFull : Fault::kNone;
    });
    absl::Status failed = store().RotateDataKey();
    for (int piece = 0; failed.ok() && piece < 30; ++piece) failed = store().Reseal().status();
    engine().InjectFaults(nullptr);
    CheckAll();
    if (!store().DataKeyRotation()->is_rotating) {
      ASSERT_THAT(store().RotateDataKey(), IsOk());
    }
    ResealAll();
    EXPECT_EQ(RowsOfFormerKeys(), 0) << nth;
    CheckAll();
    if (failed.ok() || HasFailure()) break;
  }
}

TEST_F(DataKeyRotationTest, AKeyThatCouldNotBeStoredSealsNothing) {
  Fill();
  engine().InjectFaults([](MemoryEngine::Step step) {
    return step == MemoryEngine::Step::kCommit ? Fault::kDiskFull : Fault::kNone;
  });
  EXPECT_FALSE(store().RotateDataKey().ok());
  engine().InjectFaults(nullptr);
  sessions_.push_back(CreateWith({{"token", Value::Secret("secret 3")}}));
  Restart();
  CheckAll();
}

// ---- Whoever is late ----

class LateKeyPairTest : public testing::MemoryTables {};

TEST_F(LateKeyPairTest, OneThatIsSealedUnderTheFormerKeyIsNotLetIn) {
  MakeIndexMark();
  const SessionTable table(keys_, tail_);
  KeyPair pair;
  pair.public_key = std::string(32, 'p');
  pair.private_key = SecretBytes(std::string(32, 's'));
  const SessionSpec spec = LastingSpec();
  const Fields none;
  SessionRecord record = RecordFor(spec, State::kCreated);
  record.session.public_key = pair.public_key;
  record.sealed_private_key = keys_.SealPrivateKey(pair);
  const DataKeys next = DataKeys::Create(SystemRandom()).Rotated(SystemRandom());
  keys_.Add(next.current());
  keys_.Use(next.current().number);
  Applicant applicant(spec, none, record, /*epoch=*/1);
  EXPECT_THAT(Try([&](Transaction& transaction) {
                return Admit(transaction, table, applicant, absl::Now());
              }),
              IsOk());
  EXPECT_EQ(applicant.outcome, Applicant::Outcome::kKeyTaken) << "draw another";
}

}  // namespace
}  // namespace batonstore
