#include "batonstore/store/lmdb_environment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/file_system.h"
#include "batonstore/store/lmdb_status.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore {
namespace {

constexpr uint64_t kWritesBetweenReaderChecks = 64;

MDB_val ToVal(absl::string_view view) {
  return MDB_val{view.size(), const_cast<char*>(view.data())};  // LMDB does not write through it
}

absl::string_view ToView(const MDB_val& value) {
  return absl::string_view(static_cast<const char*>(value.mv_data), value.mv_size);
}

std::string DataPath(const std::string& directory) { return absl::StrCat(directory, "/data.mdb"); }

// LMDB's own check looks at less, and takes an empty file for an invitation to begin anew.
absl::Status CheckDataFile(const std::string& directory) {
  constexpr off_t kMagicAt = 16;     // after the header of meta page 0
  constexpr off_t kPageSizeAt = 40;  // in meta page 0
  constexpr uint32_t kMagic = 0xBEEFC0DE;
  constexpr off_t kSmallestFile = off_t{2} * 512;  // two meta pages of the smallest size
  const std::string path = DataPath(directory);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, absl::StrCat("open ", path));
  const absl::Cleanup closing = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return SystemError(errno, absl::StrCat("fstat ", path));
  uint32_t magic = 0;
  uint32_t page_size = 0;
  const ssize_t magic_read = pread(fd, &magic, sizeof(magic), kMagicAt);
  if (magic_read < 0) return SystemError(errno, absl::StrCat("read ", path));
  const ssize_t page_size_read = pread(fd, &page_size, sizeof(page_size), kPageSizeAt);
  if (page_size_read < 0) return SystemError(errno, absl::StrCat("read ", path));
  if (magic_read != ssize_t{sizeof(magic)} || page_size_read != ssize_t{sizeof(page_size)} ||
      info.st_size < kSmallestFile) {
    return Refuse(Verdict::kCorrupt, absl::StrCat(path, " is cut off; restore a backup"));
  }
  if (magic != kMagic) {
    return Refuse(Verdict::kWrongFormat, absl::StrCat(path, " was not written by LMDB"));
  }
  // LMDB reads both meta pages through its map.
  if (page_size < 512 || info.st_size < off_t{2} * page_size) {
    return Refuse(Verdict::kCorrupt, absl::StrCat(path, " is cut off; restore a backup"));
  }
  return absl::OkStatus();
}

// LMDB writes to its lock file through a map, where a full disk means SIGBUS: so its space is taken
// beforehand. REQUIRES: this process does not have the environment open.
absl::Status TakeLockFileSpace(const std::string& directory, unsigned int max_readers) {
  constexpr off_t kCacheLine = 64;  // LMDB pads to it: one for each reader, a few for itself
  const std::string path = absl::StrCat(directory, "/lock.mdb");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(errno, absl::StrCat("open ", path));
  const off_t size = (off_t{max_readers} + 8) * kCacheLine;
  const int error = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size) == 0 ? 0 : errno;
  close(fd);
  // A file system that cannot do this may still carry a store.
  if (error != ENOSPC && error != EDQUOT) return absl::OkStatus();
  return SystemError(error, absl::StrCat("allocate ", path));
}

// Whether the process has that much address space left. LMDB lets go of the old map before it takes
// the new one, and when that fails it goes on with none: so it is only let try what will succeed.
bool CanMap(uint64_t bytes) {
  void* const space = mmap(nullptr, std::max<uint64_t>(bytes, 1), PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) return false;
  munmap(space, std::max<uint64_t>(bytes, 1));
  return true;
}

}  // namespace

LmdbTransaction::LmdbTransaction(LmdbTransaction&& other) noexcept
    : environment_(other.environment_),
      txn_(std::exchange(other.txn_, nullptr)),
      writes_(other.writes_),
      written_(std::move(other.written_)),
      cursors_(std::move(other.cursors_)) {
  for (LmdbCursor* cursor : cursors_) cursor->transaction_ = this;
}

