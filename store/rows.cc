#include "batonstore/store/rows.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/number.h"

namespace batonstore {
namespace {

absl::StatusOr<SessionRecord> OpenSession(const StoreKeys& keys, absl::string_view key,
                                          absl::string_view value) {
  const std::optional<Alias> alias = Alias::FromKey(key);
  if (!alias.has_value()) return CorruptRow(Table::kSessions, key);
  BATONSTORE_ASSIGN_OR_RETURN(const std::string plaintext,
                              keys.OpenRow(Table::kSessions, key, value));
  std::optional<SessionRecord> record = DecodeSession(*alias, plaintext);
  if (!record.has_value()) return CorruptRow(Table::kSessions, key);
  return *std::move(record);
}

}  // namespace

absl::Status CorruptRow(Table table, absl::string_view key) {
  return Refuse(Verdict::kCorrupt,
                absl::StrCat("the row ", absl::BytesToHexString(key), " of ", TableName(table),
                             " does not parse; restore a backup"));
}

absl::Status MissingRow(Table table, absl::string_view key) {
  return Refuse(Verdict::kCorrupt, absl::StrCat("the row ", absl::BytesToHexString(key), " of ",
                                                TableName(table), " is missing; restore a backup"));
}

absl::StatusOr<std::string> GetMeta(Snapshot& snapshot, absl::string_view name) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto value, snapshot.Get(Table::kMeta, name));
  if (!value.has_value()) {
    return Refuse(Verdict::kCorrupt,
                  absl::StrCat("the store has no row ", name, " in meta; restore a backup"));
  }
  return std::string(*value);
}

absl::StatusOr<uint64_t> GetMetaNumber(Snapshot& snapshot, absl::string_view name) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::string value, GetMeta(snapshot, name));
  const std::optional<uint64_t> number = DecodeNumber(value);
  if (!number.has_value()) return CorruptRow(Table::kMeta, name);
  return *number;
}

absl::Status PutMetaNumber(Transaction& transaction, absl::string_view name, uint64_t number) {
  return transaction.Put(Table::kMeta, name, EncodeNumber(number));
}

absl::Status PutSealed(Transaction& transaction, const StoreKeys& keys, Table table,
                       absl::string_view key, absl::string_view plaintext) {
  return transaction.Put(table, key, keys.SealRow(table, key, plaintext));
}

absl::StatusOr<std::optional<SessionRecord>> GetSession(Snapshot& snapshot, const StoreKeys& keys,
                                                        Alias alias) {
  std::optional<SessionRecord> record(std::in_place);
  BATONSTORE_ASSIGN_OR_RETURN(const bool found, GetSessionInto(snapshot, keys, alias, *record));
  if (!found) record.reset();
  return record;
}

absl::StatusOr<bool> GetSessionInto(Snapshot& snapshot, const StoreKeys& keys, Alias alias,
                                    SessionRecord& record) {
  const std::string key = alias.ToKey();
  BATONSTORE_ASSIGN_OR_RETURN(const auto value, snapshot.Get(Table::kSessions, key));
  if (!value.has_value()) return false;
  BATONSTORE_ASSIGN_OR_RETURN(const std::string plaintext,
                              keys.OpenRow(Table::kSessions, key, *value));
  if (!DecodeSessionInto(alias, plaintext, record)) return CorruptRow(Table::kSessions, key);
  return true;
}

absl::Status PutSession(Transaction& transaction, const StoreKeys& keys,
                        const SessionRecord& record) {
  const std::string key = record.session.alias.ToKey();
  return PutSealed(transaction, keys, Table::kSessions, key, EncodeSession(record));
}

absl::Status ScanSessions(Snapshot& snapshot, const StoreKeys& keys, Alias from,
                          absl::FunctionRef<bool(SessionRecord)> visit) {
  absl::Status broken;
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      Table::kSessions, from.ToKey(), [&](absl::string_view key, absl::string_view value) {
        absl::StatusOr<SessionRecord> record = OpenSession(keys, key, value);
        broken = record.status();
        return broken.ok() && visit(*std::move(record));
      }));
  return broken;
}

}  // namespace batonstore
