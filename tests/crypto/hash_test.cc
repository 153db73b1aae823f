#include "batonstore/crypto/hash.h"

#include <cstdint>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

// The bytes first, first + 1, ..., `size` of them.
std::string Counting(int first, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(first + static_cast<int>(i));
  return bytes;
}

TEST(Sha256Test, Fips180Vectors) {
  const struct {
    std::string message;
    absl::string_view digest;
  } kVectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& [message, digest] : kVectors) {
    EXPECT_EQ(absl::BytesToHexString(Sha256(message)), digest);
  }
}

TEST(DeriveKeyTest, Rfc5869Vectors) {
  const struct {
    std::string secret, salt, info;
    absl::string_view derived;
  } kVectors[] = {
      {std::string(22, '\x0b'), Counting(0, 13), Counting(0xf0, 10),
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {Counting(0, 80), Counting(0x60, 80), Counting(0xb0, 80),
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e"
       "590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {std::string(22, '\x0b'), "", "",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const auto& [secret, salt, info, derived] : kVectors) {
    const SecretBytes key = DeriveKey(SecretBytes(secret), salt, info, derived.size() / 2);
    EXPECT_EQ(absl::BytesToHexString(key.Reveal()), derived);
  }
}

TEST(DeriveKeyTest, SecretSaltAndInfoEachMatter) {
  const SecretBytes key = DeriveKey(SecretBytes("secret"), "salt", "info", 32);
  EXPECT_TRUE(key == DeriveKey(SecretBytes("secret"), "salt", "info", 32));
  EXPECT_FALSE(key == DeriveKey(SecretBytes("Secret"), "salt", "info", 32));
  EXPECT_FALSE(key == DeriveKey(SecretBytes("secret"), "Salt", "info", 32));
  EXPECT_FALSE(key == DeriveKey(SecretBytes("secret"), "salt", "Info", 32));
  EXPECT_FALSE(key == DeriveKey(SecretBytes("secret"), "sal", "tinfo", 32));
}

TEST(DeriveKeyTest, GivesUpToThePublishedBound) {
  EXPECT_EQ(DeriveKey(SecretBytes("secret"), "", "", 8160).size(), 8160u);
}

// The paper's key and messages: bytes that count up; values from its reference implementation.
TEST(KeyedHashTest, ReferenceVectors) {
  const KeyedHash hash(SecretBytes(Counting(0, KeyedHash::kKeySize)));
  EXPECT_EQ(hash(""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(hash(Counting(0, 15)), 0xa129ca6149be45e5u);
}

TEST(KeyedHashTest, KeyMatters) {
  const KeyedHash one(SecretBytes(std::string(KeyedHash::kKeySize, '1')));
  const KeyedHash two(SecretBytes(std::string(KeyedHash::kKeySize, '2')));
  EXPECT_EQ(one("principal"), one("principal"));
  EXPECT_NE(one("principal"), two("principal"));
}

TEST(KeyedHashDeathTest, KeyOfAnotherSizeIsAProgrammersError) {
  EXPECT_DEATH(KeyedHash(SecretBytes("short")), "");
}

}  // namespace
}  // namespace batonstore
