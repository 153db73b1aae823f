// Observers: callbacks that are told of every event until they say that they have it.

#include "batonstore/store/event_observer.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/session_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/memory_store.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using ::testing::ElementsAre;
using testing::FileStoreFixture;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStore;
using testing::MemoryStoreFixture;
using testing::OnThreads;

// Or the test times out.
void WaitUntil(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::yield();
}

// A callback that writes down what it is told, and may say no.
class Recorder {
 public:
  EventObserver::Callback callback() {
    return [this](const Event& event) { return Take(event); };
  }

  // From now on this is the answer.
  void Answer(absl::Status status) {
    MutexLock lock(mu_);
    answer_ = std::move(status);
  }

  std::vector<uint64_t> told() const {
    MutexLock lock(mu_);
    return told_;
  }
  void WaitFor(size_t number) const {
    WaitUntil([&] { return told().size() >= number; });
  }

 private:
  absl::Status Take(const Event& event) {
    MutexLock lock(mu_);
    told_.push_back(event.sequence);
    return answer_;
  }

  mutable Mutex mu_;
  std::vector<uint64_t> told_ ABSL_GUARDED_BY(mu_);
  absl::Status answer_ ABSL_GUARDED_BY(mu_);
};

class EventObserverTest : public MemoryStoreFixture {
 protected:
  EventLog& log() { return store().events(); }

  void CreateMany(int number) {
    for (int i = 0; i < number; ++i) Create();
  }

  uint64_t Unread() { return store().Stats()->events; }

  Recorder recorder_;
};

TEST_F(EventObserverTest, IsToldOfEveryEventOnceAndInOrder) {
  EventObserver observer(log(), "observer", recorder_.callback());
  CreateMany(5);
  recorder_.WaitFor(5);
  CreateMany(3);
  WaitUntil([this] { return Unread() == 0; });
  EXPECT_THAT(recorder_.told(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(observer.status(), IsOk());
}

TEST_F(EventObserverTest, IsToldOfWhatHappensRightAfterItWasMade) {
  for (int round = 0; round < 20; ++round) {
    StartAnew({});
    Recorder recorder;
    EventObserver observer(log(), "observer", recorder.callback());
    Create();
    recorder.WaitFor(1);
  }
}

TEST_F(EventObserverTest, IsToldOfNothingThatHappenedBefore) {
  ASSERT_THAT(log().AddConsumer("other"), IsOk());
  CreateMany(2);
  EventObserver observer(log(), "observer", recorder_.callback());
  Create();
  recorder_.WaitFor(1);
  EXPECT_THAT(recorder_.told(), ElementsAre(3));
}

TEST_F(EventObserverTest, IsToldTheSameEventAgainWhileItSaysNo) {
  recorder_.Answer(absl::UnavailableError("not now"));
  EventObserver observer(log(), "observer", recorder_.callback());
  CreateMany(2);
  recorder_.WaitFor(3);
  EXPECT_EQ(Unread(), 2u) << "what was refused is not acknowledged";
  recorder_.Answer(absl::OkStatus());
  WaitUntil([this] { return Unread() == 0; });
  std::vector<uint64_t> told = recorder_.told();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), 2u);
  told.pop_back();
  for (const uint64_t sequence : told) EXPECT_EQ(sequence, 1u) << "the second overtook the first";
}

TEST_F(EventObserverTest, ItsRefusalsAreNotItsStatus) {
  recorder_.Answer(absl::InternalError("no"));
  EventObserver observer(log(), "observer", recorder_.callback());
  Create();
  recorder_.WaitFor(2);
  EXPECT_THAT(observer.status(), IsOk());
}

TEST_F(EventObserverTest, EndsWhileItWaitsForEvents) {
  EventObserver observer(log(), "observer", recorder_.callback());
}

TEST_F(EventObserverTest, EndsWhileItsCallbackSaysNoAndTellsTheNextOne) {
  {
    recorder_.Answer(absl::UnavailableError("never"));
    EventObserver observer(log(), "observer", recorder_.callback());
    CreateMany(2);
    recorder_.WaitFor(2);
  }
  Recorder next;
  EventObserver observer(log(), "observer", next.callback());
  next.WaitFor(2);
  EXPECT_THAT(next.told(), ElementsAre(1, 2));
}

