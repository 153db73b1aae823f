// Trap 11 of LMDB.md, and what becomes of a batch when the engine fails under it.

#include "batonstore/store/group_committer.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/number.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/io_faults.h"
#include "tests/support/lmdb_folder.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::HasVerdict;
using testing::IoCall;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LmdbFolder;
using testing::ScopedAllocationFault;
using testing::ScopedIoFaults;
using ::testing::SizeIs;

using Operation = std::function<absl::Status(Transaction&)>;
using Step = MemoryEngine::Step;

Operation Put(const std::string& key, const std::string& value = "value") {
  return [=](Transaction& transaction) { return transaction.Put(Table::kSessions, key, value); };
}

absl::Status Refusal() { return Refuse(Verdict::kExists, "refused by the test"); }

absl::Status NoEpilogue(Transaction&) { return absl::OkStatus(); }

// Operations that are sure to meet in one batch, in the order given: they queue behind one that
// writes nothing and ends when all of them are there.
class Batch {
 public:
  explicit Batch(GroupCommitter& committer) : committer_(committer) {
    std::latch leading(1);
    threads_.emplace_back([this, &leading] {
      EXPECT_THAT(committer_.Run([this, &leading](Transaction&) {
        leading.count_down();
        go_.wait();
        return absl::OkStatus();
      }),
                  IsOk());
    });
    leading.wait();
  }

  void Add(Operation operation) {
    AddCaller([operation = std::move(operation)](GroupCommitter& committer) {
      return committer.Run(operation);
    });
  }

  // The same for a caller that does more than calling Run once.
  void AddCaller(std::function<absl::Status(GroupCommitter&)> caller) {
    const size_t index = answers_.size();
    answers_.push_back(std::make_unique<absl::Status>());
    threads_.emplace_back([this, caller = std::move(caller), answer = answers_[index].get()] {
      *answer = caller(committer_);
    });
    while (committer_.Waiting() <= index) std::this_thread::yield();
  }

  // Lets them go; their answers, in their order.
  std::vector<absl::Status> Answers() {
    go_.count_down();
    for (std::thread& thread : threads_) thread.join();
    std::vector<absl::Status> answers;
    for (const auto& answer : answers_) answers.push_back(std::move(*answer));
    return answers;
  }

 private:
  GroupCommitter& committer_;
  std::latch go_{1};
  std::vector<std::unique_ptr<absl::Status>> answers_;
  std::vector<std::thread> threads_;
};

// One that comes while an operation runs.
class LateCaller {
 public:
  explicit LateCaller(GroupCommitter& committer) : committer_(committer) {}

  // Once, from within an operation: returns when the other one has queued.
  void Queue(Operation operation) {
    thread_ = std::thread(
        [this, operation = std::move(operation)] { answer_ = committer_.Run(operation); });
    while (committer_.Waiting() == 0) std::this_thread::yield();
  }

  absl::Status Answer() {
    thread_.join();
    return answer_;
  }

 private:
  GroupCommitter& committer_;
  std::thread thread_;
  absl::Status answer_;
};

class GroupCommitterTest : public ::testing::Test {
 protected:
  // Counts commits, and fails steps as `script_` says.
  GroupCommitterTest() {
    engine_.InjectFaults([this](Step step) {
      if (step == Step::kCommit) ++commits_;
      return script_ ? script_(step) : Fault::kNone;
    });
  }

  std::vector<std::string> Keys() const {
    const MemoryEngine::Rows rows = engine_.Committed();
    std::vector<std::string> keys;
    for (const auto& [key, value] : rows[TableIndex(Table::kSessions)]) {
      keys.push_back(key);
    }
    return keys;
  }

  // Fails the put of this key and no other, while `fault_at` says so.
  Operation FailingPut(const std::string& key, Fault fault) {
    return [=, this](Transaction& transaction) {
      fault_at_put_ = fault;
      const absl::Status put = transaction.Put(Table::kSessions, key, "value");
      fault_at_put_ = Fault::kNone;
      return put;
    };
  }
  void FailPuts() {
    script_ = [this](Step step) { return step == Step::kPut ? fault_at_put_ : Fault::kNone; };
  }

  MemoryEngine engine_;
  GroupCommitter committer_{engine_, &NoEpilogue};
  int commits_ = 0;
  std::function<Fault(Step)> script_;
  Fault fault_at_put_ = Fault::kNone;
};