LmdbTransaction::~LmdbTransaction() {
  if (txn_ == nullptr) return;
  CloseCursors();
  if (writes_) {
    mdb_txn_abort(txn_);
  } else {
    environment_->EndRead(txn_);
  }
}

void LmdbTransaction::CloseCursors() {
  for (LmdbCursor* cursor : cursors_) {
    mdb_cursor_close(std::exchange(cursor->cursor_, nullptr));
    cursor->transaction_ = nullptr;
  }
  cursors_.clear();
}

int LmdbTransaction::Get(LmdbTable table, absl::string_view key, absl::string_view* value) const {
  MDB_val key_val = ToVal(key);
  MDB_val value_val{};
  const int code = mdb_get(txn_, table, &key_val, &value_val);
  if (code == MDB_SUCCESS) *value = ToView(value_val);
  return code;
}

int LmdbTransaction::Put(LmdbTable table, absl::string_view key, absl::string_view value) {
  MDB_val key_val = ToVal(key);
  MDB_val value_val = ToVal(value);
  Written& written = WrittenTo(table);
  ++written.writes;
  ++written.puts;
  if (key.size() + value.size() > environment_->page_bytes_ / 4) {  // it may get pages of its own
    written.overflow_pages += value.size() / environment_->page_bytes_ + 2;
  }
  return mdb_put(txn_, table, &key_val, &value_val, 0);
}

int LmdbTransaction::Delete(LmdbTable table, absl::string_view key) {
  MDB_val key_val = ToVal(key);
  ++WrittenTo(table).writes;
  return mdb_del(txn_, table, &key_val, nullptr);
}

LmdbTransaction::Written& LmdbTransaction::WrittenTo(LmdbTable table) {
  for (Written& written : written_) {
    if (written.table == table) return written;
  }
  MDB_stat stat{};
  (void)mdb_stat(txn_, table, &stat);
  return written_.emplace_back(Written{table, stat.ms_depth, stat.ms_branch_pages,
                                       stat.ms_leaf_pages, stat.ms_overflow_pages});
}

// A write copies the pages on the way to its leaf, unless they are copied already; a put may split
// them, and a delete move nodes from or to the leaf beside it. What is given up is listed, in pages
// of its own.
uint64_t LmdbTransaction::PagesAtMost() const {
  constexpr uint64_t kListedInAPage = 256;
  const uint64_t largest_value = (uint64_t{1} << 20) / environment_->page_bytes_ + 2;  // in pages
  uint64_t pages = 0;
  uint64_t given_up = 0;
  for (const Written& written : written_) {
    const uint64_t deletes = written.writes - written.puts;
    pages += std::min(written.puts + 2 * deletes, written.leaf_pages) + written.puts;
    pages += std::min(written.writes * written.depth, written.branch_pages) + written.depth;
    pages += std::min(written.puts, written.branch_pages);
    pages += written.overflow_pages;
    given_up += std::min(written.writes * largest_value, written.overflow_pages_before);
  }
  constexpr uint64_t kTreeOfTables = 32;
  return pages + (pages + given_up) / kListedInAPage + pages / kListedInAPage + kTreeOfTables;
}

uint64_t LmdbTransaction::FreePages() const {
  for (const Written& written : written_) {
    if (written.overflow_pages > 0) return 0;  // they have to lie side by side
  }
  return environment_->FreePages();
}

int LmdbTransaction::Count(LmdbTable table, uint64_t* rows) const {
  MDB_stat stat{};
  const int code = mdb_stat(txn_, table, &stat);
  if (code == MDB_SUCCESS) *rows = stat.ms_entries;
  return code;
}

uint64_t LmdbTransaction::id() const { return mdb_txn_id(txn_); }

int LmdbTransaction::Commit() {
  CloseCursors();
  environment_->committing_ = id();
  return mdb_txn_commit(std::exchange(txn_, nullptr));
}

LmdbCursor::LmdbCursor(LmdbTransaction& transaction, LmdbTable table) : transaction_(&transaction) {
  transaction.cursors_.reserve(transaction.cursors_.size() + 1);
  last_error_ = mdb_cursor_open(transaction.txn_, table, &cursor_);
  if (last_error_ == MDB_SUCCESS) transaction.cursors_.push_back(this);
}

