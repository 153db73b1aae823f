#include "tests/support/allocation_faults.h"

#include <cerrno>
#include <cstdlib>
#include <new>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define BATONSTORE_MALLOC_CAN_FAIL 1
// glibc's own, behind the definitions below.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
}
#endif

namespace batonstore::testing {
namespace {

enum class State { kOff, kArmed, kStruck, kStruckForGood };

thread_local State state = State::kOff;
thread_local size_t allocations_left = 0;
thread_local bool stays = false;
thread_local Memory memory_of = Memory::kNew;

bool MustFail() {
  if (state == State::kStruckForGood) return true;
  if (state != State::kArmed || allocations_left-- > 0) return false;
  state = stays ? State::kStruckForGood : State::kStruck;
  return true;
}

void* PlainMalloc(size_t size) {
#ifdef BATONSTORE_MALLOC_CAN_FAIL
  return __libc_malloc(size);
#else
  return std::malloc(size);
#endif
}

void* Allocate(size_t size) {
  void* const memory = MustFail() ? nullptr : PlainMalloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

#ifdef BATONSTORE_MALLOC_CAN_FAIL
bool MallocMustFail() {
  if (memory_of != Memory::kAny || !MustFail()) return false;
  errno = ENOMEM;
  return true;
}
#endif

}  // namespace

bool MallocCanFail() {
#ifdef BATONSTORE_MALLOC_CAN_FAIL
  return true;
#else
  return false;
#endif
}

ScopedAllocationFault::ScopedAllocationFault(size_t nth, bool for_good, Memory of) {
  allocations_left = nth;
  stays = for_good;
  memory_of = of;
  state = State::kArmed;
}

ScopedAllocationFault::~ScopedAllocationFault() {
  state = State::kOff;
  memory_of = Memory::kNew;
}

bool ScopedAllocationFault::Struck() const {
  return state == State::kStruck || state == State::kStruckForGood;
}

}  // namespace batonstore::testing

// batonstore::AllocateSecret(size_t), by the name that the linker knows.
extern "C" {
void* __real__ZN10batonstore14AllocateSecretEm(size_t size);
void* __wrap__ZN10batonstore14AllocateSecretEm(size_t size) {
  if (batonstore::testing::MustFail()) throw std::bad_alloc();
  return __real__ZN10batonstore14AllocateSecretEm(size);
}
}  // extern "C"

// The library's other forms, but for the over-aligned ones, call these.
void* operator new(size_t size) { return batonstore::testing::Allocate(size); }
void* operator new[](size_t size) { return batonstore::testing::Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

#ifdef BATONSTORE_MALLOC_CAN_FAIL
// Every library of the process calls these, since the program's own come first. `free` stays
// libc's.
extern "C" {

void* malloc(size_t size) {
  return batonstore::testing::MallocMustFail() ? nullptr : __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  return batonstore::testing::MallocMustFail() ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  return batonstore::testing::MallocMustFail() ? nullptr : __libc_realloc(memory, size);
}

}  // extern "C"
#endif