TEST_F(GroupCommitterTest, AnsweredMeansCommitted) {
  EXPECT_THAT(committer_.Run(Put("key")), IsOk());
  EXPECT_THAT(Keys(), ElementsAre("key"));
  EXPECT_EQ(commits_, 1);
}

TEST_F(GroupCommitterTest, OneCommitForAllThatQueued) {
  Batch batch(committer_);
  for (int i = 0; i < 64; ++i) batch.Add(Put(absl::StrCat("key ", i)));
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_THAT(Keys(), SizeIs(64));
  EXPECT_EQ(commits_, 1);
}

TEST_F(GroupCommitterTest, OneTransactionHoldsNoMoreThanAFullBatch) {
  constexpr size_t kOperations = GroupCommitter::kMaxBatch + 1;
  Batch batch(committer_);
  for (size_t i = 0; i < kOperations; ++i) batch.Add(Put(absl::StrCat("key ", i)));
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_THAT(Keys(), SizeIs(kOperations));
  EXPECT_EQ(commits_, 2);
}

TEST_F(GroupCommitterTest, WhatQueuesWhileABatchRunsIsInItsCommit) {
  LateCaller late(committer_);
  EXPECT_THAT(committer_.Run([&](Transaction& transaction) {
    const absl::Status put = transaction.Put(Table::kSessions, "early", "value");
    late.Queue(Put("late"));
    return put;
  }),
              IsOk());
  EXPECT_THAT(late.Answer(), IsOk());
  EXPECT_THAT(Keys(), ElementsAre("early", "late"));
  EXPECT_EQ(commits_, 1);
}

TEST_F(GroupCommitterTest, WhoWroteNothingDoesNotWaitForTheCommitOfThoseWhoCameLater) {
  std::atomic<bool> answered{false};
  script_ = [&](Step step) {
    while (step == Step::kCommit && !answered) std::this_thread::yield();  // would hang
    return Fault::kNone;
  };
  LateCaller late(committer_);
  EXPECT_THAT(committer_.Run([&](Transaction&) {
    late.Queue(Put("late"));
    return Refusal();
  }),
              HasVerdict(Verdict::kExists));
  answered = true;
  EXPECT_THAT(late.Answer(), IsOk());
}

TEST_F(GroupCommitterTest, BatchThatWasDividedTakesInNobody) {
  script_ = [this](Step step) {
    return step == Step::kCommit && commits_ == 1 ? Fault::kTooBig : Fault::kNone;
  };
  LateCaller late(committer_);
  Batch batch(committer_);
  batch.Add([&](Transaction& transaction) {
    const absl::Status put = transaction.Put(Table::kSessions, "1", "value");
    if (commits_ == 1) late.Queue(Put("late"));
    return put;
  });
  batch.Add(Put("2"));
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_THAT(late.Answer(), IsOk());
  EXPECT_THAT(Keys(), ElementsAre("1", "2", "late"));
  EXPECT_EQ(commits_, 4) << "too big, two halves, and the late one by itself";
}

TEST_F(GroupCommitterTest, OperationSeesThoseBeforeItInItsBatch) {
  Batch batch(committer_);
  batch.Add(Put("key"));
  batch.Add([](Transaction& transaction) {
    return (*transaction.Get(Table::kSessions, "key")).has_value() ? Refusal() : absl::OkStatus();
  });
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), HasVerdict(Verdict::kExists)));
}

TEST_F(GroupCommitterTest, WhoWaitsWorksMeanwhileAndWhoLeadsDoesNot) {
  std::atomic<int> pieces = 0;
  const auto work = [&pieces] { return ++pieces < 3; };
  const auto refuse = [](Transaction&) { return Refusal(); };
  EXPECT_THAT(committer_.Run(refuse, GroupCommitter::Room::kTakes, work),
              HasVerdict(Verdict::kExists));
  EXPECT_EQ(pieces, 0) << "it led at once";
  Batch batch(committer_);
  batch.AddCaller([&](GroupCommitter& committer) {
    return committer.Run(Put("key"), GroupCommitter::Room::kTakes, work);
  });
  while (pieces < 3) std::this_thread::yield();  // would hang
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_EQ(pieces, 3) << "until nothing was left to do";
}

