#include "batonstore/crypto/random.h"

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/types/span.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::Channel;
using testing::ForkedChild;
using testing::OnThreads;

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

// Two draws are equal once in 2^128 pairs.
TEST(SystemRandomTest, ThreadsAndForkedChildrenDrawNothingTwice) {
  constexpr int kThreads = 8;
  constexpr int kDraws = 2000;
  const auto draw = [] { return std::string(RandomSecret(SystemRandom(), 16).Reveal()); };
  std::vector<std::vector<std::string>> drawn(kThreads);
  OnThreads(kThreads, [&](int thread) {
    for (int i = 0; i < kDraws; ++i) drawn[thread].push_back(draw());
  });
  std::set<std::string> all;
  for (const std::vector<std::string>& draws : drawn) all.insert(draws.begin(), draws.end());
  EXPECT_EQ(all.size(), size_t{kThreads} * kDraws);

  // Two children of one moment, and their parent.
  const auto tell = [&draw](Channel& parent) -> std::string {
    parent.Send(absl::BytesToHexString(draw()));
    return "";
  };
  ForkedChild one(tell);
  ForkedChild other(tell);
  EXPECT_TRUE(all.insert(draw()).second);
  for (ForkedChild* child : {&one, &other}) {
    EXPECT_TRUE(all.insert(absl::HexStringToBytes(child->channel().Receive())).second);
    EXPECT_EQ(child->Join(), "");
  }
}

TEST(SystemRandomTest, IsOneObject) { EXPECT_EQ(&SystemRandom(), &SystemRandom()); }

}  // namespace
}  // namespace batonstore
