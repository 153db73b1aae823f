// RAII over LMDB: the environment, its transactions and cursors. Knows LMDB's traps and nothing of
// sessions.

#ifndef BATONSTORE_STORE_LMDB_ENVIRONMENT_H_
#define BATONSTORE_STORE_LMDB_ENVIRONMENT_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/open_environments.h"

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace batonstore {

class LmdbEnvironment;
class LmdbCursor;

using LmdbTable = unsigned int;  // MDB_dbi

// A transaction of LMDB, which ends with this object. Closes its cursors before it ends, so that
// one that outlives it refuses (CLOSED) rather than reads freed memory. Not thread-safe; a write
// transaction stays on its thread.
class LmdbTransaction {
 public:
  ~LmdbTransaction();
  LmdbTransaction(LmdbTransaction&& other) noexcept;
  LmdbTransaction& operator=(LmdbTransaction&&) = delete;

  // LMDB's code: 0, MDB_NOTFOUND, or an error. The view lives until the transaction ends and, in a
  // write transaction, until its next write.
  int Get(LmdbTable table, absl::string_view key, absl::string_view* value) const;

  int Put(LmdbTable table, absl::string_view key, absl::string_view value);
  int Delete(LmdbTable table, absl::string_view key);
  int Count(LmdbTable table, uint64_t* rows) const;

  // Which snapshot this is: the id of the last commit that it sees.
  uint64_t id() const;

  // At most so many pages does the commit take at the end of the file; far fewer if there are free
  // ones. Costs nothing.
  uint64_t PagesAtMost() const;

  // Pages inside the file that the commit can use instead: none if it needs some side by side.
  uint64_t FreePages() const;

  // LMDB's code for the commit. The transaction has ended either way.
  int Commit();

 private:
  friend class LmdbEnvironment;
  friend class LmdbCursor;

  LmdbTransaction(LmdbEnvironment* environment, MDB_txn* txn, bool writes)
      : environment_(environment), txn_(txn), writes_(writes) {}
  // What a write transaction has done to a table.
  struct Written {
    LmdbTable table = 0;
    uint64_t depth = 0;  // these four before it
    uint64_t branch_pages = 0;
    uint64_t leaf_pages = 0;
    uint64_t overflow_pages_before = 0;
    uint64_t writes = 0;
    uint64_t puts = 0;
    uint64_t overflow_pages = 0;
  };

  Written& WrittenTo(LmdbTable table);
  void CloseCursors();

  LmdbEnvironment* environment_;
  MDB_txn* txn_;  // null once ended
  bool writes_;
  std::vector<Written> written_;
  std::vector<LmdbCursor*> cursors_;
};

// A position in a table. Must be destroyed before the environment.
class LmdbCursor {
 public:
  LmdbCursor(LmdbTransaction& transaction, LmdbTable table);
  ~LmdbCursor();
  LmdbCursor(const LmdbCursor&) = delete;
  LmdbCursor& operator=(const LmdbCursor&) = delete;

  struct Row {
    absl::string_view key;
    absl::string_view value;
  };
  // The first row with a key of at least `key`; the last one below `key`; and the neighbours of
  // where the cursor stands. Nothing at the end. CLOSED after the transaction has ended.
  absl::StatusOr<std::optional<Row>> AtLeast(absl::string_view key) ABSL_ATTRIBUTE_LIFETIME_BOUND;
  absl::StatusOr<std::optional<Row>> Below(absl::string_view key) ABSL_ATTRIBUTE_LIFETIME_BOUND;
  absl::StatusOr<std::optional<Row>> Next() ABSL_ATTRIBUTE_LIFETIME_BOUND;
  absl::StatusOr<std::optional<Row>> Previous() ABSL_ATTRIBUTE_LIFETIME_BOUND;

  // LMDB's code of the last failure, 0 if none failed.
  int last_error() const { return last_error_; }

 private:
  friend class LmdbTransaction;

  absl::StatusOr<std::optional<Row>> Move(int operation, absl::string_view key);

  LmdbTransaction* transaction_;  // null once that has ended
  MDB_cursor* cursor_ = nullptr;
  int last_error_ = 0;
};

// Thread-safe. Uses LMDB with reader slots tied to transactions and not to threads (MDB_NOTLS), and
// with none of the flags that trade durability away.
class LmdbEnvironment {
 public:
  struct Options {
    std::string directory;
    bool read_only = false;
    uint64_t map_bytes = 0;        // address space to begin with; sparse, costs no disk
    uint64_t max_map_bytes = 0;    // Grow() stops here
    unsigned int max_readers = 0;  // snapshots at a time, over all processes
    unsigned int max_tables = 0;
    uint64_t reserved_bytes = 0;  // of the disk, kept back by MakeRoom
  };

  // Opens what is there: NOT_FOUND without a data file, WRONG_FORMAT or CORRUPT when it is not
  // LMDB's or is cut off (LMDB itself would quietly begin anew). UNSUPPORTED on a file system that
  // cannot carry it. `registration` is the proof that this process does not have it open already.
  static absl::StatusOr<std::unique_ptr<LmdbEnvironment>> Open(
      const Options& options, std::unique_ptr<OpenEnvironment> registration);

  // Makes an environment in a folder that has none, EXISTS otherwise.
  static absl::StatusOr<std::unique_ptr<LmdbEnvironment>> Create(
      const Options& options, std::unique_ptr<OpenEnvironment> registration);

  // Waits for read transactions to end and lets go of the files; BeginRead is CLOSED from then on.
  // In a forked child this does nothing and the environment is leaked on purpose: what it would
  // close is the parent's. REQUIRES: no write transaction.
  void Close();
  ~LmdbEnvironment();
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;

  // From a pool, so that a slot in the reader table is taken once and not for each read. Follows a
  // map that another process has grown. TOO_MANY when all reader slots are in use, dead ones
  // cleared.
  absl::StatusOr<LmdbTransaction> BeginRead();

  // Now and then lets go of what dead processes were reading: nobody else would, and the file would
  // keep every page since. REQUIRES: no other write transaction in this process. `code`, if given,
  // gets LMDB's own.
  absl::StatusOr<LmdbTransaction> BeginWrite(int* code = nullptr);

  // A table by name; made when `create`, which takes a write transaction of its own.
  // NOT_FOUND when there is none.
  absl::StatusOr<LmdbTable> OpenTable(const std::string& name, bool create);

  // Writes one snapshot to an empty file, from which an environment opens. Holds a read transaction
  // meanwhile, and commits of this process for a moment in the beginning. Syncs nothing.
  absl::Status CopyTo(int fd);

  // Forces everything to the disk, also what an earlier owner may have left unsynced.
  absl::Status Sync();

  // Doubles the map, up to its maximum; FULL there, TOO_MANY when the process may not have so much
  // address space; the map stays as it was then. Waits for read transactions to end, and lets
  // none begin meanwhile. REQUIRES: no write transaction, the caller holds no read transaction.
  absl::Status Grow();

  absl::StatusOr<int> ClearStaleReaders();

  struct Info {
    uint64_t map_bytes;
    uint64_t last_page;
    uint64_t last_transaction;
    uint64_t page_size;
    uint64_t file_bytes;
  };
  absl::StatusOr<Info> Inspect() const;

  enum class Reserve : uint8_t { kKeep, kUse };

  // Sees to it that a commit of so many pages finds its room on the disk, by taking it beforehand,
  // in steps: for the commit and, behind it, for the reserve. FULL if there is not enough for both;
  // with kUse, if there is not enough for the commit. Only on a full disk are `free_pages` asked
  // for, which are room as well: so who sweeps a store makes room in it. IO when the disk cannot be
  // asked. It is also what makes the file long enough: freed pages at its end are never written.
  // Where nothing can be taken beforehand (fallocate is UNSUPPORTED) it goes by how much is free at
  // that moment. REQUIRES: the caller is the one writer.
  absl::Status MakeRoom(uint64_t pages, Reserve reserve, absl::FunctionRef<uint64_t()> free_pages);

  // Pages inside the file that the next commit can use, since no reader of any process can see
  // them. Reads the whole list of free pages.
  uint64_t FreePages();

  // The oldest snapshot that a reader of any process holds; 0 if that cannot be told, and the
  // highest number if there is none.
  uint64_t OldestSnapshot() const;

  // Makes a file that was found short as long as its last page number asks for, if there is no room
  // on the disk without taking any.
  void ExtendFile();

  // For tests: LMDB's flags, and the descriptor that must not leak to other programs.
  unsigned int Flags() const;
  int DataFile() const;

 private:
  friend class LmdbTransaction;

  LmdbEnvironment(const Options& options, std::unique_ptr<OpenEnvironment> registration);
  absl::Status OpenFiles(unsigned int extra_flags);
  absl::StatusOr<MDB_txn*> StartRead(int& code);  // `code` is LMDB's own
  bool IsOvertaken(MDB_txn* txn) const;
  void EndRead(MDB_txn* txn);
  void DropIdleReaders();
  absl::Status SetMapBytes(uint64_t bytes);
  absl::Status Allocate(uint64_t bytes);

  // Sees to it that a commit finds the pages that it takes written already. REQUIRES: no write
  // transaction is under way.
  void WriteAhead();

  // Constant after construction.
  const Options options_;
  const pid_t pid_;
  std::unique_ptr<OpenEnvironment> registration_;
  MDB_env* env_ = nullptr;
  uint64_t page_bytes_ = 0;

  // Touched by the one writer only.
  uint64_t allocated_bytes_ = 0;  // of the file, from its beginning: known to be the disk's
  uint64_t written_bytes_ = 0;    // likewise: not only taken, but written
  uint64_t writes_ = 0;

  // The write transaction whose commit began last.
  std::atomic<uint64_t> committing_{0};

  Mutex mu_;
  CondVar changed_;
  int reading_ ABSL_GUARDED_BY(mu_) = 0;        // read transactions under way
  bool resizing_ ABSL_GUARDED_BY(mu_) = false;  // while true, none begins
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<MDB_txn*> idle_ ABSL_GUARDED_BY(mu_);
  uint64_t map_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_LMDB_ENVIRONMENT_H_
