// A clock that a test moves by hand.

#ifndef BATONSTORE_TESTS_SUPPORT_FAKE_CLOCK_H_
#define BATONSTORE_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/mutex.h"

namespace batonstore::testing {

// Stands still until it is told otherwise. Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time wall = absl::FromUnixSeconds(1'800'000'000)) : wall_(wall) {}

  absl::Time Wall() override {
    MutexLock lock(mu_);
    return wall_;
  }
  absl::Duration SinceBoot() override {
    std::function<void()> happens;
    {
      MutexLock lock(mu_);
      happens = std::exchange(at_next_look_, nullptr);
    }
    if (happens) happens();
    MutexLock lock(mu_);
    return since_boot_;
  }

  // Happens once, when somebody next asks how much time has passed, before that is answered: so a
  // test gets in between the steps of a call. May use the clock, and whatever it belongs to.
  void AtNextLook(std::function<void()> happens) {
    MutexLock lock(mu_);
    at_next_look_ = std::move(happens);
  }

  // Time passes.
  void Advance(absl::Duration duration) {
    MutexLock lock(mu_);
    wall_ += duration;
    since_boot_ += duration;
  }

  // Somebody sets the wall clock; no time passes. May be negative.
  void JumpWall(absl::Duration duration) {
    MutexLock lock(mu_);
    wall_ += duration;
  }

 private:
  Mutex mu_;
  absl::Time wall_ ABSL_GUARDED_BY(mu_);
  absl::Duration since_boot_ ABSL_GUARDED_BY(mu_) = absl::Seconds(1000);
  std::function<void()> at_next_look_ ABSL_GUARDED_BY(mu_);
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_FAKE_CLOCK_H_
