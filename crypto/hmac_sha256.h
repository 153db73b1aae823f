// HMAC-SHA256 (RFC 2104, FIPS 198-1) under one key, with the key's two hash states computed once.

#ifndef BATONSTORE_CRYPTO_HMAC_SHA256_H_
#define BATONSTORE_CRYPTO_HMAC_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/crypto/secret_memory.h"

namespace batonstore {

// Immutable once built, so thread-safe. A message of up to 55 bytes costs two compressions.
// Computing never allocates. Who has the two states can sign as well as who has the key, so they
// lie where it does. One that was moved from can only be destroyed or assigned to.
class HmacSha256 {
 public:
  static constexpr size_t kTagSize = 32;
  using Tag = std::array<uint8_t, kTagSize>;

  // A key of any length; 32 bytes is the sensible one.
  explicit HmacSha256(const SecretBytes& key);

  Tag Compute(absl::string_view message) const;

  // The same, to where the tag is wanted. REQUIRES: out.size() == kTagSize.
  void Compute(absl::string_view message, absl::Span<uint8_t> out) const;

 private:
  using State = std::array<uint32_t, 8>;

  struct States : NotDumped {
    State inner;  // after the block key ^ ipad
    State outer;  // after the block key ^ opad
  };

  std::unique_ptr<States> states_;
};

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_HMAC_SHA256_H_
