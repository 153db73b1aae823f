#include "batonstore/crypto/secret_bytes.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/support/process_memory.h"

namespace batonstore {
namespace {

using ::batonstore::testing::IsLeftOutOfCore;
using ::batonstore::testing::ReadMemoryOf;

const std::string kText(64, 's');

// Runs `release`, which must free the bytes of `secret`, and returns what is there afterwards.
template <typename Release>
std::string BytesOnceFreed(const SecretBytes& secret, Release release) {
  EXPECT_EQ(secret.Reveal(), kText);
  const auto at = reinterpret_cast<uintptr_t>(secret.Reveal().data());
  EXPECT_EQ(ReadMemoryOf(getpid(), at, kText.size()), kText);  // the probe sees it
  release();
  return ReadMemoryOf(getpid(), at, kText.size());
}

TEST(SecretBytesTest, HoldsACopyOfItsBytes) {
  std::string original = "abc";
  const SecretBytes secret(original);
  original = "xyz";
  EXPECT_EQ(secret.Reveal(), "abc");
  EXPECT_EQ(secret.size(), 3u);
  EXPECT_FALSE(secret.empty());
}

TEST(SecretBytesTest, EmptyOnesAreEmpty) {
  for (const SecretBytes& secret : {SecretBytes(), SecretBytes(""), SecretBytes::OfSize(0)}) {
    EXPECT_TRUE(secret.empty());
    EXPECT_EQ(secret.Reveal(), "");
    EXPECT_TRUE(secret == SecretBytes());
    EXPECT_TRUE(secret.Clone().empty());
  }
}

TEST(SecretBytesTest, OfSizeIsZeroAndCanBeFilled) {
  SecretBytes secret = SecretBytes::OfSize(4);
  EXPECT_EQ(secret.Reveal(), absl::string_view("\0\0\0\0", 4));
  std::fill_n(secret.MutableData(), secret.size(), 'x');
  EXPECT_EQ(secret.Reveal(), "xxxx");
}

TEST(SecretBytesTest, MovingTakesTheBytesAndLeavesNone) {
  SecretBytes from("secret");
  const char* const bytes = from.Reveal().data();
  SecretBytes to(std::move(from));
  EXPECT_EQ(to.Reveal().data(), bytes);  // no second copy
  EXPECT_TRUE(from.empty());             // NOLINT(bugprone-use-after-move): that is the promise
  SecretBytes assigned("another");
  assigned = std::move(to);
  EXPECT_EQ(assigned.Reveal().data(), bytes);
  EXPECT_EQ(assigned.Reveal(), "secret");
  EXPECT_TRUE(to.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(SecretBytesTest, SelfMoveKeepsTheBytes) {
  SecretBytes secret("secret");
  SecretBytes& itself = secret;
  secret = std::move(itself);
  EXPECT_EQ(secret.Reveal(), "secret");
}

TEST(SecretBytesTest, CloneIsASecondCopy) {
  SecretBytes secret("secret");
  const SecretBytes clone = secret.Clone();
  secret.MutableData()[0] = 'S';
  EXPECT_EQ(clone.Reveal(), "secret");
}

TEST(SecretBytesTest, EqualityIsThatOfTheBytes) {
  const SecretBytes secret(absl::string_view("a\0b", 3));
  EXPECT_TRUE(secret == secret.Clone());
  EXPECT_FALSE(secret == SecretBytes(absl::string_view("a\0c", 3)));
  EXPECT_FALSE(secret == SecretBytes(absl::string_view("a\0", 2)));
  EXPECT_FALSE(secret == SecretBytes());
}

TEST(SecretBytesTest, EveryBitCountsInAComparison) {
  const std::string text(33, '\x5a');
  EXPECT_TRUE(EqualInConstantTime(text, std::string(text)));
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string other = text;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(EqualInConstantTime(text, other)) << "bit " << bit;
  }
}

TEST(SecretBytesTest, BytesAreWipedByDestruction) {
  auto* const secret = new SecretBytes(kText);
  EXPECT_FALSE(absl::StrContains(BytesOnceFreed(*secret, [&] { delete secret; }), 's'));
}

TEST(SecretBytesTest, BytesAreWipedByAssignment) {
  SecretBytes secret(kText);
  const auto assign = [&] { secret = SecretBytes("another"); };
  EXPECT_FALSE(absl::StrContains(BytesOnceFreed(secret, assign), 's'));
}

TEST(SecretBytesTest, ACloneIsWipedOnItsOwn) {
  const SecretBytes secret(kText);
  auto* const clone = new SecretBytes(secret.Clone());
  EXPECT_FALSE(absl::StrContains(BytesOnceFreed(*clone, [&] { delete clone; }), 's'));
  EXPECT_EQ(secret.Reveal(), kText);
}

TEST(SecretBytesTest, BytesAreLeftOutOfCores) {
  const SecretBytes of_text(kText);
  const SecretBytes clone = of_text.Clone();
  const SecretBytes large = SecretBytes::OfSize(100'000);
  for (const SecretBytes* secret : {&of_text, &clone, &large}) {
    EXPECT_TRUE(IsLeftOutOfCore(secret->Reveal().data()));
  }
}

template <typename T>
concept Streams = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(Streams<absl::string_view>);
static_assert(!Streams<SecretBytes>);
static_assert(!std::is_convertible_v<SecretBytes, absl::string_view>);
static_assert(!std::is_convertible_v<absl::string_view, SecretBytes>);
static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);
static_assert(std::is_nothrow_move_assignable_v<SecretBytes>);

TEST(SecretBytesTest, TestFailuresDoNotPrintTheSecret) {
  EXPECT_EQ(::testing::PrintToString(SecretBytes("hunter2")), "[secret of 7 bytes]");
}

}  // namespace
}  // namespace batonstore
