// What LMDB's engine has beyond the contract of all engines (engine_test.cc): commits that fail,
// forks, space, and the bounds of one transaction. Numbers are those of LMDB.md.

#include "batonstore/store/lmdb_engine.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/recovery/structure_check.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/session.h"
#include "gtest/gtest.h"
#include "libraries/liblmdb/lmdb.h"
#include "tests/support/forked_child.h"
#include "tests/support/io_faults.h"
#include "tests/support/lmdb_folder.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Channel;
using testing::ForkedChild;
using testing::HasVerdict;
using testing::IoCall;
using testing::IoFault;
using testing::IsOk;
using testing::LmdbFolder;
using testing::ScopedIoFaults;

using Decision = Engine::Decision;

Engine::Outcome Put(Engine& engine, const std::string& key, const std::string& value) {
  return engine.Write([&](Transaction& transaction) {
    const bool put = transaction.Put(Table::kSessions, key, value).ok();
    return put ? Decision::kCommit : Decision::kAbandon;
  });
}

bool Has(Engine& engine, const std::string& key) {
  const auto snapshot = engine.Read();
  EXPECT_THAT(snapshot, IsOk());
  if (!snapshot.ok()) return false;
  const auto value = (*snapshot)->Get(Table::kSessions, key);
  EXPECT_THAT(value, IsOk());
  return value.ok() && value->has_value();
}

class LmdbEngineTest : public ::testing::Test {
 protected:
  void Create() { ASSERT_OK_AND_ASSIGN(engine_, folder_.CreateEngine()); }

  void CloseAndOpenAgain() {
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(engine_, folder_.OpenEngine());
  }

  // That every page of the file is what it should be.
  void ExpectSoundFile() {
    ASSERT_OK_AND_ASSIGN(const LmdbTransaction snapshot, engine_->environment().BeginRead());
    EXPECT_THAT(recovery::CheckStructure(folder_.DataFile(), snapshot.id()), IsOk());
  }

  LmdbFolder folder_;
  std::unique_ptr<LmdbEngine> engine_;
};

TEST_F(LmdbEngineTest, KeepsItsTablesAndRows) {
  Create();
  ASSERT_THAT(Put(*engine_, "key", "value").status, IsOk());
  CloseAndOpenAgain();
  EXPECT_TRUE(Has(*engine_, "key"));
}

TEST_F(LmdbEngineTest, FileWithoutTheTablesIsOfAnotherFormat) {
  ASSERT_THAT(folder_.CreateEnvironment(), IsOk());
  EXPECT_THAT(folder_.OpenEngine(), HasVerdict(Verdict::kWrongFormat));
}

TEST_F(LmdbEngineTest, RefusedKeyIsAFaultThatNamesCallAndTable) {
  Create();
  absl::Status refused;
  const Engine::Outcome outcome = engine_->Write([&](Transaction& transaction) {
    refused = transaction.Put(Table::kGroups, std::string(512, 'k'), "");
    return Decision::kCommit;
  });
  EXPECT_THAT(refused, HasVerdict(Verdict::kInvalid));
  EXPECT_TRUE(absl::StrContains(refused.message(), "mdb_put in groups")) << refused;
  EXPECT_EQ(outcome.fault, Fault::kFailed);
  EXPECT_FALSE(outcome.status.ok());
}

// Commits.

TEST_F(LmdbEngineTest, CommitSyncsItsPagesBeforeItWritesTheMeta) {
  Create();
  ASSERT_THAT(Put(*engine_, "first", "value").status, IsOk());  // the file has its length now
  const ScopedIoFaults watching;
  ASSERT_THAT(Put(*engine_, "key", "value").status, IsOk());
  const std::vector<IoCall> calls = watching.Calls();
  ASSERT_GE(calls.size(), 3u);
  EXPECT_EQ(watching.Count(IoCall::kSync), 1u);
  EXPECT_EQ(calls[calls.size() - 2], IoCall::kSync);
  EXPECT_EQ(calls.back(), IoCall::kWrite) << "the meta page, through a descriptor that syncs";
}

TEST_F(LmdbEngineTest, AbandonedTransactionTouchesNoFile) {
  Create();
  const ScopedIoFaults watching;
  engine_->Write([](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kSessions, "key", "value"), IsOk());
    return Decision::kAbandon;
  });
  EXPECT_TRUE(watching.Calls().empty());
}

