#include "batonstore/integrations/sqlite/handle.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/sqlite_status.h"

namespace batonstore {
namespace {

constexpr absl::Duration kPollEvery = absl::Milliseconds(1);

constexpr char kReadOnly[] = "PRAGMA query_only=ON";
constexpr char kWritable[] = "PRAGMA query_only=OFF";

// With an argument, these only read it: a table's name, a number of rows.
constexpr const char* kReadingPragmas[] = {
    "foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo",
    "integrity_check",   "quick_check",      "table_info", "table_list", "table_xinfo",
};

bool OnlyReads(const char* pragma) {
  return std::any_of(std::begin(kReadingPragmas), std::end(kReadingPragmas),
                     [&](const char* reading) { return sqlite3_stricmp(pragma, reading) == 0; });
}

}  // namespace

absl::StatusOr<std::shared_ptr<SqliteHandle>> SqliteHandle::Open(
    std::shared_ptr<const Options> options, SqlitePlace place, const Timeout& timeout) {
  const std::shared_ptr<SqliteHandle> handle(
      new SqliteHandle(std::move(options), std::move(place)));
  while (true) {
    // SQLite calls no busy handler where waiting could be a deadlock, as when two processes make or
    // close the same log; so what is busy is begun again.
    handle->lock_timeout_ = std::min(handle->options_->busy_timeout, timeout.Remaining());
    absl::Status opened = handle->OpenFile();
    if (opened.ok()) opened = handle->Configure();
    if (opened.ok()) return handle;
    if (VerdictOf(opened) != Verdict::kBusy || timeout.Passed()) return opened;
    absl::SleepFor(kPollEvery);
  }
}

SqliteHandle::SqliteHandle(std::shared_ptr<const Options> options, SqlitePlace place)
    : place_(std::move(place)), options_(std::move(options)), process_(getpid()) {}

SqliteHandle::~SqliteHandle() {
  if (db_ == nullptr || process_ != getpid()) return;
  // It may live on until the last statement is finalized, and must not call back then.
  sqlite3_busy_handler(db_, nullptr, nullptr);
  sqlite3_set_authorizer(db_, nullptr, nullptr);
  sqlite3_close_v2(db_);
}

absl::Status SqliteHandle::OpenFile() {
  sqlite3_close_v2(std::exchange(db_, nullptr));
  const int create = options_->create_if_missing ? SQLITE_OPEN_CREATE : 0;
  const int code = sqlite3_open_v2(
      options_->path.c_str(), &db_,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_PRIVATECACHE | create, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  if (code == SQLITE_CANTOPEN && sqlite3_system_errno(db_) == ENOENT) {
    return Refuse(Verdict::kNotFound, "sqlite3_open_v2: no such file or folder");
  }
  return SqliteStatus(code, "sqlite3_open_v2");
}

absl::Status SqliteHandle::Configure() {
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_handler(db_, &SqliteHandle::WaitForLock, this);
  BATONSTORE_RETURN_IF_ERROR(EnterWalMode());
  BATONSTORE_RETURN_IF_ERROR(Run("PRAGMA synchronous=FULL"));
  for (const std::string& sql : options_->setup) BATONSTORE_RETURN_IF_ERROR(Run(sql.c_str()));
  // After the setup, which is the operator's and may do what a user may not.
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(
      sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr), "sqlite3_db_config"));
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(
      sqlite3_set_authorizer(db_, &SqliteHandle::Authorize, this), "sqlite3_set_authorizer"));
  const Use use(*this);
  lock_timeout_ = options_->busy_timeout;
  return absl::OkStatus();
}

absl::Status SqliteHandle::EnterWalMode() {
  const auto take = [](void* to, int columns, char** values, char**) noexcept {
    if (columns == 1 && values[0] != nullptr && sqlite3_stricmp(values[0], "wal") == 0) {
      *static_cast<bool*>(to) = true;
    }
    return 0;
  };
  bool wal = false;
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(
      sqlite3_exec(db_, "PRAGMA journal_mode=WAL", take, &wal, nullptr), "PRAGMA journal_mode"));
  if (wal) return absl::OkStatus();
  return Refuse(
      Verdict::kUnsupported,
      "PRAGMA journal_mode: this database cannot be in WAL mode; move it to a local disk");
}

absl::Status SqliteHandle::Run(const char* sql) {
  return SqliteStatus(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), "sqlite3_exec");
}

absl::Status SqliteHandle::SetReadOnly(bool read_only) {
  const Use use(*this);
  if (read_only_ == read_only) return absl::OkStatus();
  const Trusted trusted(*this);
  BATONSTORE_RETURN_IF_ERROR(Run(read_only ? kReadOnly : kWritable));
  read_only_ = read_only;
  return absl::OkStatus();
}