LmdbCursor::~LmdbCursor() {
  if (cursor_ == nullptr) return;
  auto& cursors = transaction_->cursors_;
  cursors.erase(std::find(cursors.begin(), cursors.end(), this));
  mdb_cursor_close(cursor_);
}

absl::StatusOr<std::optional<LmdbCursor::Row>> LmdbCursor::Move(int operation,
                                                                absl::string_view key) {
  if (transaction_ == nullptr) {
    return Refuse(Verdict::kClosed, "the cursor's transaction has ended");
  }
  if (cursor_ == nullptr) return LmdbStatus(last_error_, "mdb_cursor_open");
  MDB_val key_val = ToVal(key);
  MDB_val value_val{};
  const int code =
      mdb_cursor_get(cursor_, &key_val, &value_val, static_cast<MDB_cursor_op>(operation));
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != MDB_SUCCESS) {
    last_error_ = code;
    return LmdbStatus(code, "mdb_cursor_get");
  }
  return Row{ToView(key_val), ToView(value_val)};
}

absl::StatusOr<std::optional<LmdbCursor::Row>> LmdbCursor::AtLeast(absl::string_view key) {
  return key.empty() ? Move(MDB_FIRST, key) : Move(MDB_SET_RANGE, key);
}

absl::StatusOr<std::optional<LmdbCursor::Row>> LmdbCursor::Below(absl::string_view key) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Row> at_least, AtLeast(key));
  return at_least.has_value() ? Previous() : Move(MDB_LAST, {});
}

absl::StatusOr<std::optional<LmdbCursor::Row>> LmdbCursor::Next() { return Move(MDB_NEXT, {}); }

absl::StatusOr<std::optional<LmdbCursor::Row>> LmdbCursor::Previous() { return Move(MDB_PREV, {}); }

LmdbEnvironment::LmdbEnvironment(const Options& options,
                                 std::unique_ptr<OpenEnvironment> registration)
    : options_(options), pid_(getpid()), registration_(std::move(registration)) {}

absl::StatusOr<std::unique_ptr<LmdbEnvironment>> LmdbEnvironment::Open(
    const Options& options, std::unique_ptr<OpenEnvironment> registration) {
  BATONSTORE_RETURN_IF_ERROR(CheckFileSystem(options.directory));
  BATONSTORE_RETURN_IF_ERROR(CheckDataFile(options.directory));
  auto environment =
      std::unique_ptr<LmdbEnvironment>(new LmdbEnvironment(options, std::move(registration)));
  BATONSTORE_RETURN_IF_ERROR(environment->OpenFiles(options.read_only ? MDB_RDONLY : 0));
  return environment;
}

absl::StatusOr<std::unique_ptr<LmdbEnvironment>> LmdbEnvironment::Create(
    const Options& options, std::unique_ptr<OpenEnvironment> registration) {
  BATONSTORE_RETURN_IF_ERROR(CheckFileSystem(options.directory));
  struct stat info {};
  if (stat(DataPath(options.directory).c_str(), &info) == 0) {
    return Refuse(Verdict::kExists, absl::StrCat(options.directory, " has a data file already"));
  }
  auto environment =
      std::unique_ptr<LmdbEnvironment>(new LmdbEnvironment(options, std::move(registration)));
  BATONSTORE_RETURN_IF_ERROR(environment->OpenFiles(0));
  return environment;
}

