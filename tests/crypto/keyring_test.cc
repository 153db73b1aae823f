// Random mutations come from RapidCheck. A failure prints its configuration; to replay it:
//   ./bazelw test //tests/crypto:keyring_test --test_env=RC_PARAMS="reproduce=<as printed>"

#include "batonstore/crypto/keyring.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Allocations;
using testing::HasVerdict;
using testing::IsOk;
using KeyStatus = Keyring::KeyStatus;

constexpr absl::string_view kIncarnation = "incarnation no 1";
constexpr BatonClaims kClaims = {.kind = BatonKind::kStream, .id = 17, .generation = 3, .epoch = 2};

Keyring NewRing() { return Keyring::Create(SystemRandom(), kIncarnation); }

// Key 1 retired, 2 active, 3 primary, with a baton of each.
struct ThreeKeys {
  Keyring ring = NewRing();
  std::vector<std::string> batons;

  ThreeKeys() {
    batons.push_back(ring.Mint(kClaims));
    for (int i = 0; i < 2; ++i) {
      ring = ring.Rotated(SystemRandom(), kIncarnation);
      batons.push_back(ring.Mint(kClaims));
    }
    ring = *ring.Retired(1);
  }
};

void ExpectVerifies(const Keyring& ring, absl::string_view baton) {
  const absl::StatusOr<BatonClaims> claims = ring.Verify(baton);
  ASSERT_THAT(claims, IsOk());
  EXPECT_EQ(*claims, kClaims);
}

void ExpectTellsApart(const Keyring& ring, const std::vector<std::string>& batons) {
  EXPECT_THAT(ring.Verify(batons[0]), HasVerdict(Verdict::kLost));
  ExpectVerifies(ring, batons[1]);
  ExpectVerifies(ring, batons[2]);
}

std::vector<std::pair<uint32_t, KeyStatus>> KeysOf(const Keyring& ring) {
  std::vector<std::pair<uint32_t, KeyStatus>> keys;
  for (const Keyring::KeyInfo& key : ring.Keys()) keys.emplace_back(key.id, key.status);
  return keys;
}

TEST(KeyringTest, NewRingVerifiesItsOwnBatonsByOnePrimaryKey) {
  const Keyring ring = NewRing();
  EXPECT_EQ(ring.primary_key_id(), 1u);
  EXPECT_THAT(KeysOf(ring), ::testing::ElementsAre(std::pair(1u, KeyStatus::kPrimary)));
  ExpectVerifies(ring, ring.Mint(kClaims));
}

TEST(KeyringTest, RotationSignsByTheNewKeyAndStillVerifiesTheOld) {
  const Keyring ring = NewRing();
  const std::string old_baton = ring.Mint(kClaims);
  const Keyring rotated = ring.Rotated(SystemRandom(), kIncarnation);
  EXPECT_EQ(rotated.primary_key_id(), 2u);
  const std::string new_baton = rotated.Mint(kClaims);
  EXPECT_EQ(ParsedBaton::Parse(new_baton)->key_id(), 2u);
  ExpectVerifies(rotated, old_baton);
  ExpectVerifies(rotated, new_baton);
  EXPECT_THAT(ring.Verify(new_baton), HasVerdict(Verdict::kForged));  // a ring is a value
}

TEST(KeyringTest, RetiredKeysBatonsAreLostAndTheOthersVerify) {
  const ThreeKeys three;
  EXPECT_THAT(KeysOf(three.ring), ::testing::ElementsAre(std::pair(1u, KeyStatus::kRetired),
                                                         std::pair(2u, KeyStatus::kActive),
                                                         std::pair(3u, KeyStatus::kPrimary)));
  ExpectTellsApart(three.ring, three.batons);
}

TEST(KeyringTest, ForgeryUnderARetiredKeyIsForgedNotLost) {
  const ThreeKeys three;
  std::string forged = three.batons[0];
  forged[50] = forged[50] == 'A' ? 'B' : 'A';
  EXPECT_THAT(three.ring.Verify(forged), HasVerdict(Verdict::kForged));
}

TEST(KeyringTest, RetiringTwiceIsTheSameAsOnceAndRotationKeepsItRetired) {
  const ThreeKeys three;
  ASSERT_OK_AND_ASSIGN(const Keyring again, three.ring.Retired(1));
  EXPECT_TRUE(again.Serialize() == three.ring.Serialize());
  const Keyring rotated = three.ring.Rotated(SystemRandom(), kIncarnation);
  EXPECT_THAT(rotated.Verify(three.batons[0]), HasVerdict(Verdict::kLost));
}

