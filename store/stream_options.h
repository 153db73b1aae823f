// What an operator allows streams: how long they live and how many there are.

#ifndef BATONSTORE_STORE_STREAM_OPTIONS_H_
#define BATONSTORE_STORE_STREAM_OPTIONS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace batonstore {

// Zero or less always means the default, never "at once" or "none": a mistaken configuration must
// not reap everything. Time is the progress of the monotonic clock: a wall clock that jumps ends no
// stream and keeps none. absl::InfiniteDuration() is no limit.
struct StreamOptions {
  absl::Duration idle_timeout = {};  // between two turns; 60 seconds
  absl::Duration max_age = {};       // from Open; 5 minutes. A turn under way may end later
  int64_t max_per_database = 0;      // 64, those included that are being opened or rolled back

  // How long the rollback of a connection may take before it is discarded; 5 seconds. Whoever ends
  // several streams, as the reaper does, rolls them back one after another.
  absl::Duration rollback_timeout = {};

  // How often, in real time, a thread of the store closes what has been idle for too long or is too
  // old; every second. absl::InfiniteDuration(): there is no such thread, and
  // StreamRegistry::Reap is the caller's part: until a stream is reaped it keeps its connection and
  // its place under the limit.
  absl::Duration reap_every = {};

  // The SQL texts that a stream remembers; 256 of them, 1 MiB together.
  int64_t max_sql_texts = 0;
  int64_t max_sql_bytes = 0;

  // How many batons a stream may hand on, the first included. By default as many as can be
  // counted, 2^64 - 1: the count never wraps.
  uint64_t max_batons = 0;

  // The same with every default put in.
  StreamOptions WithDefaults() const;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_OPTIONS_H_
