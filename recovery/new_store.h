// The birth of a store: everything is made and synced in a temporary folder beside it, and one
// rename publishes it (publish.h). At every instant there is either no store or one that opens.

#ifndef BATONSTORE_RECOVERY_NEW_STORE_H_
#define BATONSTORE_RECOVERY_NEW_STORE_H_

#include <string>

#include "absl/status/status.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/store/lmdb_environment.h"

namespace batonstore::recovery {

// For making a store in a folder of its own, which nobody else has open: as much room as it takes.
LmdbEnvironment::Options RoomyOptions(const std::string& folder);

// Creates the store `directory`, which must not exist or be an empty folder. Its parent must exist.
// Without a key source it gets a default key (default_key.h).
//   EXISTS  somebody else has published a store there first, or something else lies there
// Also removes what a creation that was cut off left beside it.
absl::Status CreateStore(const std::string& directory, const KeySource& key_source,
                         const LmdbEnvironment::Options& environment_options, RandomSource& random);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_NEW_STORE_H_
