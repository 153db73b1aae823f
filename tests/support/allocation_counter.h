// Counts the calling thread's heap allocations: for code that promises to make none.

#ifndef BATONSTORE_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
#define BATONSTORE_TESTS_SUPPORT_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace batonstore::testing {

// How often this thread has taken memory from malloc and its like (operator new and BoringSSL do)
// so far. Under AddressSanitizer and ThreadSanitizer, which have a malloc of their own, it counts
// operator new only.
uint64_t Allocations();

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
