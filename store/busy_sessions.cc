#include "batonstore/store/busy_sessions.h"

#include <unistd.h>

namespace batonstore {

BusySessions::BusySessions() : pid_(getpid()) {}

BusySessions::Lease& BusySessions::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  Release();
  busy_ = std::exchange(other.busy_, nullptr);
  alias_ = other.alias_;
  return *this;
}

void BusySessions::Lease::Release() {
  if (busy_ != nullptr) std::exchange(busy_, nullptr)->Release(alias_);
}

BusySessions::Lease BusySessions::Take(Alias alias) {
  MutexLock lock(mu_);
  return busy_.insert(alias.value()).second ? Lease(this, alias) : Lease();
}

void BusySessions::Release(Alias alias) {
  // A forked child that drops its copy of a turn must not lock: the lock may have been held when it
  // was forked, by a thread that the child does not have.
  if (getpid() != pid_) return;
  MutexLock lock(mu_);
  busy_.erase(alias.value());
}

}  // namespace batonstore
