#include "batonstore/base/clock.h"

#include <algorithm>
#include <ctime>

namespace batonstore {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Wall() override { return absl::TimeFromTimespec(Read(CLOCK_REALTIME)); }
  absl::Duration SinceBoot() override { return absl::DurationFromTimespec(Read(CLOCK_BOOTTIME)); }

 private:
  static timespec Read(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);  // fails only for an unknown clock
    return now;
  }
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
