#include "batonstore/crypto/key_pair.h"

#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/nid.h>

#include <array>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_memory.h"

namespace batonstore {
namespace {

constexpr size_t kPrivateKeySize = 32;  // of every type
constexpr size_t kP256PublicKeySize = 65;

uint8_t* Data(std::string& bytes) { return reinterpret_cast<uint8_t*>(bytes.data()); }
const uint8_t* Data(const SecretBytes& secret) {
  return reinterpret_cast<const uint8_t*>(secret.Reveal().data());
}

absl::Status OutOfMemory() {
  ERR_clear_error();
  return Refuse(Verdict::kTooMany, "not enough memory for a key pair; retry");
}

absl::StatusOr<std::string> P256PublicKey(const SecretBytes& private_key) {
  bssl::UniquePtr<EC_GROUP> group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<BIGNUM> scalar(BN_bin2bn(Data(private_key), private_key.size(), nullptr));
  if (group == nullptr || scalar == nullptr) return OutOfMemory();
  if (BN_is_zero(scalar.get()) || BN_cmp(scalar.get(), EC_GROUP_get0_order(group.get())) >= 0) {
    return Refuse(Verdict::kInvalid, "a P-256 private key lies between 1 and the group's order");
  }
  bssl::UniquePtr<EC_POINT> point(EC_POINT_new(group.get()));
  std::string public_key(kP256PublicKeySize, '\0');
  if (point == nullptr ||
      EC_POINT_mul(group.get(), point.get(), scalar.get(), nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, Data(public_key),
                         public_key.size(), nullptr) != public_key.size()) {
    return OutOfMemory();
  }
  return public_key;
}

std::string Ed25519PublicKey(const SecretBytes& seed) {
  std::string public_key(ED25519_PUBLIC_KEY_LEN, '\0');
  std::array<uint8_t, ED25519_PRIVATE_KEY_LEN> expanded;
  ED25519_keypair_from_seed(Data(public_key), expanded.data(), Data(seed));
  WipeMemory(expanded.data(), expanded.size());
  return public_key;
}

std::string X25519PublicKey(const SecretBytes& private_key) {
  std::string public_key(X25519_PUBLIC_VALUE_LEN, '\0');
  X25519_public_from_private(Data(public_key), Data(private_key));
  return public_key;
}

class BoringKeyPairs final : public KeyPairSource {
 public:
  absl::StatusOr<KeyPair> Generate(KeyType type) override {
    for (;;) {
      SecretBytes private_key = RandomSecret(SystemRandom(), kPrivateKeySize);
      absl::StatusOr<std::string> public_key = PublicKeyOf(type, private_key);
      // A random P-256 scalar is out of range once in 2^32 draws: draw again (FIPS 186-5, A.2.2).
      if (VerdictOf(public_key.status()) == Verdict::kInvalid &&
          IsKeyType(static_cast<uint8_t>(type))) {
        continue;
      }
      if (!public_key.ok()) return public_key.status();
      return KeyPair{type, *std::move(public_key), std::move(private_key)};
    }
  }
};

}  // namespace

absl::string_view KeyTypeName(KeyType type) {
  switch (type) {
    case KeyType::kX25519:
      return "x25519";
    case KeyType::kEd25519:
      return "ed25519";
    case KeyType::kP256:
      return "p256";
  }
  return "unknown";
}

absl::StatusOr<KeyType> KeyTypeFromName(absl::string_view name) {
  for (const KeyType type : {KeyType::kX25519, KeyType::kEd25519, KeyType::kP256}) {
    if (KeyTypeName(type) == name) return type;
  }
  return Refuse(Verdict::kInvalid, "a key type is x25519, ed25519 or p256");
}

bool IsKeyType(uint8_t number) {
  return number >= static_cast<uint8_t>(KeyType::kX25519) &&
         number <= static_cast<uint8_t>(KeyType::kP256);
}

KeyPairSource& SystemKeyPairs() {
  static BoringKeyPairs* const source = new BoringKeyPairs;
  return *source;
}

absl::StatusOr<std::string> PublicKeyOf(KeyType type, const SecretBytes& private_key) {
  const absl::Cleanup wiping = [] { WipeStack(); };  // BoringSSL computes on copies there
  if (private_key.size() != kPrivateKeySize) {
    return Refuse(Verdict::kInvalid, absl::StrCat("a private key has ", kPrivateKeySize, " bytes"));
  }
  switch (type) {
    case KeyType::kX25519:
      return X25519PublicKey(private_key);
    case KeyType::kEd25519:
      return Ed25519PublicKey(private_key);
    case KeyType::kP256:
      return P256PublicKey(private_key);
  }
  return Refuse(Verdict::kInvalid, absl::StrCat("no key type has number ", static_cast<int>(type)));
}

}  // namespace batonstore
