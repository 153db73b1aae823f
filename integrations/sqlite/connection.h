// A connection to a SQLite database, pinned by a stream or by whoever needs one for a while. Comes
// from a SqlitePool, and goes back there.

#ifndef BATONSTORE_INTEGRATIONS_SQLITE_CONNECTION_H_
#define BATONSTORE_INTEGRATIONS_SQLITE_CONNECTION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/pinned_connection.h"

struct sqlite3;

namespace batonstore {

class SqliteHandle;

// A value as text, or the bytes of a blob; nothing for NULL.
using SqliteValue = std::optional<std::string>;
using SqliteRow = std::vector<SqliteValue>;

// For one thread at a time, except that Rollback() and Discard() may be called while another thread
// is inside Execute() or Query(): these are then interrupted, and answer BUSY.
//
// Errors carry the verdicts of sqlite_status.h, and name the call of SQLite that failed; after
// ReturnToPool() or Discard() everything says CLOSED. A write that fails, or is interrupted, may
// take its whole transaction with it: that is SQLite's rule, see Rollback().
//
// **Who executes SQL of others** must know that SQLite lets it attach any file that the process may
// open, unless the connection is read-only. SQLite's defensive mode is on: it refuses or
// ignores the statements that could damage the file.
class SqliteConnection final : public PinnedConnection {
 public:
  // Discards it, unless it has been given back or discarded.
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Runs the statements of `sql`, one after another, until one fails; their rows are ignored.
  absl::Status Execute(absl::string_view sql);

  // Runs the only statement of `sql`, with `parameters` bound as text in their order (INVALID
  // unless there are as many as it has), and returns its rows, all of them.
  absl::StatusOr<std::vector<SqliteRow>> Query(absl::string_view sql,
                                               const SqliteRow& parameters = {});

  // Whether writes are refused (INVALID). In read-only mode so are ATTACH, temporary objects, and
  // every PRAGMA that sets something: some of them would lift the mode, or get around it.
  bool read_only() const;

  // For those who call SQLite themselves; null after ReturnToPool() or Discard(). Stays ours to
  // close. Finalize every statement, and close every blob and backup, before the connection goes
  // back. What is set through it cannot be seen from here (functions, hooks, limits): undo it, or
  // call DoNotReuse(). Leave the authorizer and the busy handler alone: they are ours.
  sqlite3* handle();

  // The connection is to be closed rather than reused when it comes back.
  void DoNotReuse();

  // Undoes what is open: interrupts what another thread is running here and waits, until
  // `deadline`, for it to end; resets statements that are under way (they stay their owner's to
  // finalize); rolls back. OK also when nothing was open, and when SQLite had rolled back by
  // itself. BUSY when the other thread's statement did not end in time: in a function of the
  // user's, or in the middle of a COMMIT. A deadline that has passed still gives one try. It is
  // read from the pool's clock at the call, and counts by time that does not jump.
  absl::Status Rollback(absl::Time deadline) override;

  // Gives it back for the next user, who finds no trace of this one: read-only mode is lifted, and
  // a connection is closed instead of being reused when something is open (a transaction, a
  // statement that was not finalized, a capture), or when its user has set a PRAGMA, attached a
  // database, or made a temporary object. Only the totals that changes() and total_changes() tell
  // go on counting.
  void ReturnToPool() noexcept override;

  // Closes it; an open transaction is undone. If another thread is still inside, it is interrupted,
  // and the connection is closed as it comes out; until then it keeps its place in the pool. A
  // statement that is only about to begin is not interrupted.
  void Discard() noexcept override;

 private:
  friend class SqlitePool;
  friend class SqliteCapture;

  using GiveBack = std::function<void(std::shared_ptr<SqliteHandle>)>;

  SqliteConnection(std::shared_ptr<SqliteHandle> handle, GiveBack give_back);

  // Every user holds it for as long as it is inside, so that nothing is closed underneath it.
  absl::StatusOr<std::shared_ptr<SqliteHandle>> Shared() const;
  std::shared_ptr<SqliteHandle> Release();

  const GiveBack give_back_;
  mutable Mutex mu_;
  std::shared_ptr<SqliteHandle> handle_ ABSL_GUARDED_BY(mu_);  // null once it has gone
};

}  // namespace batonstore

#endif  // BATONSTORE_INTEGRATIONS_SQLITE_CONNECTION_H_
