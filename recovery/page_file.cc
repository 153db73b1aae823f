#include "batonstore/recovery/page_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/finding.h"

namespace batonstore::recovery {
namespace {

using lmdb::At;
using lmdb::Meta;

// No process can map more on the machines that this runs on.
constexpr uint64_t kMostMapBytes = uint64_t{1} << 47;

absl::Status BadMeta(uint64_t page, absl::string_view what) {
  return Finding{"meta page", "", page, std::string(what)}.ToStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PageFile>> PageFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, absl::StrCat("open ", path));
  absl::Cleanup closing = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return SystemError(errno, absl::StrCat("stat ", path));
  auto file = std::unique_ptr<PageFile>(new PageFile(fd, static_cast<uint64_t>(info.st_size)));
  std::move(closing).Cancel();
  char page_bytes[sizeof(uint32_t)];
  BATONSTORE_RETURN_IF_ERROR(file->Read(lmdb::meta::kFreeTree, absl::MakeSpan(page_bytes)));
  const auto size = At<uint32_t>(absl::string_view(page_bytes, sizeof(page_bytes)), 0);
  if (size < lmdb::kMinPageBytes || size > lmdb::kMaxPageBytes || (size & (size - 1)) != 0) {
    return BadMeta(0, "names an impossible page size");
  }
  file->page_bytes_ = size;
  return file;
}

PageFile::~PageFile() { close(fd_); }

absl::Status PageFile::Read(uint64_t offset, absl::Span<char> into) const {
  if (offset > bytes_ || into.size() > bytes_ - offset) {
    return Refuse(Verdict::kCorrupt,
                  absl::StrCat("data.mdb ends before byte ", offset, " + ", into.size(),
                               ", which is in use; restore a backup"));
  }
  for (size_t done = 0; done < into.size();) {
    const ssize_t got =
        pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, "read data.mdb");
    if (got == 0) return Refuse(Verdict::kCorrupt, "data.mdb was cut off while it was read");
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<Meta> PageFile::ReadMeta(uint64_t page) const {
  std::array<char, lmdb::meta::kSize> buffer;
  BATONSTORE_RETURN_IF_ERROR(Read(page * page_bytes_, absl::MakeSpan(buffer)));
  const absl::string_view bytes(buffer.data(), buffer.size());
  if (At<uint64_t>(bytes, lmdb::page::kNumber) != page ||
      At<uint16_t>(bytes, lmdb::page::kFlags) != lmdb::page::kMetaFlag ||
      At<uint32_t>(bytes, lmdb::meta::kMagic) != lmdb::meta::kMagicValue ||
      At<uint32_t>(bytes, lmdb::meta::kVersion) != lmdb::meta::kVersionValue) {
    return BadMeta(page, "is not a meta page");
  }
  if (At<uint32_t>(bytes, lmdb::meta::kFreeTree) != page_bytes_) {
    return BadMeta(page, "names another page size than the first");
  }
  const Meta meta{
      At<uint64_t>(bytes, lmdb::meta::kMapBytes), lmdb::TreeAt(bytes, lmdb::meta::kFreeTree),
      lmdb::TreeAt(bytes, lmdb::meta::kMainTree), At<uint64_t>(bytes, lmdb::meta::kLastPage),
      At<uint64_t>(bytes, lmdb::meta::kTransaction)};
  return meta;
}

absl::StatusOr<Meta> PageFile::ReadLastMeta() const {
  BATONSTORE_ASSIGN_OR_RETURN(const Meta first, ReadMeta(0));
  BATONSTORE_ASSIGN_OR_RETURN(const Meta second, ReadMeta(1));
  const uint64_t last_page = first.transaction_id < second.transaction_id ? 1 : 0;
  const Meta& last = last_page == 1 ? second : first;
  const uint64_t before = last_page == 1 ? first.transaction_id : second.transaction_id;
  // Transactions take turns: an even one writes page 0, an odd one page 1. LMDB's readers go by
  // that, its opening by the larger number.
  const bool is_new = last.transaction_id == 0 && before == 0;
  if (!is_new && (last.transaction_id % 2 != last_page || last.transaction_id - before != 1)) {
    return BadMeta(last_page, "is not of the transaction after that of the other one");
  }
  // LMDB maps what these say before it looks at anything else.
  if (last.map_bytes > kMostMapBytes) return BadMeta(last_page, "names an impossible map size");
  if (last.last_page < 1 || last.last_page >= last.map_bytes / page_bytes_) {
    return BadMeta(last_page, "names an impossible last page");
  }
  return last;
}

absl::StatusOr<Meta> PageFile::ReadMetaOf(uint64_t transaction_id) const {
  for (uint64_t page = 0; page < lmdb::kMetaPages; ++page) {
    const absl::StatusOr<Meta> meta = ReadMeta(page);
    if (VerdictOf(meta.status()) == Verdict::kIo) return meta.status();
    if (meta.ok() && meta->transaction_id == transaction_id) return meta;
  }
  return Refuse(Verdict::kCorrupt, absl::StrCat("no meta page is of transaction ", transaction_id,
                                                "; restore a backup"));
}

}  // namespace batonstore::recovery
