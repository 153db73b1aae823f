// Authenticated encryption of what is stored: AES-256-GCM-SIV (RFC 8452), which stays safe should a
// nonce ever repeat.

#ifndef BATONSTORE_CRYPTO_SEALER_H_
#define BATONSTORE_CRYPTO_SEALER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore {

// Immutable once built, so thread-safe.
//
// Sealed bytes are  nonce (12, random) || ciphertext (as long as the plaintext) || tag (16).
// `context` is the associated data: it is not stored, and a sealed value opens only under the
// context that it was sealed with. Whoever moves or swaps values is found out that way.
class Sealer {
 public:
  static constexpr size_t kKeySize = 32;
  static constexpr size_t kOverhead = 28;

  // REQUIRES: key.size() == kKeySize. `random` must outlive the sealer.
  Sealer(const SecretBytes& key, RandomSource& random);
  ~Sealer();
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  std::string Seal(absl::string_view context, absl::string_view plaintext) const;

  // CORRUPT when the value was not sealed under this key and context, or was changed since. Every
  // such refusal is the same: it does not say which.
  absl::StatusOr<std::string> Open(absl::string_view context, absl::string_view sealed) const;

  // The same for plaintext that is itself a secret.
  absl::StatusOr<SecretBytes> OpenSecret(absl::string_view context, absl::string_view sealed) const;

 private:
  struct Aead;

  bool OpenInto(absl::string_view context, absl::string_view sealed, char* out) const;

  std::unique_ptr<Aead> aead_;
  RandomSource& random_;
};

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_SEALER_H_
