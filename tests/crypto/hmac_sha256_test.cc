#include "batonstore/crypto/hmac_sha256.h"

#include <openssl/hmac.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

std::string TagOf(absl::string_view key, absl::string_view message) {
  const HmacSha256::Tag tag = HmacSha256(SecretBytes(key)).Compute(message);
  return std::string(tag.begin(), tag.end());
}

// Bytes that differ from their neighbours.
std::string Bytes(size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 7 + 1);
  return bytes;
}

TEST(HmacSha256Test, Rfc4231Vectors) {
  const struct {
    std::string key, message;
    absl::string_view tag;
  } kVectors[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {absl::HexStringToBytes("0102030405060708090a0b0c0d0e0f10111213141516171819"),
       std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(20, '\x0c'), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The "
       "key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const auto& [key, message, tag] : kVectors) {
    EXPECT_EQ(absl::BytesToHexString(TagOf(key, message)).substr(0, tag.size()), tag) << message;
  }
}

std::string BoringTagOf(absl::string_view key, absl::string_view message) {
  std::string tag(HmacSha256::kTagSize, '\0');
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), key.size(), reinterpret_cast<const uint8_t*>(message.data()),
       message.size(), reinterpret_cast<uint8_t*>(tag.data()), &size);
  EXPECT_EQ(size, tag.size());
  return tag;
}

TEST(HmacSha256Test, AgreesWithBoringSslOnMessagesOfEveryLength) {
  for (const size_t key_size : {0, 1, 32, 63, 64, 65, 200}) {
    const std::string key = Bytes(key_size);
    for (size_t size = 0; size <= 200; ++size) {
      const std::string message = Bytes(size);
      ASSERT_EQ(TagOf(key, message), BoringTagOf(key, message))
          << "key of " << key_size << " bytes, message of " << size;
    }
  }
}

TEST(HmacSha256Test, AgreesWithBoringSslOnKeysOfEveryLength) {
  for (size_t size = 0; size <= 200; ++size) {
    const std::string key = Bytes(size);
    ASSERT_EQ(TagOf(key, "message"), BoringTagOf(key, "message")) << "key of " << size << " bytes";
  }
}

TEST(HmacSha256Test, ComputingLeavesTheKeyAsItWas) {
  const HmacSha256 hmac(SecretBytes(Bytes(32)));
  const HmacSha256::Tag first = hmac.Compute("one");
  EXPECT_NE(hmac.Compute("two"), first);
  EXPECT_EQ(hmac.Compute("one"), first);
}

TEST(HmacSha256Test, MovedOnesComputeTheSame) {
  HmacSha256 hmac(SecretBytes(Bytes(32)));
  const HmacSha256::Tag tag = hmac.Compute("message");
  HmacSha256 moved = std::move(hmac);
  EXPECT_EQ(moved.Compute("message"), tag);
  HmacSha256 assigned((SecretBytes(Bytes(31))));
  assigned = std::move(moved);
  EXPECT_EQ(assigned.Compute("message"), tag);
}

}  // namespace
}  // namespace batonstore
