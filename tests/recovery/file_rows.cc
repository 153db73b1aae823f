#include "tests/recovery/file_rows.h"

#include <cstdint>

#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/recovery/structure_check.h"
#include "batonstore/recovery/table_rows.h"

namespace batonstore::testing {
namespace {

std::optional<FileRows> RowsOf(const recovery::PageFile& file, const recovery::lmdb::Meta& meta) {
  recovery::FindingList findings(1);
  const auto structure = recovery::CheckStructure(file, meta, findings, [](uint64_t) {});
  recovery::StoreFile store{file, {}};
  FileRows rows;
  for (const auto& [name, tree] : structure.tables) {
    for (const Table table : kAllTables) {
      if (TableName(table) != name) continue;
      store.trees[TableIndex(table)] = tree;
      recovery::TableRows reader(store, table, findings);
      while (reader.Next()) rows[{table, std::string(reader.key())}] = std::string(reader.value());
    }
  }
  if (findings.total() > 0) return std::nullopt;
  return rows;
}

}  // namespace

std::optional<FileRows> ReadFileRows(const std::string& path) {
  const auto file = recovery::PageFile::Open(path);
  if (!file.ok()) return std::nullopt;
  const auto last = (*file)->ReadLastMeta();
  return last.ok() ? RowsOf(**file, *last) : std::nullopt;
}

FileRows WithoutHints(FileRows rows) {
  for (auto& [row, value] : rows) {
    const bool is_population = row.second.size() == sizeof(uint64_t) && CountsLive(row.first);
    if (is_population) value.resize(sizeof(uint64_t));
  }
  return rows;
}

std::optional<IndexMark> ReadFileMark(const std::string& path) {
  const std::optional<FileRows> rows = ReadFileRows(path);
  if (!rows.has_value()) return std::nullopt;
  const auto row = rows->find({Table::kMeta, std::string(meta::kIndexMark)});
  return row == rows->end() ? std::nullopt : DecodeIndexMark(row->second);
}

std::optional<FileRows> ReadFileRowsBefore(const std::string& path) {
  const auto file = recovery::PageFile::Open(path);
  if (!file.ok()) return std::nullopt;
  const auto last = (*file)->ReadLastMeta();
  if (!last.ok()) return std::nullopt;
  const auto before = (*file)->ReadMetaOf(last->transaction_id - 1);
  return before.ok() ? RowsOf(**file, *before) : std::nullopt;
}

}  // namespace batonstore::testing
