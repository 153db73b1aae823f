// Who a store is: the rows of `meta` that are written once, and the secrets that they seal.

#ifndef BATONSTORE_RECOVERY_IDENTITY_H_
#define BATONSTORE_RECOVERY_IDENTITY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/store/data_keys.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {

struct Identity {
  std::string store_id;
  std::string incarnation;
  uint64_t epoch = 0;         // of the last owner; 0 if none has opened it yet
  uint64_t closed_epoch = 0;  // the last epoch that ended in order
  absl::Time last_time;       // of the last commit
  std::unique_ptr<StoreKeys> keys;
  std::unique_ptr<DataKeys> data_keys;
  std::unique_ptr<Keyring> keyring;
};

// What a new store is called for ever.
std::string RandomStoreId(RandomSource& random);

// Writes the identity of a new store.
absl::Status WriteIdentity(Engine& engine, absl::string_view store_id,
                           const SecretBytes& key_encryption_key, RandomSource& random);

// Makes a copy of a store another one than that it was copied from: with a new incarnation, so that
// batons of before are LOST, and its keys sealed under `key_encryption_key`. One transaction.
absl::Status Reincarnate(Engine& engine, const Identity& identity,
                         const SecretBytes& key_encryption_key, RandomSource& random);

// The same for a store that has nothing yet but its tables.
struct MetaNumbers {
  uint64_t last_alias = 0;
  uint64_t last_event = 0;
};
absl::Status WriteReincarnation(Engine& engine, const Identity& identity,
                                const MetaNumbers& numbers, const SecretBytes& key_encryption_key,
                                RandomSource& random);

// Reads and unseals it. Nothing is written.
//   WRONG_FORMAT  written by a newer batonstore, or not a store at all
//   WRONG_KEY     another key-encryption key; or what the source of it says
//   CORRUPT       a row is missing or does not parse
absl::StatusOr<Identity> ReadIdentity(Engine& engine, const KeySource& key_source,
                                      RandomSource& random);
absl::StatusOr<Identity> ReadIdentity(Snapshot& snapshot, const KeySource& key_source,
                                      RandomSource& random);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_IDENTITY_H_