TEST_F(EventObserverTest, EndsAfterTheCallbackUnderWayAndLeavesTheRestToTheNextOne) {
  constexpr uint64_t kEvents = 200;
  ASSERT_THAT(log().AddConsumer("observer"), IsOk());
  CreateMany(kEvents);
  std::atomic<uint64_t> told = 0;
  {
    EventObserver observer(log(), "observer", [&told](const Event&) {
      ++told;
      absl::SleepFor(absl::Milliseconds(5));  // it has something to do
      return absl::OkStatus();
    });
    WaitUntil([&] { return told > 0; });
  }
  EXPECT_LT(told, kEvents) << "it told all before it ended";
  EXPECT_EQ(Unread(), kEvents - told) << "what it has told is acknowledged";
  Recorder next;
  EventObserver observer(log(), "observer", next.callback());
  next.WaitFor(1);
  EXPECT_EQ(next.told()[0], told + 1);
}

TEST_F(EventObserverTest, StaysRegisteredWhenItEnds) {
  { EventObserver observer(log(), "observer", recorder_.callback()); }
  CreateMany(2);
  EXPECT_EQ(Unread(), 2u);
  EventObserver observer(log(), "observer", recorder_.callback());
  recorder_.WaitFor(2);
  EXPECT_THAT(recorder_.told(), ElementsAre(1, 2));
}