absl::Status LmdbEnvironment::OpenFiles(unsigned int extra_flags) {
  int code = mdb_env_create(&env_);
  if (code != MDB_SUCCESS) return LmdbStatus(code, "mdb_env_create");
  code = mdb_env_set_maxdbs(env_, options_.max_tables);
  if (code == MDB_SUCCESS) code = mdb_env_set_maxreaders(env_, options_.max_readers);
  if (code == MDB_SUCCESS) code = mdb_env_set_mapsize(env_, options_.map_bytes);
  if (code != MDB_SUCCESS) return LmdbStatus(code, "mdb_env_set");
  BATONSTORE_RETURN_IF_ERROR(TakeLockFileSpace(options_.directory, options_.max_readers));
  {
    // LMDB opens the data file without close-on-exec, and a program that inherits the descriptor
    // can destroy the file: both share one file offset.
    const ForkBarrier until_marked;
    code = mdb_env_open(env_, options_.directory.c_str(), MDB_NOTLS | extra_flags, 0600);
    if (code == MDB_SUCCESS && fcntl(DataFile(), F_SETFD, FD_CLOEXEC) != 0) {
      return SystemError(errno, "fcntl FD_CLOEXEC");
    }
  }
  if (code == EACCES || code == EPERM) {
    return SystemError(code, absl::StrCat("open the files in ", options_.directory));
  }
  if (code != MDB_SUCCESS) {
    return LmdbStatus(code, absl::StrCat("mdb_env_open ", options_.directory));
  }
  BATONSTORE_ASSIGN_OR_RETURN(const Info info, Inspect());
  page_bytes_ = info.page_size;
  MutexLock lock(mu_);
  map_bytes_ = info.map_bytes;
  idle_.reserve(options_.max_readers);  // ending a read must not need memory
  return absl::OkStatus();
}

LmdbEnvironment::~LmdbEnvironment() {
  if (getpid() != pid_) {
    (void)registration_.release();
    return;
  }
  Close();
}

void LmdbEnvironment::Close() {
  if (getpid() != pid_ || env_ == nullptr) return;
  {
    MutexLock lock(mu_);
    closed_ = true;
    while (reading_ > 0 || resizing_) changed_.Wait(mu_);
  }
  DropIdleReaders();
  mdb_env_close(std::exchange(env_, nullptr));
  registration_.reset();
}

void LmdbEnvironment::DropIdleReaders() {
  MutexLock lock(mu_);
  for (MDB_txn* txn : idle_) mdb_txn_abort(txn);
  idle_.clear();
}

absl::StatusOr<LmdbTransaction> LmdbEnvironment::BeginRead() {
  for (;;) {
    int code = MDB_SUCCESS;
    absl::StatusOr<MDB_txn*> txn = StartRead(code);
    if (txn.ok() && IsOvertaken(*txn)) {
      EndRead(*txn);
      continue;
    }
    if (txn.ok()) return LmdbTransaction(this, *txn, /*writes=*/false);
    if (code != MDB_MAP_RESIZED) return txn.status();
    // Another process has grown the map: take over its size, then try again.
    BATONSTORE_RETURN_IF_ERROR(SetMapBytes(0));
  }
}

absl::StatusOr<MDB_txn*> LmdbEnvironment::StartRead(int& code) {
  MDB_txn* txn = nullptr;
  {
    MutexLock lock(mu_);
    while (resizing_) changed_.Wait(mu_);
    if (closed_) return Refuse(Verdict::kClosed, "the store is closed");
    ++reading_;
    if (!idle_.empty()) {
      txn = idle_.back();
      idle_.pop_back();
    }
  }
  if (txn != nullptr) {
    code = mdb_txn_renew(txn);
    if (code != MDB_SUCCESS) mdb_txn_abort(txn);
  } else {
    code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
    if (code == MDB_READERS_FULL) {
      int cleared = 0;
      if (mdb_reader_check(env_, &cleared) == MDB_SUCCESS && cleared > 0) {
        code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
      }
    }
  }
  if (code == MDB_SUCCESS) return txn;
  MutexLock lock(mu_);
  --reading_;
  changed_.SignalAll();
  return LmdbStatus(code, "mdb_txn_begin");
}

// LMDB notes which snapshot is the last, then copies its roots from one of two slots, taken in
// turn. A reader that was held up in between while a second commit came has copied the roots of
// that: they may be half written, and are not what the next reader sees until the commit is done.
bool LmdbEnvironment::IsOvertaken(MDB_txn* txn) const {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the copying comes before the question
  MDB_envinfo info{};
  mdb_env_info(env_, &info);  // another process may be the one that writes
  return std::max<uint64_t>(committing_, info.me_last_txnid) >= mdb_txn_id(txn) + 2;
}

