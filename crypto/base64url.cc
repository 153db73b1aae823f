#include "batonstore/crypto/base64url.h"

#include <endian.h>

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

uint32_t At(int place, char character) { return kPlaces[place][static_cast<uint8_t>(character)]; }

// What is encoded may be a secret that nobody else has yet, such as a baton's tag. A table would be
// read at places that depend on it, which shows in the cache; so characters are computed, sixteen
// at a time.
constexpr size_t kBytesAtATime = 12;
constexpr size_t kCharactersAtATime = 16;
using Sixteen __attribute__((vector_size(kCharactersAtATime))) = int8_t;

uint64_t Load64(const uint8_t* bytes) {
  uint64_t big_endian;
  std::memcpy(&big_endian, bytes, sizeof(big_endian));
  return be64toh(big_endian);
}

// The eight digits in the lower 48 bits, one in each byte, the first one first in memory.
uint64_t EightDigits(uint64_t bits) {
  const uint64_t halves = (bits & 0xffffff000000) << 8 | (bits & 0xffffff);
  const uint64_t quarters = (halves & 0x00fff00000fff000) << 4 | (halves & 0x00000fff00000fff);
  const uint64_t eighths = (quarters & 0x0fc00fc00fc00fc0) << 2 | (quarters & 0x003f003f003f003f);
  return htobe64(eighths);
}

void EncodeTwelve(const uint8_t* bytes, char* out) {
  const uint64_t halves[2] = {EightDigits(Load64(bytes) >> 16), EightDigits(Load64(bytes + 4))};
  Sixteen digits;
  std::memcpy(&digits, halves, sizeof(digits));
  Sixteen offsets = Sixteen{} + 'A';
  offsets += (digits > 25) & ('a' - 'A' - 26);
  offsets += (digits > 51) & ('0' - 'a' - 26);
  offsets += (digits > 61) & ('-' - '0' - 10);
  offsets += (digits > 62) & ('_' - '-' - 1);
  const Sixteen characters = digits + offsets;
  std::memcpy(out, &characters, sizeof(characters));
}

}  // namespace

uint32_t Base64UrlGroup(const char* four) {
  return At(0, four[0]) | At(1, four[1]) | At(2, four[2]) | At(3, four[3]);
}

void Base64UrlEncode(absl::Span<const uint8_t> bytes, absl::Span<char> out) {
  const uint8_t* in = bytes.data();
  char* to = out.data();
  size_t left = bytes.size();
  for (; left >= kBytesAtATime; left -= kBytesAtATime) {
    EncodeTwelve(in, to);
    in += kBytesAtATime;
    to += kCharactersAtATime;
  }
  if (left == 0) return;
  uint8_t last_bytes[kBytesAtATime] = {};
  char last_characters[kCharactersAtATime];
  std::memcpy(last_bytes, in, left);
  EncodeTwelve(last_bytes, last_characters);
  std::memcpy(to, last_characters, Base64UrlLength(left));
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
