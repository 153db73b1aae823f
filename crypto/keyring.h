// The keys that sign batons: one primary that signs, older ones that still verify, retired ones
// that only tell a baton of the past (LOST) from a forged one (FORGED).

#ifndef BATONSTORE_CRYPTO_KEYRING_H_
#define BATONSTORE_CRYPTO_KEYRING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore {

// A ring is a value: rotating and retiring give a new one. Immutable, so thread-safe.
class Keyring {
 public:
  enum class KeyStatus : uint8_t { kPrimary = 1, kActive = 2, kRetired = 3 };  // stored numbers

  // A ring with one random primary key. `incarnation` (any bytes; the store's 128 random bits) is
  // mixed into the key, so that a copy of the store with another incarnation signs differently.
  static Keyring Create(RandomSource& random, absl::string_view incarnation);

  Keyring(Keyring&&) = default;
  Keyring& operator=(Keyring&&) = default;

  // The ring with a new primary key; the old primary goes on verifying.
  Keyring Rotated(RandomSource& random, absl::string_view incarnation) const;

  // The ring of a copy of the store, which `incarnation` is: a new primary key alone, and batons of
  // every key before it are LOST.
  Keyring Reincarnated(RandomSource& random, absl::string_view incarnation) const;

  // The ring in which batons of `key_id` are LOST. NOT_FOUND for an id that the ring does not have,
  // INVALID for the primary's: rotate first. Retiring twice is the same as once.
  absl::StatusOr<Keyring> Retired(uint32_t key_id) const;

  // A baton signed by the primary key.
  std::string Mint(const BatonClaims& claims) const;

  // The claims of a baton that this ring signed. FORGED when the form, the key id or the tag is
  // wrong; LOST when it is authentic but its key is retired. Whether what it names exists, and
  // whose it is, is for the caller to check. Never allocates, refusing included.
  absl::StatusOr<BatonClaims> Verify(absl::string_view baton) const;

  // Whether batons of this key are LOST. False for an id that the ring does not have.
  bool HasRetired(uint32_t key_id) const;

  uint32_t primary_key_id() const;
  absl::string_view primary_incarnation() const;  // until the ring is gone
  struct KeyInfo {
    uint32_t id;
    KeyStatus status;
  };
  std::vector<KeyInfo> Keys() const;

  // The stored form: version, then each key's id, status, incarnation and secret. Store it sealed.
  SecretBytes Serialize() const;
  static absl::StatusOr<Keyring> Parse(absl::string_view serialized);  // CORRUPT

 private:
  struct Key {
    Key(uint32_t id, KeyStatus status, std::string incarnation, SecretBytes secret);
    Key Clone(KeyStatus with_status) const;

    uint32_t id;
    KeyStatus status;
    std::string incarnation;
    SecretBytes secret;
    HmacSha256 hmac;  // under HKDF(secret, incarnation)
  };

  Keyring() = default;
  const Key& primary() const;

  std::vector<Key> keys_;  // by ascending id; exactly one is primary
};

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_KEYRING_H_