TEST_F(GroupCommitterTest, WhoWorksMeanwhileIsFoundByItsAnswerAndByTheLead) {
  std::atomic<bool> works = true;
  const auto work = [&works] {
    std::this_thread::yield();
    return works.load();
  };
  Batch batch(committer_);
  for (size_t i = 0; i < GroupCommitter::kMaxBatch + 8; ++i) {
    batch.AddCaller([&, i](GroupCommitter& committer) {
      if (i % 64 != 0) return committer.Run(Put(absl::StrCat("key ", i)));
      return committer.Run(Put(absl::StrCat("key ", i)), GroupCommitter::Room::kTakes, work);
    });
  }
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_THAT(Keys(), SizeIs(GroupCommitter::kMaxBatch + 8));
}

TEST_F(GroupCommitterTest, WhatWritesNothingCommitsNothing) {
  EXPECT_THAT(committer_.Run([](Transaction& transaction) {
    return transaction.Get(Table::kSessions, "key").status();
  }),
              IsOk());
  EXPECT_THAT(committer_.Run([](Transaction&) { return Refusal(); }), HasVerdict(Verdict::kExists));
  EXPECT_EQ(commits_, 0);
}

TEST_F(GroupCommitterTest, EpilogueRunsOnceAtTheEndOfEachTransactionThatWrote) {
  std::vector<uint64_t> writes_seen;
  GroupCommitter committer(engine_, [&](Transaction& transaction) {
    writes_seen.push_back(transaction.writes());
    return transaction.Put(Table::kMeta, "epilogue", "");
  });
  {
    Batch batch(committer);
    for (int i = 0; i < 3; ++i) batch.Add(Put(absl::StrCat("key ", i)));
    EXPECT_THAT(batch.Answers(), Each(IsOk()));
  }
  EXPECT_THAT(writes_seen, ElementsAre(3u));
  EXPECT_THAT(engine_.Committed()[TableIndex(Table::kMeta)], SizeIs(1));
}

// Refusals.

TEST_F(GroupCommitterTest, RefusedOperationLeavesOthersUntouched) {
  int runs = 0;
  Batch batch(committer_);
  batch.Add([&runs](Transaction& transaction) {
    ++runs;
    return transaction.Put(Table::kSessions, "one", "");
  });
  batch.Add([](Transaction&) { return Refusal(); });
  batch.Add(Put("three"));
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), HasVerdict(Verdict::kExists), IsOk()));
  EXPECT_THAT(Keys(), ElementsAre("one", "three"));
  EXPECT_EQ(runs, 1) << "nobody runs again because of it";
  EXPECT_EQ(commits_, 1);
}

TEST_F(GroupCommitterTest, OperationThatWroteBeforeItRefusedIsEvicted) {
  int runs = 0;
  Batch batch(committer_);
  batch.Add([&runs](Transaction& transaction) {
    ++runs;
    return transaction.Put(Table::kSessions, "one", "");
  });
  batch.Add([](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kSessions, "one", "overwritten"), IsOk());
    EXPECT_THAT(transaction.Put(Table::kSessions, "two", ""), IsOk());
    return Refusal();
  });
  batch.Add(Put("three"));
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), HasVerdict(Verdict::kExists), IsOk()));
  EXPECT_THAT(Keys(), ElementsAre("one", "three"));
  EXPECT_EQ(engine_.Committed()[TableIndex(Table::kSessions)].at("one"), "");
  EXPECT_EQ(runs, 2) << "once more, without the offender";
  EXPECT_EQ(commits_, 1);
}

// Space and size.

TEST_F(GroupCommitterTest, FullMapGrowsAndFailsNobody) {
  engine_.AllowGrowth(1);
  bool full = true;
  script_ = [&full](Step step) {
    return step == Step::kPut && std::exchange(full, false) ? Fault::kMapFull : Fault::kNone;
  };
  Batch batch(committer_);
  for (int i = 0; i < 3; ++i) batch.Add(Put(absl::StrCat("key ", i)));
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_THAT(Keys(), SizeIs(3));
}

TEST_F(GroupCommitterTest, MapThatIsFullAtTheCommitGrowsAndFailsNobody) {
  engine_.AllowGrowth(1);
  script_ = [this](Step step) {
    return step == Step::kCommit && commits_ == 1 ? Fault::kMapFull : Fault::kNone;
  };
  Batch batch(committer_);
  for (int i = 0; i < 3; ++i) batch.Add(Put(absl::StrCat("key ", i)));
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_THAT(Keys(), SizeIs(3));
}

