// Many threads at once, in tests.

#ifndef BATONSTORE_TESTS_SUPPORT_THREADS_H_
#define BATONSTORE_TESTS_SUPPORT_THREADS_H_

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace batonstore::testing {

// Runs `body(thread)` on as many threads, numbered from 0 and let go at the same moment.
inline void OnThreads(int count, const std::function<void(int)>& body) {
  std::atomic<int> not_ready = count;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < count; ++thread) {
    threads.emplace_back([&, thread] {
      --not_ready;
      while (not_ready > 0) std::this_thread::yield();
      body(thread);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_THREADS_H_
