// A store with rows of every kind.

#ifndef BATONSTORE_TESTS_SUPPORT_FULL_STORE_H_
#define BATONSTORE_TESTS_SUPPORT_FULL_STORE_H_

#include <string>

namespace batonstore::testing {

// Makes one in a folder that does not exist yet, and closes it in order: every table has rows, some
// of them on pages of their own; there are live and ended sessions, groups, new identities, marks,
// reservations, compensations and free pages. Ends the test program if it cannot.
void MakeFullStore(const std::string& directory);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_FULL_STORE_H_