TEST_F(GroupCommitterTest, FullStoreRefusesOnlyTheOffender) {
  FailPuts();
  Batch batch(committer_);
  batch.Add(Put("one"));
  batch.Add(FailingPut("two", Fault::kMapFull));
  batch.Add(Put("three"));
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), HasVerdict(Verdict::kFull), IsOk()));
  EXPECT_THAT(Keys(), ElementsAre("one", "three"));
}

TEST_F(GroupCommitterTest, BatchThatIsTooBigIsSplit) {
  // Room for two of them in one transaction, whether that shows at a put or at the commit.
  for (const Step step_that_fails : {Step::kPut, Step::kCommit}) {
    int puts = 0;
    script_ = [&](Step step) {
      if (step == Step::kPut) ++puts;
      const bool too_big = puts > 2;
      if (step == Step::kCommit || too_big) puts = 0;
      return step == step_that_fails && too_big ? Fault::kTooBig : Fault::kNone;
    };
    Batch batch(committer_);
    for (int i = 0; i < 8; ++i) batch.Add(Put(absl::StrCat("key ", i)));
    EXPECT_THAT(batch.Answers(), Each(IsOk()));
    EXPECT_THAT(Keys(), SizeIs(8));
    for (int i = 0; i < 8; ++i) {
      EXPECT_THAT(committer_.Run([i](Transaction& transaction) {
        return transaction.Delete(Table::kSessions, absl::StrCat("key ", i)).status();
      }),
                  IsOk());
    }
  }
}

TEST_F(GroupCommitterTest, OperationThatIsTooBigByItselfIsRefused) {
  FailPuts();
  Batch batch(committer_);
  for (const char* key : {"one", "two"}) batch.Add(Put(key));
  batch.Add(FailingPut("too big", Fault::kTooBig));
  batch.Add(Put("four"));
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), IsOk(), HasVerdict(Verdict::kTooMany), IsOk()));
  EXPECT_THAT(Keys(), ElementsAre("four", "one", "two"));
}

TEST_F(GroupCommitterTest, FailureInsideAnOperationRefusesOnlyThat) {
  FailPuts();
  Batch batch(committer_);
  batch.Add(Put("one"));
  batch.Add(FailingPut("two", Fault::kFailed));
  batch.Add(Put("three"));
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), HasVerdict(Verdict::kIo), IsOk()));
  EXPECT_THAT(Keys(), ElementsAre("one", "three"));
}

// Memory.

TEST_F(GroupCommitterTest, OperationWithoutMemoryIsRefusedAlone) {
  for (const bool after_a_write : {false, true}) {
    Batch batch(committer_);
    batch.Add(Put("one"));
    batch.Add([after_a_write](Transaction& transaction) -> absl::Status {
      if (after_a_write) (void)transaction.Put(Table::kSessions, "two", "");
      throw std::bad_alloc();
    });
    batch.Add(Put("three"));
    EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), HasVerdict(Verdict::kTooMany), IsOk()));
    EXPECT_THAT(Keys(), ElementsAre("one", "three"));
  }
}

TEST_F(GroupCommitterTest, EpilogueWithoutMemoryAcknowledgesNobody) {
  GroupCommitter committer(engine_, [](Transaction&) -> absl::Status { throw std::bad_alloc(); });
  Batch batch(committer);
  batch.Add(Put("one"));
  batch.Add(Put("two"));
  EXPECT_THAT(batch.Answers(), Each(HasVerdict(Verdict::kTooMany)));
  EXPECT_THAT(Keys(), IsEmpty());
}

// Fails each allocation of the leader in turn, that one alone or all from there on, until it needs
// fewer; any of them may lead, and the others need none. Whatever fails: everybody is answered, OK
// means committed, and a refusal other than POISONED means that it is not.
struct Shortage {
  std::string name;
  bool for_good;
  bool full;  // the store is full, too, when the leader's own operation writes
};

class LeaderWithoutMemoryTest : public ::testing::TestWithParam<Shortage> {};