void LmdbEnvironment::EndRead(MDB_txn* txn) {
  mdb_txn_reset(txn);
  MutexLock lock(mu_);
  idle_.push_back(txn);
  if (--reading_ == 0) changed_.SignalAll();
}

absl::StatusOr<LmdbTransaction> LmdbEnvironment::BeginWrite(int* code) {
  // Costs some microseconds and a system call for each other process that reads. What fails is
  // tried again next time.
  if (++writes_ % kWritesBetweenReaderChecks == 0) (void)ClearStaleReaders();
  WriteAhead();
  MDB_txn* txn = nullptr;
  const int begun = mdb_txn_begin(env_, nullptr, 0, &txn);
  if (code != nullptr) *code = begun;
  if (begun != MDB_SUCCESS) return LmdbStatus(begun, "mdb_txn_begin");
  return LmdbTransaction(this, txn, /*writes=*/true);
}

absl::StatusOr<LmdbTable> LmdbEnvironment::OpenTable(const std::string& name, bool create) {
  DropIdleReaders();  // this one may need the only slot
  MDB_txn* txn = nullptr;
  int code = mdb_txn_begin(env_, nullptr, create ? 0 : MDB_RDONLY, &txn);
  if (code != MDB_SUCCESS) return LmdbStatus(code, "mdb_txn_begin");
  LmdbTable table = 0;
  code = mdb_dbi_open(txn, name.c_str(), create ? MDB_CREATE : 0, &table);
  if (code != MDB_SUCCESS) {
    mdb_txn_abort(txn);
    return LmdbStatus(code, absl::StrCat("mdb_dbi_open ", name));
  }
  code = mdb_txn_commit(txn);  // also of the reader: that is what keeps the handle
  if (code != MDB_SUCCESS) return LmdbStatus(code, "mdb_txn_commit");
  return table;
}

absl::Status LmdbEnvironment::CopyTo(int fd) {
  // LMDB begins another; this one keeps the map from being moved, and the file from being closed.
  BATONSTORE_ASSIGN_OR_RETURN(const LmdbTransaction snapshot, BeginRead());
  return LmdbStatus(mdb_env_copyfd2(env_, fd, 0), "mdb_env_copyfd2");
}

absl::Status LmdbEnvironment::Sync() {
  return LmdbStatus(mdb_env_sync(env_, /*force=*/1), "mdb_env_sync");
}

absl::Status LmdbEnvironment::Grow() {
  uint64_t wanted = 0;
  {
    MutexLock lock(mu_);
    wanted = std::min(map_bytes_ * 2, options_.max_map_bytes);
    if (wanted <= map_bytes_) {
      return Refuse(Verdict::kFull, absl::StrCat("the store has reached its maximum of ",
                                                 map_bytes_, " bytes; raise max_map_bytes"));
    }
  }
  return SetMapBytes(wanted);
}

absl::Status LmdbEnvironment::SetMapBytes(uint64_t bytes) {
  MutexLock lock(mu_);
  while (resizing_) changed_.Wait(mu_);
  if (closed_) return Refuse(Verdict::kClosed, "the store is closed");
  resizing_ = true;
  while (reading_ > 0) changed_.Wait(mu_);
  // No transaction is live in this process now: LMDB leaves anything else undefined.
  const int code = CanMap(bytes) ? mdb_env_set_mapsize(env_, bytes) : ENOMEM;
  MDB_envinfo info{};
  if (code == MDB_SUCCESS && mdb_env_info(env_, &info) == MDB_SUCCESS) map_bytes_ = info.me_mapsize;
  resizing_ = false;
  changed_.SignalAll();
  return LmdbStatus(code, "mdb_env_set_mapsize");
}

absl::StatusOr<int> LmdbEnvironment::ClearStaleReaders() {
  int cleared = 0;
  const int code = mdb_reader_check(env_, &cleared);
  if (code != MDB_SUCCESS) return LmdbStatus(code, "mdb_reader_check");
  return cleared;
}

