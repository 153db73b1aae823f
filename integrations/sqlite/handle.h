// One open connection of SQLite, and what is known of how it has been used: what the pool's users
// see as a SqliteConnection while they have it. Internal: no header that users include names more
// of it than its name.

#ifndef BATONSTORE_INTEGRATIONS_SQLITE_HANDLE_H_
#define BATONSTORE_INTEGRATIONS_SQLITE_HANDLE_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/integrations/sqlite/timeout.h"
#include "sqlite3.h"

namespace batonstore {

// A connection's place in its pool: `give_up` is called once, after the connection has been closed,
// or could not be opened.
class SqlitePlace {
 public:
  explicit SqlitePlace(std::function<void()> give_up) : give_up_(std::move(give_up)) {}
  ~SqlitePlace() {
    if (give_up_) give_up_();
  }
  SqlitePlace(SqlitePlace&& other) noexcept : give_up_(std::exchange(other.give_up_, nullptr)) {}
  SqlitePlace& operator=(SqlitePlace&&) = delete;

 private:
  std::function<void()> give_up_;
};

class SqliteHandle {
 public:
  struct Options {
    std::string path;
    bool create_if_missing = true;
    absl::Duration busy_timeout;
    std::vector<std::string> setup;
    std::function<absl::Time()> now;
  };

  // Opens in WAL mode and runs the setup; while others hold the file's locks, tries again until the
  // timeout. `options` must outlive the handle.
  static absl::StatusOr<std::shared_ptr<SqliteHandle>> Open(std::shared_ptr<const Options> options,
                                                            SqlitePlace place,
                                                            const Timeout& timeout);

  // Closes it; SQLite itself keeps what is needed for statements that somebody else has not
  // finalized yet. After a fork the child leaves its parent's connections alone.
  ~SqliteHandle();
  SqliteHandle(const SqliteHandle&) = delete;
  SqliteHandle& operator=(const SqliteHandle&) = delete;

  sqlite3* db() { return db_; }
  absl::Time Now() const { return options_->now(); }
  bool read_only() const { return read_only_; }

  // Refuses writes, or stops refusing them.
  absl::Status SetReadOnly(bool read_only);

  // For one thread: nobody else gets in between its calls. A thread may nest them.
  class ABSL_MUST_USE_RESULT Use {
   public:
    explicit Use(SqliteHandle& handle) : mutex_(sqlite3_db_mutex(handle.db_)) {
      sqlite3_mutex_enter(mutex_);
    }
    ~Use() { sqlite3_mutex_leave(mutex_); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    sqlite3_mutex* mutex_;
  };

  // While it lives, in a Use, statements are ours: they are neither refused nor remembered.
  class ABSL_MUST_USE_RESULT Trusted {
   public:
    explicit Trusted(SqliteHandle& handle) : handle_(handle) { ++handle_.trusted_; }
    ~Trusted() { --handle_.trusted_; }
    Trusted(const Trusted&) = delete;
    Trusted& operator=(const Trusted&) = delete;

   private:
    SqliteHandle& handle_;
  };

  // Ends what runs in other threads, and makes them stop waiting for locks; to be repeated until
  // they are out, since the next statement of a script may start in between.
  void Interrupt();

  // Whether a script should not go on to its next statement.
  bool interrupted() const { return stop_; }

  // Undoes what is open. BUSY when another thread's statement does not end in time.
  absl::Status Rollback(const Timeout& timeout);

  // Whether the next user can have it; makes it read-write. Needs no memory of C++'s.
  bool MakeReusable() noexcept;

  // It has something that MakeReusable() cannot undo.
  void DoNotReuse();

  // A capture counts as something open.
  void CaptureStarted() { ++captures_; }
  void CaptureEnded() { --captures_; }

 private:
  SqliteHandle(std::shared_ptr<const Options> options, SqlitePlace place);

  absl::Status OpenFile();
  absl::Status Configure();
  absl::Status EnterWalMode();
  absl::Status Run(const char* sql);
  absl::Status RollbackHeld();

  // SQLite's callbacks; they do not throw.
  static int WaitForLock(void* self, int attempt) noexcept;
  static int Authorize(void* self, int action, const char* first, const char* second,
                       const char* database, const char* trigger) noexcept;
  int Judge(int action, const char* first, const char* second, const char* database) noexcept;

  const SqlitePlace place_;  // first, so that it is given up last
  const std::shared_ptr<const Options> options_;
  const pid_t process_;
  sqlite3* db_ = nullptr;  // constant once opened

  std::atomic<bool> stop_ = false;
  std::atomic<int> captures_ = 0;
  std::atomic<bool> read_only_ = false;

  // Guarded by SQLite's mutex of the connection, as the callbacks are.
  absl::Duration lock_timeout_;
  Timeout lock_wait_{absl::ZeroDuration()};
  int trusted_ = 0;
  bool tainted_ = false;
};

}  // namespace batonstore

#endif  // BATONSTORE_INTEGRATIONS_SQLITE_HANDLE_H_
