#include "batonstore/store/sweeper.h"

namespace batonstore {

Sweeper::Sweeper(SessionStore& store, absl::Duration interval)
    : store_(store), interval_(interval), thread_([this] { Run(); }) {}

Sweeper::~Sweeper() {
  Stop();
  thread_.join();
}

void Sweeper::Stop() {
  MutexLock lock(mu_);
  stopping_ = true;
  stop_.SignalAll();
}

void Sweeper::Run() {
  absl::Duration pause = interval_;
  while (Pause(pause)) {
    // What fails is tried again next time: until then the store answers as if it had been done.
    const absl::StatusOr<Swept> swept = store_.Sweep();
    pause = swept.ok() && swept->more ? absl::ZeroDuration() : interval_;
  }
}

// False when it is to stop.
bool Sweeper::Pause(absl::Duration duration) {
  MutexLock lock(mu_);
  while (!stopping_ && duration > absl::ZeroDuration() && stop_.WaitFor(mu_, duration)) {
  }
  return !stopping_;
}

}  // namespace batonstore
