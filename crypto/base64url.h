// base64url without padding (RFC 4648, section 5), strict: every byte string has exactly one
// spelling. Padding, white space, other alphabets, impossible lengths and unused trailing bits that
// are not zero are refused. Neither direction allocates.

#ifndef BATONSTORE_CRYPTO_BASE64URL_H_
#define BATONSTORE_CRYPTO_BASE64URL_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace batonstore {

// How many characters `bytes` bytes are spelled with.
constexpr size_t Base64UrlLength(size_t bytes) { return (bytes * 8 + 5) / 6; }

// In constant time: it depends on the length alone. REQUIRES: out.size() ==
// Base64UrlLength(bytes.size()).
void Base64UrlEncode(absl::Span<const uint8_t> bytes, absl::Span<char> out);

// True, and `out` filled, if `text` is the spelling of exactly out.size() bytes. On false what
// `out` holds is unspecified. The time taken depends on the lengths alone but for cache effects: do
// not decode secrets with it.
bool Base64UrlDecode(absl::string_view text, absl::Span<uint8_t> out);

// The 24 bits that four characters spell, in a register: for who needs a few numbers out of a text
// and no bytes. With other characters among them bits above those 24 are set, which survive being
// ORed with the bits of other groups.
uint32_t Base64UrlGroup(const char* four);
inline constexpr uint32_t kMaxBase64UrlGroup = (uint32_t{1} << 24) - 1;

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_BASE64URL_H_