TEST_F(EventObserverTest, GoesOnAfterARestartWhereItStopped) {
  {
    EventObserver observer(log(), "observer", recorder_.callback());
    CreateMany(3);
    WaitUntil([this] { return Unread() == 0; });
  }
  CreateMany(2);
  Restart();
  EventObserver observer(log(), "observer", recorder_.callback());
  Create();
  recorder_.WaitFor(6);
  EXPECT_THAT(recorder_.told(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(EventObserverTest, AfterACrashIsToldAgainOfWhatWasNotAcknowledged) {
  ASSERT_THAT(log().AddConsumer("observer"), IsOk());
  CreateMany(3);
  MemoryStore::Disk disk;  // as it was when the last one was being told
  {
    EventObserver observer(log(), "observer", [&](const Event& event) {
      if (event.sequence == 3) disk = memory().Crash();
      return recorder_.callback()(event);
    });
    recorder_.WaitFor(3);
  }
  MemoryStore again(disk);
  EventObserver observer(again->events(), "observer", recorder_.callback());
  WaitUntil([&] { return again->Stats()->events == 0; });
  EXPECT_THAT(recorder_.told(), ElementsAre(1, 2, 3, 1, 2, 3)) << "at least once, and none missed";
}

TEST_F(EventObserverTest, EachHasItsOwnPace) {
  Recorder slow;
  slow.Answer(absl::UnavailableError("not now"));
  EventObserver first(log(), "first", recorder_.callback());
  EventObserver second(log(), "second", slow.callback());
  CreateMany(3);
  recorder_.WaitFor(3);
  slow.WaitFor(1);
  EXPECT_EQ(Unread(), 3u);
  slow.Answer(absl::OkStatus());
  WaitUntil([this] { return Unread() == 0; });
  EXPECT_THAT(recorder_.told(), ElementsAre(1, 2, 3));
}

TEST_F(EventObserverTest, ItsCallbackMayUseTheStore) {
  SessionSpec spec = LastingSpec();
  spec.intent = "register alice";
  Reserve(spec);
  std::vector<std::string> undone;
  EventObserver observer(log(), "observer", [&](const Event& event) {
    if (event.type != EventType::kCompensation) return absl::OkStatus();
    undone.push_back(event.detail);
    return store().Acknowledge(event.alias);
  });
  Advance(absl::Hours(1));
  SweepAll();
  WaitUntil([this] { return store().Stats()->compensations == 0 && Unread() == 0; });
  EXPECT_THAT(undone, ElementsAre("register alice"));
}

TEST_F(EventObserverTest, ABadNameIsItsStatusAndNothingIsTold) {
  for (const std::string& name : {std::string(), std::string(256, 'n')}) {
    EventObserver observer(log(), name, recorder_.callback());
    EXPECT_THAT(observer.status(), HasVerdict(Verdict::kInvalid));
    Create();
  }
  EXPECT_THAT(recorder_.told(), IsEmpty());
  EXPECT_EQ(store().Stats()->consumers, 0u);
}

TEST_F(EventObserverTest, TriesAgainWhenTheLogFails) {
  EventObserver observer(log(), "observer", recorder_.callback());
  Create();
  WaitUntil([this] { return Unread() == 0; });
  recorder_.Answer(absl::UnavailableError("not now"));
  CreateMany(2);
  recorder_.WaitFor(2);
  engine().InjectFaults([](MemoryEngine::Step) { return Fault::kFailed; });
  recorder_.Answer(absl::OkStatus());
  WaitUntil([&] { return !observer.status().ok(); });
  EXPECT_THAT(observer.status(), HasVerdict(Verdict::kIo));
  engine().InjectFaults(nullptr);
  WaitUntil([this] { return Unread() == 0; });
  WaitUntil([&] { return observer.status().ok(); });
  const std::vector<uint64_t> told = recorder_.told();
  EXPECT_EQ(told.back(), 3u);
}

TEST_F(EventObserverTest, AConsumerThatIsTakenAwayUnderItIsRegisteredAgain) {
  EventObserver observer(log(), "observer", recorder_.callback());
  Create();
  WaitUntil([this] { return Unread() == 0; });
  ASSERT_THAT(log().RemoveConsumer("observer"), IsOk());
  WaitUntil([this] { return store().Stats()->consumers == 1; });
  Create();
  recorder_.WaitFor(2);
}

TEST_F(EventObserverTest, EndsByItselfWhenTheStoreIsClosed) {
  EventObserver observer(log(), "observer", recorder_.callback());
  ASSERT_THAT(store().Close(), IsOk());
  WaitUntil([&] { return !observer.status().ok(); });
  EXPECT_THAT(observer.status(), HasVerdict(Verdict::kClosed));
}

TEST_F(EventObserverTest, EndsByItselfWhenTheStoreIsPoisoned) {
  EventObserver observer(log(), "observer", recorder_.callback());
  engine().InjectFaults([](MemoryEngine::Step step) {
    return step == MemoryEngine::Step::kCommit ? Fault::kUnknown : Fault::kNone;
  });
  EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), HasVerdict(Verdict::kPoisoned));
  WaitUntil([&] { return !observer.status().ok(); });
  EXPECT_THAT(observer.status(), HasVerdict(Verdict::kPoisoned));
  engine().InjectFaults(nullptr);
}

// ---- In a real file ----

class EventObserverFileTest : public FileStoreFixture {};

TEST_F(EventObserverFileTest, SeesTheEventsOfAllThreads) {
  constexpr int kThreads = 16;
  constexpr int kEach = 20;
  constexpr uint64_t kEvents = uint64_t{kThreads} * kEach;
  Recorder recorder;
  EventObserver observer(store().events(), "observer", recorder.callback());
  OnThreads(kThreads, [&](int) {
    for (int i = 0; i < kEach; ++i) Create();
  });
  WaitUntil([this] { return store().Stats()->events == 0; });
  const std::vector<uint64_t> told = recorder.told();
  ASSERT_EQ(told.size(), kEvents);
  for (uint64_t i = 0; i < kEvents; ++i) EXPECT_EQ(told[i], i + 1);
}

TEST_F(EventObserverFileTest, AReopenedStoreTellsItsNextObserverTheRest) {
  Recorder recorder;
  {
    EventObserver observer(store().events(), "observer", recorder.callback());
    Create();
    WaitUntil([this] { return store().Stats()->events == 0; });
  }
  Create();
  ASSERT_NO_FATAL_FAILURE(Open());
  EventObserver observer(store().events(), "observer", recorder.callback());
  recorder.WaitFor(2);
  EXPECT_THAT(recorder.told(), ElementsAre(1, 2));
}

}  // namespace
}  // namespace batonstore
