#include "batonstore/base/bell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace batonstore {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) &&
                  std::atomic<uint32_t>::is_always_lock_free,
              "a futex is a plain word of 32 bits");

// An error says that it has rung by now, or that a signal came: either is a reason to return.
void Bell::Wait(uint32_t seen) {
  (void)syscall(SYS_futex, &rings_, FUTEX_WAIT_PRIVATE, seen, nullptr);
}

void Bell::RingAll() { Ring(INT_MAX); }

void Bell::RingOne() { Ring(1); }

void Bell::Ring(int most) {
  rings_.fetch_add(1, std::memory_order_seq_cst);
  (void)syscall(SYS_futex, &rings_, FUTEX_WAKE_PRIVATE, most);
}

}  // namespace batonstore