TEST_P(LeaderWithoutMemoryTest, AnswersEverybody) {
  bool struck = true;
  size_t nth = 0;
  for (; struck; ++nth) {
    bool full = GetParam().full;
    MemoryEngine engine;
    engine.InjectFaults([&full](Step step) {
      return step == Step::kPut && std::exchange(full, false) ? Fault::kMapFull : Fault::kNone;
    });
    GroupCommitter committer(engine, [](Transaction& transaction) {
      return transaction.Put(Table::kMeta, "epilogue", std::string(100, 'x'));
    });
    Batch batch(committer);
    std::atomic<bool> any_struck = false;
    for (const char* key : {"0", "1", "2"}) {
      batch.AddCaller([&, put = Put(key, std::string(100, 'x'))](GroupCommitter& called) {
        const ScopedAllocationFault fault(nth, GetParam().for_good);
        absl::Status answer = called.Run(put);
        if (fault.Struck()) any_struck = true;
        return answer;
      });
    }
    const std::vector<absl::Status> answers = batch.Answers();
    struck = any_struck;
    const MemoryEngine::TableRows rows = engine.Committed()[TableIndex(Table::kSessions)];
    for (size_t i = 0; i < answers.size(); ++i) {
      const bool committed = rows.count(absl::StrCat(i)) == 1;
      if (answers[i].ok()) {
        EXPECT_TRUE(committed) << "allocation " << nth << ", operation " << i;
      } else if (VerdictOf(answers[i]) != Verdict::kPoisoned) {
        EXPECT_THAT(answers[i], AnyOf(HasVerdict(Verdict::kTooMany), HasVerdict(Verdict::kFull)))
            << "allocation " << nth;
        EXPECT_FALSE(committed) << "allocation " << nth << ", operation " << i;
      }
    }
  }
  EXPECT_GT(nth, 5u) << "hardly anything was made to fail";
}

INSTANTIATE_TEST_SUITE_P(Shortages, LeaderWithoutMemoryTest,
                         ::testing::Values(Shortage{"Once", false, false},
                                           Shortage{"ForGood", true, false},
                                           Shortage{"OnceInAFullStore", false, true},
                                           Shortage{"ForGoodInAFullStore", true, true}),
                         [](const auto& shortage) { return shortage.param.name; });

// Unknown outcomes.

TEST_F(GroupCommitterTest, MemoryThatIsShortInACommitLeavesItsOutcomeUnknown) {
  script_ = [](Step step) {
    if (step == Step::kCommit) throw std::bad_alloc();
    return Fault::kNone;
  };
  EXPECT_THAT(committer_.Run(Put("key")), HasVerdict(Verdict::kPoisoned));
  EXPECT_THAT(committer_.Run(Put("another key")), HasVerdict(Verdict::kPoisoned));
  EXPECT_EQ(commits_, 1);
}

TEST_F(GroupCommitterTest, UnknownOutcomePoisonsTheBatchWhatQueuedMeanwhileAndAllThatFollows) {
  for (const bool persisted : {false, true}) {
    MemoryEngine engine;
    GroupCommitter committer(engine, &NoEpilogue);
    std::atomic<int> ran_too_late{0};
    std::vector<std::thread> late;
    std::vector<absl::Status> late_answers(3);
    engine.InjectFaults(
        [&](Step step) {
          if (step != Step::kCommit) return Fault::kNone;
          for (absl::Status& answer : late_answers) {  // they queue while this commit is under way
            late.emplace_back([&committer, &ran_too_late, &answer] {
              answer = committer.Run([&ran_too_late](Transaction&) {
                ++ran_too_late;
                return absl::OkStatus();
              });
            });
          }
          while (committer.Waiting() < late_answers.size()) std::this_thread::yield();
          return Fault::kUnknown;
        },
        persisted);
    Batch batch(committer);
    for (int i = 0; i < 3; ++i) batch.Add(Put(absl::StrCat("key ", i)));
    EXPECT_THAT(batch.Answers(), Each(HasVerdict(Verdict::kPoisoned)));
    for (std::thread& thread : late) thread.join();
    EXPECT_THAT(late_answers, Each(HasVerdict(Verdict::kPoisoned)));
    EXPECT_EQ(ran_too_late, 0);
    EXPECT_THAT(committer.Run(Put("later")), HasVerdict(Verdict::kPoisoned));
    EXPECT_THAT(engine.Read(), HasVerdict(Verdict::kPoisoned));
    EXPECT_THAT(engine.Committed()[TableIndex(Table::kSessions)], SizeIs(persisted ? 3 : 0));
  }
}

