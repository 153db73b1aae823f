#include "batonstore/store/store_keys.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/number.h"

namespace batonstore {
namespace {

constexpr char kRowVersion = 1;
constexpr size_t kRowPrefix = 2;  // version, and number of the data key

std::string RowContext(absl::string_view store_id, Table table, absl::string_view key) {
  const char table_and_version[] = {static_cast<char>(table), kRowVersion};
  return absl::StrCat(store_id, absl::string_view(table_and_version, 2), key);
}

bool IsKnownVersion(absl::string_view value) {
  return value.size() >= kRowPrefix && value[0] == kRowVersion;
}

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

// The two keys that each data key gives.
struct StoreKeys::DataKey {
  DataKey(const DataKeys::Key& key, absl::string_view store_id, RandomSource& random)
      : number(static_cast<char>(key.number)),
        rows(DeriveKey(key.secret, store_id, "batonstore/1 rows", Sealer::kKeySize), random),
        private_keys(DeriveKey(key.secret, store_id, "batonstore/1 private keys", Sealer::kKeySize),
                     random) {}

  const char number;
  const Sealer rows;
  const Sealer private_keys;
};

StoreKeys::StoreKeys(const DataKeys& data_keys, absl::string_view store_id, RandomSource& random)
    : store_id_(store_id),
      random_(random),
      current_(data_keys.current().number),
      principal_hash_(DeriveKey(data_keys.index_key(), store_id, "batonstore/1 principals",
                                KeyedHash::kKeySize)),
      database_hash_(DeriveKey(data_keys.index_key(), store_id, "batonstore/1 databases",
                               KeyedHash::kKeySize)),
      idempotency_hash_(DeriveKey(data_keys.index_key(), store_id, "batonstore/1 idempotency keys",
                                  KeyedHash::kKeySize)),
      root_key_(
          DeriveKey(data_keys.index_key(), store_id, "batonstore/1 root", KeyedHash::kKeySize)) {
  if (data_keys.former().has_value()) Add(*data_keys.former());
  Add(data_keys.current());
}

StoreKeys::~StoreKeys() = default;

void StoreKeys::Add(const DataKeys::Key& key) {
  data_keys_.push_back(std::make_unique<const DataKey>(key, store_id_, random_));
  by_number_[key.number].store(data_keys_.back().get(), std::memory_order_release);
}

const StoreKeys::DataKey& StoreKeys::Current() const {
  return *by_number_[current_.load(std::memory_order_acquire)].load(std::memory_order_acquire);
}

const StoreKeys::DataKey* StoreKeys::Find(char number) const {
  return by_number_[static_cast<uint8_t>(number)].load(std::memory_order_acquire);
}

std::unique_ptr<const RootHash> StoreKeys::MakeRootHash() const {
  return std::make_unique<const RootHash>(root_key_);
}

uint64_t StoreKeys::HashIdempotencyKey(absl::string_view principal, absl::string_view key) const {
  return idempotency_hash_(absl::StrCat(EncodeNumber(principal.size()), principal, key));
}

std::string StoreKeys::SealRow(Table table, absl::string_view key,
                               absl::string_view plaintext) const {
  const DataKey& current = Current();
  const char version_and_number[] = {kRowVersion, current.number};
  return absl::StrCat(absl::string_view(version_and_number, kRowPrefix),
                      current.rows.Seal(RowContext(store_id_, table, key), plaintext));
}

absl::StatusOr<std::string> StoreKeys::OpenRow(Table table, absl::string_view key,
                                               absl::string_view value) const {
  if (const DataKey* const sealed_by = IsKnownVersion(value) ? Find(value[1]) : nullptr) {
    absl::StatusOr<std::string> plaintext =
        sealed_by->rows.Open(RowContext(store_id_, table, key), value.substr(kRowPrefix));
    if (plaintext.ok()) return plaintext;
  }
  return ChangedRow(table, key);
}

absl::StatusOr<SecretBytes> StoreKeys::OpenSecretRow(Table table, absl::string_view key,
                                                     absl::string_view value) const {
  if (const DataKey* const sealed_by = IsKnownVersion(value) ? Find(value[1]) : nullptr) {
    absl::StatusOr<SecretBytes> plaintext =
        sealed_by->rows.OpenSecret(RowContext(store_id_, table, key), value.substr(kRowPrefix));
    if (plaintext.ok()) return plaintext;
  }
  return ChangedRow(table, key);
}

bool StoreKeys::IsCurrent(absl::string_view value) const {
  return IsKnownVersion(value) && value[1] == Current().number;
}

std::string StoreKeys::SealPrivateKey(const KeyPair& pair) const {
  const DataKey& current = Current();
  return absl::StrCat(
      absl::string_view(&current.number, 1),
      current.private_keys.Seal(PrivateKeyContext(store_id_, pair.type, pair.public_key),
                                pair.private_key.Reveal()));
}

absl::StatusOr<SecretBytes> StoreKeys::OpenPrivateKey(KeyType type, absl::string_view public_key,
                                                      absl::string_view sealed) const {
  if (const DataKey* const sealed_by = sealed.empty() ? nullptr : Find(sealed[0])) {
    return sealed_by->private_keys.OpenSecret(PrivateKeyContext(store_id_, type, public_key),
                                              sealed.substr(1));
  }
  return Refuse(Verdict::kCorrupt, "a private key is sealed under a data key that is retired");
}

bool StoreKeys::IsCurrentPrivateKey(absl::string_view sealed) const {
  return !sealed.empty() && sealed[0] == Current().number;
}

}  // namespace batonstore
