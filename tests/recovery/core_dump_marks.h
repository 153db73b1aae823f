// What core_dump_test looks for, and core_dump_subject has in memory: made of what both know, so
// that none of it stands in the program itself.

#ifndef BATONSTORE_TESTS_RECOVERY_CORE_DUMP_MARKS_H_
#define BATONSTORE_TESTS_RECOVERY_CORE_DUMP_MARKS_H_

#include <cstddef>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/session.h"

namespace batonstore::testing {

inline constexpr char kReadField[] = "read";        // a secret that the subject reads
inline constexpr char kWrittenField[] = "written";  // one that it writes

// Large, so that not all memory of a copy is soon used again.
inline constexpr size_t kSecretSize = 40'000;

// Made in one piece of memory, and in no other.
inline std::string SecretFor(const Session& session, const char* field) {
  const std::string seed = Sha256(absl::StrCat(field, session.public_key));
  std::seed_seq sequence(seed.begin(), seed.end());
  std::minstd_rand random(sequence);
  std::string secret(kSecretSize, '\0');
  for (char& byte : secret) byte = static_cast<char>(random() >> 8);
  return secret;
}

// No secret: what must be found.
inline std::string MarkOf(const Session& session) {
  return Sha256(absl::StrCat("mark of ", session.public_key));
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_CORE_DUMP_MARKS_H_
