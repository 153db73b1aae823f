// The secrets that a store's rows are protected by: a key for hashes, which stays, and the data
// key, which can be changed while the store serves. Until every row has been sealed again, the
// former one is kept beside it (reseal.h).

#ifndef BATONSTORE_STORE_DATA_KEYS_H_
#define BATONSTORE_STORE_DATA_KEYS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore {

// A value: rotating gives a new one. Immutable, so thread-safe.
class DataKeys {
 public:
  static constexpr size_t kKeyBytes = 32;

  struct Key {
    uint8_t number = 0;  // stands before each seal; counts up, and starts again after 255
    SecretBytes secret;
  };

  // Random ones, for a new store.
  static DataKeys Create(RandomSource& random);

  // With a new data key; the current one becomes the former. REQUIRES: there is no former one.
  DataKeys Rotated(RandomSource& random) const;

  // Without the former one.
  DataKeys Finished() const;

  const SecretBytes& index_key() const { return index_key_; }
  const Key& current() const { return current_; }
  const std::optional<Key>& former() const { return former_; }

  // The stored form: docs/file_format.md. Store it sealed.
  SecretBytes Serialize() const;
  static absl::StatusOr<DataKeys> Parse(absl::string_view serialized);  // CORRUPT

 private:
  DataKeys(SecretBytes index_key, Key current, std::optional<Key> former);

  SecretBytes index_key_;
  Key current_;
  std::optional<Key> former_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_DATA_KEYS_H_
