#include "batonstore/recovery/identity.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {
namespace {

constexpr size_t kIncarnationBytes = 16;

std::string RandomBytes(RandomSource& random, size_t size) {
  std::string bytes(size, '\0');
  random.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), size));
  return bytes;
}

absl::Status CheckFormat(Snapshot& snapshot) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, snapshot.Get(Table::kMeta, meta::kFormat));
  if (!row.has_value()) return Refuse(Verdict::kWrongFormat, "there is no store in this folder");
  const uint64_t format = DecodeNumber(*row).value_or(0);
  if (format == kFormatVersion) return absl::OkStatus();
  return Refuse(
      Verdict::kWrongFormat,
      absl::StrCat("the store has format ", format, ", this batonstore reads ", kFormatVersion,
                   format > kFormatVersion ? "; use a newer batonstore" : ""));
}

absl::StatusOr<std::string> GetBytes(Snapshot& snapshot, absl::string_view name, size_t size) {
  BATONSTORE_ASSIGN_OR_RETURN(std::string bytes, GetMeta(snapshot, name));
  if (bytes.size() != size) return CorruptRow(Table::kMeta, name);
  return bytes;
}

absl::StatusOr<SecretBytes> OpenSecret(Snapshot& snapshot, const SecretBytes& key_encryption_key,
                                       absl::string_view store_id, absl::string_view name) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::string sealed, GetMeta(snapshot, name));
  return OpenUnderKeyEncryptionKey(key_encryption_key, store_id, name, sealed);
}

using NamedRow = std::pair<absl::string_view, std::string>;

// In one transaction.
absl::Status WriteRows(Engine& engine, absl::Span<const NamedRow> rows) {
  absl::Status put;
  const Engine::Outcome outcome = engine.Write([&](Transaction& transaction) {
    for (const auto& [name, value] : rows) {
      if (put.ok()) put = transaction.Put(Table::kMeta, name, value);
    }
    return put.ok() ? Engine::Decision::kCommit : Engine::Decision::kAbandon;
  });
  BATONSTORE_RETURN_IF_ERROR(put);
  return outcome.status;
}

// Who a copy is, as far as it is another than that it was copied from.
std::vector<NamedRow> RowsOfReincarnation(const Identity& identity, const SecretBytes& data_keys,
                                          const SecretBytes& key_encryption_key,
                                          RandomSource& random) {
  const std::string incarnation = RandomBytes(random, kIncarnationBytes);
  const Keyring ring = identity.keyring->Reincarnated(random, incarnation);
  const auto seal = [&](absl::string_view name, const SecretBytes& secret) {
    return SealUnderKeyEncryptionKey(key_encryption_key, identity.store_id, name, secret, random);
  };
  return {{meta::kIncarnation, incarnation},
          {meta::kDataKeys, seal(meta::kDataKeys, data_keys)},
          {meta::kKeyring, seal(meta::kKeyring, ring.Serialize())}};
}

}  // namespace

std::string RandomStoreId(RandomSource& random) { return RandomBytes(random, kStoreIdBytes); }

absl::Status WriteIdentity(Engine& engine, absl::string_view store_id,
                           const SecretBytes& key_encryption_key, RandomSource& random) {
  const std::string incarnation = RandomBytes(random, kIncarnationBytes);
  const DataKeys data_keys = DataKeys::Create(random);
  auto root_hash = StoreKeys(data_keys, store_id, random).MakeRootHash();
  const auto seal = [&](absl::string_view name, const SecretBytes& secret) {
    return SealUnderKeyEncryptionKey(key_encryption_key, store_id, name, secret, random);
  };
  const NamedRow rows[] = {
      {meta::kFormat, EncodeNumber(kFormatVersion)},
      {meta::kStoreId, std::string(store_id)},
      {meta::kIncarnation, incarnation},
      {meta::kEpoch, EncodeNumber(0)},
      {meta::kClosed, EncodeNumber(0)},
      {meta::kLastAlias, EncodeNumber(0)},
      {meta::kIndexMark, EncodeIndexMark({})},
      {meta::kLastEvent, EncodeNumber(0)},
      {meta::kTime, EncodeNumber(0)},
      {meta::kDataKeys, seal(meta::kDataKeys, data_keys.Serialize())},
      {meta::kKeyring, seal(meta::kKeyring, Keyring::Create(random, incarnation).Serialize())},
      {meta::kRoot, root_hash->Encode(Root{})},
  };
  engine.KeepRoot(std::move(root_hash));
  return WriteRows(engine, rows);
}

