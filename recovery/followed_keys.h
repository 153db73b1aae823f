// The data keys of a store that somebody else owns, and may replace at any time.

#ifndef BATONSTORE_RECOVERY_FOLLOWED_KEYS_H_
#define BATONSTORE_RECOVERY_FOLLOWED_KEYS_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "batonstore/base/mutex.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/session_reader.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {

// Thread-safe. Costs a look at one row, and more only when that has changed.
class FollowedKeys final : public KeyFollower {
 public:
  // `keys` must outlive it.
  FollowedKeys(StoreKeys& keys, std::string store_id, SecretBytes key_encryption_key)
      : keys_(keys),
        store_id_(std::move(store_id)),
        key_encryption_key_(std::move(key_encryption_key)) {}

  // WRONG_KEY when the key-encryption key has been replaced: the store has to be opened again.
  absl::Status Follow(Snapshot& snapshot) override;

 private:
  StoreKeys& keys_;
  const std::string store_id_;
  const SecretBytes key_encryption_key_;

  Mutex mu_;
  std::string row_ ABSL_GUARDED_BY(mu_);  // of the keys that are known
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_FOLLOWED_KEYS_H_
