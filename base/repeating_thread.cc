#include "batonstore/base/repeating_thread.h"

#include <new>
#include <utility>

namespace batonstore {

RepeatingThread::RepeatingThread(absl::Duration interval, std::function<absl::Duration()> work)
    : interval_(interval), work_(std::move(work)), thread_([this] { Run(); }) {}

RepeatingThread::~RepeatingThread() {
  Stop();
  thread_.join();
}

void RepeatingThread::Stop() {
  MutexLock lock(mu_);
  stopping_ = true;
  stop_.SignalAll();
}

void RepeatingThread::Run() {
  absl::Duration pause = interval_;
  while (Pause(pause)) pause = Work();
}

absl::Duration RepeatingThread::Work() try { return work_(); } catch (const std::bad_alloc&) {
  return interval_;
}

// False when it is to stop.
bool RepeatingThread::Pause(absl::Duration duration) {
  MutexLock lock(mu_);
  while (!stopping_ && duration > absl::ZeroDuration() && stop_.WaitFor(mu_, duration)) {
  }
  return !stopping_;
}

}  // namespace batonstore
