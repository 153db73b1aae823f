#include "batonstore/store/store_keys.h"

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;

SecretBytes Key(char fill) { return SecretBytes(std::string(32, fill)); }
std::string StoreId(char fill) { return std::string(kStoreIdBytes, fill); }

// Number 0 alone, beside an index key of as many equal bytes.
DataKeys DataKeysOf(char fill) {
  return *DataKeys::Parse(
      absl::StrCat("\1", std::string(32, fill), std::string(1, '\0'), std::string(32, fill)));
}

const StoreKeys& Ours() {
  static const auto* const keys = new StoreKeys(DataKeysOf('d'), StoreId('s'), SystemRandom());
  return *keys;
}

// The same data key in a store with another id, as in a copy that got a new identity.
const StoreKeys& OtherStore() {
  static const auto* const keys = new StoreKeys(DataKeysOf('d'), StoreId('t'), SystemRandom());
  return *keys;
}

const StoreKeys& OtherDataKey() {
  static const auto* const keys = new StoreKeys(DataKeysOf('e'), StoreId('s'), SystemRandom());
  return *keys;
}

KeyPair Pair() {
  KeyPair pair;
  pair.public_key = "public";
  pair.private_key = SecretBytes("private");
  return pair;
}

TEST(StoreKeysTest, RowOpensWhereItWasSealed) {
  const std::string sealed = Ours().SealRow(Table::kSessions, "key", "plaintext");
  ASSERT_OK_AND_ASSIGN(const std::string opened, Ours().OpenRow(Table::kSessions, "key", sealed));
  EXPECT_EQ(opened, "plaintext");
  EXPECT_FALSE(absl::StrContains(sealed, "plaintext"));
  EXPECT_EQ(sealed[0], 1) << "the row's format version";
}

TEST(StoreKeysTest, RowIsSealedAfreshEachTime) {
  EXPECT_NE(Ours().SealRow(Table::kSessions, "key", "plaintext"),
            Ours().SealRow(Table::kSessions, "key", "plaintext"));
}

