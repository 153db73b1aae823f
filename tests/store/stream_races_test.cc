// Streams under many threads at once.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/repeating_thread.h"
#include "batonstore/store/stream_registry.h"
#include "gtest/gtest.h"
#include "tests/support/fake_streams.h"
#include "tests/support/forked_child.h"
#include "tests/support/status_matchers.h"
#include "tests/support/stream_fixture.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::Channel;
using testing::FakeCapture;
using testing::ForkedChild;
using testing::HasVerdict;
using testing::IsOk;
using testing::OnThreads;
using testing::StreamFixture;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Counts how its connections end, and how often two threads were in one at once.
class Pool {
 public:
  class Connection final : public PinnedConnection {
   public:
    explicit Connection(Pool& pool) : pool_(pool) { ++pool_.pinned; }
    absl::Status Rollback(absl::Time) override {
      Use();
      ++pool_.rollbacks;
      return absl::OkStatus();
    }
    void ReturnToPool() noexcept override { ++pool_.returned; }
    void Discard() noexcept override { ++pool_.discarded; }

    // Plain memory on purpose: ThreadSanitizer would see two holders.
    void Use() { ++uses_; }

   private:
    Pool& pool_;
    int uses_ = 0;
  };

  OpenStream Spec() {
    return {.database = "accounts",
            .principal = "alice",
            .connect = [this](absl::Time) { return std::make_unique<Connection>(*this); },
            .on_release = [this] { ++released; }};
  }

  std::atomic<int> pinned = 0;
  std::atomic<int> rollbacks = 0;
  std::atomic<int> returned = 0;
  std::atomic<int> discarded = 0;
  std::atomic<int> released = 0;
};

class StreamRacesTest : public StreamFixture {
 protected:
  void ExpectAllIsBack(int streams) {
    EXPECT_EQ(pool_.pinned, streams);
    EXPECT_EQ(pool_.rollbacks, streams);
    EXPECT_EQ(pool_.returned, streams);
    EXPECT_EQ(pool_.discarded, 0);
    EXPECT_EQ(pool_.released, streams);
    EXPECT_EQ(streams_->Count(), 0u);
  }

  Pool pool_;
};

TEST_F(StreamRacesTest, OfTwoThreadsThatResumeOneBatonExactlyOneWins) {
  constexpr int kRounds = kSanitized ? 20'000 : 1'000'000;
  Restart({.idle_timeout = absl::InfiniteDuration(), .max_age = absl::InfiniteDuration()});
  std::string baton = NewBaton();
  std::atomic<int> round = 0;     // that may begin
  std::atomic<int> finished = 0;  // threads, summed over the rounds
  std::atomic<int> wins = 0;
  std::string next;
  OnThreads(2, [&](int) {
    for (int mine = 0; mine < kRounds; ++mine) {
      while (round.load(std::memory_order_acquire) < mine) std::this_thread::yield();
      absl::StatusOr<StreamTurn> turn = Resume(baton);
      if (turn.ok()) {
        ++wins;
        next = *turn->PeekBaton();
      } else {
        ASSERT_THAT(turn, HasVerdict(Verdict::kBusy));
      }
      // Both have tried before the winner finishes; the last one starts the next round.
      ++finished;
      while (finished.load(std::memory_order_acquire) < 2 * (mine + 1)) std::this_thread::yield();
      if (!turn.ok()) continue;
      ASSERT_EQ(*turn->Finish(), next);
      baton = next;
      round.store(mine + 1, std::memory_order_release);
    }
  });
  EXPECT_EQ(wins, kRounds);
}

TEST_F(StreamRacesTest, ThreadsThatShareABatonServeInTurn) {
  constexpr int kTurns = kSanitized ? 2'000 : 50'000;
  const std::string first = NewBaton(pool_.Spec());
  Mutex mu;
  std::string baton = first;  // the newest that anybody has got
  std::atomic<int> turns = 0;
  OnThreads(4, [&](int) {
    while (turns < kTurns) {
      std::string mine;
      {
        MutexLock lock(mu);
        mine = baton;
      }
      absl::StatusOr<StreamTurn> turn = Resume(mine);
      if (!turn.ok()) {
        const std::optional<Verdict> why = VerdictOf(turn.status());
        ASSERT_TRUE(why == Verdict::kBusy || why == Verdict::kReplayed) << turn.status();
        continue;
      }
      turn->connection<Pool::Connection>()->Use();
      ++turns;
      ASSERT_OK_AND_ASSIGN(const std::string next, turn->Finish());
      MutexLock lock(mu);
      baton = next;
    }
  });
  EXPECT_EQ(streams_->CloseAll(), 1u);
  ExpectAllIsBack(1);
}

