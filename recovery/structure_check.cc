#include "batonstore/recovery/structure_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"

namespace batonstore::recovery {
namespace {

constexpr uint64_t kNoPage = ~uint64_t{0};  // the root of an empty tree
constexpr int kMaxDepth = 32;               // LMDB's CURSOR_STACK

// Offsets in a page. A page's header has 16 bytes; meta, leaf and branch pages follow it with
// theirs.
namespace page {
constexpr size_t kNumber = 0;     // u64
constexpr size_t kFlags = 10;     // u16
constexpr size_t kLower = 12;     // u16: where the node offsets end
constexpr size_t kUpper = 14;     // u16: where the nodes begin
constexpr size_t kOverflow = 12;  // u32: pages in an overflow run
constexpr size_t kHeader = 16;
constexpr uint16_t kBranchFlag = 0x01;
constexpr uint16_t kLeafFlag = 0x02;
constexpr uint16_t kOverflowFlag = 0x04;
constexpr uint16_t kMetaFlag = 0x08;
}  // namespace page

namespace meta_page {
constexpr size_t kMagic = 16;      // u32
constexpr size_t kPageSize = 40;   // u32: md_pad of the free list's MDB_db
constexpr size_t kFreeRoot = 80;   // u64
constexpr size_t kMainRoot = 128;  // u64
constexpr size_t kLastPage = 136;
constexpr size_t kTransaction = 144;
constexpr size_t kSize = 152;
constexpr uint32_t kMagicValue = 0xBEEFC0DE;
}  // namespace meta_page

namespace node {
constexpr size_t kLow = 0;      // u16
constexpr size_t kHigh = 2;     // u16
constexpr size_t kFlags = 4;    // u16; the high part of the page number in a branch
constexpr size_t kKeySize = 6;  // u16
constexpr size_t kHeader = 8;
constexpr uint16_t kBigData = 0x01;  // the value is the number of its first overflow page
constexpr uint16_t kSubTree = 0x02;  // the value is an MDB_db
constexpr size_t kSubTreeSize = 48;
constexpr size_t kSubTreeRoot = 40;
}  // namespace node

template <typename T>
T At(const std::vector<char>& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

struct Meta {
  uint32_t page_size;
  uint64_t free_root;
  uint64_t main_root;
  uint64_t last_page;
  uint64_t transaction_id;
};

class Checker {
 public:
  Checker(int fd, uint64_t file_bytes) : fd_(fd), file_bytes_(file_bytes) {}

  absl::Status Check(uint64_t transaction_id) {
    BATONSTORE_ASSIGN_OR_RETURN(meta_, FindMeta(transaction_id));
    // A page number beyond the file cannot be right for any page that has been written.
    seen_.resize(file_bytes_ / meta_.page_size);
    BATONSTORE_RETURN_IF_ERROR(CheckTree(meta_.free_root, 0));
    return CheckTree(meta_.main_root, 0);
  }

 private:
  absl::StatusOr<std::vector<char>> Read(uint64_t offset, size_t size) const {
    std::vector<char> bytes(size);
    const ssize_t got = pread(fd_, bytes.data(), size, static_cast<off_t>(offset));
    if (got < 0) return SystemError(errno, "read data.mdb");
    if (static_cast<size_t>(got) != size) {
      return Refuse(Verdict::kCorrupt, absl::StrCat("data.mdb ends before byte ", offset + size,
                                                    ", which is in use; restore a backup"));
    }
    return bytes;
  }

  // The two meta pages take turns; the snapshot's is the one that carries its id.
  absl::StatusOr<Meta> FindMeta(uint64_t transaction_id) const {
    BATONSTORE_ASSIGN_OR_RETURN(const std::vector<char> first, Read(0, meta_page::kSize));
    const auto page_size = At<uint32_t>(first, meta_page::kPageSize);
    if (page_size < 512 || page_size > 65536 || (page_size & (page_size - 1)) != 0) {
      return Refuse(Verdict::kCorrupt, "meta page 0 names an impossible page size");
    }
    BATONSTORE_ASSIGN_OR_RETURN(const std::vector<char> second, Read(page_size, meta_page::kSize));
    for (const std::vector<char>& bytes : {first, second}) {
      const Meta meta{page_size, At<uint64_t>(bytes, meta_page::kFreeRoot),
                      At<uint64_t>(bytes, meta_page::kMainRoot),
                      At<uint64_t>(bytes, meta_page::kLastPage),
                      At<uint64_t>(bytes, meta_page::kTransaction)};
      if (meta.transaction_id == transaction_id &&
          At<uint32_t>(bytes, meta_page::kMagic) == meta_page::kMagicValue &&
          (At<uint16_t>(bytes, page::kFlags) & page::kMetaFlag) != 0) {
        return meta;
      }
    }
    return Refuse(Verdict::kCorrupt, absl::StrCat("no meta page is of transaction ", transaction_id,
                                                  "; restore a backup"));
  }

  static absl::Status Bad(uint64_t number, absl::string_view what) {
    return Refuse(Verdict::kCorrupt,
                  absl::StrCat("page ", number, " of data.mdb ", what, "; restore a backup"));
  }

  absl::Status MarkSeen(uint64_t number) {
    if (number > meta_.last_page || number >= seen_.size()) {
      return Bad(number, "is in use and lies beyond the end of the file");
    }
    if (seen_[number]) return Bad(number, "is used twice");
    seen_[number] = true;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<char>> ReadPage(uint64_t number) {
    BATONSTORE_RETURN_IF_ERROR(MarkSeen(number));
    BATONSTORE_ASSIGN_OR_RETURN(std::vector<char> bytes,
                                Read(number * meta_.page_size, meta_.page_size));
    if (At<uint64_t>(bytes, page::kNumber) != number) return Bad(number, "carries another number");
    return bytes;
  }

  absl::Status CheckTree(uint64_t root, int depth) {
    if (root == kNoPage) return absl::OkStatus();
    if (depth > kMaxDepth) return Bad(root, "lies deeper than any tree");
    BATONSTORE_ASSIGN_OR_RETURN(const std::vector<char> bytes, ReadPage(root));
    const auto flags = At<uint16_t>(bytes, page::kFlags);
    if (flags != page::kBranchFlag && flags != page::kLeafFlag) {
      return Bad(root, "is neither a branch nor a leaf");
    }
    const size_t lower = At<uint16_t>(bytes, page::kLower);
    const size_t upper = At<uint16_t>(bytes, page::kUpper);
    if (lower < page::kHeader || lower > upper || upper > bytes.size() || lower % 2 != 0) {
      return Bad(root, "has impossible bounds");
    }
    for (size_t slot = page::kHeader; slot < lower; slot += 2) {
      const size_t at = At<uint16_t>(bytes, slot);
      if (at < upper || at + node::kHeader > bytes.size() ||
          at + node::kHeader + At<uint16_t>(bytes, at + node::kKeySize) > bytes.size()) {
        return Bad(root, "has a stray node");
      }
      BATONSTORE_RETURN_IF_ERROR(flags == page::kBranchFlag
                                     ? CheckTree(ChildOf(bytes, at), depth + 1)
                                     : CheckLeafNode(root, bytes, at, depth));
    }
    return absl::OkStatus();
  }

  static uint64_t ChildOf(const std::vector<char>& bytes, size_t at) {
    return uint64_t{At<uint16_t>(bytes, at + node::kLow)} |
           uint64_t{At<uint16_t>(bytes, at + node::kHigh)} << 16 |
           uint64_t{At<uint16_t>(bytes, at + node::kFlags)} << 32;
  }

  absl::Status CheckLeafNode(uint64_t number, const std::vector<char>& bytes, size_t at,
                             int depth) {
    const uint16_t flags = At<uint16_t>(bytes, at + node::kFlags);
    const size_t size = size_t{At<uint16_t>(bytes, at + node::kLow)} |
                        size_t{At<uint16_t>(bytes, at + node::kHigh)} << 16;
    const size_t value = at + node::kHeader + At<uint16_t>(bytes, at + node::kKeySize);
    const bool big = (flags & node::kBigData) != 0;
    const size_t here = big ? sizeof(uint64_t) : size;
    if (value + here > bytes.size()) return Bad(number, "has a node that runs over its end");
    if (big) return CheckOverflow(At<uint64_t>(bytes, value), size);
    if ((flags & node::kSubTree) == 0) return absl::OkStatus();
    if (size != node::kSubTreeSize) return Bad(number, "has a table of an impossible size");
    return CheckTree(At<uint64_t>(bytes, value + node::kSubTreeRoot), depth + 1);
  }

  absl::Status CheckOverflow(uint64_t first, size_t size) {
    BATONSTORE_ASSIGN_OR_RETURN(const std::vector<char> bytes, ReadPage(first));
    if (At<uint16_t>(bytes, page::kFlags) != page::kOverflowFlag) {
      return Bad(first, "is not the overflow page that it is used as");
    }
    const uint64_t pages = At<uint32_t>(bytes, page::kOverflow);
    if (pages * meta_.page_size < page::kHeader + size) return Bad(first, "is too short a run");
    for (uint64_t number = first + 1; number < first + pages; ++number) {
      BATONSTORE_RETURN_IF_ERROR(MarkSeen(number));
    }
    return absl::OkStatus();
  }

  const int fd_;
  const uint64_t file_bytes_;
  Meta meta_{};
  std::vector<bool> seen_;
};

}  // namespace

absl::Status CheckStructure(const std::string& data_file, uint64_t transaction_id) {
  const int fd = open(data_file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, absl::StrCat("open ", data_file));
  const absl::Cleanup closing = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return SystemError(errno, absl::StrCat("stat ", data_file));
  return Checker(fd, static_cast<uint64_t>(info.st_size)).Check(transaction_id);
}

}  // namespace batonstore::recovery
