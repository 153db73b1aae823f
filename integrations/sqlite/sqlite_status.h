// From SQLite's result codes to our verdicts: one total map.

#ifndef BATONSTORE_INTEGRATIONS_SQLITE_SQLITE_STATUS_H_
#define BATONSTORE_INTEGRATIONS_SQLITE_SQLITE_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace batonstore {

// The status for what `call` ("sqlite3_step") returned: OK for SQLITE_OK, SQLITE_ROW and
// SQLITE_DONE, else a verdict:
//
//   INVALID      the statement or its use is wrong: syntax, type, range, a constraint other than a
//                key's, a write in read-only mode, or something that read-only mode forbids
//   EXISTS       a row with that primary or unique key is there
//   BUSY         somebody else holds a lock, or the statement was interrupted: retry
//   CONFLICT     somebody else has committed, or the transaction was rolled back: begin it again
//   TOO_MANY     out of memory
//   FULL         out of disk space, or the database is at its largest
//   CORRUPT, WRONG_FORMAT (not a database), UNSUPPORTED (file system), IO (everything else)
//
// The message names the call, SQLite's own words for the code, and the extended code: no SQL, no
// value, no name out of a schema. sqlite3_errmsg() has more to say, for those who may read it.
absl::Status SqliteStatus(int code, absl::string_view call);

}  // namespace batonstore

#endif  // BATONSTORE_INTEGRATIONS_SQLITE_SQLITE_STATUS_H_
