// A limit on how long something may take.

#ifndef BATONSTORE_INTEGRATIONS_SQLITE_TIMEOUT_H_
#define BATONSTORE_INTEGRATIONS_SQLITE_TIMEOUT_H_

#include <algorithm>

#include "absl/time/time.h"
#include "batonstore/base/clock.h"

namespace batonstore {

// Runs from its making, by time that never jumps, whatever clock the deadline was read from.
class Timeout {
 public:
  explicit Timeout(absl::Duration limit) : end_(SystemClock().SinceBoot() + limit) {}

  // Zero once it has passed.
  absl::Duration Remaining() const {
    return std::max(end_ - SystemClock().SinceBoot(), absl::ZeroDuration());
  }
  bool Passed() const { return Remaining() == absl::ZeroDuration(); }

 private:
  absl::Duration end_;
};

}  // namespace batonstore

#endif  // BATONSTORE_INTEGRATIONS_SQLITE_TIMEOUT_H_
