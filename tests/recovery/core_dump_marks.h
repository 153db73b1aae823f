// What core_dump_test looks for, and core_dump_subject has in memory: made of what both know, so
// that none of it stands in the program itself.

#ifndef BATONSTORE_TESTS_RECOVERY_CORE_DUMP_MARKS_H_
#define BATONSTORE_TESTS_RECOVERY_CORE_DUMP_MARKS_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/session.h"

namespace batonstore::testing {

inline constexpr char kReadField[] = "read";        // a secret that the subject reads
inline constexpr char kWrittenField[] = "written";  // one that it writes: SecretWrittenFor

inline std::string SecretWrittenFor(const Session& session) {
  return Sha256(absl::StrCat("written for ", session.public_key));
}

// No secret: what must be found.
inline std::string MarkOf(const Session& session) {
  return Sha256(absl::StrCat("mark of ", session.public_key));
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_CORE_DUMP_MARKS_H_
