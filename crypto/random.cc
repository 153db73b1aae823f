#include "batonstore/crypto/random.h"

#include <openssl/rand.h>

namespace batonstore {
namespace {

class BoringRandom final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override { RAND_bytes(out.data(), out.size()); }
};

}  // namespace

RandomSource& SystemRandom() {
  static BoringRandom* const random = new BoringRandom;
  return *random;
}

SecretBytes RandomSecret(RandomSource& random, size_t size) {
  SecretBytes secret = SecretBytes::OfSize(size);
  random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(secret.MutableData()), size));
  return secret;
}

}  // namespace batonstore
