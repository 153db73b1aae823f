// Where live streams lie: slots that never move, each with a lock of its own, found by number
// without any other lock.

#ifndef BATONSTORE_STORE_STREAM_SLOTS_H_
#define BATONSTORE_STORE_STREAM_SLOTS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/store/pinned_connection.h"
#include "batonstore/store/sql_cache.h"
#include "batonstore/store/stream_holdings.h"

namespace batonstore {

// free -> busy: Open. idle <-> busy: Resume and Finish. idle -> ending: Kill, CloseAll, Reap.
// busy -> doomed: Kill, CloseAll. busy, doomed -> ending: Close, or dropping the turn.
// ending -> free: everything has been given back.
enum class SlotState : uint8_t {
  kFree,
  kIdle,    // waits for its next turn
  kBusy,    // a turn holds it, or it is being opened
  kDoomed,  // busy, and ends with its turn
  kEnding,  // what it holds is being given back
};

// What few streams have. The holder's; the capture under the slot's lock, too.
struct StreamExtras {
  std::unique_ptr<Capture> capture;
  std::unique_ptr<SqlCache> sql;
};

// What every turn looks at, in three cache lines: with many streams, waiting for memory is what a
// turn costs. Whoever puts the state to busy or ending, under the lock, is from then on the
// stream's holder, the only one that touches what belongs to the holder; so rollbacks need no lock.
struct alignas(64) StreamSlot {
  static constexpr size_t kLineBytes = 64;
  static constexpr size_t kLines = 3;

  static constexpr int kIndexBits = 20;  // of an id: the slot; above them how often it was taken
  static constexpr uint32_t kMaxSlots = uint32_t{1} << kIndexBits;
  static constexpr uint64_t kOneTaking = uint64_t{1} << kIndexBits;

  static uint32_t IndexOf(uint64_t id) { return static_cast<uint32_t>(id & (kMaxSlots - 1)); }

  // Asks for what a turn looks at to be fetched into the cache, all of it at once: the lock would
  // make the rest wait for its first line.
  void Prefetch() const {
    for (size_t i = 0; i < kLines; ++i) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + i * kLineBytes, /*for writing*/ 1);
    }
  }

  SmallMutex mu;

  // The registry's, under its lock.
  uint32_t next_free = kMaxSlots;

  uint64_t id ABSL_GUARDED_BY(mu) = 0;  // of the stream that is here, or else that comes next
  uint64_t next_generation ABSL_GUARDED_BY(mu) = 0;  // of the baton that the next Finish hands on
  int64_t last_used_ns ABSL_GUARDED_BY(mu) = 0;      // since boot, as is the next

  // Constant while the slot is taken.
  int64_t opened_ns = 0;
  const std::string* database = nullptr;  // kept by the registry
  absl::InlinedVector<char, 32> principal;
  bool read_only = false;

  SlotState state ABSL_GUARDED_BY(mu) = SlotState::kFree;
  bool has_baton ABSL_GUARDED_BY(mu) = false;  // false during the turn that opened the stream
  bool is_queued ABSL_GUARDED_BY(mu) = false;  // for the reaper, by when it is due or earlier

  // The one baton that is good for the next turn, or was for the one under way.
  std::array<char, kBatonLength> baton ABSL_GUARDED_BY(mu) = {};

  // The holder's.
  const std::unique_ptr<StreamHoldings> holdings = std::make_unique<StreamHoldings>();
  std::unique_ptr<StreamExtras> extras;  // null if it has none; made under the lock, too

  absl::string_view Principal() const { return {principal.data(), principal.size()}; }
  absl::Duration Opened() const { return absl::Nanoseconds(opened_ns); }
  absl::Duration LastUsed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return absl::Nanoseconds(last_used_ns);
  }
};
static_assert(sizeof(StreamSlot) == StreamSlot::kLines * StreamSlot::kLineBytes);

// Grows, and never shrinks: a slot lives as long as the table. All slots lie in one allocation,
// which costs addresses alone until it is used: from the second 2 MiB on huge pages, as far as the
// system has any, since with many streams finding small pages takes much of a turn's time.
class StreamSlots {
 public:
  StreamSlots() = default;
  ~StreamSlots();
  StreamSlots(const StreamSlots&) = delete;
  StreamSlots& operator=(const StreamSlots&) = delete;

  // How many there are, all of them in use or on the registry's free list.
  uint32_t size() const { return size_.load(std::memory_order_acquire); }

  // A new slot, with its id set; its number is the old size(). REQUIRES: size() is below
  // StreamSlot::kMaxSlots, no other call of Grow() is under way. May throw std::bad_alloc, and has
  // done nothing then.
  StreamSlot& Grow();

  // From here on the slots, and all that they hold, live for ever.
  void Leak() { leaked_ = true; }

  // Null if there is no such slot; it may be free. Takes no lock.
  StreamSlot* Find(uint32_t index) const { return index < size() ? slots_ + index : nullptr; }

 private:
  void Allocate();

  std::atomic<uint32_t> size_ = 0;
  StreamSlot* slots_ = nullptr;  // constant once there is one
  bool leaked_ = false;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_SLOTS_H_
