#include "batonstore/crypto/secret_bytes.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <new>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace {

// What the memory at `watched` held at the moment it was freed.
const void* watched = nullptr;
char at_free[64];
bool was_freed = false;

void Inspect(void* memory) {
  if (watched == nullptr || memory != watched) return;
  std::copy_n(static_cast<const char*>(memory), std::size(at_free), at_free);
  was_freed = true;
  watched = nullptr;
}

}  // namespace

// This program's own array allocator, which looks at what it is given back.
void* operator new[](size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete[](void* memory) noexcept {
  Inspect(memory);
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  Inspect(memory);
  std::free(memory);
}

namespace batonstore {
namespace {

const std::string kText(std::size(at_free), 's');
const std::string kZeros(std::size(at_free), '\0');

// Runs `release`, which must free the bytes of `secret`, and returns what they were at that moment.
template <typename Release>
std::string BytesWhenFreed(const SecretBytes& secret, Release release) {
  EXPECT_EQ(secret.Reveal(), kText);
  was_freed = false;
  watched = secret.Reveal().data();
  release();
  EXPECT_TRUE(was_freed);
  return std::string(std::begin(at_free), std::end(at_free));
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

TEST(SecretBytesTest, BytesAreZeroWhenDestructionFreesThem) {
  auto* const secret = new SecretBytes(kText);
  EXPECT_EQ(BytesWhenFreed(*secret, [&] { delete secret; }), kZeros);
}

TEST(SecretBytesTest, BytesAreZeroWhenAssignmentFreesThem) {
  SecretBytes secret(kText);
  EXPECT_EQ(BytesWhenFreed(secret, [&] { secret = SecretBytes("another"); }), kZeros);
}

TEST(SecretBytesTest, ACloneIsWipedOnItsOwn) {
  const SecretBytes secret(kText);
  auto* const clone = new SecretBytes(secret.Clone());
  EXPECT_EQ(BytesWhenFreed(*clone, [&] { delete clone; }), kZeros);
  EXPECT_EQ(secret.Reveal(), kText);
}

// The probe itself: it does see what is not wiped.
TEST(SecretBytesTest, OrdinaryArraysAreFreedUnwiped) {
  char* const plain = new char[kText.size()];
  std::copy(kText.begin(), kText.end(), plain);
  watched = plain;
  was_freed = false;
  delete[] plain;
  ASSERT_TRUE(was_freed);
  EXPECT_EQ(std::string(std::begin(at_free), std::end(at_free)), kText);
}

TEST(WipeMemoryTest, ZeroesExactlyTheBytesNamed) {
  std::string text = "0123456789";
  WipeMemory(text.data() + 2, 5);
  EXPECT_EQ(text, std::string("01\0\0\0\0\0"
                              "789",
                              10));
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
