// How streams end: closed, killed, reaped, or all at once; and who looks at them meanwhile.

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "batonstore/crypto/secret_memory.h"
#include "batonstore/store/stream_refusals.h"
#include "batonstore/store/stream_registry.h"

namespace batonstore {
namespace {

template <typename T, typename Value>
bool Matches(const std::optional<T>& wanted, const Value& value) {
  return !wanted.has_value() || *wanted == value;
}

}  // namespace

// Ends the stream of a turn under way.
absl::Status StreamRegistry::EndTurn(StreamSlot& slot) {
  if (IsForkedChild()) return Refused().of_the_parent;
  {
    MutexLock lock(slot.mu);
    slot.state = SlotState::kEnding;
  }
  return End(slot);
}

// REQUIRES: the caller has put the state to kEnding.
absl::Status StreamRegistry::End(StreamSlot& slot) {
  slot.extras.reset();  // closes the capture, before the connection goes back
  absl::Status given_back = slot.holdings->GiveBack(clock_, options_.rollback_timeout);
  Vacate(slot);
  return given_back;
}

// The slot and its place under the limit are free again. REQUIRES: it holds nothing any more.
void StreamRegistry::Vacate(StreamSlot& slot) {
  MutexLock lock(mu_);
  MutexLock slot_lock(slot.mu);
  const auto database = databases_.find(*slot.database);
  slot.database = nullptr;
  if (--database->second == 0) databases_.erase(database);
  --taken_;
  WipeMemory(slot.baton.data(), slot.baton.size());
  slot.principal = {};
  slot.state = SlotState::kFree;
  const uint64_t ended = std::exchange(slot.id, slot.id + StreamSlot::kOneTaking);
  if (slot.id > ended) {  // else its ids are used up: nobody gets it any more
    slot.next_free = std::exchange(first_free_, StreamSlot::IndexOf(ended));
  }
  ended_.SignalAll();
}

// ---- One by one ----

Killed StreamRegistry::Kill(uint64_t id, WhenBusy when_busy) {
  StreamSlot* const slot = slots_.Find(StreamSlot::IndexOf(id));
  if (slot == nullptr || IsForkedChild()) return Killed::kNotFound;
  {
    MutexLock lock(slot->mu);
    if (slot->id != id || slot->state == SlotState::kFree) return Killed::kNotFound;
    if (slot->state != SlotState::kIdle) {
      if (when_busy == WhenBusy::kLeave) return Killed::kBusy;
      if (slot->state == SlotState::kBusy) slot->state = SlotState::kDoomed;
      return Killed::kWhenReleased;
    }
    slot->state = SlotState::kEnding;
  }
  End(*slot).IgnoreError();
  return Killed::kKilled;
}

// ---- All at once ----

size_t StreamRegistry::CloseAll() {
  if (IsForkedChild()) return 0;
  size_t closed = 0;
  const uint32_t slots = slots_.size();
  for (uint32_t i = 0; i < slots; ++i) {
    StreamSlot& slot = *slots_.Find(i);
    {
      MutexLock lock(slot.mu);
      if (slot.state == SlotState::kBusy) slot.state = SlotState::kDoomed;
      if (slot.state != SlotState::kIdle) continue;
      slot.state = SlotState::kEnding;
    }
    End(slot).IgnoreError();
    ++closed;
  }
  for (uint32_t i = 0; i < slots; ++i) WaitWhileEnding(*slots_.Find(i));
  return closed;
}

// Until who ends the stream in the slot, if anyone does, is done with it.
void StreamRegistry::WaitWhileEnding(StreamSlot& slot) {
  const auto ending = [&slot]() -> std::optional<uint64_t> {
    MutexLock lock(slot.mu);
    if (slot.state != SlotState::kEnding) return std::nullopt;
    return slot.id;
  };
  MutexLock lock(mu_);
  const std::optional<uint64_t> seen = ending();
  while (seen.has_value() && ending() == seen) ended_.Wait(mu_);
}

void StreamRegistry::Shut() {
  if (IsForkedChild()) return;
  {
    MutexLock lock(mu_);
    shut_ = true;
  }
  CloseAll();
}

// ---- What is due ----

size_t StreamRegistry::Reap() {
  if (IsForkedChild()) return 0;
  if (!host_.Usable().ok()) return CloseAll();
  // The clock that Resume goes by, but told of the time for which the machine was suspended.
  (void)clock_.SinceBoot();
  const absl::Duration now = clock_.SinceBootCoarse();
  size_t reaped = 0;
  while (const std::optional<uint32_t> index = NextDue(now)) {
    if (ReapOne(*index, now)) ++reaped;
  }
  return reaped;
}

std::optional<uint32_t> StreamRegistry::NextDue(absl::Duration now) {
  MutexLock lock(mu_);
  return queue_.PopDue(now);
}

// The slot's entry has been taken out of the queue.
bool StreamRegistry::ReapOne(uint32_t index, absl::Duration now) {
  StreamSlot& slot = *slots_.Find(index);
  absl::Duration due;
  {
    MutexLock lock(slot.mu);
    const bool is_idle = slot.state == SlotState::kIdle;
    due = Due(slot);
    slot.is_queued = is_idle && due > now;  // a busy one is queued again by its Finish
    if (is_idle && !slot.is_queued) slot.state = SlotState::kEnding;
    if (!is_idle) return false;
  }
  if (due <= now) {
    End(slot).IgnoreError();
    return true;
  }
  MutexLock lock(mu_);
  queue_.Push(due, index);
  return false;
}

// ---- Looking ----

std::vector<StreamInfo> StreamRegistry::List(const StreamFilter& filter) const {
  std::vector<StreamInfo> list;
  if (IsForkedChild()) return list;
  const absl::Duration now = clock_.SinceBootCoarse();
  const uint32_t slots = slots_.size();
  for (uint32_t i = 0; i < slots; ++i) {
    StreamSlot& slot = *slots_.Find(i);
    MutexLock lock(slot.mu);
    const bool busy = slot.state != SlotState::kIdle;
    if (slot.state == SlotState::kFree || !Matches(filter.busy, busy) ||
        !Matches(filter.database, *slot.database) || !Matches(filter.principal, slot.Principal())) {
      continue;
    }
    list.push_back({.id = slot.id,
                    .database = *slot.database,
                    .principal = std::string(slot.Principal()),
                    .read_only = slot.read_only,
                    .busy = busy,
                    .age = std::max(now - slot.Opened(), absl::ZeroDuration()),
                    .idle = busy ? absl::ZeroDuration()
                                 : std::max(now - slot.LastUsed(), absl::ZeroDuration())});
  }
  return list;
}

size_t StreamRegistry::Count(const StreamFilter& filter) const {
  if (IsForkedChild()) return 0;
  if (filter.principal.has_value() || filter.busy.has_value()) return List(filter).size();
  MutexLock lock(mu_);
  if (!filter.database.has_value()) return taken_;
  const auto database = databases_.find(*filter.database);
  return database == databases_.end() ? 0 : static_cast<size_t>(database->second);
}

}  // namespace batonstore
