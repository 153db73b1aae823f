#include "batonstore/store/stream_slots.h"

#include <sys/mman.h>

#include <new>

namespace batonstore {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kBytes = StreamSlot::kMaxSlots * sizeof(StreamSlot);

}  // namespace

StreamSlots::~StreamSlots() {
  if (leaked_) return;
  for (uint32_t i = 0; i < size(); ++i) slots_[i].~StreamSlot();
  madvise(slots_, kBytes, MADV_DODUMP);
  ::operator delete(slots_, std::align_val_t(kHugePage));
}

StreamSlot& StreamSlots::Grow() {
  if (slots_ == nullptr) Allocate();
  const uint32_t index = size();
  StreamSlot& slot = *new (slots_ + index) StreamSlot;
  {
    MutexLock lock(slot.mu);
    slot.id = StreamSlot::kOneTaking + index;  // no stream has the id 0
  }
  size_.store(index + 1, std::memory_order_release);
  return slot;
}

void StreamSlots::Allocate() {
  void* const bytes = ::operator new(kBytes, std::align_val_t(kHugePage));
  // Few streams are to cost little, and the processor remembers where the first 512 small pages
  // are. This is advice: it may come to nothing.
  madvise(static_cast<char*>(bytes) + kHugePage, kBytes - kHugePage, MADV_HUGEPAGE);
  // The batons in it are good for as long as this process lives.
  madvise(bytes, kBytes, MADV_DONTDUMP);
  slots_ = static_cast<StreamSlot*>(bytes);
}

}  // namespace batonstore
