// Walks one tree of an LMDB file in the order of its keys, checking everything on the way that
// LMDB would take on trust.

#ifndef BATONSTORE_RECOVERY_TREE_CURSOR_H_
#define BATONSTORE_RECOVERY_TREE_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/page_file.h"

namespace batonstore::recovery {

// Which pages have been met, each of which may be met once.
class PageClaims {
 public:
  virtual ~PageClaims() = default;

  // Why the pages cannot be this tree's, or nothing.
  virtual std::optional<Finding> Claim(uint64_t first, uint64_t pages) = 0;
};

// Not thread-safe. Memory is a page for each level of the tree.
//
// Of a page it checks: that it carries its number and is of a kind that belongs there; that its
// nodes are inside of it and fill the space from `upper` to its end without gap or overlap; that
// its keys have a legal size, ascend, and lie between the keys that its parents give for it; that
// all leaves are as deep as the tree says. What it does not check is bytes that nobody reads: the
// gap before the nodes, a byte of padding after an odd node, `mp_pad`, and the key of a branch's
// first node.
class TreeCursor {
 public:
  enum class KeyOrder : uint8_t { kBytes, kNumbers };  // numbers: 8 bytes in the machine's order

  // Without `claims`, nothing is noted about which pages were met; then stop at the first damage,
  // since a tree with a cycle has no end. The file and the claims must outlive the cursor.
  TreeCursor(const PageFile& file, const lmdb::Tree& tree, KeyOrder order,
             PageClaims* claims = nullptr);

  // Moves to the next row. After kDamaged the cursor can go on: what lies below the damage is
  // passed over.
  enum class Step : uint8_t { kRow, kEnd, kDamaged };
  Step Next();

  // The row, until the next call of Next.
  absl::string_view key() const { return key_; }
  bool is_subtree() const { return (flags_ & lmdb::node::kSubTree) != 0; }
  uint64_t value_bytes() const { return value_bytes_; }

  // Its value, read into `buffer` if it lies on pages of its own. False when it cannot be read, or
  // has more than `most` bytes: see damage().
  bool ReadValue(uint64_t most, std::string& buffer, absl::string_view& value);

  // The bytes of its value from `offset` on, as many as `into` holds. False when they cannot be
  // read. REQUIRES: the value has so many.
  bool ReadPart(uint64_t offset, absl::Span<char> into);

  // If the value lies on pages of its own, checks and claims them. False for damage.
  // REQUIRES: claims.
  bool CheckOverflow();

  // Page and reason; the table is the caller's to add.
  const Finding& damage() const { return damage_; }

  // The pages and rows that were met so far.
  uint64_t branch_pages() const { return branch_pages_; }
  uint64_t leaf_pages() const { return leaf_pages_; }
  uint64_t overflow_pages() const { return overflow_pages_; }
  uint64_t entries() const { return entries_; }

 private:
  // A page on the way from the root, and the keys between which its own must lie. The bounds are
  // views of pages further up, which stay where they are meanwhile.
  struct Level {
    uint64_t number = 0;
    std::vector<char> bytes;
    bool is_leaf = false;
    size_t nodes = 0;
    size_t next = 0;  // the node to go to next
    std::optional<absl::string_view> lower;
    std::optional<absl::string_view> upper;

    absl::string_view view() const { return absl::string_view(bytes.data(), bytes.size()); }
  };

  Step Descend(uint64_t page, std::optional<absl::string_view> lower,
               std::optional<absl::string_view> upper);
  Step DescendToNext();
  Step TakeRow();

  bool Load(Level& level);
  bool CheckHeader(Level& level);
  bool CheckNodes(const Level& level);
  bool CheckTiling(const Level& level, const uint64_t* starts);
  bool CheckKeys(const Level& level);
  bool CheckKey(const Level& level, size_t index, absl::string_view key);

  size_t NodeAt(const Level& level, size_t index) const;
  size_t NodeBytes(const Level& level, size_t at) const;
  absl::string_view KeyOf(const Level& level, size_t index) const;
  bool IsBefore(absl::string_view a, absl::string_view b) const;

  // Notes the damage; false.
  bool Bad(uint64_t page, absl::string_view what);
  bool BadRun(const std::string& what);

  const PageFile& file_;
  const lmdb::Tree tree_;
  const KeyOrder order_;
  PageClaims* const claims_;

  std::vector<Level> levels_;  // buffers are kept for the next page at that depth
  size_t depth_ = 0;           // levels in use
  bool begun_ = false;

  absl::string_view key_;
  absl::string_view inline_value_;  // the number of its page for a value that lies elsewhere
  uint16_t flags_ = 0;
  uint64_t value_bytes_ = 0;

  Finding damage_;
  uint64_t branch_pages_ = 0;
  uint64_t leaf_pages_ = 0;
  uint64_t overflow_pages_ = 0;
  uint64_t entries_ = 0;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_TREE_CURSOR_H_
