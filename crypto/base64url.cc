#include "batonstore/crypto/base64url.h"

#include <array>
#include <cstring>

namespace batonstore {
namespace {

constexpr absl::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Above the 6 bits of a digit; survives being shifted and ORed into a group of four.
constexpr uint32_t kBad = uint32_t{1} << 31;

// The value of a character at each of the four places of a group, already shifted there.
using PlaceTable = std::array<uint32_t, 256>;
constexpr PlaceTable TableFor(int shift) {
  PlaceTable table{};
  for (uint32_t& entry : table) entry = kBad;
  for (uint32_t digit = 0; digit < kAlphabet.size(); ++digit) {
    table[static_cast<uint8_t>(kAlphabet[digit])] = digit << shift;
  }
  return table;
}
constexpr PlaceTable kPlaces[4] = {TableFor(18), TableFor(12), TableFor(6), TableFor(0)};

// The two characters of each 12 bits, in the order in which they stand: half as many look-ups as
// one by one, which shows in what minting costs. 8 KiB.
using PairTable = std::array<std::array<char, 2>, 4096>;
constexpr PairTable PairsOfDigits() {
  PairTable table{};
  for (size_t i = 0; i < table.size(); ++i) table[i] = {kAlphabet[i >> 6], kAlphabet[i & 63]};
  return table;
}
constexpr PairTable kPairs = PairsOfDigits();

uint32_t At(int place, char character) { return kPlaces[place][static_cast<uint8_t>(character)]; }

}  // namespace

uint32_t Base64UrlGroup(const char* four) {
  return At(0, four[0]) | At(1, four[1]) | At(2, four[2]) | At(3, four[3]);
}

void Base64UrlEncode(absl::Span<const uint8_t> bytes, absl::Span<char> out) {
  const uint8_t* in = bytes.data();
  char* to = out.data();
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, in += 3, to += 4) {
    const uint32_t group = uint32_t{in[0]} << 16 | uint32_t{in[1]} << 8 | in[2];
    std::memcpy(to, kPairs[group >> 12].data(), 2);
    std::memcpy(to + 2, kPairs[group & 4095].data(), 2);
  }
  if (left == 0) return;
  const uint32_t group = uint32_t{in[0]} << 16 | (left == 2 ? uint32_t{in[1]} << 8 : 0);
  to[0] = kAlphabet[group >> 18];
  to[1] = kAlphabet[(group >> 12) & 63];
  if (left == 2) to[2] = kAlphabet[(group >> 6) & 63];
}

bool Base64UrlDecode(absl::string_view text, absl::Span<uint8_t> out) {
  if (text.size() != Base64UrlLength(out.size())) return false;
  const char* in = text.data();
  uint8_t* to = out.data();
  size_t left = out.size();
  uint32_t seen = 0;
  for (; left >= 3; left -= 3, in += 4, to += 3) {
    const uint32_t group = Base64UrlGroup(in);
    seen |= group;
    to[0] = static_cast<uint8_t>(group >> 16);
    to[1] = static_cast<uint8_t>(group >> 8);
    to[2] = static_cast<uint8_t>(group);
  }
  if (left > 0) {
    const uint32_t group = At(0, in[0]) | At(1, in[1]) | (left == 2 ? At(2, in[2]) : 0);
    seen |= group;
    to[0] = static_cast<uint8_t>(group >> 16);
    if (left == 2) to[1] = static_cast<uint8_t>(group >> 8);
    const uint32_t trailing_bits = left == 2 ? 0xff : 0xffff;
    if ((group & trailing_bits) != 0) return false;
  }
  return (seen & kBad) == 0;
}

}  // namespace batonstore
