#include "batonstore/store/stream_slots.h"

namespace batonstore {

StreamSlot& StreamSlots::Grow() {
  if (size_ == capacity_) {
    owned_.push_back(std::make_unique<StreamSlot[]>(kChunk));
    chunks_[size_ / kChunk].store(owned_.back().get(), std::memory_order_release);
    capacity_ += kChunk;
  }
  StreamSlot& slot = *Find(size_);
  MutexLock lock(slot.mu);
  slot.id = StreamSlot::kOneTaking + size_;  // no stream has the id 0
  ++size_;
  return slot;
}

void StreamSlots::Leak() {
  for (std::unique_ptr<StreamSlot[]>& chunk : owned_) (void)chunk.release();
}

}  // namespace batonstore
