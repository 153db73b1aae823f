#include "batonstore/store/event_observer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

constexpr size_t kAtOnce = 256;
constexpr absl::Duration kShortestPause = absl::Milliseconds(10);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

// How long it sleeps at a stretch when nothing happens: what bounds the wait of the destructor.
constexpr absl::Duration kNap = absl::Milliseconds(100);

bool IsFinal(const absl::Status& status) {
  const std::optional<Verdict> verdict = VerdictOf(status);
  return verdict == Verdict::kClosed || verdict == Verdict::kPoisoned ||
         verdict == Verdict::kInvalid;
}

}  // namespace

EventObserver::EventObserver(EventLog& log, absl::string_view consumer, Callback callback)
    : log_(log), consumer_(consumer), callback_(std::move(callback)) {
  // Registered by the caller's thread, so that whatever it does next is told.
  status_ = log_.AddConsumer(consumer_);
  thread_ = std::thread([this] { Run(); });
}

EventObserver::~EventObserver() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    stop_.SignalAll();
  }
  thread_.join();
}

absl::Status EventObserver::status() const {
  MutexLock lock(mu_);
  return Unshared(status_);
}

bool EventObserver::stopping() const {
  MutexLock lock(mu_);
  return stopping_;
}

void EventObserver::Run() {
  absl::Duration pause = kShortestPause;
  while (!stopping()) {
    absl::Status told = log_.AddConsumer(consumer_);
    if (told.ok()) told = TellAll();
    const bool is_final = IsFinal(told);
    pause = told.ok() ? kShortestPause : std::min(2 * pause, kLongestPause);
    const bool failed = !told.ok();
    {
      MutexLock lock(mu_);
      status_ = std::move(told);
    }
    if (is_final || (failed && !Pause(pause))) return;
  }
}

// Until it is stopped, or something fails.
absl::Status EventObserver::TellAll() {
  for (bool follows = false; !stopping(); follows = true) {
    if (follows) {  // again, perhaps: the last round went well
      MutexLock lock(mu_);
      status_ = absl::OkStatus();
    }
    BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Event> events, log_.Read(consumer_, kAtOnce));
    if (events.empty()) log_.WaitForEvents(consumer_, kNap);
    uint64_t done = 0;
    for (const Event& event : events) {
      if (stopping()) break;
      absl::Status answered = Tell(event);
      if (!answered.ok()) break;  // stopped while it said no
      done = event.sequence;
    }
    if (done == 0) continue;
    BATONSTORE_RETURN_IF_ERROR(log_.Acknowledge(consumer_, done));
  }
  return absl::OkStatus();
}

// Tells one event until the callback takes it; its last refusal if the observer is stopped before.
absl::Status EventObserver::Tell(const Event& event) {
  absl::Duration pause = kShortestPause;
  for (;;) {
    absl::Status answered = callback_(event);
    if (answered.ok() || !Pause(pause)) return answered;
    pause = std::min(2 * pause, kLongestPause);
  }
}

// False when the observer is to stop.
bool EventObserver::Pause(absl::Duration duration) {
  MutexLock lock(mu_);
  if (!stopping_) stop_.WaitFor(mu_, duration);
  return !stopping_;
}

}  // namespace batonstore
