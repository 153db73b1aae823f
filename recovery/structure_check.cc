#include "batonstore/recovery/structure_check.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/recovery/tree_cursor.h"

namespace batonstore::recovery {
namespace {

using lmdb::At;
using lmdb::Meta;
using lmdb::Tree;
using KeyOrder = TreeCursor::KeyOrder;
using Step = TreeCursor::Step;

constexpr absl::string_view kFreeList = "free list";
constexpr absl::string_view kMainTree = "main tree";
constexpr uint16_t kFreeListFlags = 0x08;  // MDB_INTEGERKEY
constexpr size_t kMostTables = 1000;

// The pages of the file: who has been met.
class PageMap final : public PageClaims {
 public:
  PageMap(uint64_t last_page, absl::FunctionRef<void(uint64_t)> progress)
      : met_(last_page + 1), progress_(progress) {}

  std::optional<Finding> Claim(uint64_t first, uint64_t pages) override {
    for (uint64_t page = first; page < first + pages; ++page) {
      if (page >= met_.size()) return Refused(page, "is in use and lies beyond the last page");
      if (page < lmdb::kMetaPages) return Refused(page, "is a meta page and is used as another");
      if (met_[page]) return Refused(page, "is used twice");
      met_[page] = true;
      if (++count_ % 1024 == 0) progress_(count_);
    }
    return std::nullopt;
  }

  // Pages that nobody has met.
  void ReportMissing(FindingList& findings) const {
    if (count_ + lmdb::kMetaPages == met_.size()) return;
    for (uint64_t page = lmdb::kMetaPages; page < met_.size(); ++page) {
      if (!met_[page]) findings.Add({"", "", page, "is neither in use nor free"});
    }
  }

 private:
  static Finding Refused(uint64_t page, absl::string_view what) {
    return {"", "", page, std::string(what)};
  }

  std::vector<bool> met_;
  uint64_t count_ = 0;
  absl::FunctionRef<void(uint64_t)> progress_;
};

class Checker {
 public:
  Checker(const PageFile& file, const Meta& meta, FindingList& findings,
          absl::FunctionRef<void(uint64_t)> progress)
      : file_(file), meta_(meta), findings_(findings), map_(meta.last_page, progress) {}

  Structure Run() {
    CheckMain();
    CheckFreeList();
    // What hangs below damage has not been met, and would drown it.
    if (findings_.total() == 0) map_.ReportMissing(findings_);
    return std::move(structure_);
  }

 private:
  void Note(absl::string_view table, Finding finding) {
    finding.table = std::string(table);
    findings_.Add(std::move(finding));
  }

  // Walks the tree; `visit` gets the cursor at each row.
  template <typename Visit>
  void Walk(absl::string_view table, const Tree& tree, KeyOrder order, Visit visit) {
    TreeCursor cursor(file_, tree, order, &map_);
    const uint64_t damages = findings_.total();
    for (Step step = cursor.Next(); step != Step::kEnd; step = cursor.Next()) {
      if (step == Step::kDamaged || !cursor.CheckOverflow()) {
        Note(table, cursor.damage());
      } else {
        visit(cursor);
      }
    }
    if (findings_.total() == damages) CheckSums(table, tree, cursor);
    structure_.pages_read += cursor.branch_pages() + cursor.leaf_pages();
  }

  void CheckSums(absl::string_view table, const Tree& tree, const TreeCursor& cursor) {
    const std::pair<absl::string_view, std::pair<uint64_t, uint64_t>> sums[] = {
        {"branch pages", {tree.branch_pages, cursor.branch_pages()}},
        {"leaf pages", {tree.leaf_pages, cursor.leaf_pages()}},
        {"overflow pages", {tree.overflow_pages, cursor.overflow_pages()}},
        {"rows", {tree.entries, cursor.entries()}}};
    for (const auto& [what, sum] : sums) {
      if (sum.first == sum.second) continue;
      Note(table,
           {"", "", std::nullopt,
            absl::StrCat("is said to have ", sum.first, " ", what, " and has ", sum.second)});
    }
    if (tree.root == lmdb::kNoPage && tree.depth != 0) {
      Note(table, {"", "", std::nullopt, "is empty and has a depth"});
    }
  }

  void CheckMain() {
    if (meta_.main.flags != 0) {
      Note(kMainTree, {"", "", std::nullopt, "has flags that no store has"});
    }
    Walk(kMainTree, meta_.main, KeyOrder::kBytes, [&](TreeCursor& cursor) { CheckTable(cursor); });
  }

  void CheckTable(TreeCursor& row) {
    const std::string name(row.key());
    std::array<char, lmdb::tree::kSize> bytes;
    if (!row.is_subtree() || row.value_bytes() != bytes.size() ||
        !row.ReadPart(0, absl::MakeSpan(bytes))) {
      Note(kMainTree, {"", name, std::nullopt, "is not a table"});
      return;
    }
    const Tree tree = lmdb::TreeAt(absl::string_view(bytes.data(), bytes.size()), 0);
    if (tree.flags != 0) Note(name, {"", "", std::nullopt, "has flags that no store has"});
    if (structure_.tables.size() < kMostTables) structure_.tables[name] = tree;
    Walk(name, tree, KeyOrder::kBytes, [&](TreeCursor& cursor) {
      if (cursor.is_subtree()) {
        Note(name, {"", std::string(cursor.key()), std::nullopt, "is a table inside a table"});
      }
    });
  }

