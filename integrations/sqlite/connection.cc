#include "batonstore/integrations/sqlite/connection.h"

#include <cstddef>
#include <limits>
#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/handle.h"
#include "batonstore/integrations/sqlite/sqlite_status.h"
#include "batonstore/integrations/sqlite/timeout.h"
#include "sqlite3.h"

namespace batonstore {
namespace {

struct Finalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalizer>;

// The first statement of `sql`, and takes it off there; null when nothing but blanks and comments
// is left.
absl::StatusOr<Statement> Prepare(sqlite3* db, absl::string_view& sql) {
  if (sql.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return SqliteStatus(SQLITE_TOOBIG, "sqlite3_prepare_v3");
  }
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), 0, &statement, &tail);
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(code, "sqlite3_prepare_v3"));
  sql.remove_prefix(static_cast<size_t>(tail - sql.data()));
  return Statement(statement);
}

absl::Status CheckText(absl::string_view sql) {
  // SQLite would take it for the end, and leave the rest out without a word.
  if (sql.find('\0') == absl::string_view::npos) return absl::OkStatus();
  return Refuse(Verdict::kInvalid, "sqlite3_prepare_v3: a zero byte in the statement");
}

// Calls `row` for each row.
template <typename Row>
absl::Status Step(sqlite3_stmt* statement, Row row) {
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) BATONSTORE_RETURN_IF_ERROR(row());
  return SqliteStatus(code, "sqlite3_step");
}

absl::Status Bind(sqlite3_stmt* statement, const SqliteRow& parameters) {
  if (sqlite3_bind_parameter_count(statement) != static_cast<int>(parameters.size())) {
    return Refuse(Verdict::kInvalid,
                  "sqlite3_bind_parameter_count: give as many parameters as the statement has");
  }
  int index = 0;
  for (const SqliteValue& value : parameters) {
    ++index;
    // The statement does not outlive them.
    const int code = value.has_value()
                         ? sqlite3_bind_text64(statement, index, value->data(), value->size(),
                                               SQLITE_STATIC, SQLITE_UTF8)
                         : sqlite3_bind_null(statement, index);
    BATONSTORE_RETURN_IF_ERROR(SqliteStatus(code, "sqlite3_bind_text64"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SqliteValue> Column(sqlite3_stmt* statement, int column) {
  const int type = sqlite3_column_type(statement, column);
  if (type == SQLITE_NULL) return std::nullopt;
  const void* const bytes = type == SQLITE_BLOB ? sqlite3_column_blob(statement, column)
                                                : sqlite3_column_text(statement, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
  if (bytes != nullptr) return std::string(static_cast<const char*>(bytes), size);
  if (type == SQLITE_BLOB && size == 0) return std::string();
  return SqliteStatus(SQLITE_NOMEM, "sqlite3_column_text");
}

// Whether there is nothing but blanks and comments.
bool IsEmpty(sqlite3* db, absl::string_view sql) {
  while (!sql.empty()) {
    const absl::StatusOr<Statement> next = Prepare(db, sql);
    if (!next.ok() || *next != nullptr) return false;
  }
  return true;
}

}  // namespace

SqliteConnection::SqliteConnection(std::shared_ptr<SqliteHandle> handle, GiveBack give_back)
    : give_back_(std::move(give_back)), handle_(std::move(handle)) {}

SqliteConnection::~SqliteConnection() { Discard(); }

absl::StatusOr<std::shared_ptr<SqliteHandle>> SqliteConnection::Shared() const {
  const MutexLock lock(mu_);
  if (handle_ != nullptr) return handle_;
  return Refuse(Verdict::kClosed, "this connection has gone back to its pool, or is closed");
}

std::shared_ptr<SqliteHandle> SqliteConnection::Release() {
  const MutexLock lock(mu_);
  return std::exchange(handle_, nullptr);
}

absl::Status SqliteConnection::Execute(absl::string_view sql) {
  BATONSTORE_RETURN_IF_ERROR(CheckText(sql));
  BATONSTORE_ASSIGN_OR_RETURN(const std::shared_ptr<SqliteHandle> handle, Shared());
  const SqliteHandle::Use use(*handle);
  while (!sql.empty()) {
    BATONSTORE_ASSIGN_OR_RETURN(const Statement statement, Prepare(handle->db(), sql));
    if (statement == nullptr) continue;
    if (handle->interrupted()) return SqliteStatus(SQLITE_INTERRUPT, "sqlite3_step");
    BATONSTORE_RETURN_IF_ERROR(Step(statement.get(), [] { return absl::OkStatus(); }));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SqliteRow>> SqliteConnection::Query(absl::string_view sql,
                                                               const SqliteRow& parameters) {
  BATONSTORE_RETURN_IF_ERROR(CheckText(sql));
  BATONSTORE_ASSIGN_OR_RETURN(const std::shared_ptr<SqliteHandle> handle, Shared());
  const SqliteHandle::Use use(*handle);
  BATONSTORE_ASSIGN_OR_RETURN(const Statement statement, Prepare(handle->db(), sql));
  if (statement == nullptr || !IsEmpty(handle->db(), sql)) {
    return Refuse(Verdict::kInvalid, "sqlite3_prepare_v3: give exactly one statement");
  }
  BATONSTORE_RETURN_IF_ERROR(Bind(statement.get(), parameters));
  if (handle->interrupted()) return SqliteStatus(SQLITE_INTERRUPT, "sqlite3_step");
  std::vector<SqliteRow> rows;
  BATONSTORE_RETURN_IF_ERROR(Step(statement.get(), [&]() -> absl::Status {
    SqliteRow& row = rows.emplace_back();
    const int columns = sqlite3_column_count(statement.get());
    for (int column = 0; column < columns; ++column) {
      BATONSTORE_ASSIGN_OR_RETURN(row.emplace_back(), Column(statement.get(), column));
    }
    return absl::OkStatus();
  }));
  return rows;
}

bool SqliteConnection::read_only() const {
  const absl::StatusOr<std::shared_ptr<SqliteHandle>> handle = Shared();
  return handle.ok() && (*handle)->read_only();
}

sqlite3* SqliteConnection::handle() {
  const absl::StatusOr<std::shared_ptr<SqliteHandle>> handle = Shared();
  return handle.ok() ? (*handle)->db() : nullptr;
}

void SqliteConnection::DoNotReuse() {
  const absl::StatusOr<std::shared_ptr<SqliteHandle>> handle = Shared();
  if (handle.ok()) (*handle)->DoNotReuse();
}

absl::Status SqliteConnection::Rollback(absl::Time deadline) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::shared_ptr<SqliteHandle> handle, Shared());
  return handle->Rollback(Timeout(deadline - handle->Now()));
}

void SqliteConnection::ReturnToPool() noexcept {
  std::shared_ptr<SqliteHandle> handle = Release();
  // Whoever is still on the way in, with a share of it, must not meet its next user.
  const bool is_alone = handle != nullptr && handle.use_count() == 1;
  if (is_alone && handle->MakeReusable()) give_back_(std::move(handle));
}

void SqliteConnection::Discard() noexcept {
  const std::shared_ptr<SqliteHandle> handle = Release();
  // For whoever is still inside; the last one out closes it.
  if (handle != nullptr) handle->Interrupt();
}

}  // namespace batonstore
