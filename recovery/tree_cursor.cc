#include "batonstore/recovery/tree_cursor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace batonstore::recovery {
namespace {

using lmdb::At;

// One bit for each place of a page where a node can begin, which is even.
constexpr size_t kStartWords = lmdb::kMaxPageBytes / 2 / 64;

size_t Even(size_t bytes) { return bytes + bytes % 2; }

uint64_t ChildOf(absl::string_view bytes, size_t at) {
  return uint64_t{At<uint16_t>(bytes, at + lmdb::node::kLow)} |
         uint64_t{At<uint16_t>(bytes, at + lmdb::node::kHigh)} << 16 |
         uint64_t{At<uint16_t>(bytes, at + lmdb::node::kFlags)} << 32;
}

size_t ValueBytes(absl::string_view bytes, size_t at) {
  return size_t{At<uint16_t>(bytes, at + lmdb::node::kLow)} |
         size_t{At<uint16_t>(bytes, at + lmdb::node::kHigh)} << 16;
}

}  // namespace

TreeCursor::TreeCursor(const PageFile& file, const lmdb::Tree& tree, KeyOrder order,
                       PageClaims* claims)
    : file_(file), tree_(tree), order_(order), claims_(claims) {
  // Bounds of a level are views of the pages above it: the levels must not move.
  levels_.reserve(lmdb::kMaxDepth);
}

bool TreeCursor::Bad(uint64_t page, absl::string_view what) {
  damage_ = Finding{"", "", page, std::string(what)};
  if (depth_ > 0) damage_.key = std::string(levels_[depth_ - 1].lower.value_or(""));
  return false;
}

TreeCursor::Step TreeCursor::Next() {
  if (!begun_) {
    begun_ = true;
    if (tree_.root == lmdb::kNoPage) return Step::kEnd;
    if (Descend(tree_.root, std::nullopt, std::nullopt) == Step::kDamaged) return Step::kDamaged;
  }
  while (depth_ > 0) {
    const Level& level = levels_[depth_ - 1];
    if (level.next == level.nodes) {
      --depth_;
    } else if (level.is_leaf) {
      return TakeRow();
    } else if (DescendToNext() == Step::kDamaged) {
      return Step::kDamaged;
    }
  }
  return Step::kEnd;
}

TreeCursor::Step TreeCursor::DescendToNext() {
  Level& level = levels_[depth_ - 1];
  const size_t index = level.next++;
  const uint64_t child = ChildOf(level.view(), NodeAt(level, index));
  return Descend(child, index > 0 ? KeyOf(level, index) : level.lower,
                 index + 1 < level.nodes ? KeyOf(level, index + 1) : level.upper);
}

TreeCursor::Step TreeCursor::Descend(uint64_t page, std::optional<absl::string_view> lower,
                                     std::optional<absl::string_view> upper) {
  if (depth_ == lmdb::kMaxDepth) {
    Bad(page, "lies deeper than any tree");
    return Step::kDamaged;
  }
  if (levels_.size() == depth_) levels_.emplace_back();
  Level& level = levels_[depth_++];
  level.number = page;
  level.lower = lower;
  level.upper = upper;
  if (Load(level)) return Step::kRow;
  --depth_;
  return Step::kDamaged;
}

TreeCursor::Step TreeCursor::TakeRow() {
  Level& level = levels_[depth_ - 1];
  const size_t index = level.next++;
  const size_t at = NodeAt(level, index);
  const absl::string_view bytes = level.view();
  key_ = KeyOf(level, index);
  flags_ = At<uint16_t>(bytes, at + lmdb::node::kFlags);
  value_bytes_ = ValueBytes(bytes, at);
  const bool elsewhere = (flags_ & lmdb::node::kBigData) != 0;
  inline_value_ = bytes.substr(at + lmdb::node::kHeader + key_.size(),
                               elsewhere ? sizeof(uint64_t) : value_bytes_);
  ++entries_;
  return Step::kRow;
}

bool TreeCursor::Load(Level& level) {
  if (claims_ != nullptr) {
    if (std::optional<Finding> refused = claims_->Claim(level.number, 1)) {
      return Bad(level.number, refused->what);
    }
  }
  if (level.number >= file_.whole_pages()) {
    return Bad(level.number, "is in use and lies beyond the end of the file");
  }
  level.bytes.resize(file_.page_bytes());
  const absl::Status read =
      file_.Read(level.number * file_.page_bytes(), absl::MakeSpan(level.bytes));
  if (!read.ok()) return Bad(level.number, absl::StrCat("cannot be read: ", read.message()));
  return CheckHeader(level) && CheckNodes(level) && CheckKeys(level);
}

