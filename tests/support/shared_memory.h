// Memory that a process shares with the children that it forks.

#ifndef BATONSTORE_TESTS_SUPPORT_SHARED_MEMORY_H_
#define BATONSTORE_TESTS_SUPPORT_SHARED_MEMORY_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <type_traits>

namespace batonstore::testing {

// A T that is all zeros at first, and behind it `more` bytes that are, too.
template <typename T>
class SharedMemory {
 public:
  static_assert(std::is_trivially_destructible_v<T>);

  explicit SharedMemory(size_t more = 0)
      : size_(sizeof(T) + more),
        at_(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (at_ == MAP_FAILED) std::abort();
  }
  ~SharedMemory() { munmap(at_, size_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  T& operator*() const { return *static_cast<T*>(at_); }

 private:
  const size_t size_;
  void* const at_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_SHARED_MEMORY_H_
