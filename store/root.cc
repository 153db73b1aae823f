#include "batonstore/store/root.h"

#include "absl/strings/str_cat.h"
#include "batonstore/store/number.h"

namespace batonstore {
namespace {

constexpr char kRootVersion = 1;
constexpr size_t kNumberBytes = 8;
constexpr size_t kRootBytes = 1 + kNumberBytes + kAllTables.size() * 2 * kNumberBytes;

bool IsRootRow(Table table, absl::string_view key) {
  return table == Table::kMeta && key == meta::kRoot;
}

// Of the table's number, the key's length (2 bytes, big-endian), the key and the value, which are
// put together in `buffer`.
uint64_t HashRow(const KeyedHash& hash, Table table, absl::string_view key, absl::string_view value,
                 std::string& buffer) {
  const char prefix[] = {static_cast<char>(table), static_cast<char>(key.size() >> 8),
                         static_cast<char>(key.size())};
  buffer.assign(prefix, sizeof(prefix));
  buffer.append(key.data(), key.size());
  buffer.append(value.data(), value.size());
  return hash(buffer);
}

uint64_t HashRoot(const KeyedHash& hash, absl::string_view value) {
  std::string buffer;
  return HashRow(hash, Table::kMeta, meta::kRoot, value, buffer);
}

// Takes the number that `bytes` begin with.
uint64_t TakeNumber(absl::string_view& bytes) {
  const uint64_t number = *DecodeNumber(bytes.substr(0, kNumberBytes));
  bytes.remove_prefix(kNumberBytes);
  return number;
}

}  // namespace

std::string RootHash::Encode(const Root& root) const {
  std::string value =
      absl::StrCat(absl::string_view(&kRootVersion, 1), EncodeNumber(root.sequence));
  for (const TableSum& sum : root.tables) {
    absl::StrAppend(&value, EncodeNumber(sum.rows), EncodeNumber(sum.hash));
  }
  absl::StrAppend(&value, EncodeNumber(HashRoot(hash_, value)));
  return value;
}

std::optional<Root> RootHash::Decode(absl::string_view value) const {
  if (value.size() != kRootBytes + kNumberBytes || value[0] != kRootVersion) return std::nullopt;
  const uint64_t hash = HashRoot(hash_, value.substr(0, kRootBytes));
  if (*DecodeNumber(value.substr(kRootBytes)) != hash) return std::nullopt;
  absl::string_view rest = value.substr(1);
  Root root;
  root.sequence = TakeNumber(rest);
  for (TableSum& sum : root.tables) {
    sum.rows = TakeNumber(rest);
    sum.hash = TakeNumber(rest);
  }
  return root;
}

void RowSums::Add(Table table, absl::string_view key, absl::string_view value) {
  if (IsRootRow(table, key)) return;
  TableSum& sum = tables_[TableIndex(table)];
  ++sum.rows;
  sum.hash += HashRow(hash_.hash_, table, key, value, row_);
}

void RowSums::Remove(Table table, absl::string_view key, absl::string_view value) {
  if (IsRootRow(table, key)) return;
  TableSum& sum = tables_[TableIndex(table)];
  --sum.rows;
  sum.hash -= HashRow(hash_.hash_, table, key, value, row_);
}

}  // namespace batonstore
