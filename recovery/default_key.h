// The key-encryption key of who gives none: the file `key` in the store's folder, and beside it,
// while it is being replaced, `key.next`. Whoever replaced it may have died before or after the
// store was sealed under the next one, so whoever finds both tries both.

#ifndef BATONSTORE_RECOVERY_DEFAULT_KEY_H_
#define BATONSTORE_RECOVERY_DEFAULT_KEY_H_

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/key_source.h"

namespace batonstore::recovery {

std::string DefaultKeyFile(const std::string& directory);
std::string NextDefaultKeyFile(const std::string& directory);

// What a store in `folder` opens with that is being made: what the source gives, or, without one, a
// random key, which is written to the default file.
absl::StatusOr<SecretBytes> KeyOfNewStore(const std::string& folder, const KeySource& key_source,
                                          absl::string_view store_id, RandomSource& random);

// Puts the next default key into the place of the last one, and syncs that.
absl::Status PublishNextDefaultKey(const std::string& directory);

// What `attempt` says with the source that was given; without one with the default key, or, where
// that is WRONG_KEY and there is a next one, with that.
template <typename Result>
absl::StatusOr<Result> WithKey(
    const std::string& directory, const KeySource& given,
    absl::FunctionRef<absl::StatusOr<Result>(const KeySource& source)> attempt) {
  if (given) return attempt(given);
  absl::StatusOr<Result> result = attempt(KeyFromFile(DefaultKeyFile(directory)));
  std::error_code ignored;
  if (VerdictOf(result.status()) != Verdict::kWrongKey ||
      !std::filesystem::exists(NextDefaultKeyFile(directory), ignored)) {
    return result;
  }
  return attempt(KeyFromFile(NextDefaultKeyFile(directory)));
}

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_DEFAULT_KEY_H_
