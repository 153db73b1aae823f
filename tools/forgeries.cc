#include "batonstore/tools/forgeries.h"

#include <cstdint>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "batonstore/crypto/base64url.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/hmac_sha256.h"

namespace batonstore::tools {
namespace {

constexpr size_t kBatonBytes = kBatonLength * 6 / 8;
constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Decode(absl::string_view baton) {
  std::string bytes(kBatonBytes, '\0');
  const absl::Span<uint8_t> out(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size());
  if (!Base64UrlDecode(baton, out)) std::abort();  // as the header requires
  return bytes;
}

std::string Encode(absl::string_view bytes) {
  std::string text(Base64UrlLength(bytes.size()), '\0');
  Base64UrlEncode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                  absl::MakeSpan(text));
  return text;
}

std::vector<std::string> EachBitFlipped(const std::string& bytes) {
  std::vector<std::string> flipped;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    flipped.push_back(bytes);
    flipped.back()[bit / 8] ^= static_cast<char>(1 << (bit % 8));
  }
  return flipped;
}

std::vector<std::string> EachPrefix(const std::string& bytes) {
  std::vector<std::string> prefixes;
  for (size_t size = 0; size < bytes.size(); ++size) prefixes.push_back(bytes.substr(0, size));
  return prefixes;
}

std::vector<std::string> Extended(const std::string& text) {
  std::vector<std::string> extended = {text + text, text + "=", text + "==", text + " ",
                                       text + "\n", " " + text, text + '\0'};
  for (const char c : absl::string_view(kAlphabet)) {
    extended.push_back(text + c);
    extended.push_back(c + text);
  }
  return extended;
}

std::vector<std::string> ExtendedBytes(const std::string& bytes) {
  std::vector<std::string> extended;
  for (int value = 0; value < 256; ++value) {
    extended.push_back(bytes + static_cast<char>(value));
    extended.push_back(static_cast<char>(value) + bytes);
  }
  return extended;
}

// The same bytes, or the same letters, in spellings that a lenient decoder would take.
std::vector<std::string> Respelled(const std::string& text, const std::string& bytes) {
  std::vector<std::string> respelled = {absl::Base64Escape(bytes),
                                        absl::BytesToHexString(bytes),
                                        bytes,
                                        Encode(text),
                                        absl::AsciiStrToUpper(text),
                                        absl::AsciiStrToLower(text),
                                        absl::StrCat("\"", text, "\"")};
  for (const char last : absl::string_view(kAlphabet)) {  // other bits beyond the last byte, too
    respelled.push_back(absl::StrCat(text.substr(0, text.size() - 1), std::string(1, last)));
  }
  for (size_t at = 1; at < text.size(); ++at) {
    respelled.push_back(absl::StrCat(text.substr(0, at), "\n", text.substr(at)));
  }
  return respelled;
}

// Claims of one with the tag of the other, and no tag worth the name.
std::vector<std::string> Retagged(const std::string& bytes, const std::string& other) {
  const size_t claims = bytes.size() - HmacSha256::kTagSize;
  return {bytes.substr(0, claims) + other.substr(claims),
          other.substr(0, claims) + bytes.substr(claims),
          bytes.substr(0, claims) + std::string(HmacSha256::kTagSize, '\0'),
          bytes.substr(0, claims) + std::string(HmacSha256::kTagSize, '\xff')};
}

std::vector<std::string> EncodeAll(std::vector<std::string> all) {
  for (std::string& bytes : all) bytes = Encode(bytes);
  return all;
}

}  // namespace

std::vector<ForgeryAttempt> ForgeriesOf(absl::string_view baton, absl::string_view other) {
  const std::string text(baton);
  const std::string bytes = Decode(baton);
  std::vector<ForgeryAttempt> attempts = {
      {"one bit flipped in the text", EachBitFlipped(text)},
      {"one bit flipped in the bytes", EncodeAll(EachBitFlipped(bytes))},
      {"text cut short", EachPrefix(text)},
      {"bytes cut short", EncodeAll(EachPrefix(bytes))},
      {"text made longer", Extended(text)},
      {"bytes made longer", EncodeAll(ExtendedBytes(bytes))},
      {"encoded in another way", Respelled(text, bytes)},
      {"tag of another baton, or none", EncodeAll(Retagged(bytes, Decode(other)))},
  };
  for (ForgeryAttempt& attempt : attempts) std::erase(attempt.batons, text);
  return attempts;
}

}  // namespace batonstore::tools
