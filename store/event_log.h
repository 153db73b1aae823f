// The store's events, for those who follow it: a log that is written in the transactions that it
// tells of, and read by named consumers, each at its own pace.
//
//   store.events().AddConsumer("mailer");
//   auto events = store.events().Read("mailer", 100);
//   for (const Event& event : *events) Mail(event);            // may be told twice after a crash
//   store.events().Acknowledge("mailer", events->back().sequence);
//
// event_observer.h does this on a thread of its own.

#ifndef BATONSTORE_STORE_EVENT_LOG_H_
#define BATONSTORE_STORE_EVENT_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/event.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/outbox.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

inline constexpr size_t kMaxConsumerNameBytes = 255;  // and at least 1
inline constexpr size_t kMaxEventsRead = 10'000;      // in one call

// Thread-safe. Calls that write are durable when they return OK, as those of SessionStore; any call
// may also return CORRUPT, CLOSED, POISONED, IO, FULL, TOO_MANY.
//
// Each event is told at least once: a consumer that is registered when a change is committed reads
// of it, after a crash too, until it acknowledges. Nothing is written while there are no consumers,
// and nothing is dropped that one of them has not acknowledged: remove a consumer that has gone for
// good, or the log grows (StoreStats::events).
class EventLog {
 public:
  // All must outlive the log.
  EventLog(GroupCommitter& committer, Engine& engine, const StoreKeys& keys)
      : committer_(committer), engine_(engine), keys_(keys) {}
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // From here on events are kept for it. One that is there already goes on where it was.
  //   INVALID (the name is empty or too long)
  absl::Status AddConsumer(absl::string_view name);

  // NOT_FOUND
  absl::Status RemoveConsumer(absl::string_view name);

  // By name, with how far each has acknowledged.
  absl::StatusOr<std::vector<Consumer>> Consumers() const;

  // Up to `most` (1 to kMaxEventsRead, else INVALID) of the events that the consumer has not
  // acknowledged, oldest first; none when it has them all. Reading moves nothing.
  //   NOT_FOUND      no such consumer
  absl::StatusOr<std::vector<Event>> Read(absl::string_view name, size_t most) const;

  // The consumer is done with the events up to `sequence`: they are not told to it again. Less than
  // what it acknowledged before changes nothing.
  //   NOT_FOUND; INVALID (no such event has been written yet)
  absl::Status Acknowledge(absl::string_view name, uint64_t sequence);

  // Waits until there may be something for the consumer to read, for `timeout` at the most.
  void WaitForEvents(absl::string_view name, absl::Duration timeout);

  // For the store: a transaction that may have written events was committed.
  void Committed();

 private:
  GroupCommitter& committer_;
  Engine& engine_;
  const StoreKeys& keys_;

  std::atomic<int> waiting_{0};  // so that nobody who commits has to lock for nobody who waits
  Mutex mu_;
  CondVar changed_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_EVENT_LOG_H_
