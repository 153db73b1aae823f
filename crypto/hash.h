// Digests and derived keys.

#ifndef BATONSTORE_CRYPTO_HASH_H_
#define BATONSTORE_CRYPTO_HASH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/crypto/secret_memory.h"

namespace batonstore {

// SHA-256 (FIPS 180-4): 32 bytes.
std::string Sha256(absl::string_view bytes);

// HKDF-SHA256 (RFC 5869): `size` bytes of key material from `secret`, 8160 at most. `info` names
// the use, so that two uses never share a key.
SecretBytes DeriveKey(const SecretBytes& secret, absl::string_view salt, absl::string_view info,
                      size_t size);

// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for index keys, which an outsider can
// neither compute nor steer into collisions. Thread-safe.
class KeyedHash {
 public:
  static constexpr size_t kKeySize = 16;

  // REQUIRES: key.size() == kKeySize.
  explicit KeyedHash(const SecretBytes& key);

  uint64_t operator()(absl::string_view bytes) const;

 private:
  struct Key : NotDumped {
    uint64_t words[2];
  };

  std::unique_ptr<const Key> key_;
};

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_HASH_H_