// Fails each system call of a commit in turn, until one commit needs fewer. Each failure surfaces
// as an unknown outcome (1, 6), but for that of what is written ahead of it; after opening anew the
// outcome is one of the two, nothing else has changed, and the store goes on.
class FailingCommitTest : public LmdbEngineTest, public ::testing::WithParamInterface<IoFault> {};

TEST_P(FailingCommitTest, LeavesTheOutcomeUnknownUntilTheStoreIsOpenedAnew) {
  Create();
  ASSERT_THAT(Put(*engine_, "before", std::string(10'000, 'x')).status, IsOk());
  bool struck = true;
  size_t nth = 0;
  for (; struck; ++nth) {
    const std::string key = absl::StrCat("key ", nth);
    IoFault fault = GetParam();
    fault.nth = nth;
    Engine::Outcome outcome;
    {
      const ScopedIoFaults faults(fault);
      outcome = Put(*engine_, key, std::string(10'000, 'x'));
      struck = faults.Struck();
    }
    if (outcome.fault == Fault::kDiskFull) {
      EXPECT_EQ(nth, 0u) << "the room is taken before anything is written";
      EXPECT_FALSE(outcome.in_commit);
    } else if (outcome.fault != Fault::kNone) {
      EXPECT_EQ(outcome.fault, Fault::kUnknown) << nth;
      EXPECT_TRUE(outcome.in_commit);
      EXPECT_TRUE(absl::StrContains(outcome.status.message(), "mdb_txn_commit"));
    }
    CloseAndOpenAgain();
    ASSERT_THAT(engine_->environment().Sync(), IsOk());
    if (outcome.fault == Fault::kNone) {
      EXPECT_TRUE(!struck || nth == 0) << nth << ": only what is written ahead may fail";
      EXPECT_TRUE(Has(*engine_, key)) << "acknowledged";
    }
    EXPECT_TRUE(Has(*engine_, "before"));
    ASSERT_THAT(Put(*engine_, absl::StrCat("after ", nth), "value").status, IsOk());
    ExpectSoundFile();
  }
  EXPECT_GT(nth, 3u) << "a commit needs its writes, a sync and a meta write";
}

std::vector<IoFault> CommitFaults() {
  std::vector<IoFault> faults;
  for (const int error : {EIO, ENOSPC}) {
    for (const bool for_good : {false, true}) {
      for (const bool takes_effect : {false, true}) {
        faults.push_back({.error = error, .for_good = for_good, .takes_effect = takes_effect});
      }
    }
  }
  return faults;
}

INSTANTIATE_TEST_SUITE_P(Faults, FailingCommitTest, ::testing::ValuesIn(CommitFaults()),
                         [](const auto& fault) {
                           return absl::StrCat(fault.param.error == EIO ? "Eio" : "Enospc",
                                               fault.param.for_good ? "ForGood" : "Once",
                                               fault.param.takes_effect ? "Persisted" : "");
                         });

TEST_F(LmdbEngineTest, FailedSyncIsUnknownThoughLmdbItselfWouldGoOn) {
  Create();
  {
    const ScopedIoFaults faults({.call = IoCall::kSync, .error = EIO});
    EXPECT_EQ(Put(*engine_, "key", "value").fault, Fault::kUnknown);
  }
  CloseAndOpenAgain();
  EXPECT_FALSE(Has(*engine_, "key")) << "the meta page was never written";
}

TEST_F(LmdbEngineTest, PanicAfterAFailedMetaWriteIsUnknownToo) {
  Create();
  for (const char* key : {"first", "writes ahead"}) {
    ASSERT_THAT(Put(*engine_, key, "value").status, IsOk());
  }
  size_t last = 0;  // the meta page is the last write of a commit
  {
    const ScopedIoFaults watching;
    ASSERT_THAT(Put(*engine_, "second", "value").status, IsOk());
    last = watching.Count(IoCall::kWrite) - 1;
  }
  {
    const ScopedIoFaults faults({.call = IoCall::kWrite, .nth = last, .error = EIO});
    ASSERT_EQ(Put(*engine_, "third", "value").fault, Fault::kUnknown);
  }
  const Engine::Outcome outcome = Put(*engine_, "fourth", "value");
  EXPECT_EQ(outcome.fault, Fault::kUnknown);
  EXPECT_THAT(outcome.status, HasVerdict(Verdict::kPoisoned));
}

// The disk is full. What it still has is the reserve, which only some may use.

constexpr uint64_t kReserve = uint64_t{512} << 10;

Engine::Outcome PutFromReserve(Engine& engine, const std::string& key, const std::string& value) {
  return engine.Write([&](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kSessions, key, value), IsOk());
    return Engine::Decision::kCommitFromReserve;
  });
}

TEST_F(LmdbEngineTest, FullDiskRefusesACommitBeforeItWritesAnything) {
  folder_.options.map_bytes = 64 << 20;
  Create();
  {
    const ScopedIoFaults faults({.call = IoCall::kAllocate, .error = ENOSPC, .for_good = true});
    const Engine::Outcome outcome = Put(*engine_, "key", std::string(2'000'000, 'x'));
    EXPECT_EQ(outcome.fault, Fault::kDiskFull);
    EXPECT_FALSE(outcome.in_commit);
    EXPECT_THAT(outcome.status, HasVerdict(Verdict::kFull));
    EXPECT_EQ(faults.Count(IoCall::kWrite), 0u);
    EXPECT_EQ(faults.Count(IoCall::kSync), 0u);
  }
  EXPECT_THAT(Put(*engine_, "key", std::string(2'000'000, 'x')).status, IsOk());
}

TEST_F(LmdbEngineTest, ReserveIsUsedByThoseWhoMayAndMadeWholeOnceThereIsRoom) {
  folder_.options.map_bytes = 64 << 20;
  folder_.options.reserved_bytes = kReserve;
  Create();
  ASSERT_THAT(Put(*engine_, "first", "value").status, IsOk());
  const std::string big(100'000, 'x');
  {
    const ScopedIoFaults faults({.call = IoCall::kAllocate, .error = ENOSPC, .for_good = true});
    // The step in which the file grows has some room of its own.
    int taken = 0;
    while (Put(*engine_, absl::StrCat("taken ", taken), big).status.ok()) ++taken;
    ASSERT_LT(taken, 12);
    EXPECT_THAT(Put(*engine_, "refused", big).status, HasVerdict(Verdict::kFull));
    ASSERT_THAT(PutFromReserve(*engine_, "urgent", std::string(300'000, 'x')).status, IsOk());
    EXPECT_THAT(PutFromReserve(*engine_, "too much", std::string(400'000, 'x')).status,
                HasVerdict(Verdict::kFull));
    for (int i = 0; i < 100; ++i) {
      EXPECT_THAT(PutFromReserve(*engine_, "small", absl::StrCat(i)).status, IsOk())
          << "pages that are given up come back";
    }
    EXPECT_THAT(Put(*engine_, "small", "refused").status, HasVerdict(Verdict::kFull));
  }
  EXPECT_THAT(Put(*engine_, "last", big).status, IsOk());
  const LmdbEnvironment::Info info = *engine_->environment().Inspect();
  EXPECT_GE(info.file_bytes, (info.last_page + 1) * info.page_size + kReserve);
  EXPECT_FALSE(Has(*engine_, "refused"));
  EXPECT_TRUE(Has(*engine_, "urgent"));
}

TEST_F(LmdbEngineTest, OnAFullDiskWhatIsFreedInsideTheFileIsRoom) {
  folder_.options.map_bytes = 64 << 20;
  folder_.options.reserved_bytes = kReserve;
  Create();
  const auto key = [](int i) { return absl::StrCat("key ", absl::Dec(i, absl::kZeroPad6)); };
  const std::string value(800, 'x');
  int rows = 0;
  while (rows < 5000) ASSERT_THAT(Put(*engine_, key(rows++), value).status, IsOk());
  const ScopedIoFaults faults({.call = IoCall::kAllocate, .error = ENOSPC, .for_good = true});
  while (Put(*engine_, key(rows), value).status.ok()) ++rows;
  EXPECT_THAT(Put(*engine_, key(rows), value).status, HasVerdict(Verdict::kFull));
  int deleted = 0;
  const auto delete_some = [&] {
    const int until = std::min(rows, deleted + 2);
    const Engine::Outcome outcome = engine_->Write([&](Transaction& transaction) {
      for (int i = deleted; i < until; ++i) {
        EXPECT_THAT(transaction.Delete(Table::kSessions, key(i)), IsOk());
      }
      return Decision::kCommitFromReserve;
    });
    if (outcome.status.ok()) deleted = until;
    return outcome.status;
  };
  {
    // A reader still sees what is deleted: it takes room, and even the reserve has an end.
    ASSERT_OK_AND_ASSIGN(const auto reader, engine_->Read());
    absl::Status last;
    while (last.ok() && deleted < rows) last = delete_some();
    EXPECT_THAT(last, HasVerdict(Verdict::kFull));
    EXPECT_THAT(Put(*engine_, "beside the reader", value).status, HasVerdict(Verdict::kFull));
  }
  while (deleted < rows) ASSERT_THAT(delete_some(), IsOk()) << deleted;
  for (int i = 0; i < 500; ++i) {
    ASSERT_THAT(Put(*engine_, absl::StrCat("again ", i), value).status, IsOk()) << i;
  }
  ExpectSoundFile();
}

TEST_F(LmdbEngineTest, ReserveIsAllocatedAndNotJustAFileSize) {
  folder_.options.map_bytes = 64 << 20;
  folder_.options.reserved_bytes = kReserve;
  Create();
  ASSERT_THAT(Put(*engine_, "key", "value").status, IsOk());
  struct stat file {};
  ASSERT_EQ(stat(folder_.DataFile().c_str(), &file), 0);
  EXPECT_GE(file.st_blocks * 512, off_t{kReserve});
}

TEST_F(LmdbEngineTest, FileSystemThatCannotAllocateServesAllTheSame) {
  folder_.options.map_bytes = 64 << 20;
  folder_.options.reserved_bytes = kReserve;
  Create();
  const ScopedIoFaults faults({.call = IoCall::kAllocate, .error = EOPNOTSUPP, .for_good = true});
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Put(*engine_, absl::StrCat("key ", i), std::string(300'000, 'x')).status, IsOk());
    const LmdbEnvironment::Info info = *engine_->environment().Inspect();
    EXPECT_GE(info.file_bytes, (info.last_page + 1) * info.page_size);
  }
}

TEST_F(LmdbEngineTest, ADiskThatFailsToAllocateIsNotCalledFull) {
  folder_.options.map_bytes = 64 << 20;
  Create();
  const ScopedIoFaults faults({.call = IoCall::kAllocate, .error = EIO});
  EXPECT_THAT(Put(*engine_, "key", std::string(2'000'000, 'x')).status, HasVerdict(Verdict::kIo));
  EXPECT_THAT(Put(*engine_, "key", std::string(2'000'000, 'x')).status, IsOk());
}

// What a full disk is judged by, so it must not be less than what the commit takes.
TEST_F(LmdbEngineTest, NoCommitTakesMorePagesThanWasSaid) {
  folder_.options.map_bytes = 256 << 20;
  Create();
  LmdbEnvironment& environment = engine_->environment();
  ASSERT_OK_AND_ASSIGN(const LmdbTable meta, environment.OpenTable("meta", false));
  ASSERT_OK_AND_ASSIGN(const LmdbTable sessions, environment.OpenTable("sessions", false));
  std::mt19937 random(1);  // of a fixed seed: the workload is the same in every run
  const auto key = [&] {
    return absl::StrCat(absl::Dec(random() % 5000, absl::kZeroPad6),
                        std::string(random() % 8 == 0 ? random() % 480 : 0, 'k'));
  };
  uint64_t most_taken = 0;
  std::optional<LmdbTransaction> pins;  // else free pages would be taken first
  for (int round = 0; round < 300; ++round) {
    if (round % 50 == 0) {
      pins.reset();
      ASSERT_OK_AND_ASSIGN(LmdbTransaction snapshot, environment.BeginRead());
      pins.emplace(std::move(snapshot));
    }
    const uint64_t before = environment.Inspect()->last_page;
    ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment.BeginWrite());
    const int writes = 1 + static_cast<int>(random() % (round % 10 == 0 ? 3000 : 40));
    const size_t longest = round % 3 == 0 ? 3000 : round % 3 == 1 ? 300 : 20'000 / writes + 1;
    for (int i = 0; i < writes; ++i) {
      const LmdbTable table = random() % 2 == 0 ? meta : sessions;
      if (random() % 3 == 0) {
        (void)transaction.Delete(table, key());
      } else {
        ASSERT_EQ(transaction.Put(table, key(), std::string(random() % longest, 'x')), 0);
      }
    }
    const uint64_t said = transaction.PagesAtMost();
    ASSERT_EQ(transaction.Commit(), 0);
    const uint64_t taken = environment.Inspect()->last_page - before;
    ASSERT_LE(taken, said) << "round " << round << ", writes " << writes;
    most_taken = std::max(most_taken, taken);
  }
  EXPECT_GT(most_taken, 500u) << "else the test would see nothing";
}

// Space.

TEST_F(LmdbEngineTest, FullMapIsAFaultThatGrowingMends) {
  Create();
  const std::string big(900'000, 'x');
  ASSERT_THAT(Put(*engine_, "one", std::string(600'000, 'x')).status, IsOk());
  EXPECT_EQ(Put(*engine_, "two", big).fault, Fault::kMapFull);
  EXPECT_FALSE(Has(*engine_, "two"));
  ASSERT_THAT(engine_->Grow(), IsOk());
  EXPECT_THAT(Put(*engine_, "two", big).status, IsOk());
  EXPECT_TRUE(Has(*engine_, "two"));
}

TEST_F(LmdbEngineTest, MeasuresItsSpace) {
  Create();
  ASSERT_OK_AND_ASSIGN(const Engine::Space before, engine_->MeasureSpace());
  EXPECT_EQ(before.map_bytes, folder_.options.map_bytes);
  ASSERT_THAT(Put(*engine_, "key", std::string(100'000, 'x')).status, IsOk());
  ASSERT_OK_AND_ASSIGN(const Engine::Space after, engine_->MeasureSpace());
  EXPECT_GE(after.used_bytes, before.used_bytes + 100'000);
}

TEST_F(LmdbEngineTest, FileIsNeverShorterThanItsLastPageAsksFor) {
  folder_.options.map_bytes = 64 << 20;
  Create();
  std::mt19937 random(1);  // of a fixed seed: the workload is the same in every run
  for (int i = 0; i < 200; ++i) {
    const std::string key = absl::StrCat("key ", random() % 20);
    const bool freed_at_once = random() % 2 == 0;
    const Engine::Outcome outcome = engine_->Write([&](Transaction& transaction) {
      EXPECT_THAT(transaction.Put(Table::kGroups, key, "small"), IsOk());
      EXPECT_THAT(transaction.Put(Table::kSessions, key, std::string(random() % 50'000, 'x')),
                  IsOk());
      if (freed_at_once) {
        EXPECT_THAT(transaction.Delete(Table::kSessions, key), IsOk());
      }
      return Decision::kCommit;
    });
    ASSERT_THAT(outcome.status, IsOk());
    ASSERT_OK_AND_ASSIGN(const LmdbEnvironment::Info info, engine_->environment().Inspect());
    ASSERT_GE(info.file_bytes, (info.last_page + 1) * info.page_size) << "after commit " << i;
  }
}

// What LMDB must not be asked for (14).

TEST_F(LmdbEngineTest, NoTableKeepsDuplicates) {
  Create();
  engine_.reset();
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  ASSERT_EQ(mdb_env_create(&env), MDB_SUCCESS);
  ASSERT_EQ(mdb_env_set_maxdbs(env, kAllTables.size()), MDB_SUCCESS);
  ASSERT_EQ(mdb_env_open(env, folder_.path().c_str(), MDB_RDONLY, 0600), MDB_SUCCESS);
  ASSERT_EQ(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), MDB_SUCCESS);
  for (const Table table : kAllTables) {
    MDB_dbi dbi = 0;
    unsigned int flags = ~0u;
    ASSERT_EQ(mdb_dbi_open(txn, std::string(TableName(table)).c_str(), 0, &dbi), MDB_SUCCESS);
    ASSERT_EQ(mdb_dbi_flags(txn, dbi, &flags), MDB_SUCCESS);
    EXPECT_EQ(flags, 0u) << TableName(table);
  }
  mdb_txn_abort(txn);
  mdb_env_close(env);
}

// A full batch of the largest operations, at random places of trees that are larger than it, so
// that hardly two rows share a page. Every dirty page is written once: the bytes tell how many
// there were.
TEST_F(LmdbEngineTest, FullBatchStaysFarBelowTheBoundOfDirtyPages) {
  constexpr uint64_t kDirtyPages = 131'071;
  folder_.options.map_bytes = uint64_t{1} << 30;
  Create();
  std::mt19937_64 random(1);
  const auto random_key = [&random] { return absl::StrCat(absl::Hex(random(), absl::kZeroPad16)); };
  const auto put_in_every_table = [&](Transaction& transaction, size_t value_bytes) {
    for (const Table table : kAllTables) {
      ASSERT_THAT(transaction.Put(table, random_key(), std::string(value_bytes, 'x')), IsOk());
    }
  };
  for (int filled = 0; filled < 10; ++filled) {
    ASSERT_THAT(engine_
                    ->Write([&](Transaction& transaction) {
                      for (int i = 0; i < 1000; ++i) put_in_every_table(transaction, 400);
                      return Decision::kCommit;
                    })
                    .status,
                IsOk());
  }
  const ScopedIoFaults watching;
  ASSERT_THAT(engine_
                  ->Write([&](Transaction& transaction) {
                    for (size_t i = 0; i < GroupCommitter::kMaxBatch; ++i) {
                      put_in_every_table(transaction,
                                         kMaxIntentBytes + 1000);  // the largest of all rows
                    }
                    return Decision::kCommit;
                  })
                  .status,
              IsOk());
  const uint64_t pages = watching.BytesWritten() / 4096;
  EXPECT_GT(pages, GroupCommitter::kMaxBatch * kAllTables.size()) << "or nothing was measured";
  EXPECT_LT(pages, kDirtyPages / 4);
}

// Forks (2).

// The fork handler that recovery registers, for one engine.
class ForkedEngineTest : public LmdbEngineTest {
 protected:
  ForkedEngineTest() {
    folder_.in_forked_child = [this] {
      if (Engine* const open = open_.load()) open->Shut(Verdict::kClosed);
    };
  }

  void Create() {
    LmdbEngineTest::Create();
    open_ = engine_.get();
  }

 private:
  std::atomic<Engine*> open_{nullptr};
};

TEST_F(ForkedEngineTest, ChildIsRefusedAndTheParentGoesOn) {
  Create();
  ASSERT_THAT(Put(*engine_, "before", "value").status, IsOk());
  ASSERT_TRUE(Has(*engine_, "before"));
  ForkedChild child([this](Channel& parent) -> std::string {
    if (VerdictOf(engine_->Usable()) != Verdict::kClosed) return "usable";
    if (VerdictOf(engine_->Read().status()) != Verdict::kClosed) return "readable";
    if (VerdictOf(Put(*engine_, "child", "value").status) != Verdict::kClosed) return "writable";
    parent.Send("refused");
    (void)parent.Receive();
    engine_.reset();  // while the parent has commits behind it and before it
    parent.Send("destroyed");
    (void)parent.Receive();
    return "";
  });
  ASSERT_EQ(child.channel().Receive(), "refused");
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(Put(*engine_, absl::StrCat("a", i), std::string(9000, 'x')).status, IsOk());
  }
  child.channel().Send("destroy");
  ASSERT_EQ(child.channel().Receive(), "destroyed");
  for (int i = 0; i < 20; ++i) {
    ASSERT_THAT(Put(*engine_, absl::StrCat("b", i), std::string(9000, 'x')).status, IsOk());
  }
  child.channel().Send("end");
  EXPECT_EQ(child.Join(), "");

  CloseAndOpenAgain();
  ExpectSoundFile();
  ASSERT_OK_AND_ASSIGN(const auto snapshot, engine_->Read());
  ASSERT_OK_AND_ASSIGN(const uint64_t rows, snapshot->Count(Table::kSessions));
  EXPECT_EQ(rows, 41u);
}

}  // namespace
}  // namespace batonstore
