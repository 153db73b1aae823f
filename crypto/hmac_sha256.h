// HMAC-SHA256 (RFC 2104, FIPS 198-1) under one key, with the key's two hash states computed once.

#ifndef BATONSTORE_CRYPTO_HMAC_SHA256_H_
#define BATONSTORE_CRYPTO_HMAC_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore {

// Immutable once built, so thread-safe. A message of up to 55 bytes costs two compressions. Never
// allocates.
class HmacSha256 {
 public:
  static constexpr size_t kTagSize = 32;
  using Tag = std::array<uint8_t, kTagSize>;

  // A key of any length; 32 bytes is the sensible one.
  explicit HmacSha256(const SecretBytes& key);
  HmacSha256(const HmacSha256&) = default;
  HmacSha256& operator=(const HmacSha256&) = default;
  ~HmacSha256();

  Tag Compute(absl::string_view message) const;

  // The same, to where the tag is wanted. REQUIRES: out.size() == kTagSize.
  void Compute(absl::string_view message, absl::Span<uint8_t> out) const;

 private:
  using State = std::array<uint32_t, 8>;

  State inner_;  // after the block key ^ ipad
  State outer_;  // after the block key ^ opad
};

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_HMAC_SHA256_H_
