// The rows of a damaged store's tables: whatever can still be reached from the last snapshot.

#ifndef BATONSTORE_RECOVERY_TOLERANT_ROWS_H_
#define BATONSTORE_RECOVERY_TOLERANT_ROWS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/recovery/table_rows.h"
#include "batonstore/recovery/tree_cursor.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {

// The trees of the tables that the main tree still names; one that is missing has no rows. Notes
// what is lost. `file` must outlive what is given.
StoreFile TolerantTables(const PageFile& file, const lmdb::Meta& meta, FindingList& lost);

// Reads a table from its first key to its last, and passes over what is damaged, which is noted: a
// page that is reached twice, too, so that every tree has an end. Everything must outlive it. Not
// thread-safe. Memory: a bit for each page of the file.
class TolerantRows {
 public:
  TolerantRows(const StoreFile& store, Table table, FindingList& lost);
  ~TolerantRows();

  // Moves to the next row that can be read; false at the end.
  bool Next();

  // Until the next call of Next.
  absl::string_view key() const { return cursor_.key(); }
  absl::string_view value() const { return value_; }

 private:
  class Met;

  const std::unique_ptr<Met> met_;
  TreeCursor cursor_;
  const Table table_;
  FindingList& lost_;
  std::string buffer_;
  absl::string_view value_;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_TOLERANT_ROWS_H_
