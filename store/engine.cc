#include "batonstore/store/engine.h"

#include <new>

namespace batonstore {
namespace {

// Built before memory is short.
struct Refusals {
  absl::Status poisoned =
      Refuse(Verdict::kPoisoned,
             "a commit failed and its outcome is unknown; close the store and open it again");
  absl::Status closed =
      Refuse(Verdict::kClosed,
             "this handle is closed, or was inherited through fork; open the store again");
  absl::Status no_words =
      Refuse(Verdict::kTooMany, "something failed, and there is no memory to say what");
};
const Refusals& Refused() {
  static const Refusals* const kRefusals = new Refusals;
  return *kRefusals;
}

}  // namespace

Engine::Engine() { Refused(); }

absl::Status Engine::Usable() const {
  const uint8_t shut = shut_.load(std::memory_order_acquire);
  if (shut == 0) return absl::OkStatus();
  return static_cast<Verdict>(shut) == Verdict::kPoisoned ? Refused().poisoned : Refused().closed;
}

void Engine::Shut(Verdict why) {
  if (why == Verdict::kClosed) {
    shut_.store(static_cast<uint8_t>(why), std::memory_order_release);
    return;
  }
  uint8_t open = 0;
  shut_.compare_exchange_strong(open, static_cast<uint8_t>(why), std::memory_order_acq_rel);
}

absl::StatusOr<std::unique_ptr<Snapshot>> Engine::Read() {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  return DoRead();
}

Engine::Outcome Engine::Write(absl::FunctionRef<Decision(Transaction&)> body) {
  Outcome outcome;
  try {
    outcome.status = Usable();
    if (!outcome.status.ok()) return outcome;
    DoWrite(body, outcome);
  } catch (const std::bad_alloc&) {
    if (outcome.fault == Fault::kNone) {
      outcome.fault = outcome.in_commit ? Fault::kUnknown : Fault::kNoMemory;
    }
  }
  if (outcome.fault != Fault::kNone && outcome.status.ok()) outcome.status = Refused().no_words;
  return outcome;
}

}  // namespace batonstore
