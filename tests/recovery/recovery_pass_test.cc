#include "batonstore/recovery/recovery_pass.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::FakeClock;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::MemoryStore;
using ::batonstore::testing::SpecInGroup;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Rows that were read and written.
struct Counts {
  int reads = 0;
  int writes = 0;
};

class CountingSnapshot final : public Transaction {
 public:
  CountingSnapshot(Snapshot& inner, Transaction* writable, Counts& counts)
      : inner_(inner), writable_(writable), counts_(counts) {}

  absl::StatusOr<std::optional<absl::string_view>> Get(Table table,
                                                       absl::string_view key) override {
    ++counts_.reads;
    return inner_.Get(table, key);
  }
  absl::Status ScanUp(Table table, absl::string_view from, Visitor visit) override {
    return inner_.ScanUp(table, from, Counted(visit));
  }
  absl::Status ScanDown(Table table, absl::string_view before, Visitor visit) override {
    return inner_.ScanDown(table, before, Counted(visit));
  }
  absl::StatusOr<uint64_t> Count(Table table) override { return inner_.Count(table); }

 private:
  std::function<bool(absl::string_view, absl::string_view)> Counted(Visitor visit) {
    return [this, visit](absl::string_view key, absl::string_view value) {
      ++counts_.reads;
      return visit(key, value);
    };
  }
  absl::Status DoPut(Table table, absl::string_view key, absl::string_view value) override {
    ++counts_.writes;
    return writable_->Put(table, key, value);
  }
  absl::StatusOr<bool> DoDelete(Table table, absl::string_view key) override {
    ++counts_.writes;
    return writable_->Delete(table, key);
  }

  Snapshot& inner_;
  Transaction* const writable_;
  Counts& counts_;
};

// Hands everything on to an engine that outlives it, and counts.
class CountingEngine final : public Engine {
 public:
  CountingEngine(MemoryEngine& inner, Counts& counts) : inner_(inner), counts_(counts) {}

  absl::Status Grow() override { return inner_.Grow(); }
  absl::StatusOr<int> ClearStaleReaders() override { return inner_.ClearStaleReaders(); }
  void Close() override { inner_.Close(); }
  absl::StatusOr<Space> MeasureSpace() override { return inner_.MeasureSpace(); }

 private:
  absl::StatusOr<std::unique_ptr<Snapshot>> DoRead() override { return inner_.Read(); }
  void DoWrite(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) override {
    outcome = inner_.Write([&](Transaction& transaction) {
      CountingSnapshot counting(transaction, &transaction, counts_);
      return body(counting);
    });
  }

  MemoryEngine& inner_;
  Counts& counts_;
};

SecretBytes Key() { return SecretBytes(std::string(kKeyEncryptionKeyBytes, 'k')); }

// One pass over what `disk` holds.
absl::StatusOr<RecoveryReport> Recover(MemoryEngine& disk, Counts* counts = nullptr) {
  Counts ignored;
  FakeClock clock;
  auto engine = std::make_unique<CountingEngine>(disk, counts == nullptr ? ignored : *counts);
  absl::StatusOr<Identity> identity = ReadIdentity(disk, Key(), SystemRandom());
  if (!identity.ok()) return identity.status();
  absl::StatusOr<RecoveryPass::Result> result =
      RecoveryPass::Run({std::move(engine), *std::move(identity), Key(), &clock, &SystemRandom()});
  if (!result.ok()) return result.status();
  return std::move(result->report);
}

std::vector<Alias> AliasesOf(const std::vector<RemovedReservation>& removed) {
  std::vector<Alias> aliases;
  for (const RemovedReservation& reservation : removed) aliases.push_back(reservation.alias);
  return aliases;
}

TEST(RecoveryPassTest, TheFirstOpeningIsEpochOneAndClean) {
  const MemoryStore store;
  EXPECT_EQ(store.report().epoch, 1u);
  EXPECT_FALSE(store.report().crashed);
  EXPECT_THAT(store.report().removed, IsEmpty());
}

TEST(RecoveryPassTest, EveryOpeningRaisesTheEpochAndSaysHowTheLastOneEnded) {
  MemoryStore first;
  MemoryStore after_crash(first.Crash());
  EXPECT_EQ(after_crash.report().epoch, 2u);
  EXPECT_TRUE(after_crash.report().crashed);

  ASSERT_THAT(after_crash->Close(), IsOk());
  MemoryStore after_close(after_crash.Crash());
  EXPECT_EQ(after_close.report().epoch, 3u);
  EXPECT_FALSE(after_close.report().crashed);

  MemoryStore after_another_crash(after_close.Crash());
  EXPECT_TRUE(after_another_crash.report().crashed);
}

