// Typed access to the tables: from sealed bytes to records and back. Each function is one or two
// calls of a snapshot or a transaction.

#ifndef BATONSTORE_STORE_ROWS_H_
#define BATONSTORE_STORE_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_memory.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Rows of `meta`. A row that is missing or not as long as it must be is CORRUPT.
absl::StatusOr<std::string> GetMeta(Snapshot& snapshot, absl::string_view name);
absl::StatusOr<uint64_t> GetMetaNumber(Snapshot& snapshot, absl::string_view name);
absl::Status PutMetaNumber(Transaction& transaction, absl::string_view name, uint64_t number);

// Sealed rows of any table. One whose seal is broken, or that does not decode, is CORRUPT.
absl::Status PutSealed(Transaction& transaction, const StoreKeys& keys, Table table,
                       absl::string_view key, absl::string_view plaintext);

template <typename Record>
absl::StatusOr<Record> OpenSealed(const StoreKeys& keys, Table table, absl::string_view key,
                                  absl::string_view value,
                                  std::optional<Record> (*decode)(absl::string_view));

// Nothing when there is no such row.
template <typename Record>
absl::StatusOr<std::optional<Record>> GetSealed(Snapshot& snapshot, const StoreKeys& keys,
                                                Table table, absl::string_view key,
                                                std::optional<Record> (*decode)(absl::string_view));

absl::StatusOr<std::optional<SessionRecord>> GetSession(Snapshot& snapshot, const StoreKeys& keys,
                                                        Alias alias);
// The same into `record`, as DecodeSessionInto; false when there is no such row.
absl::StatusOr<bool> GetSessionInto(Snapshot& snapshot, const StoreKeys& keys, Alias alias,
                                    SessionRecord& record);
absl::Status PutSession(Transaction& transaction, const StoreKeys& keys,
                        const SessionRecord& record);

// Sessions with an alias of at least `from`, in the order of creation, until `visit` says false.
// The first that is CORRUPT ends the scan.
absl::Status ScanSessions(Snapshot& snapshot, const StoreKeys& keys, Alias from,
                          absl::FunctionRef<bool(SessionRecord)> visit);

// What a row says that does not parse, or is not there although another row says so.
absl::Status CorruptRow(Table table, absl::string_view key);
absl::Status MissingRow(Table table, absl::string_view key);

template <typename Record>
absl::StatusOr<Record> OpenSealed(const StoreKeys& keys, Table table, absl::string_view key,
                                  absl::string_view value,
                                  std::optional<Record> (*decode)(absl::string_view)) {
  absl::StatusOr<std::string> plaintext = keys.OpenRow(table, key, value);
  if (!plaintext.ok()) return plaintext.status();
  // It may hold a secret field, or a baton.
  const absl::Cleanup wiping = [&] { WipeMemory(plaintext->data(), plaintext->size()); };
  std::optional<Record> record = decode(*plaintext);
  if (!record.has_value()) return CorruptRow(table, key);
  return *std::move(record);
}

template <typename Record>
absl::StatusOr<std::optional<Record>> GetSealed(
    Snapshot& snapshot, const StoreKeys& keys, Table table, absl::string_view key,
    std::optional<Record> (*decode)(absl::string_view)) {
  const absl::StatusOr<std::optional<absl::string_view>> value = snapshot.Get(table, key);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::optional<Record>();
  absl::StatusOr<Record> record = OpenSealed(keys, table, key, **value, decode);
  if (!record.ok()) return record.status();
  return std::optional<Record>(*std::move(record));
}

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ROWS_H_
