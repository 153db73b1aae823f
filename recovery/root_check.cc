#include "batonstore/recovery/root_check.h"

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "batonstore/store/root.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {
namespace {

TableSum SumOf(const StoreFile& store, Table table, const RootHash& hash, FindingList& findings) {
  RowSums sums(hash);
  TableRows rows(store, table, findings);
  while (rows.Next()) sums.Add(table, rows.key(), rows.value());
  return sums.of(table);
}

std::string Difference(const TableSum& found, const TableSum& said) {
  if (found.rows != said.rows) {
    return absl::StrCat("holds ", found.rows, " rows, and by the root row ", said.rows);
  }
  return "holds a row that is older than the root row, or was changed";
}

}  // namespace

void CheckRoot(const StoreFile& store, const MetaRows& meta, const StoreKeys& keys,
               FindingList& findings) {
  const std::optional<absl::string_view> row = meta.Find(meta::kRoot);
  if (!row.has_value()) return;  // which has been noted
  const std::unique_ptr<const RootHash> hash = keys.MakeRootHash();
  const std::optional<Root> root = hash->Decode(*row);
  if (!root.has_value()) {
    findings.Add({std::string(TableName(Table::kMeta)), std::string(meta::kRoot), std::nullopt,
                  "was changed: its hash is another"});
    return;
  }
  for (const Table table : kAllTables) {
    if (IsDeferred(table)) continue;  // index_check.h compares those with the records
    const TableSum found = SumOf(store, table, *hash, findings);
    const TableSum& said = root->tables[TableIndex(table)];
    if (found == said) continue;
    findings.Add({std::string(TableName(table)), "", std::nullopt, Difference(found, said)});
  }
}

}  // namespace batonstore::recovery
