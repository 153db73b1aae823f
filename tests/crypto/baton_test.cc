// The properties are checked on random claims. A failure prints its configuration; to replay it:
//   ./bazelw test //tests/crypto:baton_test --test_env=RC_PARAMS="reproduce=<as printed>"

#include "batonstore/crypto/baton.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/crypto/base64url.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace batonstore {
namespace {

using Bytes = std::array<uint8_t, kBatonSize>;

const HmacSha256& Key() {
  static const HmacSha256* const key = new HmacSha256(SecretBytes(std::string(32, 'k')));
  return *key;
}

// Every byte of every field is another one.
constexpr uint32_t kKeyId = 0x01020304;
constexpr BatonClaims kClaims = {.kind = BatonKind::kSession,
                                 .id = 0x05060708090a0b0c,
                                 .generation = 0x0d0e0f1011121314,
                                 .epoch = 0x15161718191a1b1c};

std::string Baton() { return MintBaton(Key(), kKeyId, kClaims); }

Bytes Decode(absl::string_view text) {
  Bytes bytes;
  EXPECT_TRUE(Base64UrlDecode(text, absl::MakeSpan(bytes)));
  return bytes;
}

std::string Encode(absl::Span<const uint8_t> bytes) {
  std::string text(Base64UrlLength(bytes.size()), '\0');
  Base64UrlEncode(bytes, absl::MakeSpan(text.data(), text.size()));
  return text;
}

// The same bytes under a tag that is right for them.
std::string Signed(Bytes bytes) {
  const HmacSha256::Tag tag =
      Key().Compute(absl::string_view(reinterpret_cast<const char*>(bytes.data()), 30));
  std::copy(tag.begin(), tag.end(), bytes.begin() + 30);
  return Encode(bytes);
}

// True if a holder of the key takes `text` for a baton of its own.
bool Accepts(absl::string_view text) {
  const std::optional<ParsedBaton> baton = ParsedBaton::Parse(text);
  return baton.has_value() && baton->CarriesTagOf(Key());
}

TEST(BatonTest, LayoutIsTheOneInTheHeader) {
  const Bytes bytes = Decode(Baton());
  const std::string signed_part(bytes.begin(), bytes.begin() + 30);
  EXPECT_EQ(absl::BytesToHexString(signed_part),
            "01"                  // format version
            "01020304"            // key id
            "01"                  // kind
            "05060708090a0b0c"    // id
            "0d0e0f1011121314"    // generation
            "15161718191a1b1c");  // epoch
  const HmacSha256::Tag tag = Key().Compute(signed_part);
  EXPECT_EQ(std::string(bytes.begin() + 30, bytes.end()), std::string(tag.begin(), tag.end()));
}

TEST(BatonTest, AgreesWithTheVectorsMadeElsewhere) {
  std::ifstream file("tests/testdata/baton_vectors.txt");
  ASSERT_TRUE(file.is_open());
  int vectors = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    SCOPED_TRACE(line);
    std::istringstream fields(line);
    std::string key_hex, expected;
    uint32_t key_id = 0;
    int kind = 0;
    BatonClaims claims;
    fields >> key_hex >> key_id >> kind >> claims.id >> claims.generation >> claims.epoch >>
        expected;
    ASSERT_TRUE(fields);
    claims.kind = static_cast<BatonKind>(kind);
    const HmacSha256 key(SecretBytes(absl::HexStringToBytes(key_hex)));

    EXPECT_EQ(MintBaton(key, key_id, claims), expected);
    const std::optional<ParsedBaton> parsed = ParsedBaton::Parse(expected);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->key_id(), key_id);
    EXPECT_TRUE(parsed->CarriesTagOf(key));
    EXPECT_EQ(parsed->claims(), claims);
    ++vectors;
  }
  EXPECT_EQ(vectors, 6);
}

RC_GTEST_PROP(BatonTest, SaysWhatItWasMintedWith,
              (uint32_t key_id, uint64_t id, uint64_t generation, uint64_t epoch, bool session)) {
  const BatonClaims claims = {session ? BatonKind::kSession : BatonKind::kStream, id, generation,
                              epoch};
  const std::string text = MintBaton(Key(), key_id, claims);
  RC_ASSERT(text.size() == kBatonLength);
  const std::optional<ParsedBaton> baton = ParsedBaton::Parse(text);
  RC_ASSERT(baton.has_value());
  RC_ASSERT(baton->key_id() == key_id);
  RC_ASSERT(baton->claims() == claims);
  RC_ASSERT(baton->CarriesTagOf(Key()));
}

