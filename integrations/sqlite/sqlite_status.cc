#include "batonstore/integrations/sqlite/sqlite_status.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "sqlite3.h"

namespace batonstore {
namespace {

// Where the extended code says something else than the primary one does.
std::optional<Verdict> VerdictForExtended(int code) {
  switch (code) {
    case SQLITE_BUSY_SNAPSHOT:
      return Verdict::kConflict;
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
    case SQLITE_CONSTRAINT_UNIQUE:
      return Verdict::kExists;
    case SQLITE_IOERR_NOMEM:
      return Verdict::kTooMany;
    case SQLITE_IOERR_CORRUPTFS:
      return Verdict::kCorrupt;
    case SQLITE_READONLY_CANTINIT:
    case SQLITE_READONLY_CANTLOCK:
    case SQLITE_READONLY_DBMOVED:
    case SQLITE_READONLY_DIRECTORY:
    case SQLITE_READONLY_RECOVERY:
      return Verdict::kIo;
    default:
      return std::nullopt;
  }
}

Verdict VerdictForPrimary(int code) {
  switch (code) {
    case SQLITE_ERROR:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
      return Verdict::kInvalid;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL:
      return Verdict::kBusy;
    case SQLITE_ABORT:
    case SQLITE_SCHEMA:
      return Verdict::kConflict;
    case SQLITE_NOMEM:
      return Verdict::kTooMany;
    case SQLITE_FULL:
      return Verdict::kFull;
    case SQLITE_CORRUPT:
      return Verdict::kCorrupt;
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return Verdict::kWrongFormat;
    case SQLITE_NOLFS:
      return Verdict::kUnsupported;
    default:
      return Verdict::kIo;
  }
}

}  // namespace

absl::Status SqliteStatus(int code, absl::string_view call) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return absl::OkStatus();
  const Verdict verdict = VerdictForExtended(code).value_or(VerdictForPrimary(code & 0xff));
  return Refuse(verdict, absl::StrCat(call, ": ", sqlite3_errstr(code), " (", code, ")"));
}

}  // namespace batonstore
