// A thread that does something, pauses, and does it again.

#ifndef BATONSTORE_BASE_REPEATING_THREAD_H_
#define BATONSTORE_BASE_REPEATING_THREAD_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"

namespace batonstore {

class RepeatingThread {
 public:
  // `work` begins after a pause of `interval`, in real time. It returns how long to pause before it
  // is done again: zero is at once. If it throws std::bad_alloc, what it has not done is left for
  // the next time, after `interval`. Throws std::system_error when there can be no more threads.
  RepeatingThread(absl::Duration interval, std::function<absl::Duration()> work);

  // Waits for the work under way.
  ~RepeatingThread();
  RepeatingThread(const RepeatingThread&) = delete;
  RepeatingThread& operator=(const RepeatingThread&) = delete;

  // No work is begun any more. Does not wait. Thread-safe.
  void Stop();

 private:
  void Run();
  bool Pause(absl::Duration duration);
  absl::Duration Work();

  const absl::Duration interval_;
  const std::function<absl::Duration()> work_;

  Mutex mu_;
  CondVar stop_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace batonstore

#endif  // BATONSTORE_BASE_REPEATING_THREAD_H_
