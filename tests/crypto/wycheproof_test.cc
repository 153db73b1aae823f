// Project Wycheproof's vectors: inputs that have broken other implementations. Where they are from
// says tests/testdata/wycheproof/README.md. Every vector of the files is run. What counts here is
// what batonstore uses: HMAC-SHA256, AES-256-GCM-SIV and X25519. AES-GCM it does not use; those
// vectors are given to the library.

#include <openssl/aead.h>
#include <openssl/curve25519.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using Json = nlohmann::json;
using testing::HasVerdict;

enum class Result { kValid, kAcceptable, kInvalid };

struct Vector {
  explicit Vector(const Json& json) : fields(json) {
    const std::string text = json.at("result");
    result = text == "valid"        ? Result::kValid
             : text == "acceptable" ? Result::kAcceptable
                                    : Result::kInvalid;
    EXPECT_TRUE(result != Result::kInvalid || text == "invalid") << text;
  }

  std::string Bytes(const char* name) const {
    return absl::HexStringToBytes(fields.at(name).get<std::string>());
  }
  SecretBytes Secret(const char* name) const { return SecretBytes(Bytes(name)); }

  bool Has(const std::string& flag) const {
    const Json& flags = fields.at("flags");
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  }

  std::string Name() const {
    return absl::StrCat("vector ", fields.at("tcId").get<int>(), ": ",
                        fields.at("comment").get<std::string>());
  }

  Json fields;
  Result result = Result::kInvalid;
};

std::vector<Vector> Read(const std::string& file) {
  std::ifstream stream("tests/testdata/wycheproof/" + file);
  EXPECT_TRUE(stream.is_open()) << file;
  const Json json = Json::parse(stream);
  std::vector<Vector> vectors;
  for (const Json& test : json.at("tests")) vectors.emplace_back(test);
  return vectors;
}

// So that a file that was cut, or read wrongly, is no success.
void ExpectCounts(const std::vector<Vector>& vectors, const std::map<Result, size_t>& expected) {
  std::map<Result, size_t> counts;
  for (const Vector& vector : vectors) ++counts[vector.result];
  EXPECT_EQ(counts, expected);
}

const uint8_t* Data(absl::string_view bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}
uint8_t* Data(std::string& bytes) { return reinterpret_cast<uint8_t*>(bytes.data()); }

TEST(WycheproofTest, HmacSha256) {
  const std::vector<Vector> vectors = Read("hmac_sha256_test.json");
  for (const Vector& vector : vectors) {
    SCOPED_TRACE(vector.Name());
    const HmacSha256::Tag tag = HmacSha256(vector.Secret("key")).Compute(vector.Bytes("msg"));
    const size_t size = vector.fields.at("tagSize").get<size_t>() / 8;
    ASSERT_LE(size, tag.size());
    EXPECT_EQ(
        EqualInConstantTime(absl::string_view(reinterpret_cast<const char*>(tag.data()), size),
                            vector.Bytes("tag")),
        vector.result == Result::kValid);
  }
  ExpectCounts(vectors, {{Result::kValid, 66}, {Result::kInvalid, 108}});
}

// A random source that gives out one vector's nonce.
class Nonce final : public RandomSource {
 public:
  explicit Nonce(std::string bytes) : bytes_(std::move(bytes)) {}
  void Fill(absl::Span<uint8_t> out) override {
    ASSERT_EQ(out.size(), bytes_.size());
    std::copy(bytes_.begin(), bytes_.end(), out.begin());
  }

 private:
  const std::string bytes_;
};

TEST(WycheproofTest, Aes256GcmSiv) {
  const std::vector<Vector> vectors = Read("aes_gcm_siv_test.json");
  for (const Vector& vector : vectors) {
    SCOPED_TRACE(vector.Name());
    const std::string nonce = vector.Bytes("iv");
    const std::string context = vector.Bytes("aad");
    const std::string plaintext = vector.Bytes("msg");
    const std::string sealed = nonce + vector.Bytes("ct") + vector.Bytes("tag");
    Nonce random(nonce);
    const Sealer sealer(vector.Secret("key"), random);
    if (vector.result == Result::kValid) {
      ASSERT_OK_AND_ASSIGN(const std::string opened, sealer.Open(context, sealed));
      EXPECT_EQ(opened, plaintext);
      EXPECT_EQ(sealer.Seal(context, plaintext), sealed);
    } else {
      EXPECT_THAT(sealer.Open(context, sealed), HasVerdict(Verdict::kCorrupt));
      EXPECT_THAT(sealer.OpenSecret(context, sealed), HasVerdict(Verdict::kCorrupt));
    }
  }
  ExpectCounts(vectors, {{Result::kValid, 45}, {Result::kInvalid, 35}});
}

