// A bell that threads wait for, and that wakes all of them at once: one system call for many, where
// a condition variable has each of them take a lock when it wakes, and std::atomic::wait first
// spins. On a futex (futex(2)), so on Linux alone.
//
//   reader:  for (;;) {                          writer:  ready = true;  // atomic
//              const uint32_t seen = bell.Rings();        bell.RingAll();
//              if (ready) break;
//              bell.Wait(seen);
//            }

#ifndef BATONSTORE_BASE_BELL_H_
#define BATONSTORE_BASE_BELL_H_

#include <atomic>
#include <cstdint>

namespace batonstore {

// Thread-safe. Must outlive every call.
class Bell {
 public:
  // How often it has rung, modulo 2^32: to be asked before the condition is.
  uint32_t Rings() const { return rings_.load(std::memory_order_acquire); }

  // Waits until it has rung since `seen`. May also return for no reason. What came before the ring
  // happens before what follows this, once Rings() has told of it.
  void Wait(uint32_t seen);

  // Wakes all who wait; or one of them, if anybody does.
  void RingAll();
  void RingOne();

 private:
  void Ring(int most);

  std::atomic<uint32_t> rings_ = 0;
};

}  // namespace batonstore

#endif  // BATONSTORE_BASE_BELL_H_