TEST(KeyringTest, PrimaryAndUnknownKeysCannotBeRetired) {
  const ThreeKeys three;
  EXPECT_THAT(three.ring.Retired(3), HasVerdict(Verdict::kInvalid));
  for (const uint32_t id : {0u, 4u, 0xffffffffu}) {
    EXPECT_THAT(three.ring.Retired(id), HasVerdict(Verdict::kNotFound)) << id;
  }
}

TEST(KeyringTest, AnotherRingForgesNothing) {
  const Keyring ring = NewRing();
  const Keyring attacker = NewRing();
  ASSERT_EQ(attacker.primary_key_id(), ring.primary_key_id());
  EXPECT_THAT(ring.Verify(attacker.Mint(kClaims)), HasVerdict(Verdict::kForged));
}

TEST(KeyringTest, UnknownKeyIdIsForged) {
  const Keyring ring = NewRing();
  const Keyring rotated = ring.Rotated(SystemRandom(), kIncarnation);
  EXPECT_THAT(ring.Verify(rotated.Mint(kClaims)), HasVerdict(Verdict::kForged));
}

TEST(KeyringTest, WhatIsNoBatonIsForged) {
  const Keyring ring = NewRing();
  for (const std::string& text : {std::string(), std::string("baton"), std::string(83, 'A'),
                                  std::string(83, '\0'), ring.Mint(kClaims) + "="}) {
    EXPECT_THAT(ring.Verify(text), HasVerdict(Verdict::kForged)) << text;
  }
}

// Draws the same bytes again and again.
class SameRandom final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = 's';
  }
};

TEST(KeyringTest, IncarnationIsMixedIntoTheKey) {
  SameRandom random;
  const Keyring ring = Keyring::Create(random, kIncarnation);
  const Keyring same = Keyring::Create(random, kIncarnation);
  const Keyring other = Keyring::Create(random, "incarnation no 2");
  ExpectVerifies(ring, same.Mint(kClaims));
  EXPECT_THAT(ring.Verify(other.Mint(kClaims)), HasVerdict(Verdict::kForged));
}

TEST(KeyringTest, RotationUsesTheIncarnationItIsGiven) {
  SameRandom random;
  const Keyring ring = Keyring::Create(random, kIncarnation);
  const Keyring one = ring.Rotated(random, kIncarnation);
  const Keyring two = ring.Rotated(random, "incarnation no 2");
  EXPECT_THAT(one.Verify(two.Mint(kClaims)), HasVerdict(Verdict::kForged));
  ExpectVerifies(two, ring.Mint(kClaims));  // the old key keeps its own
}

TEST(KeyringTest, VerifyNeverAllocatesRefusingIncluded) {
  const uint64_t at_start = Allocations();
  const ThreeKeys three;
  ASSERT_GT(Allocations(), at_start);  // the counter does count

  std::string forged = three.batons[1];
  forged[60] = forged[60] == 'A' ? 'B' : 'A';
  const std::string unknown_key = NewRing()
                                      .Rotated(SystemRandom(), kIncarnation)
                                      .Rotated(SystemRandom(), kIncarnation)
                                      .Rotated(SystemRandom(), kIncarnation)
                                      .Mint(kClaims);
  const std::string malformed(83, '!');
  const std::string long_text(1000, 'A');
  ExpectTellsApart(three.ring, three.batons);
  EXPECT_THAT(three.ring.Verify(forged), HasVerdict(Verdict::kForged));  // builds the one status

  const std::vector<std::string> texts = {three.batons[0], three.batons[1], three.batons[2], forged,
                                          unknown_key,     malformed,       long_text};
  for (const std::string& text : texts) {
    const uint64_t before = Allocations();
    const bool accepted = three.ring.Verify(text).ok();
    EXPECT_EQ(Allocations(), before) << text;
    EXPECT_EQ(accepted, text == three.batons[1] || text == three.batons[2]);
  }
}

TEST(KeyringTest, SerializeAndParseRoundTrip) {
  const ThreeKeys three;
  const SecretBytes stored = three.ring.Serialize();
  ASSERT_OK_AND_ASSIGN(const Keyring parsed, Keyring::Parse(stored.Reveal()));
  EXPECT_EQ(KeysOf(parsed), KeysOf(three.ring));
  EXPECT_EQ(parsed.Mint(kClaims), three.ring.Mint(kClaims));
  EXPECT_TRUE(parsed.Serialize() == stored);
  ExpectTellsApart(parsed, three.batons);
}