TEST_F(StreamRacesTest, NeverOneAboveTheLimit) {
  constexpr int kLimit = 10;
  constexpr int kOpensEach = kSanitized ? 100 : 1'000;
  Restart({.max_per_database = kLimit});
  std::atomic<int> pinned = 0;
  std::atomic<int> most = 0;
  std::atomic<int> opened = 0;
  std::atomic<int> refused = 0;
  OnThreads(32, [&](int thread) {
    for (int i = 0; i < kOpensEach; ++i) {
      OpenStream spec = pool_.Spec();
      spec.connect = [&, connect = spec.connect](absl::Time deadline) {
        const int now = ++pinned;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        return connect(deadline);
      };
      spec.on_release = [&, release = spec.on_release] { release(); };
      absl::StatusOr<StreamTurn> turn = streams_->Open(std::move(spec));
      if (!turn.ok()) {
        ASSERT_THAT(turn, HasVerdict(Verdict::kTooMany));
        ++refused;
        continue;
      }
      ++opened;
      EXPECT_LE(streams_->Count({.database = "accounts"}), size_t{kLimit});
      if ((thread + i) % 3 == 0) std::this_thread::yield();
      --pinned;
      ASSERT_THAT(turn->Close(), IsOk());
    }
  });
  EXPECT_LE(most, kLimit);
  EXPECT_EQ(opened + refused, 32 * kOpensEach);
  EXPECT_EQ(pool_.released, 32 * kOpensEach);
  EXPECT_EQ(pool_.returned, opened);
  EXPECT_EQ(streams_->Count(), 0u);
  for (int i = 0; i < kLimit; ++i) NewBaton();  // every place is there again
  EXPECT_THAT(streams_->Open(Spec()), HasVerdict(Verdict::kTooMany));
}

TEST_F(StreamRacesTest, AllPlacesAreTakenAtOnce) {
  constexpr int kLimit = 20;
  for (int round = 0; round < 20; ++round) {
    Restart({.max_per_database = kLimit});
    std::atomic<int> succeeded = 0;
    OnThreads(32, [&](int) {
      absl::StatusOr<StreamTurn> turn = streams_->Open({.database = "accounts"});
      if (!turn.ok()) return;
      ++succeeded;
      EXPECT_THAT(turn->Finish(), IsOk());
    });
    EXPECT_EQ(succeeded, kLimit);
  }
}

TEST_F(StreamRacesTest, ACaptureHasOneTakerOfMany) {
  for (int round = 0; round < 50; ++round) {
    StreamTurn turn = OpenOrDie(pool_.Spec());
    ASSERT_THAT(turn.SetCapture(std::make_unique<FakeCapture>(journal_)), IsOk());
    std::atomic<int> takers = 0;
    OnThreads(4, [&](int) { takers += turn.TakeCapture() != nullptr; });
    EXPECT_EQ(takers, 1);
  }
  ExpectAllIsBack(50);
}

