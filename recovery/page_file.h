// A store's data file, read with bounded reads of our own: never through LMDB, which trusts its
// pages, nor through a map, where a page that is not there is a SIGBUS.

#ifndef BATONSTORE_RECOVERY_PAGE_FILE_H_
#define BATONSTORE_RECOVERY_PAGE_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "batonstore/recovery/lmdb_layout.h"

namespace batonstore::recovery {

// Open for reading. Thread-safe. Its size is that of the moment of opening: whoever reads beside an
// owner takes the snapshot first, so that everything it reaches is in the file by then.
class PageFile {
 public:
  // NOT_FOUND without the file, IO; CORRUPT when its first page cannot be LMDB's.
  static absl::StatusOr<std::unique_ptr<PageFile>> Open(const std::string& path);
  ~PageFile();
  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;

  uint64_t bytes() const { return bytes_; }
  size_t page_bytes() const { return page_bytes_; }
  uint64_t whole_pages() const { return bytes_ / page_bytes_; }

  // CORRUPT when the file ends before that, IO when it cannot be read.
  absl::Status Read(uint64_t offset, absl::Span<char> into) const;

  // The meta page 0 or 1, or CORRUPT, telling what is wrong with it. An owner that writes it
  // meanwhile may be seen half done: read again.
  absl::StatusOr<lmdb::Meta> ReadMeta(uint64_t page) const;

  // What a file that nobody writes stands at, by the rules by which LMDB decides, and that LMDB can
  // be let near the meta pages: CORRUPT unless both are whole and one follows the other.
  absl::StatusOr<lmdb::Meta> ReadLastMeta() const;

  // The meta page of one transaction, which readers keep alive only until two more have come:
  // CORRUPT when neither is that.
  absl::StatusOr<lmdb::Meta> ReadMetaOf(uint64_t transaction_id) const;

 private:
  PageFile(int fd, uint64_t bytes) : fd_(fd), bytes_(bytes) {}

  const int fd_;
  const uint64_t bytes_;
  size_t page_bytes_ = 0;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_PAGE_FILE_H_
