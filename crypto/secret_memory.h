// Memory for secrets: it is left out of core dumps (MADV_DONTDUMP), and wiped before anybody else
// gets it.

#ifndef BATONSTORE_CRYPTO_SECRET_MEMORY_H_
#define BATONSTORE_CRYPTO_SECRET_MEMORY_H_

#include <cstddef>

namespace batonstore {

// `size` zero bytes, aligned to 64. Throws std::bad_alloc. Thread-safe, and in a forked child, too,
// which has a copy of its own. Memory for up to 4096 bytes is kept for the next who asks; more gets
// pages of its own. REQUIRES: size > 0.
void* AllocateSecret(size_t size);

// Wipes and gives back. `size` is what it was allocated with. Thread-safe.
void FreeSecret(void* memory, size_t size) noexcept;

// Base of what `new` is to make in such memory: a key that some library keeps in a form of its own.
struct NotDumped {
  static void* operator new(size_t size) { return AllocateSecret(size); }
  static void operator delete(void* memory, size_t size) noexcept { FreeSecret(memory, size); }
};

// Overwrites `size` bytes in a way that the compiler may not leave out.
void WipeMemory(void* data, size_t size);

// Overwrites what functions that have returned have left on the stack, as far as 8 KiB below the
// caller: libraries compute on keys there and do not clean up.
void WipeStack();

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_SECRET_MEMORY_H_
