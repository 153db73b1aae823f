#include "tests/support/allocation_counter.h"

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BATONSTORE_SANITIZER_HAS_MALLOC
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BATONSTORE_SANITIZER_HAS_MALLOC
#endif

namespace {
thread_local uint64_t allocations = 0;
}  // namespace

namespace batonstore::testing {

uint64_t Allocations() { return allocations; }

}  // namespace batonstore::testing

#ifdef BATONSTORE_SANITIZER_HAS_MALLOC

void* operator new(size_t size) {
  ++allocations;
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

#else

// glibc lets a program put its own malloc before the library's, which it calls by these names.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);

void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
}  // extern "C"

#endif
