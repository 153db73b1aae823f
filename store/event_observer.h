// Tells a callback of the store's events, on a thread of its own.
//
//   EventObserver observer(store.sessions().events(), "mailer",
//                          [](const Event& event) { return Mail(event); });

#ifndef BATONSTORE_STORE_EVENT_OBSERVER_H_
#define BATONSTORE_STORE_EVENT_OBSERVER_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/event_log.h"

namespace batonstore {

// A consumer of the event log under the name `consumer`, which it registers and which stays
// registered when the observer ends: another one, also of a later process, goes on where it
// stopped.
//
// The callback runs on the observer's thread, one event at a time, in order. While it answers an
// error the same event is told again, after a pause that grows to a second. What it has been told
// but what was not acknowledged yet when the process died is told again: it must bear that. It must
// not destroy the observer, and must not throw.
class EventObserver {
 public:
  using Callback = std::function<absl::Status(const Event&)>;

  // `log` must outlive the observer: end it before the store is closed. Throws std::system_error
  // when there can be no more threads.
  EventObserver(EventLog& log, absl::string_view consumer, Callback callback);

  // Waits for the callback under way. What is left is told to the next observer of that name.
  ~EventObserver();
  EventObserver(const EventObserver&) = delete;
  EventObserver& operator=(const EventObserver&) = delete;

  // OK while it follows the log; else why it does not: the name is INVALID, or reading or
  // acknowledging fails (CLOSED, POISONED, IO, CORRUPT, FULL). It ends with CLOSED, POISONED and
  // INVALID, and tries again after the others.
  absl::Status status() const;

 private:
  void Run();
  absl::Status TellAll();
  absl::Status Tell(const Event& event);
  bool Pause(absl::Duration duration);
  bool stopping() const;

  EventLog& log_;
  const std::string consumer_;
  const Callback callback_;

  mutable Mutex mu_;
  CondVar stop_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_EVENT_OBSERVER_H_