RC_GTEST_PROP(BatonTest, AddressIsReadWithoutTheRest, (uint32_t key_id, uint64_t id)) {
  const std::string text = MintBaton(Key(), key_id, {BatonKind::kStream, id, id, id});
  const std::optional<BatonAddress> address = ReadBatonAddress(text);
  RC_ASSERT(address.has_value());
  RC_ASSERT(address->key_id == key_id);
  RC_ASSERT(address->id == id);
}

TEST(BatonTest, AddressNeedsTheLengthAndTheAlphabet) {
  const std::string text = Baton();
  EXPECT_EQ(ReadBatonAddress(text.substr(1)), std::nullopt);
  EXPECT_EQ(ReadBatonAddress(text + "A"), std::nullopt);
  EXPECT_EQ(ReadBatonAddress(""), std::nullopt);
  for (size_t at = 0; at < 20; ++at) {
    for (const char bad : {'\0', '=', '+', '/', ' ', '\xff'}) {
      std::string other = text;
      other[at] = bad;
      EXPECT_EQ(ReadBatonAddress(other), std::nullopt) << at;
    }
  }
}

TEST(BatonTest, AnotherKeysTagIsNotCarried) {
  const HmacSha256 other(SecretBytes(std::string(32, 'K')));
  EXPECT_FALSE(ParsedBaton::Parse(Baton())->CarriesTagOf(other));
}

TEST(BatonForgeryTest, TheBatonItselfIsAccepted) { EXPECT_TRUE(Accepts(Baton())); }

TEST(BatonForgeryTest, EveryFlippedBitOfTheTextIsRefused) {
  const std::string text = Baton();
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string forged = text;
    forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(Accepts(forged)) << "bit " << bit;
  }
}

TEST(BatonForgeryTest, EveryFlippedBitOfTheBytesIsRefused) {
  const Bytes bytes = Decode(Baton());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes forged = bytes;
    forged[bit / 8] = static_cast<uint8_t>(forged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(Accepts(Encode(forged))) << "bit " << bit;
  }
}

TEST(BatonForgeryTest, EveryOtherCharacterAtEveryPlaceIsRefused) {
  const std::string text = Baton();
  for (size_t at = 0; at < text.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string forged = text;
      forged[at] = static_cast<char>(byte);
      ASSERT_EQ(Accepts(forged), forged == text) << "byte " << byte << " at " << at;
    }
  }
}

TEST(BatonForgeryTest, EveryTruncationIsRefused) {
  const std::string text = Baton();
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(Accepts(text.substr(0, length))) << length;
    EXPECT_FALSE(Accepts(text.substr(text.size() - length))) << length;
  }
  const Bytes bytes = Decode(text);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Accepts(Encode(absl::MakeSpan(bytes.data(), size)))) << size;
  }
}

TEST(BatonForgeryTest, EveryExtensionIsRefused) {
  const std::string text = Baton();
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_FALSE(Accepts(text + static_cast<char>(byte))) << byte;
    EXPECT_FALSE(Accepts(static_cast<char>(byte) + text)) << byte;
  }
  EXPECT_FALSE(Accepts(text + text));
}

TEST(BatonForgeryTest, AnotherSpellingOfTheSameBytesIsRefused) {
  // A key whose baton uses both characters in which the two alphabets differ.
  const std::string text = MintBaton(Key(), 0xfbefbeff, kClaims);
  ASSERT_TRUE(Accepts(text));
  std::string standard = text;
  for (char& character : standard) {
    if (character == '-') character = '+';
    if (character == '_') character = '/';
  }
  ASSERT_NE(standard, text);
  EXPECT_FALSE(Accepts(standard));
  EXPECT_FALSE(Accepts(text + "="));
  EXPECT_FALSE(Accepts(standard + "="));
  for (const char space : {' ', '\n', '\r', '\t', '\0'}) {
    EXPECT_FALSE(Accepts(text + space));
    EXPECT_FALSE(Accepts(space + text));
    std::string broken = text;
    broken.insert(40, 1, space);
    EXPECT_FALSE(Accepts(broken));
  }
}

TEST(BatonForgeryTest, UnknownVersionsAndKindsAreRefusedHoweverWellSigned) {
  const Bytes bytes = Decode(Baton());
  for (int byte = 0; byte < 256; ++byte) {
    Bytes version = bytes;
    version[0] = static_cast<uint8_t>(byte);
    EXPECT_EQ(Accepts(Signed(version)), byte == 1) << "version " << byte;
    Bytes kind = bytes;
    kind[5] = static_cast<uint8_t>(byte);
    EXPECT_EQ(Accepts(Signed(kind)), byte == 1 || byte == 2) << "kind " << byte;
  }
}

}  // namespace
}  // namespace batonstore
