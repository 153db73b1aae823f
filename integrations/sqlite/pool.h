// A pool of connections to one SQLite database.
//
//   absl::StatusOr<std::unique_ptr<SqlitePool>> pool = SqlitePool::Open({.path = "accounts.db"});
//   absl::StatusOr<std::unique_ptr<SqliteConnection>> connection =
//       (*pool)->Acquire(/*read_only=*/false, absl::Now() + absl::Seconds(5));
//   absl::Status inserted = (*connection)->Execute("INSERT INTO account VALUES ('alice')");
//   (*connection)->ReturnToPool();

#ifndef BATONSTORE_INTEGRATIONS_SQLITE_POOL_H_
#define BATONSTORE_INTEGRATIONS_SQLITE_POOL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/integrations/sqlite/connection.h"

namespace batonstore {

struct SqlitePoolOptions {
  // A file. Put into WAL mode, and opened with synchronous=FULL: what is committed is on the disk.
  std::string path;

  // Whether a missing file is made; else it is NOT_FOUND.
  bool create_if_missing = true;

  // How many connections there are at the most, idle ones included.
  int max_connections = 16;

  // How long a statement waits for a lock that another connection holds, before it says BUSY.
  absl::Duration busy_timeout = absl::Seconds(5);

  // What every new connection runs first, such as "PRAGMA foreign_keys=ON". A PRAGMA belongs here:
  // a connection whose user sets one is not reused. Not busy_timeout, which is above.
  std::vector<std::string> setup = {};

  // What the deadlines mean; if empty, the wall clock. Called by several threads at once.
  std::function<absl::Time()> now = nullptr;
};

// Thread-safe.
class SqlitePool {
 public:
  // Opens the database with a first connection, so that what is wrong shows here; the others are
  // opened as they are needed. INVALID for options that make no sense and for databases that are
  // not a file of their own (":memory:"), UNSUPPORTED where WAL mode does not work.
  static absl::StatusOr<std::unique_ptr<SqlitePool>> Open(const SqlitePoolOptions& options);

  // Closes all that is idle. A connection that is still out can be used, and is closed when it
  // comes back. No other call may be running.
  ~SqlitePool();
  SqlitePool(const SqlitePool&) = delete;
  SqlitePool& operator=(const SqlitePool&) = delete;

  // An idle connection, or a new one, or else waits for one. TOO_MANY when all are taken until
  // `deadline`; BUSY when another process holds the file's locks for so long that no new one could
  // be opened; CLOSED in a child after a fork, which must open a pool of its own. Who waits gets no
  // place in a queue. A deadline that has passed still gives one try.
  //
  // With `read_only`, writes are refused until the connection goes back.
  absl::StatusOr<std::unique_ptr<SqliteConnection>> Acquire(bool read_only, absl::Time deadline);

  // As they are at this moment.
  struct Usage {
    int in_use = 0;  // being opened and being closed included
    int idle = 0;
  };
  Usage usage() const;

 private:
  struct State;

  explicit SqlitePool(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

}  // namespace batonstore

#endif  // BATONSTORE_INTEGRATIONS_SQLITE_POOL_H_
