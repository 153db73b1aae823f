// The rows of a store's tables, straight from its file.

#ifndef BATONSTORE_RECOVERY_TABLE_ROWS_H_
#define BATONSTORE_RECOVERY_TABLE_ROWS_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/recovery/tree_cursor.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {

// A snapshot of a store in a file: the trees of its tables. The file must outlive it.
struct StoreFile {
  const PageFile& file;
  std::array<lmdb::Tree, kAllTables.size()> trees;

  const lmdb::Tree& tree(Table table) const { return trees[TableIndex(table)]; }
};

// More than any row's value has: the longest is a turn with the longest reply.
inline constexpr uint64_t kMostValueBytes = uint64_t{17} << 20;

// Reads a table from its first key to its last. Damage ends it and is noted. Everything must
// outlive it. Not thread-safe.
class TableRows {
 public:
  TableRows(const StoreFile& store, Table table, FindingList& findings)
      : cursor_(store.file, store.tree(table), TreeCursor::KeyOrder::kBytes),
        table_(table),
        findings_(findings) {}

  // Moves to the next row; false at the end.
  bool Next();

  // Until the next call of Next.
  absl::string_view key() const { return cursor_.key(); }
  absl::string_view value() const { return value_; }

  uint64_t rows() const { return cursor_.entries(); }

  // Notes that something is wrong with the row.
  void Note(absl::string_view what) { Note(key(), what); }
  void Note(absl::string_view key, absl::string_view what);

 private:
  TreeCursor cursor_;
  const Table table_;
  FindingList& findings_;
  std::string buffer_;
  absl::string_view value_;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_TABLE_ROWS_H_