absl::StatusOr<LmdbEnvironment::Info> LmdbEnvironment::Inspect() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  int code = mdb_env_info(env_, &info);
  if (code == MDB_SUCCESS) code = mdb_env_stat(env_, &stat);
  if (code != MDB_SUCCESS) return LmdbStatus(code, "mdb_env_info");
  struct stat file {};
  if (fstat(DataFile(), &file) != 0) return SystemError(errno, "fstat data.mdb");
  return Info{info.me_mapsize, info.me_last_pgno, info.me_last_txnid, stat.ms_psize,
              static_cast<uint64_t>(file.st_size)};
}

uint64_t LmdbEnvironment::FreePages() {
  constexpr MDB_dbi kFreeList = 0;  // which LMDB shows to those who only read
  const absl::StatusOr<LmdbTransaction> snapshot = BeginRead();
  MDB_cursor* cursor = nullptr;
  if (!snapshot.ok() || mdb_cursor_open(snapshot->txn_, kFreeList, &cursor) != MDB_SUCCESS)
    return 0;
  const uint64_t oldest = OldestSnapshot();
  uint64_t pages = 0;
  MDB_val freed_by{};
  MDB_val list{};  // how many, and then which
  while (mdb_cursor_get(cursor, &freed_by, &list, MDB_NEXT) == MDB_SUCCESS) {
    uint64_t transaction = 0;
    uint64_t count = 0;
    std::memcpy(&transaction, freed_by.mv_data, sizeof(transaction));
    std::memcpy(&count, list.mv_data, sizeof(count));
    if (transaction >= oldest) break;
    pages += count;
  }
  mdb_cursor_close(cursor);
  return pages;
}

uint64_t LmdbEnvironment::OldestSnapshot() const {
  // LMDB tells of readers in lines of text: pid, thread, and the id of the snapshot, or "-".
  uint64_t oldest = std::numeric_limits<uint64_t>::max();
  const auto note = [](const char* line, void* result) {
    const absl::string_view text = absl::StripTrailingAsciiWhitespace(line);
    uint64_t snapshot = 0;
    if (absl::SimpleAtoi(text.substr(text.rfind(' ') + 1), &snapshot)) {
      *static_cast<uint64_t*>(result) = std::min(*static_cast<uint64_t*>(result), snapshot);
    }
    return 0;
  };
  return mdb_reader_list(env_, note, &oldest) < 0 ? 0 : oldest;
}

absl::Status LmdbEnvironment::MakeRoom(uint64_t pages, Reserve reserve,
                                       absl::FunctionRef<uint64_t()> free_pages) {
  constexpr uint64_t kSmallestStep = uint64_t{64} << 10;
  constexpr uint64_t kLargestStep = uint64_t{1} << 20;
  const uint64_t step = std::clamp(options_.reserved_bytes / 8, kSmallestStep, kLargestStep);
  MDB_envinfo info{};
  if (const int code = mdb_env_info(env_, &info); code != MDB_SUCCESS) {
    return LmdbStatus(code, "mdb_env_info");
  }
  const uint64_t most = options_.max_map_bytes;  // LMDB writes nothing behind it
  const uint64_t needed = std::min((info.me_last_pgno + 1 + pages) * page_bytes_, most);
  const uint64_t kept = std::min(needed + options_.reserved_bytes, most);
  if (kept <= allocated_bytes_) return absl::OkStatus();
  absl::Status allocated = Allocate((kept + step - 1) / step * step);
  if (VerdictOf(allocated) == Verdict::kFull) allocated = Allocate(kept);
  if (allocated.ok()) return absl::OkStatus();
  const bool may_use = reserve == Reserve::kUse;
  if (may_use && (needed <= allocated_bytes_ || Allocate(needed).ok())) return absl::OkStatus();
  if (VerdictOf(allocated) != Verdict::kFull) return allocated;
  // What lies free inside the file is room, too. Twice as much is asked for as the commit takes,
  // and a little behind the last page, since LMDB need not find all of it.
  constexpr uint64_t kSlack = 32;
  const uint64_t used = (info.me_last_pgno + 1) * page_bytes_;
  const uint64_t free = free_pages();
  if (free < 2 * pages || used + kSlack * page_bytes_ > allocated_bytes_) return allocated;
  const uint64_t room = allocated_bytes_ + (free - 2 * pages) * page_bytes_;
  return may_use || used + options_.reserved_bytes <= room ? absl::OkStatus() : allocated;
}

