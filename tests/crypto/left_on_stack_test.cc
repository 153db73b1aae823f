// What computing on a key leaves on the stack: nothing of it, although BoringSSL does not clean up.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/crypto/secret_memory.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

constexpr size_t kDeep = size_t{16} << 10;

// The stack below the caller, before anything else is called.
std::array<char, kDeep> below;
__attribute__((noinline)) void CopyStack() {
  const auto* const from = static_cast<const volatile char*>(__builtin_frame_address(0)) - kDeep;
  for (size_t i = 0; i < kDeep; ++i) below[i] = from[i];
}

// The middle of a key: some computations change a few bits at the ends.
bool IsLeft(const SecretBytes& key) {
  return absl::StrContains(absl::string_view(below.data(), below.size()),
                           key.Reveal().substr(4, 24));
}

__attribute__((noinline)) void LeaveOnStack(absl::string_view text) {
  char left[256];
  std::copy(text.begin(), text.end(), left);
  asm volatile("" : : "r"(left) : "memory");  // NOLINT: as if somebody read it
}

TEST(LeftOnStackTest, TheProbeSeesWhatIsLeftUntilItIsWiped) {
  const SecretBytes key = RandomSecret(SystemRandom(), 32);
  LeaveOnStack(key.Reveal());
  CopyStack();
  EXPECT_TRUE(IsLeft(key));
  LeaveOnStack(key.Reveal());
  WipeStack();
  CopyStack();
  EXPECT_FALSE(IsLeft(key));
}

TEST(LeftOnStackTest, NothingOfADerivedKey) {
  const SecretBytes secret = RandomSecret(SystemRandom(), 32);
  const SecretBytes derived = DeriveKey(secret, "salt", "info", 32);
  CopyStack();
  EXPECT_FALSE(IsLeft(secret));
  EXPECT_FALSE(IsLeft(derived));
}

TEST(LeftOnStackTest, NothingOfASigningKey) {
  const SecretBytes key = RandomSecret(SystemRandom(), 32);
  const HmacSha256 hmac(key);
  CopyStack();
  EXPECT_FALSE(IsLeft(key));
}

TEST(LeftOnStackTest, NothingOfAPrivateKey) {
  for (const KeyType type : {KeyType::kX25519, KeyType::kEd25519, KeyType::kP256}) {
    const SecretBytes private_key = RandomSecret(SystemRandom(), 32);
    EXPECT_TRUE(PublicKeyOf(type, private_key).ok());
    CopyStack();
    EXPECT_FALSE(IsLeft(private_key)) << KeyTypeName(type);
  }
}

TEST(LeftOnStackTest, NothingOfAKeyToSealWithNorOfASecretThatWasOpened) {
  const SecretBytes key = RandomSecret(SystemRandom(), Sealer::kKeySize);
  const SecretBytes secret = RandomSecret(SystemRandom(), 32);
  const Sealer sealer(key, SystemRandom());
  CopyStack();
  EXPECT_FALSE(IsLeft(key));
  const std::string sealed = sealer.Seal("context", secret.Reveal());
  EXPECT_TRUE(sealer.OpenSecret("context", sealed).ok());
  CopyStack();
  EXPECT_FALSE(IsLeft(key));
  EXPECT_FALSE(IsLeft(secret));
}

}  // namespace
}  // namespace batonstore