TEST(StoreKeysTest, RowThatWasMovedDoesNotOpen) {
  const std::string sealed = Ours().SealRow(Table::kSessions, "key", "plaintext");
  EXPECT_THAT(Ours().OpenRow(Table::kSessions, "kez", sealed), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(Ours().OpenRow(Table::kSessions, "ke", sealed), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(Ours().OpenRow(Table::kReservations, "key", sealed), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(OtherStore().OpenRow(Table::kSessions, "key", sealed), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(OtherDataKey().OpenRow(Table::kSessions, "key", sealed),
              HasVerdict(Verdict::kCorrupt));
}

TEST(StoreKeysTest, RowWithAnyBitFlippedDoesNotOpen) {
  const std::string sealed = Ours().SealRow(Table::kSessions, "key", "plaintext");
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::string flipped = sealed;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(Ours().OpenRow(Table::kSessions, "key", flipped), HasVerdict(Verdict::kCorrupt))
        << "bit " << bit;
  }
}

TEST(StoreKeysTest, RowOfAnotherLengthDoesNotOpen) {
  const std::string sealed = Ours().SealRow(Table::kSessions, "key", "plaintext");
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_THAT(Ours().OpenRow(Table::kSessions, "key", sealed.substr(0, size)),
                HasVerdict(Verdict::kCorrupt))
        << size;
  }
  EXPECT_THAT(Ours().OpenRow(Table::kSessions, "key", sealed + '\0'),
              HasVerdict(Verdict::kCorrupt));
}

TEST(StoreKeysTest, SecretRowOpensWhereItWasSealedAndNowhereElse) {
  const std::string sealed = Ours().SealRow(Table::kAttributes, "key", "plaintext");
  ASSERT_OK_AND_ASSIGN(const SecretBytes opened,
                       Ours().OpenSecretRow(Table::kAttributes, "key", sealed));
  EXPECT_TRUE(opened == SecretBytes("plaintext"));
  EXPECT_THAT(Ours().OpenSecretRow(Table::kAttributes, "kez", sealed),
              HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(Ours().OpenSecretRow(Table::kSessions, "key", sealed), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(OtherStore().OpenSecretRow(Table::kAttributes, "key", sealed),
              HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(OtherDataKey().OpenSecretRow(Table::kAttributes, "key", sealed),
              HasVerdict(Verdict::kCorrupt));
}

TEST(StoreKeysTest, SecretRowThatWasChangedDoesNotOpen) {
  const std::string sealed = Ours().SealRow(Table::kAttributes, "key", "plaintext");
  for (size_t at = 0; at < sealed.size(); ++at) {
    std::string changed = sealed;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_THAT(Ours().OpenSecretRow(Table::kAttributes, "key", changed),
                HasVerdict(Verdict::kCorrupt))
        << "byte " << at;
    EXPECT_THAT(Ours().OpenSecretRow(Table::kAttributes, "key", sealed.substr(0, at)),
                HasVerdict(Verdict::kCorrupt))
        << at << " bytes";
  }
  EXPECT_THAT(Ours().OpenSecretRow(Table::kAttributes, "key", sealed + '\0'),
              HasVerdict(Verdict::kCorrupt));
}

TEST(StoreKeysTest, CorruptRowIsNamed) {
  const absl::Status status = Ours().OpenRow(Table::kSessions, "\x12\x34", "damaged").status();
  EXPECT_TRUE(absl::StrContains(status.message(), "1234 of sessions")) << status;
  const absl::Status secret =
      Ours().OpenSecretRow(Table::kAttributes, "\x12\x34", "damaged").status();
  EXPECT_TRUE(absl::StrContains(secret.message(), "1234 of attributes")) << secret;
}

TEST(StoreKeysTest, PrivateKeyOpensOnlyBesideItsPublicKey) {
  const std::string sealed = Ours().SealPrivateKey(Pair());
  ASSERT_OK_AND_ASSIGN(const SecretBytes opened,
                       Ours().OpenPrivateKey(KeyType::kX25519, "public", sealed));
  EXPECT_TRUE(opened == SecretBytes("private"));
  EXPECT_THAT(Ours().OpenPrivateKey(KeyType::kX25519, "public key of another", sealed),
              HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(Ours().OpenPrivateKey(KeyType::kEd25519, "public", sealed),
              HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(OtherStore().OpenPrivateKey(KeyType::kX25519, "public", sealed),
              HasVerdict(Verdict::kCorrupt));
}

TEST(StoreKeysTest, KeyEncryptionKeySealsUnderStoreAndRowName) {
  const std::string sealed = SealUnderKeyEncryptionKey(Key('k'), StoreId('s'), "row",
                                                       SecretBytes("secret"), SystemRandom());
  ASSERT_OK_AND_ASSIGN(const SecretBytes opened,
                       OpenUnderKeyEncryptionKey(Key('k'), StoreId('s'), "row", sealed));
  EXPECT_TRUE(opened == SecretBytes("secret"));
  EXPECT_THAT(OpenUnderKeyEncryptionKey(Key('x'), StoreId('s'), "row", sealed),
              HasVerdict(Verdict::kWrongKey));
  EXPECT_THAT(OpenUnderKeyEncryptionKey(Key('k'), StoreId('t'), "row", sealed),
              HasVerdict(Verdict::kWrongKey));
  EXPECT_THAT(OpenUnderKeyEncryptionKey(Key('k'), StoreId('s'), "other row", sealed),
              HasVerdict(Verdict::kWrongKey));
}

TEST(StoreKeysTest, PrincipalHashIsTheStoresOwn) {
  EXPECT_EQ(Ours().HashPrincipal("alice"), Ours().HashPrincipal("alice"));
  EXPECT_NE(Ours().HashPrincipal("alice"), Ours().HashPrincipal("alicf"));
  EXPECT_NE(Ours().HashPrincipal("alice"), OtherStore().HashPrincipal("alice"));
  EXPECT_NE(Ours().HashPrincipal("alice"), OtherDataKey().HashPrincipal("alice"));
}

TEST(StoreKeysTest, DatabaseHashIsTheStoresOwn) {
  EXPECT_EQ(Ours().HashDatabase("main"), Ours().HashDatabase("main"));
  EXPECT_NE(Ours().HashDatabase("main"), Ours().HashDatabase("maim"));
  EXPECT_NE(Ours().HashDatabase("main"), OtherStore().HashDatabase("main"));
  EXPECT_NE(Ours().HashDatabase("main"), OtherDataKey().HashDatabase("main"));
}

TEST(StoreKeysTest, IdempotencyKeyHashIsTheStoresOwn) {
  const uint64_t hash = Ours().HashIdempotencyKey("alice", "request");
  EXPECT_EQ(hash, Ours().HashIdempotencyKey("alice", "request"));
  EXPECT_NE(hash, Ours().HashIdempotencyKey("alice", "requess"));
  EXPECT_NE(hash, Ours().HashIdempotencyKey("bob", "request"));
  EXPECT_NE(hash, OtherStore().HashIdempotencyKey("alice", "request"));
  EXPECT_NE(hash, OtherDataKey().HashIdempotencyKey("alice", "request"));
}

TEST(StoreKeysTest, PrincipalAndIdempotencyKeyDoNotRunTogether) {
  EXPECT_NE(Ours().HashIdempotencyKey("ab", "c"), Ours().HashIdempotencyKey("a", "bc"));
  EXPECT_NE(Ours().HashIdempotencyKey("abc", ""), Ours().HashIdempotencyKey("", "abc"));
}

TEST(StoreKeysTest, HashesOfTheSameNameForDifferentUsesDiffer) {
  EXPECT_NE(Ours().HashPrincipal("name"), Ours().HashDatabase("name"));
  EXPECT_NE(Ours().HashPrincipal("name"), Ours().HashIdempotencyKey("", "name"));
  EXPECT_NE(Ours().HashDatabase("name"), Ours().HashIdempotencyKey("", "name"));
}

}  // namespace
}  // namespace batonstore
