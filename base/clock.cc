#include "batonstore/base/clock.h"

#include <algorithm>
#include <ctime>

namespace batonstore {
namespace {

// More than the two clocks can be apart by being read one after the other, the one coarsely.
constexpr int64_t kSuspendedNs = 1'000'000'000;

class RealClock final : public Clock {
 public:
  RealClock() { SinceBoot(); }

  absl::Time Wall() override { return absl::TimeFromTimespec(Read(CLOCK_REALTIME)); }

  absl::Duration SinceBoot() override {
    const absl::Duration now = absl::DurationFromTimespec(Read(CLOCK_BOOTTIME));
    // There is no coarse CLOCK_BOOTTIME: what it is ahead of the monotonic clock by changes only
    // when the machine is suspended, so it is kept until then.
    const int64_t ahead = absl::ToInt64Nanoseconds(now) - CoarseNs();
    if (ahead - ahead_ns_.load(std::memory_order_relaxed) > kSuspendedNs) {
      ahead_ns_.store(ahead, std::memory_order_relaxed);
    }
    return now;
  }

  absl::Duration SinceBootCoarse() override {
    return absl::Nanoseconds(CoarseNs() + ahead_ns_.load(std::memory_order_relaxed));
  }

 private:
  static int64_t CoarseNs() {
    const timespec now = Read(CLOCK_MONOTONIC_COARSE);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }

  static timespec Read(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);  // fails only for an unknown clock
    return now;
  }

  std::atomic<int64_t> ahead_ns_{0};  // of the monotonic clock, when the machine last woke
};

int64_t OffsetFor(Clock& clock, absl::Time now) {
  return absl::ToInt64Nanoseconds(now - absl::UnixEpoch() - clock.SinceBoot());
}

}  // namespace

Clock& SystemClock() {
  static RealClock* const clock = new RealClock;
  return *clock;
}

StoreTime::StoreTime(Clock& clock, absl::Time not_before)
    : clock_(clock), offset_ns_(OffsetFor(clock, std::max(clock.Wall(), not_before))) {}

absl::Time StoreTime::Now() const {
  return absl::UnixEpoch() + clock_.SinceBoot() +
         absl::Nanoseconds(offset_ns_.load(std::memory_order_relaxed));
}

absl::Duration StoreTime::WallAhead() const { return clock_.Wall() - Now(); }

void StoreTime::AdoptWall() {
  offset_ns_.store(OffsetFor(clock_, clock_.Wall()), std::memory_order_relaxed);
}

}  // namespace batonstore
