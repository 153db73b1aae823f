// Captures what a connection changes, as a changeset of SQLite's session extension, and applies
// changesets to other databases.
//
//   auto capture = SqliteCapture::Start(*connection);
//   ... INSERT, UPDATE, DELETE on the connection ...
//   absl::StatusOr<std::string> changes = (*capture)->Changeset();
//   capture->reset();                                   // before the connection goes back
//   auto applied = ApplyChangeset(*replica, *changes, ConflictPolicy::kAbort);

#ifndef BATONSTORE_INTEGRATIONS_SQLITE_CAPTURE_H_
#define BATONSTORE_INTEGRATIONS_SQLITE_CAPTURE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/integrations/sqlite/connection.h"
#include "batonstore/store/pinned_connection.h"

struct sqlite3_session;

namespace batonstore {

// What to do with a change that does not fit the other database: the row is missing, has other
// values than it had before the change, or is there already.
enum class ConflictPolicy : uint8_t {
  kAbort,    // apply nothing at all
  kSkip,     // leave that change out
  kReplace,  // overwrite the row; a change of a missing row is left out
};

struct AppliedChangeset {
  int64_t skipped = 0;
  int64_t replaced = 0;
};

// Sees inserts, updates and deletes in tables that **declare a PRIMARY KEY**: SQLite captures no
// others, and says nothing of it. Not schema changes, not attached databases, not rows whose key is
// NULL, not virtual tables. Holds the old values of every row that was changed in memory. For the
// connection's thread.
class SqliteCapture final : public Capture {
 public:
  // Captures from here on: in all tables, those of later included, or in the named ones, of which
  // each must be there (NOT_FOUND) with a primary key (INVALID).
  static absl::StatusOr<std::unique_ptr<SqliteCapture>> Start(
      SqliteConnection& connection, absl::Span<const std::string> tables = {});

  // Ends it. Do so before the connection goes back or is discarded: that one could otherwise not be
  // reused, and stays open until here.
  ~SqliteCapture() override;
  SqliteCapture(const SqliteCapture&) = delete;
  SqliteCapture& operator=(const SqliteCapture&) = delete;

  // What has changed between the start and now, net: what was undone, by a rollback too, is not in
  // it. What is not yet committed is. Empty when nothing has changed. The capture goes on.
  absl::StatusOr<std::string> Changeset();

 private:
  SqliteCapture(std::shared_ptr<SqliteHandle> handle, sqlite3_session* session);

  // Both work on what a connection shows to this class only.
  friend absl::StatusOr<AppliedChangeset> ApplyChangeset(SqliteConnection& connection,
                                                         absl::string_view changeset,
                                                         ConflictPolicy policy);
  static absl::StatusOr<std::shared_ptr<SqliteHandle>> HandleOf(const SqliteConnection& connection);

  const std::shared_ptr<SqliteHandle> handle_;  // open for as long as this is
  sqlite3_session* const session_;
};

// Applies all of `changeset` to `connection`, or nothing of it: as a transaction, or within the one
// that is open. CONFLICT when the policy does not allow for a conflict, and, under any policy, when
// foreign keys would end up violated (if they are on); under kReplace also when another constraint
// is in the way. NOT_FOUND when a table is missing, INVALID when one has fewer columns or another
// primary key (SQLite by itself would leave their changes out without a word), or in read-only
// mode. CORRUPT for what is not a changeset.
//
// Triggers of the target fire: where the capture saw what triggers did, it happens twice.
absl::StatusOr<AppliedChangeset> ApplyChangeset(SqliteConnection& connection,
                                                absl::string_view changeset, ConflictPolicy policy);

}  // namespace batonstore

#endif  // BATONSTORE_INTEGRATIONS_SQLITE_CAPTURE_H_
