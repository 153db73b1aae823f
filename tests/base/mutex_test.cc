#include "batonstore/base/mutex.h"

#include <chrono>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

template <typename Body>
void RunInThreads(int threads, Body body) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back(body);
  for (std::thread& thread : running) thread.join();
}

template <typename AnyMutex>
class Counter {
 public:
  void Add() {
    MutexLock lock(mu_);
    ++count_;
  }
  int count() {
    MutexLock lock(mu_);
    return count_;
  }

 private:
  AnyMutex mu_;
  int count_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(SmallMutexTest, WhoWaitsGetsItAndSeesWhatWasDoneUnderIt) {
  for (int i = 0; i < 100; ++i) {
    SmallMutex mu;
    int value = 0;
    mu.Lock();
    std::vector<std::thread> waiting;
    for (int waiter = 0; waiter < 4; ++waiter) {
      waiting.emplace_back([&] {
        MutexLock lock(mu);
        ++value;
      });
    }
    std::this_thread::yield();
    value = i;
    mu.Unlock();
    for (std::thread& thread : waiting) thread.join();
    EXPECT_EQ(value, i + 4);
  }
}

template <typename AnyMutex>
void ExpectOneThreadAtATime() {
  Counter<AnyMutex> counter;
  RunInThreads(8, [&] {
    for (int i = 0; i < 10'000; ++i) counter.Add();
  });
  EXPECT_EQ(counter.count(), 80'000);
}

TEST(MutexTest, OneThreadAtATime) { ExpectOneThreadAtATime<Mutex>(); }

TEST(SmallMutexTest, OneThreadAtATime) { ExpectOneThreadAtATime<SmallMutex>(); }

TEST(MutexTest, LockIsFreeAgainAfterItsScope) {
  Mutex mu;
  { MutexLock lock(mu); }
  mu.Lock();  // would hang
  mu.Unlock();
}

// Hands a value from one thread to another, one at a time.
class Slot {
 public:
  void Put(int value) {
    MutexLock lock(mu_);
    while (full_) changed_.Wait(mu_);
    value_ = value;
    full_ = true;
    changed_.Signal();
  }
  int Take() {
    MutexLock lock(mu_);
    while (!full_) changed_.Wait(mu_);
    full_ = false;
    changed_.Signal();
    return value_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool full_ ABSL_GUARDED_BY(mu_) = false;
  int value_ ABSL_GUARDED_BY(mu_) = 0;
};

TEST(CondVarTest, WaitGivesTheLockUpAndTakesItBack) {
  Slot slot;
  std::thread producer([&] {
    for (int i = 0; i < 1000; ++i) slot.Put(i);
  });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(slot.Take(), i);
  producer.join();
}

// Opens once for everybody.
class Gate {
 public:
  void Enter() {
    MutexLock lock(mu_);
    ++waiting_;
    changed_.SignalAll();
    while (!open_) changed_.Wait(mu_);
  }
  void OpenFor(int threads) {
    MutexLock lock(mu_);
    while (waiting_ < threads) changed_.Wait(mu_);
    open_ = true;
    changed_.SignalAll();
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int waiting_ ABSL_GUARDED_BY(mu_) = 0;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

TEST(CondVarTest, SignalAllWakesEveryWaiter) {
  constexpr int kThreads = 8;
  Gate gate;
  std::thread opener([&] { gate.OpenFor(kThreads); });
  RunInThreads(kThreads, [&] { gate.Enter(); });  // would hang
  opener.join();
}

TEST(CondVarTest, WaitForEndsByItselfAndSaysSo) {
  Mutex mu;
  CondVar never_signalled;
  MutexLock lock(mu);
  const absl::Duration timeout = absl::Milliseconds(20);
  const auto began = std::chrono::steady_clock::now();
  while (never_signalled.WaitFor(mu, timeout)) {  // woken for no reason: wait anew
  }
  EXPECT_GE(absl::FromChrono(std::chrono::steady_clock::now() - began), timeout);
}

TEST(CondVarTest, WaitForNoTimeEndsAtOnce) {
  Mutex mu;
  CondVar never_signalled;
  MutexLock lock(mu);
  for (const absl::Duration timeout :
       {absl::ZeroDuration(), -absl::Seconds(1), -absl::InfiniteDuration()}) {
    while (never_signalled.WaitFor(mu, timeout)) {  // would hang
    }
  }
}

// A flag that one thread raises while another waits for it.
class Flag {
 public:
  void Raise() {
    MutexLock lock(mu_);
    while (!awaited_) changed_.Wait(mu_);
    raised_ = true;
    changed_.Signal();
  }
  // False if it ran out of time.
  bool AwaitFor(absl::Duration timeout) {
    MutexLock lock(mu_);
    awaited_ = true;
    changed_.Signal();
    while (!raised_) {
      if (!changed_.WaitFor(mu_, timeout)) return raised_;
    }
    return true;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool awaited_ ABSL_GUARDED_BY(mu_) = false;
  bool raised_ ABSL_GUARDED_BY(mu_) = false;
};

TEST(CondVarTest, WaitForGivesTheLockUpAndEndsWhenSignalled) {
  for (const absl::Duration timeout :
       {absl::Hours(1), absl::Hours(24 * 365 * 1000), absl::InfiniteDuration()}) {
    Flag flag;
    std::thread raiser([&] { flag.Raise(); });
    EXPECT_TRUE(flag.AwaitFor(timeout)) << timeout;
    raiser.join();
  }
}

}  // namespace
}  // namespace batonstore
