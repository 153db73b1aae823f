#include "batonstore/crypto/key_pair.h"

#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;

constexpr KeyType kAllTypes[] = {KeyType::kX25519, KeyType::kEd25519, KeyType::kP256};
constexpr KeyType kNoType = static_cast<KeyType>(9);

// The order of P-256's group.
constexpr absl::string_view kOrder =
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
constexpr absl::string_view kOrderMinusOne =
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";

SecretBytes SecretFromHex(absl::string_view hex) {
  return SecretBytes(absl::HexStringToBytes(hex));
}

TEST(KeyTypeTest, NamesAndNumbersAreThePublishedOnes) {
  EXPECT_EQ(static_cast<int>(KeyType::kX25519), 1);
  EXPECT_EQ(static_cast<int>(KeyType::kEd25519), 2);
  EXPECT_EQ(static_cast<int>(KeyType::kP256), 3);
  EXPECT_EQ(KeyTypeName(KeyType::kX25519), "x25519");
  EXPECT_EQ(KeyTypeName(KeyType::kEd25519), "ed25519");
  EXPECT_EQ(KeyTypeName(KeyType::kP256), "p256");
  EXPECT_EQ(KeyTypeName(kNoType), "unknown");
  for (int number = 0; number < 256; ++number) {
    EXPECT_EQ(IsKeyType(static_cast<uint8_t>(number)), number >= 1 && number <= 3) << number;
  }
}

TEST(KeyTypeTest, EveryNameLeadsBackToItsTypeAndNoOther) {
  for (const KeyType type : kAllTypes) {
    ASSERT_OK_AND_ASSIGN(const KeyType found, KeyTypeFromName(KeyTypeName(type)));
    EXPECT_EQ(found, type);
  }
  for (const char* name : {"", "X25519", "x25519 ", "p-256", "rsa", "unknown"}) {
    EXPECT_THAT(KeyTypeFromName(name), HasVerdict(Verdict::kInvalid)) << name;
  }
}

TEST(PublicKeyOfTest, PublishedVectors) {
  const struct {
    KeyType type;
    absl::string_view private_key, public_key;
  } kVectors[] = {
      // RFC 7748, 6.1: Alice, then Bob.
      {KeyType::kX25519, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
       "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
      {KeyType::kX25519, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
       "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
      // RFC 8032, 7.1, test 1.
      {KeyType::kEd25519, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
      // RFC 6979, A.2.5.
      {KeyType::kP256, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
       "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
       "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"},
      // SEC 2, 2.4.2: the scalar 1 gives the generator.
      {KeyType::kP256, "0000000000000000000000000000000000000000000000000000000000000001",
       "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
       "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"},
  };
  for (const auto& [type, private_key, public_key] : kVectors) {
    ASSERT_OK_AND_ASSIGN(const std::string found, PublicKeyOf(type, SecretFromHex(private_key)));
    EXPECT_EQ(absl::BytesToHexString(found), public_key) << KeyTypeName(type);
  }
}

TEST(PublicKeyOfTest, PrivateKeyOfAnotherSizeIsInvalid) {
  for (const KeyType type : kAllTypes) {
    for (const size_t size : {0, 1, 31, 33, 64}) {
      EXPECT_THAT(PublicKeyOf(type, SecretBytes(std::string(size, 'k'))),
                  HasVerdict(Verdict::kInvalid))
          << KeyTypeName(type) << ", " << size << " bytes";
    }
  }
}

TEST(PublicKeyOfTest, P256ScalarLiesBetweenOneAndTheOrder) {
  const std::string zero(64, '0');
  const std::string most(64, 'f');
  for (const absl::string_view scalar :
       {absl::string_view(zero), kOrder, absl::string_view(most)}) {
    EXPECT_THAT(PublicKeyOf(KeyType::kP256, SecretFromHex(scalar)), HasVerdict(Verdict::kInvalid))
        << scalar;
  }
  EXPECT_THAT(PublicKeyOf(KeyType::kP256, SecretFromHex(kOrderMinusOne)), IsOk());
}

TEST(PublicKeyOfTest, UnknownTypeIsInvalid) {
  EXPECT_THAT(PublicKeyOf(kNoType, SecretBytes(std::string(32, 'k'))),
              HasVerdict(Verdict::kInvalid));
}

TEST(SystemKeyPairsTest, PairsAreDistinctWellFormedAndBelongTogether) {
  for (const KeyType type : kAllTypes) {
    std::set<std::string> seen;
    for (int i = 0; i < 50; ++i) {
      ASSERT_OK_AND_ASSIGN(const KeyPair pair, SystemKeyPairs().Generate(type));
      EXPECT_EQ(pair.type, type);
      EXPECT_EQ(pair.private_key.size(), 32u);
      EXPECT_EQ(pair.public_key.size(), type == KeyType::kP256 ? 65u : 32u);
      ASSERT_OK_AND_ASSIGN(const std::string public_key, PublicKeyOf(type, pair.private_key));
      EXPECT_EQ(public_key, pair.public_key);
      EXPECT_TRUE(seen.insert(pair.public_key).second);
      EXPECT_TRUE(seen.insert(std::string(pair.private_key.Reveal())).second);
    }
  }
}

TEST(SystemKeyPairsTest, UnknownTypeIsInvalid) {
  EXPECT_THAT(SystemKeyPairs().Generate(kNoType), HasVerdict(Verdict::kInvalid));
}

}  // namespace
}  // namespace batonstore