bool TreeCursor::CheckHeader(Level& level) {
  const absl::string_view bytes = level.view();
  if (At<uint64_t>(bytes, lmdb::page::kNumber) != level.number) {
    return Bad(level.number, "carries another number");
  }
  const auto flags = At<uint16_t>(bytes, lmdb::page::kFlags);
  if (flags != lmdb::page::kBranchFlag && flags != lmdb::page::kLeafFlag) {
    return Bad(level.number, "is neither a branch nor a leaf");
  }
  level.is_leaf = flags == lmdb::page::kLeafFlag;
  ++(level.is_leaf ? leaf_pages_ : branch_pages_);
  if (level.is_leaf ? depth_ != tree_.depth : depth_ >= tree_.depth) {
    return Bad(level.number, "lies at another depth than the tree has");
  }
  const size_t lower = At<uint16_t>(bytes, lmdb::page::kLower);
  const size_t upper = At<uint16_t>(bytes, lmdb::page::kUpper);
  if (lower < lmdb::page::kHeader || lower > upper || upper > bytes.size() || lower % 2 != 0) {
    return Bad(level.number, "has impossible bounds");
  }
  level.nodes = (lower - lmdb::page::kHeader) / 2;
  level.next = 0;
  // LMDB lets the branches of its free list shrink to one child for a while, others never.
  const size_t fewest = level.is_leaf || order_ == KeyOrder::kNumbers ? 1 : 2;
  if (level.nodes < fewest) return Bad(level.number, "has too few nodes");
  return true;
}

size_t TreeCursor::NodeAt(const Level& level, size_t index) const {
  return At<uint16_t>(level.view(), lmdb::page::kHeader + 2 * index);
}

absl::string_view TreeCursor::KeyOf(const Level& level, size_t index) const {
  const size_t at = NodeAt(level, index);
  return level.view().substr(at + lmdb::node::kHeader,
                             At<uint16_t>(level.view(), at + lmdb::node::kKeySize));
}

// REQUIRES: the node's header lies in the page.
size_t TreeCursor::NodeBytes(const Level& level, size_t at) const {
  const absl::string_view bytes = level.view();
  const size_t key = lmdb::node::kHeader + At<uint16_t>(bytes, at + lmdb::node::kKeySize);
  if (!level.is_leaf) return key;
  const auto flags = At<uint16_t>(bytes, at + lmdb::node::kFlags);
  return key + ((flags & lmdb::node::kBigData) != 0 ? sizeof(uint64_t) : ValueBytes(bytes, at));
}

bool TreeCursor::CheckNodes(const Level& level) {
  const absl::string_view bytes = level.view();
  const size_t upper = At<uint16_t>(bytes, lmdb::page::kUpper);
  std::array<uint64_t, kStartWords> starts;
  std::fill_n(starts.begin(), bytes.size() / 2 / 64, 0);
  for (size_t index = 0; index < level.nodes; ++index) {
    const size_t at = NodeAt(level, index);
    if (at < upper || at % 2 != 0 || at + lmdb::node::kHeader > bytes.size() ||
        at + NodeBytes(level, at) > bytes.size()) {
      return Bad(level.number, "has a stray node");
    }
    constexpr uint16_t kKnown = lmdb::node::kBigData | lmdb::node::kSubTree;
    if (level.is_leaf && (At<uint16_t>(bytes, at + lmdb::node::kFlags) & ~kKnown) != 0) {
      return Bad(level.number, "has a node of a kind that no store has");
    }
    uint64_t& word = starts[at / 2 / 64];
    const uint64_t bit = uint64_t{1} << (at / 2 % 64);
    if ((word & bit) != 0) return Bad(level.number, "has a node twice");
    word |= bit;
  }
  return CheckTiling(level, starts.data());
}

// Node after node, from the first to the page's end: each must be one that the page points to.
bool TreeCursor::CheckTiling(const Level& level, const uint64_t* starts) {
  const absl::string_view bytes = level.view();
  size_t at = At<uint16_t>(bytes, lmdb::page::kUpper);
  size_t passed = 0;
  while (at < bytes.size()) {
    if ((starts[at / 2 / 64] >> (at / 2 % 64) & 1) == 0) break;
    at += Even(NodeBytes(level, at));
    ++passed;
  }
  if (at == bytes.size() && passed == level.nodes) return true;
  return Bad(level.number, "has nodes that overlap or leave gaps");
}

