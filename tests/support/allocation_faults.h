// Makes memory run out: in a test that links this library, any allocation of a thread can be told
// to fail.
//
//   ScopedAllocationFault fault(3, /*for_good=*/false);  // the fourth `new` from here throws
//   std::bad_alloc

#ifndef BATONSTORE_TESTS_SUPPORT_ALLOCATION_FAULTS_H_
#define BATONSTORE_TESTS_SUPPORT_ALLOCATION_FAULTS_H_

#include <cstddef>
#include <cstdint>

namespace batonstore::testing {

enum class Memory : uint8_t {
  kNew,  // operator new, but for over-aligned allocations, and memory for secrets
  kAny,  // and malloc, calloc and realloc of every library in the process
};

// Whether kAny is more than kNew: a sanitizer keeps malloc to itself.
bool MallocCanFail();

// For the thread that makes it, from its making to its end; one at a time.
class ScopedAllocationFault {
 public:
  // The one that fails, from 0; `for_good`: so do all that follow.
  ScopedAllocationFault(size_t nth, bool for_good, Memory of = Memory::kNew);
  ~ScopedAllocationFault();
  ScopedAllocationFault(const ScopedAllocationFault&) = delete;
  ScopedAllocationFault& operator=(const ScopedAllocationFault&) = delete;

  // Whether one has failed.
  bool Struck() const;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_ALLOCATION_FAULTS_H_
