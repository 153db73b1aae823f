#include "batonstore/crypto/sealer.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;

constexpr absl::string_view kContext = "sessions/17/v1";
constexpr absl::string_view kPlaintext = "the plaintext of a row";

SecretBytes Key(char letter) { return SecretBytes(std::string(Sealer::kKeySize, letter)); }

std::string FlipBit(absl::string_view bytes, size_t bit) {
  std::string flipped(bytes);
  flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
  return flipped;
}

// Both ways to open must refuse alike.
void ExpectRefused(const Sealer& sealer, absl::string_view context, absl::string_view sealed) {
  const absl::Status refused = sealer.Open(context, sealed).status();
  EXPECT_THAT(refused, HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(sealer.OpenSecret(context, sealed).status(), refused);
}

class SealerTest : public ::testing::Test {
 protected:
  const Sealer sealer_{Key('k'), SystemRandom()};
  const std::string sealed_ = sealer_.Seal(kContext, kPlaintext);
};

TEST_F(SealerTest, OpensWhatItSealed) {
  EXPECT_EQ(sealed_.size(), kPlaintext.size() + Sealer::kOverhead);
  ASSERT_OK_AND_ASSIGN(const std::string opened, sealer_.Open(kContext, sealed_));
  EXPECT_EQ(opened, kPlaintext);
  ASSERT_OK_AND_ASSIGN(const SecretBytes secret, sealer_.OpenSecret(kContext, sealed_));
  EXPECT_EQ(secret.Reveal(), kPlaintext);
}

TEST_F(SealerTest, OpensUnderTheSameKeyInAnotherSealer) {
  ASSERT_OK_AND_ASSIGN(const std::string opened,
                       Sealer(Key('k'), SystemRandom()).Open(kContext, sealed_));
  EXPECT_EQ(opened, kPlaintext);
}

TEST_F(SealerTest, EmptyAndLargePlaintextsAndAnyContextRoundTrip) {
  for (const std::string& plaintext :
       {std::string(), std::string(1, '\0'), std::string(1 << 20, 'x')}) {
    for (const std::string& context : {std::string(), std::string(1000, 'c')}) {
      ASSERT_OK_AND_ASSIGN(const std::string opened,
                           sealer_.Open(context, sealer_.Seal(context, plaintext)));
      EXPECT_EQ(opened, plaintext);
    }
  }
}

TEST_F(SealerTest, EveryFlippedBitOfTheSealedBytesIsRefused) {
  for (size_t bit = 0; bit < sealed_.size() * 8; ++bit) {
    SCOPED_TRACE(bit);
    ExpectRefused(sealer_, kContext, FlipBit(sealed_, bit));
  }
}

TEST_F(SealerTest, EveryFlippedBitOfTheContextIsRefused) {
  for (size_t bit = 0; bit < kContext.size() * 8; ++bit) {
    SCOPED_TRACE(bit);
    ExpectRefused(sealer_, FlipBit(kContext, bit), sealed_);
  }
  ExpectRefused(sealer_, "", sealed_);
  ExpectRefused(sealer_, kContext.substr(1), sealed_);
}

TEST_F(SealerTest, EveryTruncationAndExtensionIsRefused) {
  for (size_t size = 0; size < sealed_.size(); ++size) {
    SCOPED_TRACE(size);
    ExpectRefused(sealer_, kContext, absl::string_view(sealed_).substr(0, size));
    ExpectRefused(sealer_, kContext, absl::string_view(sealed_).substr(sealed_.size() - size));
  }
  ExpectRefused(sealer_, kContext, sealed_ + '\0');
}

TEST_F(SealerTest, AnotherKeyIsRefused) {
  ExpectRefused(Sealer(Key('K'), SystemRandom()), kContext, sealed_);
}

TEST_F(SealerTest, ContextAndPlaintextCannotTradeBytes) {
  const std::string sealed = sealer_.Seal("ab", "c");
  ExpectRefused(sealer_, "a", sealed);
  ExpectRefused(sealer_, "abc", sealed);
}

TEST_F(SealerTest, TwoSealsOfTheSameDiffer) {
  const std::string again = sealer_.Seal(kContext, kPlaintext);
  EXPECT_NE(again.substr(0, 12), sealed_.substr(0, 12));
  EXPECT_NE(again.substr(12), sealed_.substr(12));
}

// A random source that says what it was told to.
class FixedRandom final : public RandomSource {
 public:
  explicit FixedRandom(std::string bytes) : bytes_(std::move(bytes)) {}
  void Fill(absl::Span<uint8_t> out) override {
    ASSERT_EQ(out.size(), bytes_.size());
    std::copy(bytes_.begin(), bytes_.end(), out.begin());
  }

 private:
  const std::string bytes_;
};

// RFC 8452, appendix C.2: the layout is nonce, ciphertext, tag.
TEST(SealerVectorTest, Rfc8452) {
  const SecretBytes key(absl::HexStringToBytes("01" + std::string(62, '0')));
  const std::string nonce = absl::HexStringToBytes("030000000000000000000000");
  const struct {
    absl::string_view plaintext, context, ciphertext_and_tag;
  } kVectors[] = {
      {"", "", "07f5f4169bbf55a8400cd47ea6fd400f"},
      {"0100000000000000", "", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"},
      {"0200000000000000", "01", "1de22967237a813291213f267e3b452f02d01ae33e4ec854"},
  };
  FixedRandom random(nonce);
  const Sealer sealer(key, random);
  for (const auto& vector : kVectors) {
    const std::string plaintext = absl::HexStringToBytes(vector.plaintext);
    const std::string context = absl::HexStringToBytes(vector.context);
    const std::string sealed = nonce + absl::HexStringToBytes(vector.ciphertext_and_tag);
    ASSERT_OK_AND_ASSIGN(const std::string opened, sealer.Open(context, sealed));
    EXPECT_EQ(opened, plaintext);
    EXPECT_EQ(sealer.Seal(context, plaintext), sealed);
  }
}

TEST(SealerDeathTest, KeyOfAnotherSizeIsAProgrammersError) {
  EXPECT_DEATH(Sealer(SecretBytes("short"), SystemRandom()), "");
}

}  // namespace
}  // namespace batonstore
