// Makes memory run out: in a test that links this library, any `new` of a thread can be told to
// fail.
//
//   ScopedAllocationFault fault(3, /*for_good=*/false);  // the fourth from here throws
//   std::bad_alloc

#ifndef BATONSTORE_TESTS_SUPPORT_ALLOCATION_FAULTS_H_
#define BATONSTORE_TESTS_SUPPORT_ALLOCATION_FAULTS_H_

#include <cstddef>

namespace batonstore::testing {

// For the thread that makes it, from its making to its end; one at a time. Over-aligned allocations
// neither count nor fail.
class ScopedAllocationFault {
 public:
  // The one that fails, from 0; `for_good`: so do all that follow.
  ScopedAllocationFault(size_t nth, bool for_good);
  ~ScopedAllocationFault();
  ScopedAllocationFault(const ScopedAllocationFault&) = delete;
  ScopedAllocationFault& operator=(const ScopedAllocationFault&) = delete;

  // Whether one has failed.
  bool Struck() const;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_ALLOCATION_FAULTS_H_
