// The system's clock, which can be made to skip ahead, so that what runs out in a month can be
// watched today. Reading it costs next to nothing more than reading the system's.

#ifndef BATONSTORE_BASE_SKIPPING_CLOCK_H_
#define BATONSTORE_BASE_SKIPPING_CLOCK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "batonstore/base/clock.h"

namespace batonstore {

// Thread-safe, but for two that skip at a time.
class SkippingClock final : public Clock {
 public:
  absl::Time Wall() override { return SystemClock().Wall() + skipped(); }
  absl::Duration SinceBoot() override { return SystemClock().SinceBoot() + skipped(); }
  absl::Duration SinceBootCoarse() override { return SystemClock().SinceBootCoarse() + skipped(); }

  // To a moment that is still to come; to none that has passed.
  void SkipTo(absl::Time moment) {
    skipped_ns_ += std::max<int64_t>(0, absl::ToInt64Nanoseconds(moment - Wall()));
  }

 private:
  absl::Duration skipped() const { return absl::Nanoseconds(skipped_ns_.load()); }

  std::atomic<int64_t> skipped_ns_{0};
};

}  // namespace batonstore

#endif  // BATONSTORE_BASE_SKIPPING_CLOCK_H_