absl::Status Reincarnate(Engine& engine, const Identity& identity,
                         const SecretBytes& key_encryption_key, RandomSource& random) {
  return WriteRows(engine, RowsOfReincarnation(identity, identity.data_keys->Serialize(),
                                               key_encryption_key, random));
}

absl::Status WriteReincarnation(Engine& engine, const Identity& identity,
                                const MetaNumbers& numbers, const SecretBytes& key_encryption_key,
                                RandomSource& random) {
  auto root_hash = identity.keys->MakeRootHash();
  std::vector<NamedRow> rows = RowsOfReincarnation(
      identity, identity.data_keys->Finished().Serialize(), key_encryption_key, random);
  rows.insert(rows.end(), {{meta::kFormat, EncodeNumber(kFormatVersion)},
                           {meta::kStoreId, identity.store_id},
                           {meta::kEpoch, EncodeNumber(identity.epoch)},
                           {meta::kClosed, EncodeNumber(identity.epoch)},
                           {meta::kLastAlias, EncodeNumber(numbers.last_alias)},
                           {meta::kIndexMark, EncodeIndexMark({})},
                           {meta::kLastEvent, EncodeNumber(numbers.last_event)},
                           {meta::kTime, EncodeNumber(EncodeTime(identity.last_time))},
                           {meta::kRoot, root_hash->Encode(Root{})}});
  engine.KeepRoot(std::move(root_hash));
  return WriteRows(engine, rows);
}

absl::StatusOr<Identity> ReadIdentity(Engine& engine, const KeySource& key_source,
                                      RandomSource& random) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine.Read());
  return ReadIdentity(*snapshot, key_source, random);
}

absl::StatusOr<Identity> ReadIdentity(Snapshot& snapshot, const KeySource& key_source,
                                      RandomSource& random) {
  BATONSTORE_RETURN_IF_ERROR(CheckFormat(snapshot));
  Identity identity;
  BATONSTORE_ASSIGN_OR_RETURN(identity.store_id, GetBytes(snapshot, meta::kStoreId, kStoreIdBytes));
  BATONSTORE_ASSIGN_OR_RETURN(identity.incarnation,
                              GetBytes(snapshot, meta::kIncarnation, kIncarnationBytes));
  BATONSTORE_ASSIGN_OR_RETURN(identity.epoch, GetMetaNumber(snapshot, meta::kEpoch));
  BATONSTORE_ASSIGN_OR_RETURN(identity.closed_epoch, GetMetaNumber(snapshot, meta::kClosed));
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t time, GetMetaNumber(snapshot, meta::kTime));
  identity.last_time = DecodeTime(time);
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes key_encryption_key, key_source(identity.store_id));
  BATONSTORE_ASSIGN_OR_RETURN(
      const SecretBytes data_keys,
      OpenSecret(snapshot, key_encryption_key, identity.store_id, meta::kDataKeys));
  BATONSTORE_ASSIGN_OR_RETURN(DataKeys parsed_keys, DataKeys::Parse(data_keys.Reveal()));
  BATONSTORE_ASSIGN_OR_RETURN(
      const SecretBytes keyring,
      OpenSecret(snapshot, key_encryption_key, identity.store_id, meta::kKeyring));
  BATONSTORE_ASSIGN_OR_RETURN(Keyring ring, Keyring::Parse(keyring.Reveal()));
  identity.keys = std::make_unique<StoreKeys>(parsed_keys, identity.store_id, random);
  identity.data_keys = std::make_unique<DataKeys>(std::move(parsed_keys));
  identity.keyring = std::make_unique<Keyring>(std::move(ring));
  return identity;
}

}  // namespace batonstore::recovery
