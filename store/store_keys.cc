#include "batonstore/store/store_keys.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/number.h"

namespace batonstore {
namespace {

constexpr char kRowVersion = 1;

std::string RowContext(absl::string_view store_id, Table table, absl::string_view key) {
  const char table_and_version[] = {static_cast<char>(table), kRowVersion};
  return absl::StrCat(store_id, absl::string_view(table_and_version, 2), key);
}

bool IsKnownVersion(absl::string_view value) { return !value.empty() && value[0] == kRowVersion; }

absl::Status ChangedRow(Table table, absl::string_view key) {
  return Refuse(Verdict::kCorrupt,
                absl::StrCat("the row ", absl::BytesToHexString(key), " of ", TableName(table),
                             " was changed or moved outside of batonstore; restore a backup"));
}

std::string PrivateKeyContext(absl::string_view store_id, KeyType type,
                              absl::string_view public_key) {
  const char type_byte = static_cast<char>(type);
  return absl::StrCat(store_id, absl::string_view(&type_byte, 1), public_key);
}

}  // namespace

std::string SealUnderKeyEncryptionKey(const SecretBytes& key_encryption_key,
                                      absl::string_view store_id, absl::string_view row_name,
                                      const SecretBytes& secret, RandomSource& random) {
  return Sealer(key_encryption_key, random)
      .Seal(RowContext(store_id, Table::kMeta, row_name), secret.Reveal());
}

absl::StatusOr<SecretBytes> OpenUnderKeyEncryptionKey(const SecretBytes& key_encryption_key,
                                                      absl::string_view store_id,
                                                      absl::string_view row_name,
                                                      absl::string_view sealed) {
  absl::StatusOr<SecretBytes> secret =
      Sealer(key_encryption_key, SystemRandom())
          .OpenSecret(RowContext(store_id, Table::kMeta, row_name), sealed);
  if (secret.ok()) return secret;
  return Refuse(Verdict::kWrongKey, absl::StrCat("the row ", row_name,
                                                 " does not open under this key-encryption key: "
                                                 "give the key that the store was created with"));
}

StoreKeys::StoreKeys(const SecretBytes& data_key, absl::string_view store_id, RandomSource& random)
    : store_id_(store_id),
      rows_(DeriveKey(data_key, store_id, "batonstore/1 rows", Sealer::kKeySize), random),
      private_keys_(DeriveKey(data_key, store_id, "batonstore/1 private keys", Sealer::kKeySize),
                    random),
      principal_hash_(
          DeriveKey(data_key, store_id, "batonstore/1 principals", KeyedHash::kKeySize)),
      database_hash_(DeriveKey(data_key, store_id, "batonstore/1 databases", KeyedHash::kKeySize)),
      idempotency_hash_(
          DeriveKey(data_key, store_id, "batonstore/1 idempotency keys", KeyedHash::kKeySize)),
      root_key_(DeriveKey(data_key, store_id, "batonstore/1 root", KeyedHash::kKeySize)) {}

std::unique_ptr<const RootHash> StoreKeys::MakeRootHash() const {
  return std::make_unique<const RootHash>(root_key_);
}

uint64_t StoreKeys::HashIdempotencyKey(absl::string_view principal, absl::string_view key) const {
  return idempotency_hash_(absl::StrCat(EncodeNumber(principal.size()), principal, key));
}

std::string StoreKeys::SealRow(Table table, absl::string_view key,
                               absl::string_view plaintext) const {
  return absl::StrCat(absl::string_view(&kRowVersion, 1),
                      rows_.Seal(RowContext(store_id_, table, key), plaintext));
}

absl::StatusOr<std::string> StoreKeys::OpenRow(Table table, absl::string_view key,
                                               absl::string_view value) const {
  if (IsKnownVersion(value)) {
    absl::StatusOr<std::string> plaintext =
        rows_.Open(RowContext(store_id_, table, key), value.substr(1));
    if (plaintext.ok()) return plaintext;
  }
  return ChangedRow(table, key);
}

absl::StatusOr<SecretBytes> StoreKeys::OpenSecretRow(Table table, absl::string_view key,
                                                     absl::string_view value) const {
  if (IsKnownVersion(value)) {
    absl::StatusOr<SecretBytes> plaintext =
        rows_.OpenSecret(RowContext(store_id_, table, key), value.substr(1));
    if (plaintext.ok()) return plaintext;
  }
  return ChangedRow(table, key);
}

std::string StoreKeys::SealPrivateKey(const KeyPair& pair) const {
  return private_keys_.Seal(PrivateKeyContext(store_id_, pair.type, pair.public_key),
                            pair.private_key.Reveal());
}

absl::StatusOr<SecretBytes> StoreKeys::OpenPrivateKey(KeyType type, absl::string_view public_key,
                                                      absl::string_view sealed) const {
  return private_keys_.OpenSecret(PrivateKeyContext(store_id_, type, public_key), sealed);
}

}  // namespace batonstore