bool TreeCursor::IsBefore(absl::string_view a, absl::string_view b) const {
  if (order_ == KeyOrder::kBytes) return a < b;
  return At<uint64_t>(a, 0) < At<uint64_t>(b, 0);
}

bool TreeCursor::CheckKey(const Level& level, size_t index, absl::string_view key) {
  const bool legal = order_ == KeyOrder::kNumbers
                         ? key.size() == sizeof(uint64_t)
                         : !key.empty() && key.size() <= lmdb::kMaxKeyBytes;
  if (legal) return true;
  return Bad(level.number, absl::StrCat("has a key of an impossible size at node ", index));
}

bool TreeCursor::CheckKeys(const Level& level) {
  const size_t first = level.is_leaf ? 0 : 1;  // a branch's first key is not read
  std::optional<absl::string_view> previous;
  for (size_t index = first; index < level.nodes; ++index) {
    const absl::string_view key = KeyOf(level, index);
    if (!CheckKey(level, index, key)) return false;
    if (previous.has_value() && !IsBefore(*previous, key)) {
      return Bad(level.number, absl::StrCat("has keys that do not ascend at node ", index));
    }
    previous = key;
  }
  if (!previous.has_value()) return true;
  if ((level.lower.has_value() && IsBefore(KeyOf(level, first), *level.lower)) ||
      (level.upper.has_value() && !IsBefore(*previous, *level.upper))) {
    return Bad(level.number, "has keys that belong elsewhere");
  }
  return true;
}

bool TreeCursor::BadRun(const std::string& what) {
  damage_ = Finding{"", std::string(key_), At<uint64_t>(inline_value_, 0), what};
  return false;
}

bool TreeCursor::CheckOverflow() {
  if ((flags_ & lmdb::node::kBigData) == 0) return true;
  const uint64_t first = At<uint64_t>(inline_value_, 0);
  if (first >= file_.whole_pages()) {
    return BadRun("is in use and lies beyond the end of the file");
  }
  std::array<char, lmdb::page::kHeader> header;
  const absl::Status read = file_.Read(first * file_.page_bytes(), absl::MakeSpan(header));
  if (!read.ok()) return BadRun(absl::StrCat("cannot be read: ", read.message()));
  const absl::string_view bytes(header.data(), header.size());
  if (At<uint64_t>(bytes, lmdb::page::kNumber) != first) return BadRun("carries another number");
  if (At<uint16_t>(bytes, lmdb::page::kFlags) != lmdb::page::kOverflowFlag) {
    return BadRun("is not the overflow page that it is used as");
  }
  const uint64_t pages = At<uint32_t>(bytes, lmdb::page::kOverflow);
  if (pages * file_.page_bytes() < lmdb::page::kHeader + value_bytes_) {
    return BadRun("is too short a run");
  }
  if (pages > file_.whole_pages() - first) {
    return BadRun("is a run that goes on beyond the end of the file");
  }
  overflow_pages_ += pages;
  const std::optional<Finding> refused = claims_->Claim(first, pages);
  return !refused.has_value() || BadRun(refused->what);
}

bool TreeCursor::ReadPart(uint64_t offset, absl::Span<char> into) {
  if ((flags_ & lmdb::node::kBigData) == 0) {
    std::copy_n(inline_value_.begin() + static_cast<ptrdiff_t>(offset), into.size(), into.begin());
    return true;
  }
  const uint64_t first = At<uint64_t>(inline_value_, 0);
  if (first >= file_.whole_pages()) return BadRun("is in use and lies beyond the end of the file");
  const absl::Status read =
      file_.Read(first * file_.page_bytes() + lmdb::page::kHeader + offset, into);
  return read.ok() || BadRun(absl::StrCat("cannot be read: ", read.message()));
}

bool TreeCursor::ReadValue(uint64_t most, std::string& buffer, absl::string_view& value) {
  if ((flags_ & lmdb::node::kBigData) == 0) {
    value = inline_value_;
    return true;
  }
  if (value_bytes_ > most) return BadRun("holds a value that is larger than any");
  buffer.resize(value_bytes_);
  value = buffer;
  return ReadPart(0, absl::MakeSpan(buffer.data(), buffer.size()));
}

}  // namespace batonstore::recovery