TEST_F(GroupCommitterTest, UnknownOutcomeOfOneHalfDoesNotTakeBackTheOther) {
  script_ = [this](Step step) {
    if (step != Step::kCommit) return Fault::kNone;
    constexpr Fault kByCommit[] = {Fault::kTooBig, Fault::kNone, Fault::kUnknown};
    return kByCommit[commits_ - 1];
  };
  Batch batch(committer_);
  for (const char* key : {"1", "2", "3", "4"}) batch.Add(Put(key));
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), IsOk(), HasVerdict(Verdict::kPoisoned),
                                           HasVerdict(Verdict::kPoisoned)));
  EXPECT_THAT(Keys(), ElementsAre("1", "2"));
}

// What goes along.

// Puts a key of its own into each transaction, until it is told that one was committed.
class Companion final : public GroupCommitter::Companion {
 public:
  absl::StatusOr<bool> Begin(Transaction& transaction) override {
    ++begun;
    if (has_committed) return false;
    const absl::Status put = transaction.Put(Table::kSessions, "companion", "value");
    if (!put.ok()) return put;
    if (refuses) return Refusal();
    return true;
  }
  void End(bool committed) noexcept override {
    ++ended;
    has_committed = has_committed || committed;
  }

  int begun = 0;
  int ended = 0;
  bool has_committed = false;
  bool refuses = false;
};

class CompanionTest : public GroupCommitterTest {
 protected:
  Companion companion_;
  GroupCommitter accompanied_{engine_, &NoEpilogue, &companion_};
};

TEST_F(CompanionTest, WritesFirstInTheTransactionOfTheOperations) {
  EXPECT_THAT(accompanied_.Run([](Transaction& transaction) {
    EXPECT_TRUE((*transaction.Get(Table::kSessions, "companion")).has_value());
    return transaction.Put(Table::kSessions, "key", "value");
  }),
              IsOk());
  EXPECT_THAT(Keys(), ElementsAre("companion", "key"));
  EXPECT_EQ(commits_, 1);
  EXPECT_THAT(accompanied_.Run(Put("later")), IsOk());
  EXPECT_EQ(companion_.begun, 2);
  EXPECT_EQ(companion_.ended, 2);
}

TEST_F(CompanionTest, WhatItWroteIsCommittedThoughTheOperationsWriteNothing) {
  EXPECT_THAT(accompanied_.Run([](Transaction&) { return Refusal(); }),
              HasVerdict(Verdict::kExists));
  EXPECT_THAT(Keys(), ElementsAre("companion"));
  EXPECT_TRUE(companion_.has_committed);
}

TEST_F(CompanionTest, IsToldOfEachTransactionWhetherItWasCommitted) {
  EXPECT_THAT(accompanied_.Run([this](Transaction& transaction) {
    EXPECT_EQ(companion_.begun, companion_.ended + 1);
    absl::Status put = transaction.Put(Table::kSessions, "key", "value");
    return put.ok() ? Refusal() : put;
  }),
              HasVerdict(Verdict::kExists));
  EXPECT_EQ(companion_.begun, 2) << "the batch was run again without the offender";
  EXPECT_EQ(companion_.ended, 2);
  EXPECT_TRUE(companion_.has_committed);
  EXPECT_THAT(Keys(), ElementsAre("companion"));
}

TEST_F(CompanionTest, ItsFailureIsNobodysRefusal) {
  companion_.refuses = true;
  EXPECT_THAT(accompanied_.Run(Put("key")), IsOk());
  EXPECT_THAT(Keys(), ElementsAre("key"));
  EXPECT_EQ(companion_.begun, 1);
  EXPECT_EQ(companion_.ended, 2) << "without it, in the end";
}

TEST_F(CompanionTest, WhereThereIsNoRoomForItTheOperationsGoWithoutIt) {
  for (const Fault fault :
       {Fault::kMapFull, Fault::kTooBig, Fault::kNoMemory, Fault::kDiskFull, Fault::kFailed}) {
    for (const Step at : {Step::kPut, Step::kCommit}) {
      companion_.has_committed = false;
      bool has_failed = false;
      script_ = [&](Step step) {
        return step != at || std::exchange(has_failed, true) ? Fault::kNone : fault;
      };
      const int begun_before = companion_.begun;
      EXPECT_THAT(accompanied_.Run(Put("key")), IsOk()) << static_cast<int>(fault);
      EXPECT_TRUE(has_failed);
      EXPECT_EQ(companion_.begun, begun_before + 1);
      EXPECT_THAT(Keys(), ElementsAre("key"));
    }
  }
}

