#include "batonstore/recovery/table_rows.h"

#include <optional>
#include <utility>

namespace batonstore::recovery {
bool TableRows::Next() {
  const TreeCursor::Step step = cursor_.Next();
  if (step == TreeCursor::Step::kEnd) return false;
  if (step == TreeCursor::Step::kRow && cursor_.ReadValue(kMostValueBytes, buffer_, value_)) {
    return true;
  }
  Finding damage = cursor_.damage();
  damage.table = std::string(TableName(table_));
  findings_.Add(std::move(damage));
  return false;
}

void TableRows::Note(absl::string_view key, absl::string_view what) {
  findings_.Add(
      {std::string(TableName(table_)), std::string(key), std::nullopt, std::string(what)});
}

}  // namespace batonstore::recovery
