// Which sessions have a turn under way. In memory: only the owner serves, and a turn does not
// outlive its process.

#ifndef BATONSTORE_STORE_BUSY_SESSIONS_H_
#define BATONSTORE_STORE_BUSY_SESSIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <unordered_set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/alias.h"

namespace batonstore {

// Thread-safe.
class BusySessions {
 public:
  BusySessions();
  BusySessions(const BusySessions&) = delete;
  BusySessions& operator=(const BusySessions&) = delete;

  // Marks one session as busy for as long as it lives; or nothing, when empty. It must not outlive
  // the BusySessions. Not thread-safe.
  class Lease {
   public:
    Lease() = default;
    ~Lease() { Release(); }
    Lease(Lease&& other) noexcept
        : busy_(std::exchange(other.busy_, nullptr)), alias_(other.alias_) {}
    Lease& operator=(Lease&& other) noexcept;

    bool held() const { return busy_ != nullptr; }
    void Release();

   private:
    friend class BusySessions;
    Lease(BusySessions* busy, Alias alias) : busy_(busy), alias_(alias) {}

    BusySessions* busy_ = nullptr;
    Alias alias_;
  };

  // An empty lease if the session is busy.
  Lease Take(Alias alias);

 private:
  void Release(Alias alias);

  const pid_t pid_;
  Mutex mu_;
  std::unordered_set<uint64_t> busy_ ABSL_GUARDED_BY(mu_);
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_BUSY_SESSIONS_H_
