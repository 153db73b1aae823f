#include "batonstore/store/stream_reaper.h"

#include <algorithm>

namespace batonstore {
namespace {

// Clocks of condition variables overflow at some point.
constexpr absl::Duration kLongest = absl::Hours(24);

}  // namespace

StreamReaper::StreamReaper(StreamRegistry& streams, absl::Duration interval)
    : streams_(streams), interval_(std::min(interval, kLongest)), thread_([this] { Run(); }) {}

StreamReaper::~StreamReaper() {
  Stop();
  thread_.join();
}

void StreamReaper::Stop() {
  MutexLock lock(mu_);
  stopping_ = true;
  stop_.SignalAll();
}

void StreamReaper::Run() {
  while (Pause()) streams_.Reap();
}

// False when it is to stop.
bool StreamReaper::Pause() {
  MutexLock lock(mu_);
  while (!stopping_ && stop_.WaitFor(mu_, interval_)) {
  }
  return !stopping_;
}

}  // namespace batonstore