TEST(RecoveryPassTest, WhatWasReservedIsReportedInTheOrderOfCreation) {
  MemoryStore store;
  SessionSpec spec = LastingSpec();
  spec.intent = "wire 5 EUR";
  ASSERT_OK_AND_ASSIGN(const Session one, store->Reserve(spec));
  ASSERT_OK_AND_ASSIGN(const Session kept, store->ReserveAndCreate(LastingSpec()));
  spec.principal = "bob";
  spec.database = "other";
  spec.intent = std::string("\0binary", 7);
  ASSERT_OK_AND_ASSIGN(const Session other, store->Reserve(spec));

  MemoryStore again(store.Crash());
  ASSERT_THAT(again.report().removed, SizeIs(2));
  const RemovedReservation& first = again.report().removed[0];
  EXPECT_EQ(first.alias, one.alias);
  EXPECT_EQ(first.epoch, 1u);
  EXPECT_EQ(first.principal, "alice");
  EXPECT_EQ(first.database, "main");
  EXPECT_EQ(first.intent, "wire 5 EUR");
  const RemovedReservation& second = again.report().removed[1];
  EXPECT_EQ(second.alias, other.alias);
  EXPECT_EQ(second.principal, "bob");
  EXPECT_EQ(second.database, "other");
  EXPECT_EQ(second.intent, spec.intent);
}

TEST(RecoveryPassTest, AnOrderlyEndDoesNotSpareReservations) {
  MemoryStore store;
  ASSERT_OK_AND_ASSIGN(const Session reserved, store->Reserve(LastingSpec()));
  ASSERT_THAT(store->Close(), IsOk());
  MemoryStore again(store.Crash());
  EXPECT_FALSE(again.report().crashed);
  EXPECT_THAT(AliasesOf(again.report().removed), ElementsAre(reserved.alias));
}

TEST(RecoveryPassTest, RemovesAllRowsOfAReservationAndNoOthers) {
  MemoryStore store;
  ASSERT_OK_AND_ASSIGN(const Session first, store->ReserveAndCreate(LastingSpec()));
  ASSERT_THAT(store->Revoke(first.alias), IsOk());
  ASSERT_OK_AND_ASSIGN(const Session second, store->ReserveAndCreate(SpecInGroup(first.alias)));
  ASSERT_THAT(store->Revoke(second.alias), IsOk());
  ASSERT_OK_AND_ASSIGN(const Session other, store->ReserveAndCreate(LastingSpec()));
  const MemoryEngine::Rows before = store.Crash().rows;

  ASSERT_OK_AND_ASSIGN(const Session alone, store->Reserve(LastingSpec()));
  ASSERT_OK_AND_ASSIGN(const Session linked, store->Reserve(SpecInGroup(first.alias)));
  MemoryStore again(store.Crash());

  EXPECT_THAT(AliasesOf(again.report().removed), ElementsAre(alone.alias, linked.alias));
  const MemoryEngine::Rows after = again.Crash().rows;
  for (const Table table : kAllTables) {
    if (table == Table::kMeta) continue;  // the epoch, the time and the last alias have moved
    EXPECT_EQ(after[TableIndex(table)], before[TableIndex(table)]) << TableName(table);
  }
}

