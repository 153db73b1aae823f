// The birth of a store: everything is made and synced in a temporary folder beside it, and one
// rename publishes it (publish.h). At every instant there is either no store or one that opens.

#ifndef BATONSTORE_RECOVERY_NEW_STORE_H_
#define BATONSTORE_RECOVERY_NEW_STORE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/store/lmdb_environment.h"

namespace batonstore::recovery {

inline constexpr absl::string_view kKeyFileName = "key";

// What a store in `folder` opens with that is being made: what the source gives, or, without one, a
// random key, which is written to a file named kKeyFileName inside the folder.
absl::StatusOr<SecretBytes> KeyOfNewStore(const std::string& folder, const KeySource& key_source,
                                          absl::string_view store_id, RandomSource& random);

// Creates the store `directory`, which must not exist or be an empty folder. Its parent must exist.
// Without a key source, a random key is written to a file named kKeyFileName inside it.
//   EXISTS  somebody else has published a store there first, or something else lies there
// Also removes what a creation that was cut off left beside it.
absl::Status CreateStore(const std::string& directory, const KeySource& key_source,
                         const LmdbEnvironment::Options& environment_options, RandomSource& random);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_NEW_STORE_H_