// One stream at a time, with everybody at it: two clients, who finish, close or drop; a killer, a
// closer of all, two reapers, and a looker.
TEST_F(StreamRacesTest, EveryWayToEndAtOnce) {
  constexpr int kStreams = kSanitized ? 500 : 5'000;
  Restart({.rollback_timeout = absl::InfiniteDuration()});  // the clock skips during rollbacks too
  Mutex mu;
  std::string baton;  // of the stream of the moment
  uint64_t id = 0;
  std::atomic<bool> done = false;
  const auto client = [&](int which) {
    for (uint32_t i = 0; !done; ++i) {
      std::string mine;
      {
        MutexLock lock(mu);
        mine = baton;
      }
      absl::StatusOr<StreamTurn> turn = Resume(mine);
      if (!turn.ok()) {
        std::this_thread::yield();
        continue;
      }
      turn->connection<Pool::Connection>()->Use();
      EXPECT_THAT(turn->StoreSql(static_cast<int32_t>(i), "SELECT 1"), IsOk());
      if (i % 16 == static_cast<uint32_t>(which)) continue;  // dropped
      if (i % 16 == 8) {
        EXPECT_THAT(turn->Close(), IsOk());
        continue;
      }
      const absl::StatusOr<std::string> next = turn->Finish();
      if (!next.ok()) {
        EXPECT_THAT(next, HasVerdict(Verdict::kLost));
        continue;
      }
      MutexLock lock(mu);
      if (baton == mine) baton = *next;
    }
  };
  const RepeatingThread reaper(absl::Microseconds(50), [this] {
    streams_->Reap();
    return absl::Microseconds(50);
  });
  OnThreads(6, [&](int thread) {
    if (thread < 2) return client(thread);
    for (int i = 0; thread == 2 && i < kStreams; ++i) {
      StreamTurn turn = OpenOrDie(pool_.Spec());
      const uint64_t opened = turn.id();
      const absl::StatusOr<std::string> next = turn.Finish();
      {
        MutexLock lock(mu);
        baton = next.value_or("");
        id = opened;
      }
      // At the limit the streams of before must be gone.
      while (streams_->Count() > 8) std::this_thread::yield();
    }
    if (thread == 2) done = true;
    while (!done) {
      uint64_t victim = 0;
      {
        MutexLock lock(mu);
        victim = id;
      }
      if (thread == 3) streams_->Kill(victim);
      if (thread == 4 && streams_->CloseAll() == 0) clock_.Advance(absl::Seconds(20));
      if (thread == 5) {
        streams_->Reap();
        EXPECT_LE(streams_->List().size(), 64u);
      }
      std::this_thread::yield();
    }
  });
  streams_->CloseAll();
  ExpectAllIsBack(kStreams);
}

// Shut, with turns under way that end meanwhile.
TEST_F(StreamRacesTest, ShutWhileEveryoneIsBusy) {
  for (int round = 0; round < (kSanitized ? 20 : 100); ++round) {
    Restart({});
    std::atomic<int> opened = 0;
    OnThreads(4, [&](int thread) {
      if (thread == 0) {
        while (opened < 10) std::this_thread::yield();
        streams_->Shut();
        return;
      }
      for (;;) {
        absl::StatusOr<StreamTurn> turn = streams_->Open(pool_.Spec());
        if (VerdictOf(turn.status()) == Verdict::kTooMany) {
          streams_->Kill(streams_->List().front().id);
          continue;
        }
        if (!turn.ok()) {
          EXPECT_THAT(turn, HasVerdict(Verdict::kClosed));
          return;
        }
        ++opened;
        absl::StatusOr<std::string> baton = turn->Finish();
        while (baton.ok()) {
          absl::StatusOr<StreamTurn> next = Resume(*baton);
          if (!next.ok() || opened % 3 == 0) break;
          baton = next->Finish();
          ++opened;
        }
      }
    });
    EXPECT_EQ(streams_->Count(), 0u);
    EXPECT_EQ(pool_.pinned, pool_.returned);
  }
}

// A process that ends while its threads are in the middle of it all.
TEST_F(StreamRacesTest, ProcessExitWhileEveryoneIsBusy) {
  for (int round = 0; round < 10; ++round) {
    ForkedChild child([round](Channel&) -> std::string {
      // Never destroyed, as in a service that ends by exit().
      auto* const host = new testing::FakeStreamHost;
      auto* const streams = new StreamRegistry(*host, SystemClock());
      auto* const pool = new Pool;
      new RepeatingThread(absl::Microseconds(100), [=] {
        streams->Reap();
        return absl::Microseconds(100);
      });
      auto* const turns = new std::atomic<int>(0);
      auto* const victim = new std::atomic<uint64_t>(0);
      std::thread([=] {
        for (;;) streams->Kill(*victim);
      }).detach();
      for (int thread = 0; thread < 3; ++thread) {
        std::thread([=] {
          for (;;) {
            absl::StatusOr<StreamTurn> turn = streams->Open(pool->Spec());
            if (!turn.ok()) continue;
            *victim = turn->id();
            const absl::StatusOr<std::string> baton = turn->Finish();
            if (baton.ok()) streams->Resume(*baton, "accounts", "alice").status().IgnoreError();
            ++*turns;
          }
        }).detach();
      }
      while (*turns < 100 * (round + 1)) std::this_thread::yield();
      if (round % 2 == 0) streams->CloseAll();
      std::exit(0);
    });
    EXPECT_EQ(child.Join(), "");
  }
}

}  // namespace
}  // namespace batonstore