TEST(RecoveryPassTest, ARemovedReservationIsNowhereToBeFound) {
  MemoryStore store;
  ASSERT_OK_AND_ASSIGN(const Session first, store->ReserveAndCreate(LastingSpec()));
  ASSERT_THAT(store->Revoke(first.alias), IsOk());
  ASSERT_OK_AND_ASSIGN(const Session gone, store->Reserve(SpecInGroup(first.alias)));

  MemoryStore again(store.Crash());
  EXPECT_THAT(again->Find(gone.alias), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(again->Create(gone.alias), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(again->FindByPublicKey(gone.public_key), HasVerdict(Verdict::kNotFound));
  ASSERT_OK_AND_ASSIGN(const ListPage page, again->List({.principal = "alice"}, 10));
  ASSERT_THAT(page.sessions, SizeIs(1));
  EXPECT_EQ(page.sessions[0].alias, first.alias);
  ASSERT_OK_AND_ASSIGN(const std::vector<Alias> members, again->GroupMembers(first.alias));
  EXPECT_THAT(members, ElementsAre(first.alias));
  ASSERT_OK_AND_ASSIGN(const Session next, again->Reserve(SpecInGroup(first.alias)));
  EXPECT_GT(next.alias, gone.alias) << "an alias is never given again";
}

TEST(RecoveryPassTest, RunAgainItChangesNothingButTheEpoch) {
  MemoryStore store;
  ASSERT_THAT(store->Reserve(LastingSpec()), IsOk());
  ASSERT_THAT(store->ReserveAndCreate(LastingSpec()), IsOk());
  MemoryStore once(store.Crash());
  MemoryStore twice(once.Crash());
  EXPECT_EQ(twice.report().epoch, once.report().epoch + 1);
  EXPECT_THAT(twice.report().removed, IsEmpty());
  MemoryEngine::Rows expected = once.Crash().rows;
  const MemoryEngine::Rows actual = twice.Crash().rows;
  const std::string epoch(meta::kEpoch);
  expected[TableIndex(Table::kMeta)][epoch] = actual[TableIndex(Table::kMeta)].at(epoch);
  EXPECT_EQ(actual, expected);
}

// The rows that recovery touches, with so many created sessions and so many reserved ones.
Counts CountsFor(int created, int reserved) {
  MemoryStore store;
  for (int i = 0; i < created; ++i) {
    SessionSpec spec = LastingSpec();
    spec.principal = absl::StrCat("principal ", i % 7);
    EXPECT_THAT(store->ReserveAndCreate(spec), IsOk());
  }
  for (int i = 0; i < reserved; ++i) EXPECT_THAT(store->Reserve(LastingSpec()), IsOk());
  MemoryEngine disk(store.Crash().rows);
  Counts counts;
  const absl::StatusOr<RecoveryReport> report = Recover(disk, &counts);
  EXPECT_THAT(report, IsOk());
  if (!report.ok()) return counts;
  EXPECT_THAT(report->removed, SizeIs(reserved));
  return counts;
}

TEST(RecoveryPassTest, CostsByWhatIsReservedAndNotByWhatIsStored) {
  const Counts few = CountsFor(/*created=*/3, /*reserved=*/5);
  const Counts many = CountsFor(/*created=*/300, /*reserved=*/5);
  EXPECT_GT(few.reads, 0);
  EXPECT_GT(few.writes, 0);
  EXPECT_EQ(many.reads, few.reads);
  EXPECT_EQ(many.writes, few.writes);
}

TEST(RecoveryPassTest, EachReservationCostsTheSame) {
  const Counts none = CountsFor(3, 0);
  const Counts one = CountsFor(3, 1);
  const Counts forty = CountsFor(3, 40);
  EXPECT_EQ(forty.reads - none.reads, 40 * (one.reads - none.reads));
  EXPECT_EQ(forty.writes - none.writes, 40 * (one.writes - none.writes));
}

TEST(RecoveryPassTest, AClockSetBackWhileNothingRanDoesNotTakeTimeBack) {
  MemoryStore store;
  store.clock.Advance(absl::Hours(5));
  ASSERT_THAT(store->ReserveAndCreate(LastingSpec()), IsOk());
  const absl::Time last = store->clock().Now();
  MemoryStore::Disk disk = store.Crash();
  disk.wall -= absl::Hours(100);
  MemoryStore again(std::move(disk));
  EXPECT_EQ(again->clock().Now(), last);
  EXPECT_EQ(again->clock().WallAhead(), absl::Hours(-100));
}

TEST(RecoveryPassTest, TheOpeningItselfIsATimeOnRecord) {
  MemoryStore store;
  MemoryStore::Disk disk = store.Crash();
  disk.wall += absl::Hours(7);
  MemoryStore later(disk);
  const absl::Time opened = disk.wall;
  disk.rows = later.Crash().rows;
  disk.wall -= absl::Hours(7);
  MemoryStore set_back(disk);
  EXPECT_EQ(set_back->clock().Now(), opened);
}

TEST(RecoveryPassTest, AFailureAtAnyStepLeavesTheStoreAsItWas) {
  MemoryStore store;
  for (int i = 0; i < 3; ++i) ASSERT_THAT(store->Reserve(LastingSpec()), IsOk());
  const MemoryEngine::Rows before = store.Crash().rows;
  for (const Fault fault : {Fault::kFailed, Fault::kNoMemory}) {
    int nth = 0;
    for (bool struck = true; struck; ++nth) {
      struck = false;
      MemoryEngine disk(before);
      disk.InjectFaults([&struck, left = nth, fault](MemoryEngine::Step step) mutable {
        // A commit that fails is of unknown outcome: the next test's subject.
        if (step == MemoryEngine::Step::kCommit || left-- != 0) return Fault::kNone;
        struck = true;
        return fault;
      });
      const absl::Status recovered = Recover(disk).status();
      EXPECT_EQ(recovered.ok(), !struck) << "step " << nth << ": " << recovered;
      EXPECT_EQ(disk.Committed() == before, struck) << "step " << nth;
    }
    EXPECT_GT(nth, 10) << "the sweep must have met the removals";
  }
}

// What lacks room for all of it at once is done in parts.
TEST(RecoveryPassTest, WhereThereIsLittleRoomItTakesSeveralTransactions) {
  constexpr int kReserved = 9;
  for (const int room : {0, 1, 2, 100}) {  // for the removals of so many
    MemoryStore store;
    for (int i = 0; i < kReserved; ++i) ASSERT_THAT(store->Reserve(LastingSpec()), IsOk());
    const MemoryEngine::Rows before = store.Crash().rows;
    MemoryEngine disk(before);
    disk.InjectFaults([room, writes = 0](MemoryEngine::Step step) mutable {
      constexpr int kWritesEach = 12;
      if (step == MemoryEngine::Step::kCommit) {
        writes = 0;
        return Fault::kNone;
      }
      if (++writes <= room * kWritesEach + 2) return Fault::kNone;
      writes = 0;
      return Fault::kMapFull;
    });
    const absl::StatusOr<RecoveryReport> recovered = Recover(disk);
    if (room == 0) {
      EXPECT_FALSE(recovered.ok());
      EXPECT_TRUE(disk.Committed() == before);
      continue;
    }
    ASSERT_THAT(recovered, IsOk());
    EXPECT_EQ(recovered->removed.size(), size_t{kReserved});
    EXPECT_TRUE(disk.Committed()[TableIndex(Table::kReservations)].empty());
  }
}

TEST(RecoveryPassTest, AnUnknownOutcomeIsSettledByTheNextOpening) {
  for (const bool persisted : {false, true}) {
    MemoryStore store;
    ASSERT_THAT(store->Reserve(LastingSpec()), IsOk());
    MemoryEngine disk(store.Crash().rows);
    disk.InjectFaults(
        [](MemoryEngine::Step step) {
          return step == MemoryEngine::Step::kCommit ? Fault::kUnknown : Fault::kNone;
        },
        persisted);
    EXPECT_THAT(Recover(disk), HasVerdict(Verdict::kPoisoned));

    MemoryStore again({disk.Committed()});
    EXPECT_EQ(again.report().epoch, persisted ? 3u : 2u);
    EXPECT_THAT(again.report().removed, SizeIs(persisted ? 0 : 1));
    ASSERT_OK_AND_ASSIGN(const StoreStats stats, again->Stats());
    EXPECT_EQ(stats.reservations, 0u);
  }
}

TEST(RecoveryPassTest, AReservationWithoutItsSessionIsCorrupt) {
  MemoryStore store;
  ASSERT_OK_AND_ASSIGN(const Session reserved, store->Reserve(LastingSpec()));
  MemoryEngine::Rows rows = store.Crash().rows;
  rows[TableIndex(Table::kSessions)].erase(reserved.alias.ToKey());
  MemoryEngine disk(rows);
  EXPECT_THAT(Recover(disk), HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(disk.Committed(), rows);
}

TEST(RecoveryPassTest, AReservationOfACreatedSessionIsCorruptAndTheSessionStays) {
  MemoryStore store;
  ASSERT_OK_AND_ASSIGN(const Session session, store->Reserve(LastingSpec()));
  MemoryEngine::Rows reserved = store.Crash().rows;
  ASSERT_THAT(store->Create(session.alias), IsOk());
  MemoryEngine::Rows rows = store.Crash().rows;
  rows[TableIndex(Table::kReservations)] = reserved[TableIndex(Table::kReservations)];
  MemoryEngine disk(rows);
  EXPECT_THAT(Recover(disk), HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(disk.Committed(), rows);
}

TEST(RecoveryPassTest, AReservationThatWasMovedIsCorrupt) {
  MemoryStore store;
  ASSERT_OK_AND_ASSIGN(const Session one, store->Reserve(LastingSpec()));
  ASSERT_OK_AND_ASSIGN(const Session other, store->Reserve(LastingSpec()));
  MemoryEngine::Rows rows = store.Crash().rows;
  MemoryEngine::TableRows& reservations = rows[TableIndex(Table::kReservations)];
  std::swap(reservations.at(one.alias.ToKey()), reservations.at(other.alias.ToKey()));
  MemoryEngine disk(rows);
  EXPECT_THAT(Recover(disk), HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(disk.Committed(), rows);
}

}  // namespace
}  // namespace batonstore::recovery
