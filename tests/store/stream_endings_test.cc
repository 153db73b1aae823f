// How streams end, and what becomes of what they hold: each way to end, what fails on the way, the
// limit, the reaper, and who looks at them.

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/repeating_thread.h"
#include "batonstore/store/stream_registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_streams.h"
#include "tests/support/forked_child.h"
#include "tests/support/status_matchers.h"
#include "tests/support/stream_fixture.h"

namespace batonstore {
namespace {

using testing::Channel;
using ::testing::ElementsAre;
using testing::FakeCapture;
using testing::FakeConnection;
using testing::ForkedChild;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::kCleanEnd;
using testing::StreamFixture;

using Connected = absl::StatusOr<std::unique_ptr<PinnedConnection>>;

class StreamEndingsTest : public StreamFixture {
 protected:
  // A spec whose connection's rollback does this.
  OpenStream WithRollback(std::function<absl::Status(absl::Time)> rollback) {
    OpenStream spec = Spec();
    spec.connect = [this, rollback = std::move(rollback)](absl::Time) {
      return std::make_unique<FakeConnection>(journal_, rollback);
    };
    return spec;
  }
};

// ---- Each way to end gives everything back once, in order ----

TEST_F(StreamEndingsTest, Close) {
  StreamTurn turn = OpenOrDie();
  ASSERT_THAT(turn.SetCapture(std::make_unique<FakeCapture>(journal_)), IsOk());
  EXPECT_THAT(turn.Close(), IsOk());
  EXPECT_THAT(journal_.Notes(),
              ElementsAre("close capture", "rollback", "return", "destroy", "release"));
  EXPECT_EQ(streams_->Count(), 0u);
}

TEST_F(StreamEndingsTest, DroppedTurn) {
  std::string baton;
  {
    StreamTurn turn = OpenOrDie();
    ASSERT_THAT(turn.SetCapture(std::make_unique<FakeCapture>(journal_)), IsOk());
    baton = *turn.PeekBaton();
  }
  EXPECT_THAT(journal_.Notes(),
              ElementsAre("close capture", "rollback", "return", "destroy", "release"));
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
}

TEST_F(StreamEndingsTest, TakenCaptureIsTheTakers) {
  StreamTurn turn = OpenOrDie();
  ASSERT_THAT(turn.SetCapture(std::make_unique<FakeCapture>(journal_)), IsOk());
  const std::unique_ptr<Capture> taken = turn.TakeCapture();
  EXPECT_THAT(turn.Close(), IsOk());
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

TEST_F(StreamEndingsTest, KilledWhileIdle) {
  const std::string baton = NewBaton();
  const uint64_t id = OnlyId();
  EXPECT_EQ(streams_->Kill(id), Killed::kKilled);
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
  EXPECT_EQ(streams_->Kill(id), Killed::kNotFound);
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
}

TEST_F(StreamEndingsTest, KilledWhileBusy) {
  const std::string baton = NewBaton();
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
  EXPECT_EQ(streams_->Kill(turn.id(), WhenBusy::kLeave), Killed::kBusy);
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kBusy));
  EXPECT_EQ(streams_->Kill(turn.id()), Killed::kWhenReleased);
  EXPECT_EQ(streams_->Kill(turn.id()), Killed::kWhenReleased);
  EXPECT_EQ(streams_->Kill(turn.id(), WhenBusy::kLeave), Killed::kBusy);
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(journal_.Notes(), IsEmpty());
  EXPECT_TRUE(turn.is_under_way());
  EXPECT_THAT(turn.Finish(), HasVerdict(Verdict::kLost));
  EXPECT_FALSE(turn.is_under_way());
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

TEST_F(StreamEndingsTest, KilledWhileBeingOpened) {
  OpenStream spec = Spec();
  spec.connect = [this](absl::Time) -> Connected {
    EXPECT_TRUE(streams_->List().front().busy);
    EXPECT_EQ(streams_->Kill(OnlyId()), Killed::kWhenReleased);
    return std::make_unique<FakeConnection>(journal_);
  };
  EXPECT_THAT(OpenOrDie(std::move(spec)).Finish(), HasVerdict(Verdict::kLost));
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

TEST_F(StreamEndingsTest, KillOfWhatIsNot) {
  OpenOrDie();
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 40}) {
    EXPECT_EQ(streams_->Kill(id), Killed::kNotFound) << id;
  }
}

TEST_F(StreamEndingsTest, Reaped) {
  const std::string baton = NewBaton();
  clock_.Advance(absl::Seconds(60) - absl::Nanoseconds(1));
  EXPECT_EQ(streams_->Reap(), 0u);
  EXPECT_THAT(journal_.Notes(), IsEmpty());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(streams_->Reap(), 1u);
  EXPECT_EQ(streams_->Reap(), 0u);
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
}

TEST_F(StreamEndingsTest, ClosedWithAllTheOthers) {
  const std::string idle = NewBaton();
  StreamTurn busy = OpenOrDie();
  EXPECT_EQ(streams_->CloseAll(), 1u);
  EXPECT_EQ(journal_.Take(), kCleanEnd);
  EXPECT_EQ(streams_->CloseAll(), 0u);
  EXPECT_EQ(streams_->Count(), 1u);
  EXPECT_THAT(busy.Finish(), HasVerdict(Verdict::kLost));
  EXPECT_EQ(journal_.Take(), kCleanEnd);
  EXPECT_EQ(streams_->Count(), 0u);
  NewBaton();  // there may be others
}

TEST_F(StreamEndingsTest, ShutRefusesNewOnes) {
  NewBaton();
  StreamTurn busy = OpenOrDie();
  streams_->Shut();
  EXPECT_EQ(journal_.Take(), kCleanEnd);
  EXPECT_THAT(streams_->Open(Spec()), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(journal_.Take(), ElementsAre("release"));
  EXPECT_THAT(busy.Close(), IsOk());
  EXPECT_EQ(journal_.Take(), kCleanEnd);
}

TEST_F(StreamEndingsTest, DestroyedWithTheRegistry) {
  NewBaton();
  streams_.reset();
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

TEST_F(StreamEndingsTest, PoisonedAndClosedStoresLoseTheirStreams) {
  for (const Verdict why : {Verdict::kPoisoned, Verdict::kClosed}) {
    const std::string baton = NewBaton();
    StreamTurn busy = OpenOrDie();
    host_.Break(why);
    EXPECT_THAT(Resume(baton), HasVerdict(why));
    EXPECT_THAT(Resume("nonsense"), HasVerdict(why));
    EXPECT_THAT(busy.Finish(), HasVerdict(why));
    EXPECT_EQ(journal_.Take(), kCleanEnd);
    EXPECT_THAT(streams_->Open(Spec()), HasVerdict(why));
    EXPECT_THAT(journal_.Take(), ElementsAre("release"));
    EXPECT_EQ(streams_->Reap(), 1u);
    EXPECT_EQ(journal_.Take(), kCleanEnd);
    host_.Mend();  // for the next round
  }
}

// ---- Rollbacks that fail ----

TEST_F(StreamEndingsTest, FailedRollbackDiscards) {
  StreamTurn turn = OpenOrDie(WithRollback([](absl::Time) { return absl::InternalError("no"); }));
  EXPECT_EQ(turn.Close().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(journal_.Notes(), ElementsAre("rollback", "discard", "destroy", "release"));
}

TEST_F(StreamEndingsTest, LateRollbackDiscards) {
  StreamTurn turn = OpenOrDie(WithRollback([this](absl::Time deadline) {
    EXPECT_EQ(deadline, clock_.Wall() + absl::Seconds(5));
    clock_.Advance(absl::Seconds(5) + absl::Nanoseconds(1));
    return absl::OkStatus();
  }));
  EXPECT_THAT(turn.Close(), HasVerdict(Verdict::kBusy));
  EXPECT_THAT(journal_.Notes(), ElementsAre("rollback", "discard", "destroy", "release"));
}

TEST_F(StreamEndingsTest, WallClockThatJumpsDoesNotMakeARollbackLate) {
  for (const absl::Duration jump : {absl::Hours(24), absl::Hours(-24)}) {
    StreamTurn turn = OpenOrDie(WithRollback([=, this](absl::Time) {
      clock_.JumpWall(jump);
      clock_.Advance(absl::Seconds(5));
      return absl::OkStatus();
    }));
    EXPECT_THAT(turn.Close(), IsOk());
    EXPECT_EQ(journal_.Take(), kCleanEnd);
  }
}

TEST_F(StreamEndingsTest, RollbackThatThrowsDiscards) {
  for (const bool known : {true, false}) {
    StreamTurn turn = OpenOrDie(WithRollback([known](absl::Time) -> absl::Status {
      if (known) throw std::runtime_error("no");
      throw 17;
    }));
    EXPECT_THAT(turn.Close(), HasVerdict(Verdict::kIo));
    EXPECT_THAT(journal_.Take(), ElementsAre("rollback", "discard", "destroy", "release"));
  }
}

TEST_F(StreamEndingsTest, RollbacksRunOffTheLock) {
  StreamTurn other = OpenOrDie();
  std::string baton;
  baton = NewBaton(WithRollback([&, this](absl::Time) {
    EXPECT_EQ(streams_->Count(), 2u);
    EXPECT_EQ(streams_->List().size(), 2u);
    EXPECT_EQ(streams_->Kill(other.id()), Killed::kWhenReleased);
    EXPECT_THAT(streams_->Open({.database = "other"}), IsOk());
    EXPECT_EQ(streams_->Reap(), 0u);
    EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
    return absl::OkStatus();
  }));
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ(streams_->Reap(), 1u);
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

// ---- Opening that fails ----

TEST_F(StreamEndingsTest, FailedFactory) {
  OpenStream spec = Spec();
  spec.connect = [](absl::Time) -> Connected { return absl::UnavailableError("the pool is dry"); };
  EXPECT_EQ(streams_->Open(std::move(spec)).status(), absl::UnavailableError("the pool is dry"));
  EXPECT_THAT(journal_.Notes(), ElementsAre("release"));
  EXPECT_EQ(streams_->Count(), 0u);
}

TEST_F(StreamEndingsTest, FactoryThatThrows) {
  const std::vector<std::pair<std::function<void()>, Verdict>> throwers = {
      {[] { throw std::runtime_error("no"); }, Verdict::kIo},
      {[] { throw 17; }, Verdict::kIo},
      {[] { throw std::bad_alloc(); }, Verdict::kTooMany},
  };
  for (const auto& [thrower, verdict] : throwers) {
    OpenStream spec = Spec();
    spec.connect = [&thrower](absl::Time) -> Connected {
      thrower();
      return nullptr;
    };
    EXPECT_THAT(streams_->Open(std::move(spec)), HasVerdict(verdict));
    EXPECT_THAT(journal_.Take(), ElementsAre("release"));
    EXPECT_EQ(streams_->Count(), 0u);
  }
}

TEST_F(StreamEndingsTest, FactoryThatHangsToItsDeadline) {
  OpenStream spec = Spec();
  const absl::Time deadline = clock_.Wall() + absl::Seconds(2);
  spec.deadline = deadline;
  spec.connect = [=, this](absl::Time told) -> Connected {
    EXPECT_EQ(told, deadline);
    clock_.JumpWall(absl::Hours(-24));  // elapsed time is what counts
    clock_.Advance(absl::Seconds(2) + absl::Nanoseconds(1));
    return std::make_unique<FakeConnection>(journal_);
  };
  EXPECT_THAT(streams_->Open(std::move(spec)), HasVerdict(Verdict::kBusy));
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
  EXPECT_EQ(streams_->Count(), 0u);
}

TEST_F(StreamEndingsTest, FactoryJustInTime) {
  OpenStream spec = Spec();
  spec.deadline = clock_.Wall() + absl::Seconds(2);
  spec.connect = [this](absl::Time) -> Connected {
    clock_.JumpWall(absl::Hours(24));
    clock_.Advance(absl::Seconds(2));
    return std::make_unique<FakeConnection>(journal_);
  };
  EXPECT_THAT(OpenOrDie(std::move(spec)).Finish(), IsOk());
}

TEST_F(StreamEndingsTest, DeadlineThatHasPassedPinsNothing) {
  OpenStream spec = Spec();
  spec.deadline = clock_.Wall();
  spec.connect = [](absl::Time) -> Connected {
    ADD_FAILURE() << "called after the deadline";
    return nullptr;
  };
  EXPECT_THAT(streams_->Open(std::move(spec)), HasVerdict(Verdict::kBusy));
  EXPECT_THAT(journal_.Notes(), ElementsAre("release"));
}

TEST_F(StreamEndingsTest, SpecsThatAreInvalid) {
  OpenStream spec = Spec();
  spec.connection = std::make_unique<FakeConnection>(journal_);
  EXPECT_THAT(streams_->Open(std::move(spec)), HasVerdict(Verdict::kInvalid));
  EXPECT_EQ(journal_.Take(), kCleanEnd);
  for (std::string OpenStream::*field : {&OpenStream::database, &OpenStream::principal}) {
    OpenStream longest = Spec();
    longest.*field = std::string(255, 'x');
    EXPECT_THAT(streams_->Open(std::move(longest)), IsOk());
    journal_.Take();
    OpenStream too_long = Spec();
    too_long.*field = std::string(256, 'x');
    EXPECT_THAT(streams_->Open(std::move(too_long)), HasVerdict(Verdict::kInvalid));
    EXPECT_THAT(journal_.Take(), ElementsAre("release"));
  }
}

TEST_F(StreamEndingsTest, ConnectionThatIsPinnedAlreadyGoesBackToo) {
  OpenStream spec = Spec();
  spec.connect = nullptr;
  spec.connection = std::make_unique<FakeConnection>(journal_);
  StreamTurn turn = OpenOrDie(std::move(spec));
  EXPECT_NE(turn.connection<FakeConnection>(), nullptr);
  EXPECT_THAT(turn.Close(), IsOk());
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

// ---- The limit ----

TEST_F(StreamEndingsTest, PlaceIsTakenBeforeTheConnectionAndGivenBackAfterTheRelease) {
  Restart({.max_per_database = 1});
  OpenStream spec = Spec();
  spec.connect = [this](absl::Time) -> Connected {
    EXPECT_THAT(streams_->Open({.database = "accounts"}), HasVerdict(Verdict::kTooMany));
    return std::make_unique<FakeConnection>(journal_);
  };
  spec.on_release = [this] {
    EXPECT_THAT(streams_->Open({.database = "accounts"}), HasVerdict(Verdict::kTooMany));
    EXPECT_EQ(streams_->Count(), 1u);
    journal_.Note("release");
  };
  EXPECT_THAT(OpenOrDie(std::move(spec)).Close(), IsOk());
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
  EXPECT_THAT(streams_->Open({.database = "accounts"}), IsOk());
}

TEST_F(StreamEndingsTest, AtTheLimitNothingIsPinned) {
  Restart({.max_per_database = 2});
  NewBaton();
  NewBaton();
  OpenStream spec = Spec();
  spec.connect = [](absl::Time) -> Connected {
    ADD_FAILURE() << "called without a place";
    return nullptr;
  };
  EXPECT_THAT(streams_->Open(std::move(spec)), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(journal_.Notes(), ElementsAre("release"));
  spec = Spec();
  spec.database = "other";  // has places of its own
  EXPECT_THAT(streams_->Open(std::move(spec)), IsOk());
  EXPECT_EQ(streams_->Kill(streams_->List().front().id), Killed::kKilled);
  EXPECT_THAT(streams_->Open(Spec()), IsOk());
}

// ---- The reaper ----

TEST_F(StreamEndingsTest, ReaperSkipsBusyStreamsAndFindsThemAgain) {
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(NewBaton()));
  clock_.Advance(absl::Seconds(61));
  EXPECT_EQ(streams_->Reap(), 0u);
  clock_.Advance(absl::Minutes(10));
  EXPECT_EQ(streams_->Reap(), 0u);
  EXPECT_THAT(turn.Finish(), IsOk());  // over age
  EXPECT_EQ(streams_->Reap(), 1u);
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

TEST_F(StreamEndingsTest, ReaperFollowsAStreamInUseToItsEnd) {
  std::string baton = NewBaton();
  for (int second = 0; second < 300; second += 20) {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
    EXPECT_EQ(streams_->Reap(), 0u);
    ASSERT_OK_AND_ASSIGN(baton, turn.Finish());
    clock_.Advance(absl::Seconds(20));
    EXPECT_EQ(streams_->Reap(), second == 280 ? 1u : 0u) << second;
  }
}

TEST_F(StreamEndingsTest, ReaperGoesByWhoIsInTheSlotNow) {
  const std::string first = NewBaton();
  clock_.Advance(absl::Seconds(50));
  EXPECT_THAT(Resume(first)->Close(), IsOk());
  const std::string second = NewBaton();  // in the same slot
  clock_.Advance(absl::Seconds(20));
  EXPECT_EQ(streams_->Reap(), 0u);
  clock_.Advance(absl::Seconds(39));
  EXPECT_EQ(streams_->Reap(), 0u);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(streams_->Reap(), 1u);
}

TEST_F(StreamEndingsTest, ReaperThreadReapsAndStops) {
  NewBaton();
  RepeatingThread reaper(absl::Milliseconds(1), [this] {
    streams_->Reap();
    return absl::Milliseconds(1);
  });
  absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(streams_->Count(), 1u);
  clock_.Advance(absl::Seconds(60));
  while (streams_->Count() > 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
  reaper.Stop();
  NewBaton();
  clock_.Advance(absl::Seconds(60));
  absl::SleepFor(absl::Milliseconds(5));
  EXPECT_LE(streams_->Count(), 1u);
}

TEST_F(StreamEndingsTest, CloseAllWaitsForRollbacksOfOthers) {
  std::atomic<bool> in_rollback = false;
  std::atomic<bool> go_on = false;
  NewBaton(WithRollback([&](absl::Time) {
    in_rollback = true;
    while (!go_on) std::this_thread::yield();
    return absl::OkStatus();
  }));
  std::thread killer([&, id = OnlyId()] { EXPECT_EQ(streams_->Kill(id), Killed::kKilled); });
  while (!in_rollback) std::this_thread::yield();
  std::atomic<bool> all_closed = false;
  std::thread closer([&] {
    EXPECT_EQ(streams_->CloseAll(), 0u);
    EXPECT_EQ(journal_.Notes(), kCleanEnd);
    EXPECT_EQ(streams_->Count(), 0u);
    all_closed = true;
  });
  absl::SleepFor(absl::Milliseconds(10));
  EXPECT_FALSE(all_closed);
  go_on = true;
  killer.join();
  closer.join();
}

// ---- Looking ----

TEST_F(StreamEndingsTest, ListAndCountFilter) {
  NewBaton();
  clock_.Advance(absl::Seconds(10));
  OpenStream spec = Spec();
  spec.principal = "bob";
  spec.read_only = true;
  const StreamTurn busy = OpenOrDie(std::move(spec));
  spec = Spec();
  spec.database = "other";
  NewBaton(std::move(spec));
  clock_.Advance(absl::Seconds(5));

  const std::vector<StreamInfo> all = streams_->List();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].database, "accounts");
  EXPECT_EQ(all[0].principal, "alice");
  EXPECT_FALSE(all[0].read_only);
  EXPECT_FALSE(all[0].busy);
  EXPECT_EQ(all[0].age, absl::Seconds(15));
  EXPECT_EQ(all[0].idle, absl::Seconds(15));
  EXPECT_EQ(all[1].id, busy.id());
  EXPECT_EQ(all[1].principal, "bob");
  EXPECT_TRUE(all[1].read_only);
  EXPECT_TRUE(all[1].busy);
  EXPECT_EQ(all[1].age, absl::Seconds(5));
  EXPECT_EQ(all[1].idle, absl::ZeroDuration());

  const std::vector<std::pair<StreamFilter, size_t>> filters = {
      {{}, 3},
      {{.database = "accounts"}, 2},
      {{.database = "nowhere"}, 0},
      {{.principal = "alice"}, 2},
      {{.busy = true}, 1},
      {{.busy = false}, 2},
      {{.database = "accounts", .principal = "alice", .busy = false}, 1},
      {{.database = "other", .principal = "bob"}, 0},
  };
  for (const auto& [filter, expected] : filters) {
    EXPECT_EQ(streams_->List(filter).size(), expected);
    EXPECT_EQ(streams_->Count(filter), expected);
  }
}

// ---- After a fork ----

TEST_F(StreamEndingsTest, ForkedChildRollsNothingBack) {
  const std::string baton = NewBaton();
  StreamTurn turn = OpenOrDie();
  ForkedChild child([&](Channel&) -> std::string {
    if (streams_->Count() != 0 || !streams_->List().empty()) return "the child sees streams";
    if (streams_->Kill(turn.id()) != Killed::kNotFound) return "the child killed a stream";
    if (streams_->CloseAll() != 0 || streams_->Reap() != 0) return "the child ended streams";
    if (VerdictOf(turn.Close()) != Verdict::kClosed) return "the child closed a turn";
    streams_.reset();
    return journal_.Notes().empty() ? "" : "the child rolled back";
  });
  EXPECT_EQ(child.Join(), "");
  EXPECT_THAT(turn.Finish(), IsOk());
  EXPECT_THAT(Resume(baton), IsOk());
}

}  // namespace
}  // namespace batonstore
