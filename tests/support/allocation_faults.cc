#include "tests/support/allocation_faults.h"

#include <cstdlib>
#include <new>

namespace batonstore::testing {
namespace {

enum class State { kOff, kArmed, kStruck, kStruckForGood };

thread_local State state = State::kOff;
thread_local size_t allocations_left = 0;
thread_local bool stays = false;

bool MustFail() {
  if (state == State::kStruckForGood) return true;
  if (state != State::kArmed || allocations_left-- > 0) return false;
  state = stays ? State::kStruckForGood : State::kStruck;
  return true;
}

void* Allocate(size_t size) {
  void* const memory = MustFail() ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

ScopedAllocationFault::ScopedAllocationFault(size_t nth, bool for_good) {
  allocations_left = nth;
  stays = for_good;
  state = State::kArmed;
}

ScopedAllocationFault::~ScopedAllocationFault() { state = State::kOff; }

bool ScopedAllocationFault::Struck() const {
  return state == State::kStruck || state == State::kStruckForGood;
}

}  // namespace batonstore::testing

// The library's other forms, but for the over-aligned ones, call these.
void* operator new(size_t size) { return batonstore::testing::Allocate(size); }
void* operator new[](size_t size) { return batonstore::testing::Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