  void CheckFreeList() {
    if (meta_.free.flags != kFreeListFlags) {
      Note(kFreeList, {"", "", std::nullopt, "has flags that no store has"});
    }
    uint64_t last = 0;
    Walk(kFreeList, meta_.free, KeyOrder::kNumbers, [&](TreeCursor& cursor) {
      last = At<uint64_t>(cursor.key(), 0);
      CheckFreePages(cursor);
    });
    // Every transaction but the first replaces pages, and says here which. So this ties the meta
    // page to the trees that it names: an old one with a number that it did not have is found out.
    if (findings_.total() == 0 && meta_.transaction_id > 1 && last != meta_.transaction_id) {
      Note(kFreeList,
           {"", "", std::nullopt,
            absl::StrCat("ends at transaction ", last, ", the file at ", meta_.transaction_id)});
    }
  }

  // A row is the transaction that freed the pages, their number, and they, in descending order.
  void CheckFreePages(TreeCursor& row) {
    const std::string key(row.key());
    const uint64_t slots = row.value_bytes() / sizeof(uint64_t);
    std::array<char, sizeof(uint64_t)> first;
    if (slots == 0 || !row.ReadPart(0, absl::MakeSpan(first))) {
      return Note(kFreeList, {"", key, std::nullopt, "is not a list of pages"});
    }
    const auto pages = At<uint64_t>(absl::string_view(first.data(), first.size()), 0);
    if (pages > slots - 1 || row.value_bytes() % sizeof(uint64_t) != 0) {
      return Note(kFreeList, {"", key, std::nullopt, "is not a list of pages"});
    }
    uint64_t above = meta_.last_page + 1;
    std::array<char, 512 * sizeof(uint64_t)> piece;
    for (uint64_t at = 1; at <= pages;) {
      const uint64_t some = std::min<uint64_t>(pages + 1 - at, piece.size() / sizeof(uint64_t));
      const auto span = absl::MakeSpan(piece.data(), some * sizeof(uint64_t));
      if (!row.ReadPart(at * sizeof(uint64_t), span)) return Note(kFreeList, row.damage());
      for (uint64_t i = 0; i < some; ++i) {
        const auto page =
            At<uint64_t>(absl::string_view(span.data(), span.size()), i * sizeof(uint64_t));
        if (!CheckFreePage(key, page, above)) return;
        above = page;
      }
      at += some;
    }
  }

  bool CheckFreePage(const std::string& key, uint64_t page, uint64_t above) {
    if (page >= above) {
      Note(kFreeList, {"", key, page, "is not where it belongs in a list of free pages"});
      return false;
    }
    if (!map_.Claim(page, 1).has_value()) return true;
    Note(kFreeList, {"", key, page, "is free and in use, or free twice"});
    return false;
  }

  const PageFile& file_;
  const Meta& meta_;
  FindingList& findings_;
  PageMap map_;
  Structure structure_;
};

}  // namespace

absl::StatusOr<Meta> FindLastSnapshot(const PageFile& file) {
  BATONSTORE_ASSIGN_OR_RETURN(const Meta last, file.ReadLastMeta());
  const uint64_t other_page = 1 - last.transaction_id % lmdb::kMetaPages;
  BATONSTORE_ASSIGN_OR_RETURN(const Meta other, file.ReadMeta(other_page));
  TreeCursor cursor(file, other.free, KeyOrder::kNumbers);
  Step step = cursor.Next();
  uint64_t freed_last = 0;
  for (; step == Step::kRow; step = cursor.Next()) freed_last = At<uint64_t>(cursor.key(), 0);
  // Damage to what nobody needs any more is none.
  if (step == Step::kDamaged || freed_last <= other.transaction_id) return last;
  return Finding{"meta page", "", other_page, "claims to be older than the trees that it names"}
      .ToStatus();
}

Structure CheckStructure(const PageFile& file, const Meta& meta, FindingList& findings,
                         absl::FunctionRef<void(uint64_t pages)> progress) {
  // A page beyond the file is free, and eight bytes within the file say so.
  if (meta.last_page > file.whole_pages() + file.bytes() / sizeof(uint64_t)) {
    findings.Add({"meta page", "", std::nullopt, "names an impossible last page"});
    return {};
  }
  return Checker(file, meta, findings, progress).Run();
}

absl::Status CheckStructure(const std::string& data_file, uint64_t transaction_id) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file, PageFile::Open(data_file));
  BATONSTORE_ASSIGN_OR_RETURN(const Meta meta, file->ReadMetaOf(transaction_id));
  FindingList findings(1);
  CheckStructure(*file, meta, findings, [](uint64_t) {});
  return findings.total() == 0 ? absl::OkStatus() : findings.kept()[0].ToStatus();
}

}  // namespace batonstore::recovery
