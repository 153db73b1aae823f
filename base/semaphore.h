// A count that one thread raises and another waits for: POSIX's semaphore. ThreadSanitizer sees it,
// and it needs no lock beside it.

#ifndef BATONSTORE_BASE_SEMAPHORE_H_
#define BATONSTORE_BASE_SEMAPHORE_H_

#include <semaphore.h>

#include <cerrno>

namespace batonstore {

// Begins at 0. It may be destroyed as soon as Wait has returned, even before the Post that let it
// through has: glibc (since 2.21) and musl do not touch the semaphore's memory once they have
// raised its count. So it can live on the stack of the one that waits.
class Semaphore {
 public:
  Semaphore() { sem_init(&semaphore_, /*pshared=*/0, 0); }  // cannot fail with these
  ~Semaphore() { sem_destroy(&semaphore_); }
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // What came before it happens before what follows the Wait that it lets through.
  void Post() { sem_post(&semaphore_); }

  // Waits until the count is above 0, and lowers it.
  void Wait() {
    while (sem_wait(&semaphore_) != 0 && errno == EINTR) {
    }
  }

  // The same if it need not wait for that; else false.
  bool TryWait() { return sem_trywait(&semaphore_) == 0; }

 private:
  sem_t semaphore_;
};

}  // namespace batonstore

#endif  // BATONSTORE_BASE_SEMAPHORE_H_
