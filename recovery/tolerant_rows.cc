#include "batonstore/recovery/tolerant_rows.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace batonstore::recovery {
// The pages that one tree has been found to have.
class TolerantRows::Met final : public PageClaims {
 public:
  explicit Met(uint64_t pages) : met_(pages) {}

  std::optional<Finding> Claim(uint64_t first, uint64_t pages) override {
    for (uint64_t page = first; page < first + pages && page < met_.size(); ++page) {
      if (met_[page]) return Finding{"", "", page, "is used twice"};
      met_[page] = true;
    }
    return std::nullopt;
  }

 private:
  std::vector<bool> met_;
};

TolerantRows::TolerantRows(const StoreFile& store, Table table, FindingList& lost)
    : met_(std::make_unique<Met>(store.file.whole_pages())),
      cursor_(store.file, store.tree(table), TreeCursor::KeyOrder::kBytes, met_.get()),
      table_(table),
      lost_(lost) {}

TolerantRows::~TolerantRows() = default;

bool TolerantRows::Next() {
  for (;;) {
    const TreeCursor::Step step = cursor_.Next();
    if (step == TreeCursor::Step::kEnd) return false;
    if (step == TreeCursor::Step::kRow && cursor_.CheckOverflow() &&
        cursor_.ReadValue(kMostValueBytes, buffer_, value_)) {
      return true;
    }
    Finding damage = cursor_.damage();
    damage.table = std::string(TableName(table_));
    lost_.Add(std::move(damage));
  }
}

StoreFile TolerantTables(const PageFile& file, const lmdb::Meta& meta, FindingList& lost) {
  StoreFile store{file, {}};
  for (lmdb::Tree& tree : store.trees) tree.root = lmdb::kNoPage;
  std::array<bool, kAllTables.size()> found{};
  TreeCursor cursor(file, meta.main, TreeCursor::KeyOrder::kBytes);
  while (cursor.Next() == TreeCursor::Step::kRow) {
    const auto table = std::find_if(kAllTables.begin(), kAllTables.end(), [&](Table candidate) {
      return TableName(candidate) == cursor.key();
    });
    std::array<char, lmdb::tree::kSize> bytes;
    if (table == kAllTables.end() || !cursor.is_subtree() || cursor.value_bytes() != bytes.size() ||
        !cursor.ReadPart(0, absl::MakeSpan(bytes))) {
      continue;
    }
    store.trees[TableIndex(*table)] =
        lmdb::TreeAt(absl::string_view(bytes.data(), bytes.size()), 0);
    found[TableIndex(*table)] = true;
  }
  for (const Table table : kAllTables) {
    if (found[TableIndex(table)]) continue;
    lost.Add({std::string(TableName(table)), "", std::nullopt, "cannot be found"});
  }
  return store;
}

}  // namespace batonstore::recovery