TEST_F(CompanionTest, UnknownOutcomeIsNotCommitted) {
  script_ = [](Step step) { return step == Step::kCommit ? Fault::kUnknown : Fault::kNone; };
  EXPECT_THAT(accompanied_.Run(Put("key")), HasVerdict(Verdict::kPoisoned));
  EXPECT_FALSE(companion_.has_committed);
  EXPECT_EQ(companion_.ended, 1);
}

// Order.

TEST_F(GroupCommitterTest, NobodyIsAnsweredBeforeTheCommit) {
  std::atomic<int> answered{0};
  int answered_at_commit = -1;
  script_ = [&](Step step) {
    if (step != Step::kCommit) return Fault::kNone;
    // Long enough for whoever was told too early to say so.
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    while (answered == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    answered_at_commit = answered;
    return Fault::kNone;
  };
  Batch batch(committer_);
  for (int i = 0; i < 8; ++i) {
    batch.AddCaller([&answered, put = Put(absl::StrCat("key ", i))](GroupCommitter& committer) {
      absl::Status answer = committer.Run(put);
      ++answered;
      return answer;
    });
  }
  // Refused and without a write of its own, and still not told before the others are safe.
  batch.AddCaller([&answered](GroupCommitter& committer) {
    absl::Status answer = committer.Run([](Transaction&) { return Refusal(); });
    ++answered;
    return answer;
  });
  EXPECT_THAT(batch.Answers(), SizeIs(9));
  EXPECT_EQ(answered_at_commit, 0);
  EXPECT_EQ(answered, 9);
}

TEST_F(GroupCommitterTest, DrainWaitsForWhatIsQueuedAndUnderWay) {
  std::atomic<int> ran{0};
  Batch batch(committer_);
  for (int i = 0; i < 3; ++i) {
    batch.Add([&ran](Transaction& transaction) {
      ++ran;
      return transaction.Put(Table::kSessions, "key", "");
    });
  }
  int ran_when_drained = -1;
  int commits_when_drained = -1;
  std::thread drain([&] {
    committer_.Drain();
    ran_when_drained = ran;
    commits_when_drained = commits_;
  });
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  drain.join();
  EXPECT_EQ(ran_when_drained, 3);
  EXPECT_EQ(commits_when_drained, 1);
}

TEST_F(GroupCommitterTest, DrainOfAnIdleCommitterReturns) {
  committer_.Drain();
  EXPECT_THAT(committer_.Run(Put("key")), IsOk());
  committer_.Drain();
}

TEST_F(GroupCommitterTest, ShutEngineRunsNothing) {
  engine_.Shut(Verdict::kClosed);
  EXPECT_THAT(committer_.Run(Put("key")), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(Keys(), IsEmpty());
}

// Over LMDB.

class LmdbGroupCommitTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK_AND_ASSIGN(engine_, folder_.CreateEngine()); }

  void OpenAgain() {
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(engine_, folder_.OpenEngine());
  }

  uint64_t Rows() {
    const auto snapshot = engine_->Read();
    EXPECT_THAT(snapshot, IsOk());
    return snapshot.ok() ? (*snapshot)->Count(Table::kSessions).value_or(0) : 0;
  }

  LmdbFolder folder_;
  std::unique_ptr<LmdbEngine> engine_;
};

TEST_F(LmdbGroupCommitTest, OneSyncForAllThatQueued) {
  GroupCommitter committer(*engine_, &NoEpilogue);
  Batch batch(committer);
  for (int i = 0; i < 64; ++i) batch.Add(Put(absl::StrCat("key ", i)));
  const ScopedIoFaults watching;
  EXPECT_THAT(batch.Answers(), Each(IsOk()));
  EXPECT_EQ(watching.Count(IoCall::kSync), 1u);
  EXPECT_EQ(Rows(), 64u);
}

// Trap 1. LMDB itself would go on after a failed sync.
TEST_F(LmdbGroupCommitTest, FailedSyncPoisonsUntilTheStoreIsOpenedAnew) {
  {
    GroupCommitter committer(*engine_, &NoEpilogue);
    ASSERT_THAT(committer.Run(Put("before")), IsOk());
    {
      Batch batch(committer);
      for (const char* key : {"one", "two"}) batch.Add(Put(key));
      const ScopedIoFaults faults({.call = IoCall::kSync, .error = ENOSPC});
      EXPECT_THAT(batch.Answers(), Each(HasVerdict(Verdict::kPoisoned)));
    }
    EXPECT_THAT(committer.Run(Put("later")), HasVerdict(Verdict::kPoisoned));
    EXPECT_THAT(engine_->Read(), HasVerdict(Verdict::kPoisoned));
  }
  OpenAgain();
  EXPECT_THAT(Rows(), AnyOf(1u, 3u)) << "both of the batch, or none";
  GroupCommitter committer(*engine_, &NoEpilogue);
  EXPECT_THAT(committer.Run(Put("later")), IsOk());
}

