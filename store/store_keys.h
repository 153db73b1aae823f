// What protects the rows of one store: keys derived from its data keys, one for each use.

#ifndef BATONSTORE_STORE_STORE_KEYS_H_
#define BATONSTORE_STORE_STORE_KEYS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/data_keys.h"
#include "batonstore/store/root.h"
#include "batonstore/store/schema.h"

namespace batonstore {

inline constexpr size_t kKeyEncryptionKeyBytes = 32;
inline constexpr size_t kStoreIdBytes = 16;

// The sealed rows of `meta`: bound to the store and to the row's name. A seal that does not open is
// WRONG_KEY, since with the right key it opens unless the row was damaged.
std::string SealUnderKeyEncryptionKey(const SecretBytes& key_encryption_key,
                                      absl::string_view store_id, absl::string_view row_name,
                                      const SecretBytes& secret, RandomSource& random);
absl::StatusOr<SecretBytes> OpenUnderKeyEncryptionKey(const SecretBytes& key_encryption_key,
                                                      absl::string_view store_id,
                                                      absl::string_view row_name,
                                                      absl::string_view sealed);

// Thread-safe.
class StoreKeys {
 public:
  // `random` must outlive the keys.
  StoreKeys(const DataKeys& data_keys, absl::string_view store_id, RandomSource& random);
  ~StoreKeys();

  // Opens what is sealed under this key, too, from now on; and, once Use names it, seals with it.
  // What earlier keys have sealed goes on to open, since there may be snapshots that have it.
  // REQUIRES: one caller at a time. Add may throw std::bad_alloc; then nothing has changed.
  void Add(const DataKeys::Key& key);
  void Use(uint8_t number) noexcept { current_.store(number, std::memory_order_release); }

  // A row's value on disk: format version (1 byte) || number of the data key (1 byte) || sealed
  // plaintext. The seal is bound to store, table, version and key, so a row that was changed, moved
  // or swapped does not open: CORRUPT, naming the table and the key.
  std::string SealRow(Table table, absl::string_view key, absl::string_view plaintext) const;
  absl::StatusOr<std::string> OpenRow(Table table, absl::string_view key,
                                      absl::string_view value) const;

  // The same, into memory that is wiped.
  absl::StatusOr<SecretBytes> OpenSecretRow(Table table, absl::string_view key,
                                            absl::string_view value) const;

  // Whether a sealed row is sealed under the current data key.
  bool IsCurrent(absl::string_view value) const;

  // A private key, bound to store, key type and public key: number of the data key (1 byte) ||
  // sealed key. It is sealed before the alias is known, outside the writer.
  std::string SealPrivateKey(const KeyPair& pair) const;
  absl::StatusOr<SecretBytes> OpenPrivateKey(KeyType type, absl::string_view public_key,
                                             absl::string_view sealed) const;
  bool IsCurrentPrivateKey(absl::string_view sealed) const;

  // What stands for a principal, a database or an idempotency key in keys. Two of them may share
  // it, once in 2^64 pairs: where that matters, compare the record's own.
  uint64_t HashPrincipal(absl::string_view principal) const { return principal_hash_(principal); }
  uint64_t HashDatabase(absl::string_view database) const { return database_hash_(database); }
  uint64_t HashIdempotencyKey(absl::string_view principal, absl::string_view key) const;

  // For the root row.
  std::unique_ptr<const RootHash> MakeRootHash() const;

 private:
  struct DataKey;

  const DataKey& Current() const;
  const DataKey* Find(char number) const;  // null for one that is not known

  const std::string store_id_;
  RandomSource& random_;
  std::atomic<uint8_t> current_;
  std::array<std::atomic<const DataKey*>, 256> by_number_{};
  std::vector<std::unique_ptr<const DataKey>> data_keys_;  // for Add alone
  const KeyedHash principal_hash_;
  const KeyedHash database_hash_;
  const KeyedHash idempotency_hash_;
  const SecretBytes root_key_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STORE_KEYS_H_
