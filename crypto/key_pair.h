// A session's key pair.

#ifndef BATONSTORE_CRYPTO_KEY_PAIR_H_
#define BATONSTORE_CRYPTO_KEY_PAIR_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore {

// The numbers are stored: never reused, never changed.
enum class KeyType : uint8_t {
  kX25519 = 1,   // RFC 7748; public 32 bytes, private 32 bytes
  kEd25519 = 2,  // RFC 8032; public 32 bytes, private the seed of 32 bytes
  kP256 = 3,     // SEC 1; public 65 bytes uncompressed, private the scalar, 32 bytes big-endian
};

// "x25519", "ed25519", "p256".
absl::string_view KeyTypeName(KeyType type);

// INVALID for any other name.
absl::StatusOr<KeyType> KeyTypeFromName(absl::string_view name);

// True for the numbers above and no others.
bool IsKeyType(uint8_t number);

struct KeyPair {
  KeyType type = KeyType::kX25519;
  std::string public_key;
  SecretBytes private_key;
};

// Thread-safe.
class KeyPairSource {
 public:
  virtual ~KeyPairSource() = default;

  // A fresh pair. TOO_MANY when memory runs out.
  virtual absl::StatusOr<KeyPair> Generate(KeyType type) = 0;
};

// BoringSSL's generators. Lives for ever.
KeyPairSource& SystemKeyPairs();

// The public key that belongs to `private_key`; INVALID when that is no private key of the type.
absl::StatusOr<std::string> PublicKeyOf(KeyType type, const SecretBytes& private_key);

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_KEY_PAIR_H_