TEST_F(LmdbGroupCommitTest, StoreAtItsMaximumRefusesOnlyWhatDoesNotFit) {
  engine_.reset();
  folder_.options.max_map_bytes = folder_.options.map_bytes;
  OpenAgain();
  GroupCommitter committer(*engine_, &NoEpilogue);
  Batch batch(committer);
  batch.Add(Put("one"));
  batch.Add(Put("too big", std::string(2 << 20, 'x')));
  batch.Add(Put("three"));
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), HasVerdict(Verdict::kFull), IsOk()));
  EXPECT_EQ(Rows(), 2u);
}

// What is left of the disk is the reserve.
TEST_F(LmdbGroupCommitTest, FullDiskRefusesWhatTakesRoomAndServesWhatFreesSome) {
  engine_.reset();
  folder_.options.map_bytes = folder_.options.max_map_bytes = 64 << 20;
  folder_.options.reserved_bytes = 512 << 10;
  OpenAgain();
  GroupCommitter committer(*engine_, &NoEpilogue);
  const std::string big(100'000, 'x');
  ASSERT_THAT(committer.Run(Put("first")), IsOk());
  const ScopedIoFaults faults({.call = IoCall::kAllocate, .error = ENOSPC, .for_good = true});
  // The step in which the file grows has some room of its own.
  uint64_t taken = 1;
  while (committer.Run(Put(absl::StrCat("taken ", taken), big)).ok()) ASSERT_LT(++taken, 12u);
  Batch batch(committer);
  for (const char* key : {"one", "two"}) {
    batch.AddCaller([&big, key](GroupCommitter& shared) {
      return shared.Run(Put(key, big), GroupCommitter::Room::kFrees);
    });
    batch.Add(Put("refused", big));
  }
  const auto is_full = HasVerdict(Verdict::kFull);
  EXPECT_THAT(batch.Answers(), ElementsAre(IsOk(), is_full, IsOk(), is_full));
  EXPECT_EQ(Rows(), taken + 2);
}

// Trap 12: a map of 1 MiB grows many times over while threads read and write. Each snapshot is
// whole: the counter in it, written with every row, is the number of its rows.
TEST_F(LmdbGroupCommitTest, MapGrowsUnderReadersAndWriters) {
  constexpr int kWriters = 4;
  constexpr int kReaders = 2;
  constexpr uint64_t kRowsEach = 100;
  const std::string value(16'000, 'v');
  GroupCommitter committer(*engine_, [](Transaction& transaction) -> absl::Status {
    const absl::StatusOr<uint64_t> rows = transaction.Count(Table::kSessions);
    if (!rows.ok()) return rows.status();
    return transaction.Put(Table::kMeta, "rows", EncodeNumber(*rows));
  });
  std::atomic<int> writing{kWriters};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (uint64_t i = 0; i < kRowsEach; ++i) {
        failed += committer.Run(Put(absl::StrCat(writer, " ", i), value)).ok() ? 0 : 1;
      }
      --writing;
    });
  }
  const auto is_whole = [&value](Snapshot& snapshot) {
    uint64_t rows = 0;
    bool intact = true;
    intact &= snapshot
                  .ScanUp(Table::kSessions, "",
                          [&](absl::string_view, absl::string_view seen) {
                            ++rows;
                            return intact &= seen == value;
                          })
                  .ok();
    const auto counter = snapshot.Get(Table::kMeta, "rows");
    if (!counter.ok()) return false;
    return intact && (counter->has_value() ? DecodeNumber(**counter) : 0) == rows;
  };
  for (int reader = 0; reader < kReaders; ++reader) {
    threads.emplace_back([&] {
      while (writing > 0) {
        const auto snapshot = engine_->Read();
        failed += snapshot.ok() && is_whole(**snapshot) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Rows(), kWriters * kRowsEach);
  EXPECT_GE(engine_->MeasureSpace()->map_bytes, 8 * folder_.options.map_bytes) << "it grew";
}

}  // namespace
}  // namespace batonstore