void SqliteHandle::Interrupt() {
  stop_ = true;
  sqlite3_interrupt(db_);
}

absl::Status SqliteHandle::Rollback(const Timeout& timeout) {
  sqlite3_mutex* const mutex = sqlite3_db_mutex(db_);
  while (sqlite3_mutex_try(mutex) != SQLITE_OK) {
    Interrupt();
    if (timeout.Passed()) {
      return Refuse(Verdict::kBusy,
                    "sqlite3_interrupt: a statement of another thread has not ended in time");
    }
    absl::SleepFor(std::min(kPollEvery, timeout.Remaining()));
  }
  stop_ = false;
  const absl::Cleanup leave = [mutex] { sqlite3_mutex_leave(mutex); };
  return RollbackHeld();
}

absl::Status SqliteHandle::RollbackHeld() {
  // A write outside of a transaction is one of its own, which the end of its statement would
  // commit.
  if (sqlite3_get_autocommit(db_) != 0 && sqlite3_txn_state(db_, nullptr) == SQLITE_TXN_WRITE) {
    BATONSTORE_RETURN_IF_ERROR(Run("BEGIN"));
  }
  // A statement under way would keep its snapshot over the ROLLBACK. It stays its owner's, who
  // finalizes it.
  for (sqlite3_stmt* statement = sqlite3_next_stmt(db_, nullptr); statement != nullptr;
       statement = sqlite3_next_stmt(db_, statement)) {
    if (sqlite3_stmt_busy(statement) != 0) sqlite3_reset(statement);  // says again what step said
  }
  if (sqlite3_get_autocommit(db_) == 0) {
    BATONSTORE_RETURN_IF_ERROR(Run("ROLLBACK"));
  }
  if (sqlite3_txn_state(db_, nullptr) == SQLITE_TXN_NONE) return absl::OkStatus();
  return Refuse(Verdict::kBusy, "sqlite3_txn_state: a transaction is still open");
}

bool SqliteHandle::MakeReusable() noexcept {
  sqlite3_mutex* const mutex = sqlite3_db_mutex(db_);
  if (sqlite3_mutex_try(mutex) != SQLITE_OK) return false;
  const absl::Cleanup leave = [mutex] { sqlite3_mutex_leave(mutex); };
  if (tainted_ || captures_ != 0 || sqlite3_get_autocommit(db_) == 0 ||
      sqlite3_next_stmt(db_, nullptr) != nullptr ||
      sqlite3_txn_state(db_, nullptr) != SQLITE_TXN_NONE) {
    return false;
  }
  sqlite3_set_last_insert_rowid(db_, 0);
  stop_ = false;
  if (!read_only_) return true;
  const Trusted trusted(*this);
  if (sqlite3_exec(db_, kWritable, nullptr, nullptr, nullptr) != SQLITE_OK) return false;
  read_only_ = false;
  return true;
}

void SqliteHandle::DoNotReuse() {
  const Use use(*this);
  tainted_ = true;
}

int SqliteHandle::WaitForLock(void* self, int attempt) noexcept {
  auto* const handle = static_cast<SqliteHandle*>(self);
  if (attempt == 0) handle->lock_wait_ = Timeout(handle->lock_timeout_);
  if (handle->stop_ || handle->lock_wait_.Passed()) return 0;
  absl::SleepFor(std::min(kPollEvery, handle->lock_wait_.Remaining()));
  return 1;
}

int SqliteHandle::Authorize(void* self, int action, const char* first, const char* second,
                            const char* database, const char* /*trigger*/) noexcept {
  auto* const handle = static_cast<SqliteHandle*>(self);
  return handle->trusted_ > 0 ? SQLITE_OK : handle->Judge(action, first, second, database);
}

// What outlives the transaction on this connection is remembered, because no one list of what
// there is to undo could be complete: such a connection is closed rather than reused. In read-only
// mode it is refused, because there it would lift the mode or get around it: query_only itself,
// journal_mode, which it does not stop, and ATTACH, which makes files.
int SqliteHandle::Judge(int action, const char* first, const char* second,
                        const char* database) noexcept {
  switch (action) {
    case SQLITE_PRAGMA:
      if (second == nullptr || OnlyReads(first)) return SQLITE_OK;
      break;
    case SQLITE_ATTACH:
      break;
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
      // CREATE TABLE temp.t does not say "temp" in its action.
      if (database == nullptr || sqlite3_stricmp(database, "temp") != 0) return SQLITE_OK;
      break;
    default:
      return SQLITE_OK;
  }
  if (read_only_) return SQLITE_DENY;
  tainted_ = true;
  return SQLITE_OK;
}

}  // namespace batonstore
