#include "batonstore/crypto/baton.h"

#include <endian.h>

#include <algorithm>
#include <cstring>

#include "absl/types/span.h"
#include "batonstore/crypto/base64url.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore {
namespace {

constexpr uint8_t kFormatVersion = 1;

// Where the fields lie: the header draws them.
constexpr size_t kVersionAt = 0;
constexpr size_t kKeyIdAt = 1;
constexpr size_t kKindAt = 5;
constexpr size_t kIdAt = 6;
constexpr size_t kGenerationAt = 14;
constexpr size_t kEpochAt = 22;
constexpr size_t kTagAt = 30;

using Bytes = std::array<uint8_t, kBatonSize>;
static_assert(kTagAt + HmacSha256::kTagSize == kBatonSize);
static_assert(Base64UrlLength(kBatonSize) == kBatonLength);

// Plain loads of fields at fixed places, since parsing call by call shows in what Verify costs.
uint32_t Load32(const Bytes& bytes, size_t at) {
  uint32_t big_endian;
  std::memcpy(&big_endian, &bytes[at], sizeof(big_endian));
  return be32toh(big_endian);
}

uint64_t Load64(const Bytes& bytes, size_t at) {
  uint64_t big_endian;
  std::memcpy(&big_endian, &bytes[at], sizeof(big_endian));
  return be64toh(big_endian);
}

void Store32(uint32_t number, size_t at, Bytes& bytes) {
  const uint32_t big_endian = htobe32(number);
  std::memcpy(&bytes[at], &big_endian, sizeof(big_endian));
}

void Store64(uint64_t number, size_t at, Bytes& bytes) {
  const uint64_t big_endian = htobe64(number);
  std::memcpy(&bytes[at], &big_endian, sizeof(big_endian));
}

absl::string_view Chars(const uint8_t* bytes, size_t size) {
  return absl::string_view(reinterpret_cast<const char*>(bytes), size);
}
absl::string_view SignedPart(const Bytes& bytes) { return Chars(bytes.data(), kTagAt); }

bool IsKind(uint8_t number) {
  return number == static_cast<uint8_t>(BatonKind::kSession) ||
         number == static_cast<uint8_t>(BatonKind::kStream);
}

}  // namespace

// In registers: bytes that are written one by one and read as numbers at once make the processor
// wait, which shows in what resuming a stream costs.
std::optional<BatonAddress> ReadBatonAddress(absl::string_view text) {
  if (text.size() != kBatonLength) return std::nullopt;
  std::array<uint32_t, 5> groups;  // of three bytes each
  uint32_t seen = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i] = Base64UrlGroup(text.data() + 4 * i);
    seen |= groups[i];
  }
  if (seen > kMaxBase64UrlGroup) return std::nullopt;
  static_assert(kKeyIdAt == 1 && kIdAt == 6);
  return BatonAddress{.key_id = groups[0] << 16 | groups[1] >> 8,
                      .id = uint64_t{groups[2]} << 40 | uint64_t{groups[3]} << 16 | groups[4] >> 8};
}

std::optional<ParsedBaton> ParsedBaton::Parse(absl::string_view text) {
  std::optional<ParsedBaton> baton = ParsedBaton();
  if (!baton->Fill(text)) baton.reset();  // in place: a copy would be felt
  return baton;
}

bool ParsedBaton::Fill(absl::string_view text) {
  if (!Base64UrlDecode(text, absl::MakeSpan(bytes_)) || bytes_[kVersionAt] != kFormatVersion ||
      !IsKind(bytes_[kKindAt])) {
    return false;
  }
  key_id_ = Load32(bytes_, kKeyIdAt);
  claims_.kind = static_cast<BatonKind>(bytes_[kKindAt]);
  claims_.id = Load64(bytes_, kIdAt);
  claims_.generation = Load64(bytes_, kGenerationAt);
  claims_.epoch = Load64(bytes_, kEpochAt);
  return true;
}

bool ParsedBaton::CarriesTagOf(const HmacSha256& key) const {
  const HmacSha256::Tag tag = key.Compute(SignedPart(bytes_));
  return EqualInConstantTime(Chars(tag.data(), tag.size()), Chars(&bytes_[kTagAt], tag.size()));
}

std::string MintBaton(const HmacSha256& key, uint32_t key_id, const BatonClaims& claims) {
  Bytes bytes;
  bytes[kVersionAt] = kFormatVersion;
  Store32(key_id, kKeyIdAt, bytes);
  bytes[kKindAt] = static_cast<uint8_t>(claims.kind);
  Store64(claims.id, kIdAt, bytes);
  Store64(claims.generation, kGenerationAt, bytes);
  Store64(claims.epoch, kEpochAt, bytes);
  key.Compute(SignedPart(bytes), absl::MakeSpan(bytes).subspan(kTagAt));
  std::string text(kBatonLength, '\0');
  Base64UrlEncode(bytes, absl::MakeSpan(text.data(), text.size()));
  return text;
}

}  // namespace batonstore
