// Sweeps a store from a thread of its own, piece after piece until nothing is left, then again
// after a while.

#ifndef BATONSTORE_STORE_SWEEPER_H_
#define BATONSTORE_STORE_SWEEPER_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/session_store.h"

namespace batonstore {

class Sweeper {
 public:
  // Sweeps every `interval` of real time; what is swept is decided by the store's own. `store` must
  // outlive the sweeper. Throws std::system_error when there can be no more threads.
  Sweeper(SessionStore& store, absl::Duration interval);

  // Waits for the piece under way.
  ~Sweeper();

  // No piece is begun any more. Does not wait.
  void Stop();

  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

 private:
  void Run();
  bool Pause(absl::Duration duration);

  SessionStore& store_;
  const absl::Duration interval_;

  Mutex mu_;
  CondVar stop_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SWEEPER_H_
