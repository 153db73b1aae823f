// Rows of `outbox` and `consumers`: events, written in the transaction of what they tell of, and
// who has read how far.

#ifndef BATONSTORE_STORE_OUTBOX_H_
#define BATONSTORE_STORE_OUTBOX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/event.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Numbers the event and writes it down, if anybody reads events at all.
absl::Status AppendEvent(Transaction& transaction, const StoreKeys& keys, Event event);

// The number of the last event that was ever written, 0 for none.
absl::StatusOr<uint64_t> LastEvent(Snapshot& snapshot);

// Up to `most` events after `after`.
absl::StatusOr<std::vector<Event>> ListEvents(Snapshot& snapshot, const StoreKeys& keys,
                                              uint64_t after, size_t most);

struct Consumer {
  std::string name;
  uint64_t acknowledged = 0;  // events up to this one
};
absl::StatusOr<std::vector<Consumer>> ListConsumers(Snapshot& snapshot);
absl::StatusOr<std::optional<uint64_t>> GetConsumer(Snapshot& snapshot, absl::string_view name);
absl::Status PutConsumer(Transaction& transaction, const Consumer& consumer);
// False if there was none.
absl::StatusOr<bool> DeleteConsumer(Transaction& transaction, absl::string_view name);

// Deletes up to `most` events that everybody has acknowledged; how many that were.
absl::StatusOr<size_t> TrimOutbox(Transaction& transaction, size_t most);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_OUTBOX_H_
