#include "batonstore/store/stream_slots.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace batonstore {

StreamSlots::~StreamSlots() {
  if (leaked_ || range_ == nullptr) return;
  for (uint32_t i = 0; i < size(); ++i) slots_[i].~StreamSlot();
  munmap(range_, kRange + kHugePage);
}

StreamSlot& StreamSlots::Grow() {
  if (range_ == nullptr) Reserve();
  const uint32_t index = size();
  if (index == usable_) MakeUsable();
  StreamSlot& slot = *new (slots_ + index) StreamSlot;
  {
    MutexLock lock(slot.mu);
    slot.id = StreamSlot::kOneTaking + index;  // no stream has the id 0
  }
  size_.store(index + 1, std::memory_order_release);
  return slot;
}

// Addresses alone, for as many slots as there can be; they begin where a huge page can.
void StreamSlots::Reserve() {
  void* const range = mmap(nullptr, kRange + kHugePage, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) throw std::bad_alloc();
  range_ = range;
  const auto begin = reinterpret_cast<uintptr_t>(range);
  slots_ = reinterpret_cast<StreamSlot*>((begin + kHugePage - 1) / kHugePage * kHugePage);
}

// Memory for the next slots.
void StreamSlots::MakeUsable() {
  void* const step = slots_ + usable_;
  if (mprotect(step, kHugePage, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  // The processor remembers where the first 512 small pages are; and few streams are to cost
  // little. This is advice: it may come to nothing.
  if (usable_ > 0) madvise(step, kHugePage, MADV_HUGEPAGE);
  usable_ += kStep;
}

}  // namespace batonstore
