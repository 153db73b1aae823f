#include "batonstore/integrations/sqlite/capture.h"

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/handle.h"
#include "batonstore/integrations/sqlite/sqlite_status.h"
#include "sqlite3.h"

namespace batonstore {
namespace {

struct SqliteFree {
  void operator()(void* memory) const { sqlite3_free(memory); }
};

// For each column of a table, which part of the primary key it is, from 1, or 0. Empty when there
// is no such table.
absl::StatusOr<std::vector<int>> KeyOf(SqliteHandle& handle, const std::string& table) {
  sqlite3_stmt* statement = nullptr;
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(
      sqlite3_prepare_v2(handle.db(), "SELECT pk FROM pragma_table_info(?1, 'main') ORDER BY cid",
                         -1, &statement, nullptr),
      "sqlite3_prepare_v2"));
  const absl::Cleanup finalize = [statement] { sqlite3_finalize(statement); };
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(
      sqlite3_bind_text64(statement, 1, table.data(), table.size(), SQLITE_STATIC, SQLITE_UTF8),
      "sqlite3_bind_text64"));
  std::vector<int> key;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    key.push_back(sqlite3_column_int(statement, 0));
  }
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(code, "sqlite3_step"));
  return key;
}

absl::Status Attach(SqliteHandle& handle, sqlite3_session* session, const std::string& table) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<int> key, KeyOf(handle, table));
  if (key.empty()) return Refuse(Verdict::kNotFound, "sqlite3session_attach: no such table");
  bool has_key = false;
  for (const int part : key) has_key |= part > 0;
  if (!has_key) {
    return Refuse(Verdict::kInvalid, "sqlite3session_attach: the table declares no primary key");
  }
  return SqliteStatus(sqlite3session_attach(session, table.c_str()), "sqlite3session_attach");
}

// SQLite takes it by a pointer that is not to const, and only reads.
void* Bytes(absl::string_view changeset) { return const_cast<char*>(changeset.data()); }

// The table that the iterator's change is of fits if it has at least the changeset's columns, and
// the same key.
absl::Status CheckTable(SqliteHandle& handle, sqlite3_changeset_iter* change,
                        const std::string& table) {
  unsigned char* recorded = nullptr;
  int columns = 0;
  BATONSTORE_RETURN_IF_ERROR(
      SqliteStatus(sqlite3changeset_pk(change, &recorded, &columns), "sqlite3changeset_pk"));
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<int> key, KeyOf(handle, table));
  if (key.empty()) {
    return Refuse(Verdict::kNotFound,
                  "sqlite3changeset_apply: a table of the changeset is missing");
  }
  bool fits = key.size() >= static_cast<size_t>(columns);
  for (size_t column = 0; fits && column < key.size(); ++column) {
    const int expected = column < static_cast<size_t>(columns) ? recorded[column] : 0;
    fits = key[column] == expected;
  }
  if (fits) return absl::OkStatus();
  return Refuse(Verdict::kInvalid,
                "sqlite3changeset_apply: a table has fewer columns or another primary key");
}

absl::Status CheckTables(SqliteHandle& handle, absl::string_view changeset) {
  sqlite3_changeset_iter* change = nullptr;
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(
      sqlite3changeset_start(&change, static_cast<int>(changeset.size()), Bytes(changeset)),
      "sqlite3changeset_start"));
  const absl::Cleanup finalize = [change] { sqlite3changeset_finalize(change); };
  std::string checked;
  int code = SQLITE_ROW;
  while ((code = sqlite3changeset_next(change)) == SQLITE_ROW) {
    const char* table = nullptr;
    int columns = 0;
    int operation = 0;
    int indirect = 0;
    BATONSTORE_RETURN_IF_ERROR(
        SqliteStatus(sqlite3changeset_op(change, &table, &columns, &operation, &indirect),
                     "sqlite3changeset_op"));
    if (checked == table) continue;  // they come table by table
    checked = table;
    BATONSTORE_RETURN_IF_ERROR(CheckTable(handle, change, checked));
  }
  return SqliteStatus(code, "sqlite3changeset_next");
}

struct Conflicts {
  ConflictPolicy policy;
  AppliedChangeset counted;
};

