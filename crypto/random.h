// Where random bytes come from: BoringSSL's generator, or a test's own sequence.

#ifndef BATONSTORE_CRYPTO_RANDOM_H_
#define BATONSTORE_CRYPTO_RANDOM_H_

#include <cstdint>

#include "absl/types/span.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore {

// Thread-safe.
class RandomSource {
 public:
  virtual ~RandomSource() = default;

  // Fills `out`; cannot fail.
  virtual void Fill(absl::Span<uint8_t> out) = 0;
};

// BoringSSL's RAND_bytes: fork-safe, and ends the process when the kernel gives no entropy. Lives
// for ever.
RandomSource& SystemRandom();

// `size` fresh secret bytes.
SecretBytes RandomSecret(RandomSource& random, size_t size);

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_RANDOM_H_
