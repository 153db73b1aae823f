// The baton: the token by which a client addresses a session or a stream.
//
// On the wire it is base64url (RFC 4648, section 5, no padding) of 62 bytes, so always 83
// characters:
//
//   offset  size  field
//        0     1  format version, 1; it fixes the algorithm: HMAC-SHA256
//        1     4  key id          which signing key of the store's ring, big-endian as all numbers
//        5     1  kind            1 session, 2 stream
//        6     8  id              the session's alias, or the stream's number
//       14     8  generation      how often this baton has rotated
//       22     8  epoch           how often the store had been opened when it was minted
//       30    32  tag             HMAC-SHA256(key, bytes 0 to 29)
//
// A baton is a bearer secret: whoever holds it is taken for its owner by this layer. Keep it out of
// logs and URLs.

#ifndef BATONSTORE_CRYPTO_BATON_H_
#define BATONSTORE_CRYPTO_BATON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/crypto/hmac_sha256.h"

namespace batonstore {

inline constexpr size_t kBatonLength = 83;  // characters
inline constexpr size_t kBatonSize = 62;    // bytes

enum class BatonKind : uint8_t { kSession = 1, kStream = 2 };

// What a baton says.
struct BatonClaims {
  BatonKind kind = BatonKind::kSession;
  uint64_t id = 0;
  uint64_t generation = 0;
  uint64_t epoch = 0;

  friend bool operator==(const BatonClaims&, const BatonClaims&) = default;
};

// What a text says at the places of a baton's key id and id. Enough to find what to compare the
// text with, and nothing more: neither its form nor its tag has been looked at.
struct BatonAddress {
  uint32_t key_id = 0;
  uint64_t id = 0;

  friend bool operator==(const BatonAddress&, const BatonAddress&) = default;
};

// Nothing for a text that is not even as long as a baton, or has other characters at those places.
// Never allocates.
std::optional<BatonAddress> ReadBatonAddress(absl::string_view text);

// A baton that has the right form, and nothing more: its claims are an unknown's word until
// `CarriesTagOf` has said true.
class ParsedBaton {
 public:
  // Nothing when `text` is not the one spelling of a baton of a known version and kind. Never
  // allocates.
  static std::optional<ParsedBaton> Parse(absl::string_view text);

  uint32_t key_id() const { return key_id_; }

  // In constant time.
  bool CarriesTagOf(const HmacSha256& key) const;

  // REQUIRES: CarriesTagOf() of the key that key_id() names.
  const BatonClaims& claims() const { return claims_; }

 private:
  ParsedBaton() {}  // leaves the bytes unset: zeros that Parse overwrites would be felt
  bool Fill(absl::string_view text);

  std::array<uint8_t, kBatonSize> bytes_;  // as drawn above
  uint32_t key_id_ = 0;
  BatonClaims claims_;
};

// The baton that says `claims`, signed by `key`, which the ring knows as `key_id`. The same
// arguments give the same baton.
std::string MintBaton(const HmacSha256& key, uint32_t key_id, const BatonClaims& claims);

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_BATON_H_
