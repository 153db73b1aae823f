// What a stream holds of the outside world, and the one order in which it is given back.

#ifndef BATONSTORE_STORE_STREAM_HOLDINGS_H_
#define BATONSTORE_STORE_STREAM_HOLDINGS_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/store/pinned_connection.h"

namespace batonstore {

// Any of them may be missing. Not thread-safe.
struct StreamHoldings {
  std::unique_ptr<PinnedConnection> connection = nullptr;
  std::function<void()> on_release = nullptr;

  // Rolls the connection back and returns it to its pool, or discards it if that fails or takes
  // longer than `timeout`; then calls on_release. Nothing is left afterwards, so that calling this
  // again does nothing. May block as long as a rollback does: hold no lock. Needs no memory. What
  // the rollback said; BUSY if it was late, IO if it threw.
  absl::Status GiveBack(Clock& clock, absl::Duration timeout) noexcept;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_HOLDINGS_H_