// The plaintext, or nothing if the library refuses.
std::optional<std::string> OpenByGcm(const Vector& vector) {
  const std::string key = vector.Bytes("key");
  const std::string nonce = vector.Bytes("iv");
  const std::string context = vector.Bytes("aad");
  const std::string sealed = vector.Bytes("ct") + vector.Bytes("tag");
  std::string plaintext(sealed.size(), '\0');
  size_t size = 0;
  bssl::ScopedEVP_AEAD_CTX aead;
  if (EVP_AEAD_CTX_init(aead.get(), EVP_aead_aes_256_gcm(), Data(key), key.size(),
                        EVP_AEAD_DEFAULT_TAG_LENGTH, nullptr) != 1 ||
      EVP_AEAD_CTX_open(aead.get(), Data(plaintext), &size, plaintext.size(), Data(nonce),
                        nonce.size(), Data(sealed), sealed.size(), Data(context),
                        context.size()) != 1) {
    return std::nullopt;
  }
  plaintext.resize(size);
  return plaintext;
}

TEST(WycheproofTest, Aes256GcmOfTheLibrary) {
  const std::vector<Vector> vectors = Read("aes_gcm_test.json");
  for (const Vector& vector : vectors) {
    SCOPED_TRACE(vector.Name());
    const std::optional<std::string> opened = OpenByGcm(vector);
    if (vector.result == Result::kInvalid) {
      EXPECT_EQ(opened, std::nullopt);
    } else {
      // Acceptable are nonces of less than 12 bytes: the library takes them.
      EXPECT_EQ(vector.result == Result::kAcceptable, vector.Has("SmallIv"));
      EXPECT_EQ(opened, vector.Bytes("msg"));
    }
  }
  ExpectCounts(vectors, {{Result::kValid, 46}, {Result::kAcceptable, 10}, {Result::kInvalid, 29}});
}

// The shared secret, or nothing if it is all zeros, which the library refuses.
std::optional<std::string> Agree(const SecretBytes& private_key, absl::string_view public_key) {
  std::string shared(X25519_SHARED_KEY_LEN, '\0');
  if (X25519(Data(shared), Data(private_key.Reveal()), Data(public_key)) != 1) return std::nullopt;
  return shared;
}

// Acceptable are public keys on the twist, or not in canonical form: these have to give what RFC
// 7748 says. And those of low order, which give zeros to everybody: these have to be refused.
TEST(WycheproofTest, X25519) {
  const std::vector<Vector> vectors = Read("x25519_test.json");
  const KeyPair ours = *SystemKeyPairs().Generate(KeyType::kX25519);
  size_t refused = 0;
  for (const Vector& vector : vectors) {
    SCOPED_TRACE(vector.Name());
    const SecretBytes private_key = vector.Secret("private");
    const std::optional<std::string> shared = Agree(private_key, vector.Bytes("public"));
    if (vector.Has("ZeroSharedSecret")) {
      EXPECT_EQ(vector.result, Result::kAcceptable);
      EXPECT_EQ(shared, std::nullopt);
      ++refused;
    } else {
      EXPECT_EQ(shared, vector.Bytes("shared"));
    }
    // A key pair of ours agrees with that of the vector, whichever half each side has.
    ASSERT_OK_AND_ASSIGN(const std::string public_key, PublicKeyOf(KeyType::kX25519, private_key));
    const std::optional<std::string> with_ours = Agree(private_key, ours.public_key);
    EXPECT_NE(with_ours, std::nullopt);
    EXPECT_EQ(with_ours, Agree(ours.private_key, public_key));
  }
  EXPECT_EQ(refused, 31u);
  ExpectCounts(vectors, {{Result::kValid, 265}, {Result::kAcceptable, 253}});
}

}  // namespace
}  // namespace batonstore
