// Ends a process at any one of its system calls, chosen by number: a sweep over the numbers meets
// every state that a crash can leave in the file system.

#ifndef BATONSTORE_TESTS_SUPPORT_KILLED_AT_H_
#define BATONSTORE_TESTS_SUPPORT_KILLED_AT_H_

#include <functional>
#include <optional>

namespace batonstore::testing {

// Runs `body` in a forked child and kills it (SIGKILL) as it enters system call number `call`,
// counted from 0. True when it was killed, false when it came to its end before, nothing where this
// process may not trace its children.
std::optional<bool> RunUntilKilledAt(int call, const std::function<void()>& body);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_KILLED_AT_H_
