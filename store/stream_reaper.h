// Reaps streams from a thread of its own.

#ifndef BATONSTORE_STORE_STREAM_REAPER_H_
#define BATONSTORE_STORE_STREAM_REAPER_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/stream_registry.h"

namespace batonstore {

class StreamReaper {
 public:
  // Reaps every `interval` of real time; what is due is decided by the registry's clock. `streams`
  // must outlive the reaper. Throws std::system_error when there can be no more threads.
  StreamReaper(StreamRegistry& streams, absl::Duration interval);

  // Waits for the rollbacks under way.
  ~StreamReaper();

  // No reaping is begun any more. Does not wait.
  void Stop();

  StreamReaper(const StreamReaper&) = delete;
  StreamReaper& operator=(const StreamReaper&) = delete;

 private:
  void Run();
  bool Pause();

  StreamRegistry& streams_;
  const absl::Duration interval_;

  Mutex mu_;
  CondVar stop_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_REAPER_H_
