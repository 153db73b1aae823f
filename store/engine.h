// The seam between the store's logic and what keeps its rows: ordered tables, snapshots, and one
// atomic, durable write at a time. LMDB stands behind it in production (lmdb_engine.h), a map in
// tests (memory_engine.h).
//
// An operation of the store is a function of a Transaction: it reads, checks, writes and does
// nothing else, so that it can be batched with others and run again from the start.

#ifndef BATONSTORE_STORE_ENGINE_H_
#define BATONSTORE_STORE_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/root.h"
#include "batonstore/store/schema.h"

namespace batonstore {

// One consistent state of all tables. Not thread-safe.
//
// Views of keys and values live until the snapshot ends and, inside a Transaction, only until its
// next Put or Delete.
class Snapshot {
 public:
  virtual ~Snapshot() = default;

  // The row's value; nothing when there is no such row.
  virtual absl::StatusOr<std::optional<absl::string_view>> Get(Table table, absl::string_view key)
      ABSL_ATTRIBUTE_LIFETIME_BOUND = 0;

  // Called with each row in turn; false ends the scan. Must not write to the table that it scans.
  using Visitor = absl::FunctionRef<bool(absl::string_view key, absl::string_view value)>;

  // Rows with a key of at least `from`, ascending (bytewise).
  virtual absl::Status ScanUp(Table table, absl::string_view from, Visitor visit) = 0;

  // Rows with a key below `before`, descending.
  virtual absl::Status ScanDown(Table table, absl::string_view before, Visitor visit) = 0;

  // How many rows the table has. O(1).
  virtual absl::StatusOr<uint64_t> Count(Table table) = 0;
};

// What the engine itself could not do, as opposed to what an operation refused.
enum class Fault : uint8_t {
  kNone,
  kMapFull,   // the store's space is used up; nothing was written
  kTooBig,    // more changes than one transaction can hold; nothing was written
  kNoMemory,  // out of memory before anything was written
  kDiskFull,  // the disk has no room for the commit; nothing was written
  kFailed,    // a read or a write inside the transaction failed; nothing was written
  kUnknown,   // the commit failed in a way that leaves open whether it is on the disk
};

class Transaction : public Snapshot {
 public:
  // Inserts the row, or replaces its value. Keys have 1 to 511 bytes.
  absl::Status Put(Table table, absl::string_view key, absl::string_view value);

  // True if there was such a row.
  absl::StatusOr<bool> Delete(Table table, absl::string_view key);

  // Writes attempted so far: who compares it before and after knows whether something wrote.
  uint64_t writes() const { return writes_; }

  // The first fault; after one the transaction can only be abandoned.
  Fault fault() const { return fault_; }

 protected:
  virtual absl::Status DoPut(Table table, absl::string_view key, absl::string_view value) = 0;
  virtual absl::StatusOr<bool> DoDelete(Table table, absl::string_view key) = 0;

  void SetFault(Fault fault) {
    if (fault_ == Fault::kNone) fault_ = fault;
  }

 private:
  friend class Engine;

  // Takes the row that is about to be replaced or deleted, if there is one, out of the sums.
  absl::Status Uncount(Table table, absl::string_view key);

  uint64_t writes_ = 0;
  Fault fault_ = Fault::kNone;
  RowSums* sums_ = nullptr;  // of all that has been changed, where a root row is kept
};

// Thread-safe.
class Engine {
 public:
  Engine();
  virtual ~Engine() = default;

  // OK, or why nothing more may be read or written here: CLOSED or POISONED. Takes no lock, so that
  // a forked child can ask, and no memory.
  absl::Status Usable() const;

  // Makes Usable() say `why` from now on: the first reason stays, but CLOSED is the last word.
  // Takes no lock.
  void Shut(Verdict why);

  // From now on each write moves the root row, which there must be, along with what it changes; one
  // that finds it damaged is CORRUPT and changes nothing.
  // REQUIRES: nothing is being written. Call it before the first write.
  void KeepRoot(std::unique_ptr<const RootHash> hash);

  // A snapshot of what is committed. End it soon: it keeps old pages alive. A thread that holds one
  // must neither take another nor write: growing waits for all snapshots to end.
  absl::StatusOr<std::unique_ptr<Snapshot>> Read();

  // What a body wants done. A commit is let go to the disk only if there is room for it beside what
  // is kept back for bad times, or, with kCommitFromReserve, within that.
  enum class Decision { kCommit, kCommitFromReserve, kAbandon };
  struct Outcome {
    Fault fault = Fault::kNone;
    bool in_commit = false;  // the commit had begun when the fault arose
    absl::Status status;     // OK exactly if committed, or abandoned as decided
  };

  // Runs `body` in the one write transaction, on the calling thread, then commits (durably: when
  // this returns, it is on the disk) or abandons as it decides. Running out of memory on the way is
  // a fault like any other.
  // REQUIRES: no other call of Write or Grow is under way.
  Outcome Write(absl::FunctionRef<Decision(Transaction&)> body);

  // Makes room after Fault::kMapFull. Waits for snapshots to end. FULL at the configured maximum.
  // REQUIRES: no other call of Write or Grow is under way, the caller holds no snapshot.
  virtual absl::Status Grow() = 0;

  // Clears what dead readers hold; how many there were.
  virtual absl::StatusOr<int> ClearStaleReaders() = 0;

  // Waits for snapshots to end, then lets go of what is open. Call Shut first; REQUIRES: no Write
  // or Grow is under way. Closing twice is the same as once.
  virtual void Close() = 0;

  struct Space {
    uint64_t used_bytes = 0;  // up to the last page in use
    uint64_t map_bytes = 0;   // the file may grow to this before the map must
  };
  // REQUIRES: the caller holds a snapshot, so that the engine is not closed meanwhile.
  virtual absl::StatusOr<Space> MeasureSpace() = 0;

 protected:
  virtual absl::StatusOr<std::unique_ptr<Snapshot>> DoRead() = 0;

  // May throw std::bad_alloc. Sets `in_commit` before it commits, and the fault before it describes
  // it.
  virtual void DoWrite(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) = 0;

 private:
  void DoWriteWithRoot(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome);

  std::atomic<uint8_t> shut_{0};  // a Verdict, or 0
  std::unique_ptr<const RootHash> root_hash_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ENGINE_H_
