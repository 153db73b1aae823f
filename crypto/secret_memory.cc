#include "batonstore/crypto/secret_memory.h"

#include <openssl/mem.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <new>

#include "absl/base/thread_annotations.h"
#include "batonstore/base/mutex.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

namespace batonstore {
namespace {

constexpr size_t kSmallest = 64;   // a cache line: two secrets share none
constexpr size_t kLargest = 4096;  // of those that are kept
constexpr size_t kSlab = size_t{64} << 10;
constexpr size_t kSizes = std::bit_width(kLargest) - std::bit_width(kSmallest) + 1;

void* MapPages(size_t size) {
  void* const pages =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  if (madvise(pages, size, MADV_DONTDUMP) != 0) {
    munmap(pages, size);
    throw std::bad_alloc();
  }
  return pages;
}

size_t WholePages(size_t size) {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

// Of powers of two. What is free is all zero, but for the link to the next.
class Blocks {
 public:
  void* Take(size_t size) {
    MutexLock lock(mu_);
    Free*& first = free_[IndexOf(size)];
    if (first == nullptr) return Carve(size);
    Free* const taken = first;
    ASAN_UNPOISON_MEMORY_REGION(taken, size);
    first = taken->next;
    taken->next = nullptr;
    return taken;
  }

  void GiveBack(void* block, size_t size) {
    MutexLock lock(mu_);
    Free*& first = free_[IndexOf(size)];
    first = new (block) Free{first};
    ASAN_POISON_MEMORY_REGION(block, size);
  }

  void BeforeFork() ABSL_EXCLUSIVE_LOCK_FUNCTION(mu_) { mu_.Lock(); }
  void AfterFork() ABSL_UNLOCK_FUNCTION(mu_) { mu_.Unlock(); }

 private:
  struct Free {
    Free* next;
  };

  static size_t IndexOf(size_t size) { return std::bit_width(size) - std::bit_width(kSmallest); }

  void* Carve(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (left_ < size) {
      slab_ = static_cast<char*>(MapPages(kSlab));
      left_ = kSlab;
    }
    left_ -= size;
    return slab_ + left_;
  }

  SmallMutex mu_;  // held during nothing else
  std::array<Free*, kSizes> free_ ABSL_GUARDED_BY(mu_) = {};
  char* slab_ ABSL_GUARDED_BY(mu_) = nullptr;
  size_t left_ ABSL_GUARDED_BY(mu_) = 0;  // at the slab's beginning
};

constinit Blocks blocks;

// A fork waits until no other thread is at the lists, so that the child finds them whole and free.
// Registered before main(): of several such handlers the first to be registered is the last to
// lock, and nobody who is waited for by the others needs what it has locked.
[[maybe_unused]] const int registered = [] {
  const int error = pthread_atfork([]() ABSL_NO_THREAD_SAFETY_ANALYSIS { blocks.BeforeFork(); },
                                   []() ABSL_NO_THREAD_SAFETY_ANALYSIS { blocks.AfterFork(); },
                                   []() ABSL_NO_THREAD_SAFETY_ANALYSIS { blocks.AfterFork(); });
  if (error != 0) std::abort();  // the program is only starting: there is no memory at all
  return error;
}();

// Binds what WipeStack() calls. When the loader does so at the first use, it saves the registers on
// the stack, deeper than WipeStack() reaches, and they may hold a part of a key.
[[maybe_unused]] const bool bound = (WipeStack(), true);

size_t BlockSize(size_t size) { return std::bit_ceil(std::max(size, kSmallest)); }

}  // namespace

void* AllocateSecret(size_t size) {
  return size <= kLargest ? blocks.Take(BlockSize(size)) : MapPages(WholePages(size));
}

void FreeSecret(void* memory, size_t size) noexcept {
  if (memory == nullptr) return;
  WipeMemory(memory, size);
  if (size <= kLargest) {
    blocks.GiveBack(memory, BlockSize(size));
  } else {
    munmap(memory, WholePages(size));
  }
}

void WipeMemory(void* data, size_t size) { OPENSSL_cleanse(data, size); }

__attribute__((noinline)) void WipeStack() {
  char left_behind[8192];
  WipeMemory(left_behind, sizeof(left_behind));
}

}  // namespace batonstore
