// What the in-memory engine has beyond the contract of all engines (engine_test.cc).

#include "batonstore/store/memory_engine.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::ElementsAre;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Pair;

using Decision = Engine::Decision;
using Step = MemoryEngine::Step;

Engine::Outcome PutAndDelete(MemoryEngine& engine) {
  return engine.Write([](Transaction& transaction) {
    (void)transaction.Put(Table::kSessions, "key", "value");
    (void)transaction.Delete(Table::kGroups, "key");
    return Decision::kCommit;
  });
}

const MemoryEngine::TableRows& Sessions(const MemoryEngine::Rows& rows) {
  return rows[TableIndex(Table::kSessions)];
}

TEST(MemoryEngineTest, StartsFromTheRowsThatItIsGiven) {
  MemoryEngine first;
  EXPECT_THAT(PutAndDelete(first).status, IsOk());
  const MemoryEngine second(first.Committed());
  EXPECT_THAT(Sessions(second.Committed()), ElementsAre(Pair("key", "value")));
}

TEST(MemoryEngineTest, AsksTheInjectorBeforeEachStep) {
  MemoryEngine engine;
  std::vector<Step> steps;
  engine.InjectFaults([&steps](Step step) {
    steps.push_back(step);
    return Fault::kNone;
  });
  EXPECT_THAT(PutAndDelete(engine).status, IsOk());
  EXPECT_THAT(steps, ElementsAre(Step::kPut, Step::kDelete, Step::kCommit));
}

TEST(MemoryEngineTest, FaultAtAnyStepIsReportedAndChangesNothing) {
  for (const Step failing : {Step::kPut, Step::kDelete, Step::kCommit}) {
    for (const Fault fault : {Fault::kMapFull, Fault::kTooBig, Fault::kNoMemory, Fault::kFailed}) {
      MemoryEngine engine;
      engine.InjectFaults([=](Step step) { return step == failing ? fault : Fault::kNone; });
      const Engine::Outcome outcome = PutAndDelete(engine);
      EXPECT_EQ(outcome.fault, fault);
      EXPECT_EQ(outcome.in_commit, failing == Step::kCommit);
      EXPECT_FALSE(outcome.status.ok());
      EXPECT_THAT(Sessions(engine.Committed()), IsEmpty());
    }
  }
}

TEST(MemoryEngineTest, UnknownOutcomePersistsOnlyWhenAsked) {
  for (const bool persist : {false, true}) {
    MemoryEngine engine;
    engine.InjectFaults(
        [](Step step) { return step == Step::kCommit ? Fault::kUnknown : Fault::kNone; }, persist);
    EXPECT_EQ(PutAndDelete(engine).fault, Fault::kUnknown);
    EXPECT_EQ(Sessions(engine.Committed()).size(), persist ? 1u : 0u);
  }
}

TEST(MemoryEngineTest, GrowsAsOftenAsAllowed) {
  MemoryEngine engine;
  EXPECT_THAT(engine.Grow(), HasVerdict(Verdict::kFull));
  engine.AllowGrowth(2);
  EXPECT_THAT(engine.Grow(), IsOk());
  EXPECT_THAT(engine.Grow(), IsOk());
  EXPECT_THAT(engine.Grow(), HasVerdict(Verdict::kFull));
}

}  // namespace
}  // namespace batonstore