TEST(KeyringTest, EveryTruncationAndExtensionIsCorrupt) {
  const SecretBytes stored = ThreeKeys().ring.Serialize();
  for (size_t size = 0; size < stored.size(); ++size) {
    EXPECT_THAT(Keyring::Parse(stored.Reveal().substr(0, size)), HasVerdict(Verdict::kCorrupt))
        << size;
  }
  EXPECT_THAT(Keyring::Parse(std::string(stored.Reveal()) + '\0'), HasVerdict(Verdict::kCorrupt));
}

// CORRUPT, or a ring that works and is stored as these very bytes.
bool IsCorruptOrValid(absl::string_view stored) {
  const absl::StatusOr<Keyring> ring = Keyring::Parse(stored);
  if (!ring.ok()) return VerdictOf(ring.status()) == Verdict::kCorrupt;
  const absl::StatusOr<BatonClaims> claims = ring->Verify(ring->Mint(kClaims));
  return ring->Serialize().Reveal() == stored && claims.ok() && *claims == kClaims;
}

TEST(KeyringTest, EveryByteReplacedGivesCorruptOrAValidRing) {
  const SecretBytes stored = ThreeKeys().ring.Serialize();
  for (size_t at = 0; at < stored.size(); ++at) {
    for (const int byte : {0, 1, 2, 3, 4, 16, 127, 128, 255}) {
      std::string mutated(stored.Reveal());
      mutated[at] = static_cast<char>(byte);
      EXPECT_TRUE(IsCorruptOrValid(mutated)) << "byte " << at << " is " << byte;
    }
  }
}

RC_GTEST_PROP(KeyringTest, RandomMutationsGiveCorruptOrAValidRing,
              (const std::vector<std::pair<uint16_t, char>>& writes, uint8_t erase_at,
               uint8_t erased, const std::string& inserted)) {
  std::string mutated(ThreeKeys().ring.Serialize().Reveal());
  for (const auto& [at, byte] : writes) mutated[at % mutated.size()] = byte;
  mutated.erase(erase_at % mutated.size(), erased % 4);
  mutated.insert(erase_at % mutated.size(), inserted, 0, erased % 4);
  RC_ASSERT(IsCorruptOrValid(mutated));
}

TEST(KeyringTest, ARingWithoutExactlyOnePrimaryIsCorrupt) {
  const SecretBytes stored = ThreeKeys().ring.Serialize();
  constexpr size_t kHeader = 4;                     // version, length
  constexpr size_t kKeySize = 4 + 1 + 1 + 16 + 32;  // id, status, incarnation, secret
  constexpr size_t kStatusAt = 4;
  ASSERT_EQ(stored.size(), kHeader + 3 * kKeySize);
  for (const size_t key : {0, 1, 2}) {
    for (const KeyStatus status : {KeyStatus::kPrimary, KeyStatus::kActive}) {
      std::string mutated(stored.Reveal());
      mutated[kHeader + key * kKeySize + kStatusAt] = static_cast<char>(status);
      const bool one_primary = (key == 2) == (status == KeyStatus::kPrimary);
      EXPECT_EQ(Keyring::Parse(mutated).ok(), one_primary) << "key " << key;
    }
  }
  EXPECT_THAT(Keyring::Parse(absl::string_view("\1\0\0\0", 4)), HasVerdict(Verdict::kCorrupt));
}

TEST(KeyringTest, AfterAReincarnationEveryBatonOfBeforeIsLost) {
  const Keyring before = Keyring::Create(SystemRandom(), "first");
  const Keyring rotated = before.Rotated(SystemRandom(), "first");
  const Keyring copy = rotated.Reincarnated(SystemRandom(), "second");
  EXPECT_EQ(copy.primary_incarnation(), "second");
  EXPECT_THAT(copy.Verify(before.Mint({})), HasVerdict(Verdict::kLost));
  EXPECT_THAT(copy.Verify(rotated.Mint({})), HasVerdict(Verdict::kLost));
  EXPECT_THAT(copy.Verify(copy.Mint({})), IsOk());
  EXPECT_THAT(rotated.Verify(copy.Mint({})), HasVerdict(Verdict::kForged));
}

}  // namespace
}  // namespace batonstore
