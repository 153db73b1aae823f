// Where things lie in the pages of an LMDB file: the layout of LMDB 0.9 (lmdb's mdb.c, struct
// MDB_page, MDB_meta, MDB_db, MDB_node) on 64-bit little-endian machines.

#ifndef BATONSTORE_RECOVERY_LMDB_LAYOUT_H_
#define BATONSTORE_RECOVERY_LMDB_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace batonstore::recovery::lmdb {

inline constexpr uint64_t kNoPage = ~uint64_t{0};  // the root of an empty tree
inline constexpr size_t kMaxDepth = 32;            // CURSOR_STACK
inline constexpr size_t kMaxKeyBytes = 511;
inline constexpr uint32_t kMinPageBytes = 512;
inline constexpr uint32_t kMaxPageBytes = 32768;
inline constexpr uint64_t kMetaPages = 2;

// A number at `offset`. REQUIRES: it lies within `bytes`.
template <typename T>
T At(absl::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// A page begins with a header; offsets of nodes, two bytes each, follow it up to `lower`, and the
// nodes lie side by side from `upper` to the page's end.
namespace page {
inline constexpr size_t kNumber = 0;     // u64
inline constexpr size_t kFlags = 10;     // u16
inline constexpr size_t kLower = 12;     // u16
inline constexpr size_t kUpper = 14;     // u16
inline constexpr size_t kOverflow = 12;  // u32: pages in an overflow run
inline constexpr size_t kHeader = 16;
inline constexpr uint16_t kBranchFlag = 0x01;
inline constexpr uint16_t kLeafFlag = 0x02;
inline constexpr uint16_t kOverflowFlag = 0x04;
inline constexpr uint16_t kMetaFlag = 0x08;
}  // namespace page

namespace tree {                              // MDB_db
inline constexpr size_t kFlags = 4;           // u16
inline constexpr size_t kDepth = 6;           // u16
inline constexpr size_t kBranchPages = 8;     // u64
inline constexpr size_t kLeafPages = 16;      // u64
inline constexpr size_t kOverflowPages = 24;  // u64
inline constexpr size_t kEntries = 32;        // u64
inline constexpr size_t kRoot = 40;           // u64
inline constexpr size_t kSize = 48;
}  // namespace tree

namespace meta {
inline constexpr size_t kMagic = 16;     // u32
inline constexpr size_t kVersion = 20;   // u32
inline constexpr size_t kMapBytes = 32;  // u64
inline constexpr size_t kFreeTree = 40;  // MDB_db; its first four bytes are the page size
inline constexpr size_t kMainTree = 88;  // MDB_db
inline constexpr size_t kLastPage = 136;
inline constexpr size_t kTransaction = 144;
inline constexpr size_t kSize = 152;
inline constexpr uint32_t kMagicValue = 0xBEEFC0DE;
inline constexpr uint32_t kVersionValue = 1;
}  // namespace meta

namespace node {
inline constexpr size_t kLow = 0;      // u16
inline constexpr size_t kHigh = 2;     // u16
inline constexpr size_t kFlags = 4;    // u16; the high part of the page number in a branch
inline constexpr size_t kKeySize = 6;  // u16
inline constexpr size_t kHeader = 8;
inline constexpr uint16_t kBigData = 0x01;  // the value is the number of its first overflow page
inline constexpr uint16_t kSubTree = 0x02;  // the value is an MDB_db
}  // namespace node

// A tree as its owner describes it.
struct Tree {
  uint16_t flags = 0;
  uint16_t depth = 0;
  uint64_t branch_pages = 0;
  uint64_t leaf_pages = 0;
  uint64_t overflow_pages = 0;
  uint64_t entries = 0;
  uint64_t root = kNoPage;
};

// REQUIRES: tree::kSize bytes lie at `offset`.
inline Tree TreeAt(absl::string_view bytes, size_t offset) {
  return {At<uint16_t>(bytes, offset + tree::kFlags),
          At<uint16_t>(bytes, offset + tree::kDepth),
          At<uint64_t>(bytes, offset + tree::kBranchPages),
          At<uint64_t>(bytes, offset + tree::kLeafPages),
          At<uint64_t>(bytes, offset + tree::kOverflowPages),
          At<uint64_t>(bytes, offset + tree::kEntries),
          At<uint64_t>(bytes, offset + tree::kRoot)};
}

// A snapshot as its meta page describes it.
struct Meta {
  uint64_t map_bytes = 0;
  Tree free;
  Tree main;
  uint64_t last_page = 0;
  uint64_t transaction_id = 0;
};

}  // namespace batonstore::recovery::lmdb

#endif  // BATONSTORE_RECOVERY_LMDB_LAYOUT_H_
