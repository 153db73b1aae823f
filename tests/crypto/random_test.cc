#include "batonstore/crypto/random.h"

#include <array>
#include <cstdint>
#include <set>
#include <string>

#include "absl/types/span.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

class Counting final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_++;
  }

 private:
  uint8_t next_ = 'a';
};

TEST(RandomSecretTest, TakesExactlyItsBytesFromTheSource) {
  Counting random;
  EXPECT_EQ(RandomSecret(random, 3).Reveal(), "abc");
  EXPECT_EQ(RandomSecret(random, 2).Reveal(), "de");
  EXPECT_TRUE(RandomSecret(random, 0).empty());
}

TEST(SystemRandomTest, NoDrawRepeats) {
  std::set<std::string> draws;
  for (int i = 0; i < 1000; ++i) {
    draws.emplace(RandomSecret(SystemRandom(), 16).Reveal());
  }
  EXPECT_EQ(draws.size(), 1000u);
}

TEST(SystemRandomTest, FillsToTheLastByteAndNoFurther) {
  constexpr size_t kSize = 37;
  std::array<bool, kSize> changed{};
  for (int i = 0; i < 20; ++i) {  // a byte stays zero 20 times once in 2^160 runs
    std::array<uint8_t, kSize + 1> bytes{};
    SystemRandom().Fill(absl::MakeSpan(bytes.data(), kSize));
    for (size_t at = 0; at < kSize; ++at) changed[at] |= bytes[at] != 0;
    EXPECT_EQ(bytes[kSize], 0);
  }
  for (size_t at = 0; at < kSize; ++at) EXPECT_TRUE(changed[at]) << "byte " << at;
}

TEST(SystemRandomTest, IsOneObject) { EXPECT_EQ(&SystemRandom(), &SystemRandom()); }

}  // namespace
}  // namespace batonstore
