#include "batonstore/store/index_entry.h"

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

constexpr size_t kNumberBytes = 8;
static_assert(kIndexMarkBytes == 2 * kNumberBytes + 1 + 2 * kNumberBytes);

// Takes the number that `bytes` begin with.
uint64_t TakeNumber(absl::string_view& bytes) {
  const uint64_t number = *DecodeNumber(bytes.substr(0, kNumberBytes));
  bytes.remove_prefix(kNumberBytes);
  return number;
}

}  // namespace

std::string IndexEntry::Key() const { return absl::StrCat(EncodeNumber(hash), alias.ToKey()); }

IndexEntries EntriesOf(const StoreKeys& keys, const SessionRecord& record) {
  const Session& session = record.session;
  IndexEntries entries = {{Table::kPublicKeys, HashPublicKey(session.public_key), session.alias},
                          PrincipalEntry(keys, session),
                          DatabaseEntry(keys, session)};
  if (!record.idempotency_key.empty()) entries.push_back(IdempotencyEntry(keys, record));
  return entries;
}

IndexEntry PrincipalEntry(const StoreKeys& keys, const Session& session) {
  return {Table::kPrincipals, keys.HashPrincipal(session.principal), session.alias};
}

IndexEntry DatabaseEntry(const StoreKeys& keys, const Session& session) {
  return {Table::kDatabases, keys.HashDatabase(session.database), session.alias};
}

IndexEntry IdempotencyEntry(const StoreKeys& keys, const SessionRecord& record) {
  return {Table::kIdempotencyKeys,
          keys.HashIdempotencyKey(record.session.principal, record.idempotency_key),
          record.session.alias};
}

uint64_t HashPublicKey(absl::string_view public_key) {
  return *DecodeNumber(Sha256(public_key).substr(0, kNumberBytes));
}

std::string EncodeIndexMark(const IndexMark& mark) {
  const char table = static_cast<char>(mark.cursor.table);
  return absl::StrCat(mark.done.ToKey(), mark.target.ToKey(), absl::string_view(&table, 1),
                      mark.cursor.Key());
}

std::optional<IndexMark> DecodeIndexMark(absl::string_view bytes) {
  if (bytes.size() != kIndexMarkBytes) return std::nullopt;
  IndexMark mark;
  mark.done = Alias(TakeNumber(bytes));
  mark.target = Alias(TakeNumber(bytes));
  const auto table = static_cast<Table>(bytes.front());
  bytes.remove_prefix(1);
  mark.cursor.hash = TakeNumber(bytes);
  mark.cursor.alias = Alias(TakeNumber(bytes));
  mark.cursor.table = table;
  const bool fits =
      mark.IsMerging() ? mark.done < mark.target && IsDeferred(table) : mark.cursor == IndexEntry();
  if (!fits) return std::nullopt;
  return mark;
}

absl::StatusOr<IndexMark> GetIndexMark(Snapshot& snapshot) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, snapshot.Get(Table::kMeta, meta::kIndexMark));
  const std::optional<IndexMark> mark = row.has_value() ? DecodeIndexMark(*row) : std::nullopt;
  if (!mark.has_value()) return CorruptRow(Table::kMeta, meta::kIndexMark);
  return *mark;
}

absl::Status PutIndexMark(Transaction& transaction, const IndexMark& mark) {
  return transaction.Put(Table::kMeta, meta::kIndexMark, EncodeIndexMark(mark));
}

}  // namespace batonstore
