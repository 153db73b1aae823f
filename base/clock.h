// Where time comes from. The store never reads a clock behind the caller's back: it is given one,
// SystemClock() unless a test injects its own.

#ifndef BATONSTORE_BASE_CLOCK_H_
#define BATONSTORE_BASE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace batonstore {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Civil time; may stand still, jump forwards or run backwards at any moment.
  virtual absl::Time Wall() = 0;

  // Time since some fixed point, suspended time included; never runs backwards.
  virtual absl::Duration SinceBoot() = 0;

  // The same within some milliseconds, for a fraction of the cost: for who asks at every request.
  // Never runs backwards while the machine runs. Time for which it was suspended counts from the
  // next call of SinceBoot() on, by anyone, and what was shorter than a second may not count.
  virtual absl::Duration SinceBootCoarse() { return SinceBoot(); }
};

// CLOCK_REALTIME and CLOCK_BOOTTIME. Lives for ever.
Clock& SystemClock();

// The store's time within one run: the wall clock at the start, then the progress of SinceBoot(),
// so that a jump of the wall clock expires nobody and revives nobody. Thread-safe.
class StoreTime {
 public:
  // Starts at the wall clock, or at `not_before` if that is later (the last time that the store has
  // on record: a clock that was set back while nothing ran does not take time back with it).
  // `clock` must outlive this object.
  StoreTime(Clock& clock, absl::Time not_before);

  absl::Time Now() const;

  // How far the wall clock is ahead of Now(); negative when it is behind.
  absl::Duration WallAhead() const;

  // From here on goes by the wall clock as it is now. A wall clock that is behind would give life
  // back to what has expired: the caller decides.
  void AdoptWall();

 private:
  Clock& clock_;
  std::atomic<int64_t> offset_ns_;  // Now() = Unix epoch + SinceBoot() + offset_ns_
};

}  // namespace batonstore

#endif  // BATONSTORE_BASE_CLOCK_H_
