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

// REQUIRES: out.size() == Base64UrlLength(bytes.size()).
void Base64UrlEncode(absl::Span<const uint8_t> bytes, absl::Span<char> out);

// True, and `out` filled, if `text` is the spelling of exactly out.size() bytes. On false what
// `out` holds is unspecified. The time taken depends on the lengths alone but for cache effects: do
// not decode secrets with it.
bool Base64UrlDecode(absl::string_view text, absl::Span<uint8_t> out);

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_BASE64URL_H_
