#include "batonstore/store/stream_holdings.h"

#include <utility>

#include "batonstore/store/stream_refusals.h"

namespace batonstore {
namespace {

absl::Status RollBack(PinnedConnection& connection, Clock& clock, absl::Duration timeout) {
  const absl::Duration began = clock.SinceBoot();
  absl::Status rolled_back;
  try {
    rolled_back = connection.Rollback(clock.Wall() + timeout);
  } catch (...) {
    return Refused().rollback_threw;
  }
  if (rolled_back.ok() && clock.SinceBoot() - began > timeout) return Refused().rollback_was_late;
  return rolled_back;
}

}  // namespace

absl::Status StreamHoldings::GiveBack(Clock& clock, absl::Duration timeout) noexcept {
  absl::Status rolled_back;
  if (const std::unique_ptr<PinnedConnection> pinned = std::move(connection); pinned != nullptr) {
    rolled_back = RollBack(*pinned, clock, timeout);
    if (rolled_back.ok()) {
      pinned->ReturnToPool();
    } else {
      pinned->Discard();
    }
  }
  // The connection is gone: what kept its database may go too.
  if (const std::function<void()> release = std::exchange(on_release, nullptr)) release();
  return rolled_back;
}

}  // namespace batonstore