// SQLite calls it for each conflict.
int Resolve(void* self, int conflict, sqlite3_changeset_iter* /*change*/) noexcept {
  auto* const conflicts = static_cast<Conflicts*>(self);
  // Going on would commit the violation.
  if (conflict == SQLITE_CHANGESET_FOREIGN_KEY) return SQLITE_CHANGESET_ABORT;
  switch (conflicts->policy) {
    case ConflictPolicy::kAbort:
      return SQLITE_CHANGESET_ABORT;
    case ConflictPolicy::kSkip:
      ++conflicts->counted.skipped;
      return SQLITE_CHANGESET_OMIT;
    case ConflictPolicy::kReplace:
      break;
  }
  switch (conflict) {
    case SQLITE_CHANGESET_DATA:
    case SQLITE_CHANGESET_CONFLICT:
      ++conflicts->counted.replaced;
      return SQLITE_CHANGESET_REPLACE;
    case SQLITE_CHANGESET_NOTFOUND:
      ++conflicts->counted.skipped;
      return SQLITE_CHANGESET_OMIT;
    default:
      return SQLITE_CHANGESET_ABORT;
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<SqliteHandle>> SqliteCapture::HandleOf(
    const SqliteConnection& connection) {
  return connection.Shared();
}

SqliteCapture::SqliteCapture(std::shared_ptr<SqliteHandle> handle, sqlite3_session* session)
    : handle_(std::move(handle)), session_(session) {
  handle_->CaptureStarted();
}

SqliteCapture::~SqliteCapture() {
  sqlite3session_delete(session_);
  handle_->CaptureEnded();
}

absl::StatusOr<std::unique_ptr<SqliteCapture>> SqliteCapture::Start(
    SqliteConnection& connection, absl::Span<const std::string> tables) {
  BATONSTORE_ASSIGN_OR_RETURN(std::shared_ptr<SqliteHandle> handle, HandleOf(connection));
  const SqliteHandle::Use use(*handle);
  sqlite3_session* session = nullptr;
  BATONSTORE_RETURN_IF_ERROR(
      SqliteStatus(sqlite3session_create(handle->db(), "main", &session), "sqlite3session_create"));
  std::unique_ptr<SqliteCapture> capture(new SqliteCapture(handle, session));
  if (tables.empty()) {
    BATONSTORE_RETURN_IF_ERROR(
        SqliteStatus(sqlite3session_attach(session, nullptr), "sqlite3session_attach"));
  }
  for (const std::string& table : tables) {
    BATONSTORE_RETURN_IF_ERROR(Attach(*handle, session, table));
  }
  return capture;
}

absl::StatusOr<std::string> SqliteCapture::Changeset() {
  const SqliteHandle::Use use(*handle_);
  const SqliteHandle::Trusted trusted(*handle_);
  int size = 0;
  void* bytes = nullptr;
  const int code = sqlite3session_changeset(session_, &size, &bytes);
  const std::unique_ptr<void, SqliteFree> owned(bytes);
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(code, "sqlite3session_changeset"));
  return std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

absl::StatusOr<AppliedChangeset> ApplyChangeset(SqliteConnection& connection,
                                                absl::string_view changeset,
                                                ConflictPolicy policy) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::shared_ptr<SqliteHandle> handle,
                              SqliteCapture::HandleOf(connection));
  if (changeset.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return SqliteStatus(SQLITE_TOOBIG, "sqlite3changeset_apply");
  }
  if (changeset.empty()) return AppliedChangeset();
  const SqliteHandle::Use use(*handle);
  const SqliteHandle::Trusted trusted(*handle);
  BATONSTORE_RETURN_IF_ERROR(CheckTables(*handle, changeset));
  Conflicts conflicts{.policy = policy, .counted = {}};
  int code = sqlite3changeset_apply(handle->db(), static_cast<int>(changeset.size()),
                                    Bytes(changeset), nullptr, &Resolve, &conflicts);
  // Its way of saying that Resolve() aborted over foreign keys.
  if ((code & 0xff) == SQLITE_CONSTRAINT) code = SQLITE_ABORT;
  BATONSTORE_RETURN_IF_ERROR(SqliteStatus(code, "sqlite3changeset_apply"));
  return conflicts.counted;
}

}  // namespace batonstore
