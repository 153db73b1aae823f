// Locks that the compiler checks: std::mutex and std::condition_variable with Clang's thread-safety
// annotations. A thin wrapper over the standard library rather than absl::Mutex, because
// ThreadSanitizer sees every lock of the former also when Abseil comes prebuilt.
//
//   Mutex mu;
//   int hits ABSL_GUARDED_BY(mu);
//   { MutexLock lock(mu); ++hits; }

#ifndef BATONSTORE_BASE_MUTEX_H_
#define BATONSTORE_BASE_MUTEX_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"

namespace batonstore {

// Not recursive.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mu_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mu_.unlock(); }

  // Tells the compiler, where it cannot see it, that the calling thread holds the lock.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}

 private:
  friend class CondVar;
  std::mutex mu_;
};

// A lock of 4 bytes instead of 40, where there is one for each of very many objects and it is
// hardly ever waited for: no condition variable goes with it. The second mutex of Drepper, "Futexes
// Are Tricky" (2011), with the futex as the standard library has it. Not recursive.
class ABSL_LOCKABLE SmallMutex {
 public:
  SmallMutex() = default;
  SmallMutex(const SmallMutex&) = delete;
  SmallMutex& operator=(const SmallMutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    int free = kFree;
    if (state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire)) return;
    while (state_.exchange(kWaitedFor, std::memory_order_acquire) != kFree) {
      state_.wait(kWaitedFor, std::memory_order_relaxed);
    }
  }

  void Unlock() ABSL_UNLOCK_FUNCTION() {
    if (state_.exchange(kFree, std::memory_order_release) == kWaitedFor) state_.notify_one();
  }

 private:
  enum : int { kFree, kHeld, kWaitedFor };

  std::atomic<int> state_ = kFree;
};

// Holds a lock of either kind for a scope.
template <typename AnyMutex>
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(AnyMutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  AnyMutex& mu_;
};

// Wait in a loop that tests the condition: wake-ups may be spurious.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  // REQUIRES: the calling thread holds `mu`. Releases it while waiting, holds it on return.
  void Wait(Mutex& mu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::unique_lock<std::mutex> adopted(mu.mu_, std::adopt_lock);
    cv_.wait(adopted);
    adopted.release();
  }

  // The same, for `timeout` at the most; false when that is what ended the wait. What is longer
  // than a century counts as one: a clock of nanoseconds cannot be moved ahead by three.
  bool WaitFor(Mutex& mu, absl::Duration timeout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::unique_lock<std::mutex> adopted(mu.mu_, std::adopt_lock);
    const std::cv_status status =
        cv_.wait_for(adopted, absl::ToChronoNanoseconds(std::min(timeout, kCentury)));
    adopted.release();
    return status == std::cv_status::no_timeout;
  }

  void Signal() { cv_.notify_one(); }
  void SignalAll() { cv_.notify_all(); }

 private:
  static constexpr absl::Duration kCentury = absl::Hours(24 * 365 * 100);

  std::condition_variable cv_;
};

}  // namespace batonstore

#endif  // BATONSTORE_BASE_MUTEX_H_