absl::Status LmdbEnvironment::Allocate(uint64_t bytes) {
  struct stat file {};
  struct statvfs disk {};
  if (fstat(DataFile(), &file) != 0) return SystemError(errno, "fstat data.mdb");
  if (fstatvfs(DataFile(), &disk) != 0) return SystemError(errno, "fstatvfs data.mdb");
  // Asked first: some file systems, when they run out of it, keep what they have found so far.
  const uint64_t has = static_cast<uint64_t>(file.st_blocks) * 512;
  const bool is_bounded = disk.f_blocks > 0;  // a tmpfs need not be
  if (is_bounded && bytes > has && bytes - has > uint64_t{disk.f_bavail} * disk.f_frsize) {
    return Refuse(Verdict::kFull,
                  absl::StrCat("the disk is nearly full: what is left is kept for revoking and "
                               "removing sessions; free ",
                               bytes - has, " bytes"));
  }
  int error = EINTR;
  while (error == EINTR) {
    const auto from = static_cast<off_t>(allocated_bytes_);
    error = fallocate(DataFile(), 0, from, static_cast<off_t>(bytes) - from) == 0 ? 0 : errno;
  }
  if (error == 0) {
    allocated_bytes_ = bytes;
    return absl::OkStatus();
  }
  if (error != EOPNOTSUPP && error != ENOSYS) return SystemError(error, "allocate data.mdb");
  if (static_cast<uint64_t>(file.st_size) >= bytes) return absl::OkStatus();
  if (ftruncate(DataFile(), static_cast<off_t>(bytes)) == 0) return absl::OkStatus();
  return SystemError(errno, "extend data.mdb");
}

// A file system keeps a journal of which parts of a file were written once, and a sync has to wait
// for that, too: where it writes into such a part for the first time, it takes twice as long. So
// zeros are written there, many pages at a time. No transaction is under way: nothing behind the
// last page is anybody's. What fails costs no more than that.
void LmdbEnvironment::WriteAhead() {
  constexpr uint64_t kLeast = uint64_t{256} << 10;
  constexpr uint64_t kMost = uint64_t{1} << 20;
  MDB_envinfo info{};
  if (mdb_env_info(env_, &info) != MDB_SUCCESS) return;
  const uint64_t used = (info.me_last_pgno + 1) * page_bytes_;
  written_bytes_ = std::max(written_bytes_, used);
  const uint64_t ahead = std::clamp(used / 4, kLeast, kMost);
  if (written_bytes_ >= used + ahead / 2) return;
  static char zeros[kMost];  // takes no memory: there may be none
  const uint64_t end = std::min(used + ahead, allocated_bytes_);
  if (end <= written_bytes_) return;
  const auto from = static_cast<off_t>(written_bytes_);
  const ssize_t written = pwrite(DataFile(), zeros, end - written_bytes_, from);
  if (written > 0) written_bytes_ += static_cast<uint64_t>(written);
}

void LmdbEnvironment::ExtendFile() {
  MDB_envinfo info{};
  const auto none = [] { return uint64_t{0}; };
  if (MakeRoom(0, Reserve::kKeep, none).ok() || mdb_env_info(env_, &info) != MDB_SUCCESS) return;
  const uint64_t needed = (info.me_last_pgno + 1) * page_bytes_;
  struct stat file {};
  if (fstat(DataFile(), &file) != 0 || static_cast<uint64_t>(file.st_size) >= needed) return;
  if (ftruncate(DataFile(), static_cast<off_t>(needed)) != 0) return;  // checked again next time
}

unsigned int LmdbEnvironment::Flags() const {
  unsigned int flags = 0;
  mdb_env_get_flags(env_, &flags);
  return flags;
}

int LmdbEnvironment::DataFile() const {
  int fd = -1;
  mdb_env_get_fd(env_, &fd);
  return fd;
}

}  // namespace batonstore
