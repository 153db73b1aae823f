// Group commit: any number of callers, one writer, one durable commit for all that queued.
//
// Each caller queues its operation. Whoever is first in the queue becomes the leader: it takes the
// one write transaction, runs all that has queued until there is nothing left to run, commits once,
// hands the answers out, and wakes the next leader. An operation is answered only after the commit
// that carries it.

#ifndef BATONSTORE_STORE_GROUP_COMMITTER_H_
#define BATONSTORE_STORE_GROUP_COMMITTER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "batonstore/base/bell.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/engine.h"

namespace batonstore {

// Thread-safe.
class GroupCommitter {
 public:
  // Reads, checks and writes through the transaction and nothing else. It may be run several times,
  // each time from the start, and only the last run counts: it must overwrite what it gave out
  // before. It refuses by returning an error, before its first write (one that wrote first costs
  // the batch a second run, but is correct).
  using Operation = absl::FunctionRef<absl::Status(Transaction&)>;

  // What becomes of an operation on a disk that is nearly full. It may use the reserve that the
  // store keeps (recovery/open.h) if it ends or removes something, or if what it writes replaces as
  // much; everything else is refused with FULL as long as the reserve is not whole.
  enum class Room : uint8_t { kTakes, kFrees };

  // What goes along with the operations, for the leader alone.
  class Companion {
   public:
    virtual ~Companion() = default;

    // Runs first in a transaction. May write, before the operations see anything; true if it did.
    // It is work that can wait: where there is no room for it, the operations are run without it.
    virtual absl::StatusOr<bool> Begin(Transaction&) { return false; }

    // The transaction has ended: it is on the disk, or nothing of it is.
    virtual void End(bool committed) noexcept = 0;
  };

  // A piece of work for all that a caller can do while it waits: a short one, since its answer may
  // have to wait for it. False when there is nothing left to do. It must not throw.
  using Meanwhile = absl::FunctionRef<bool()>;

  // Operations in one commit. Far below LMDB's bound of 131,071 dirty pages, with some 40 pages to
  // an operation.
  static constexpr size_t kMaxBatch = 512;

  // `epilogue` runs at the end of every transaction that wrote something; it cannot refuse.
  // `engine` and `companion` must outlive this object.
  GroupCommitter(Engine& engine, std::function<absl::Status(Transaction&)> epilogue,
                 Companion* companion = nullptr);

  // Runs `operation` and waits until it is durable, doing pieces of `meanwhile` or none.
  // REQUIRES: the caller holds no snapshot. Returns
  //   - OK when it is on the disk;
  //   - what the operation itself refused with: it changed nothing;
  //   - FULL when there is no room for it, TOO_MANY when there is no memory: it changed nothing;
  //   - POISONED when the commit failed in a way that leaves the outcome unknown. The engine is
  //   shut
  //     then, and everything else that is queued or comes later is POISONED too, without being run.
  absl::Status Run(Operation operation, Room room = Room::kTakes,
                   std::optional<Meanwhile> meanwhile = std::nullopt);

  // How many operations wait for the next commit, beside those in the one under way.
  size_t Waiting();

  // Waits until nothing is queued or under way. Shut the engine first, so that no more comes.
  void Drain();

 private:
  struct Waiter {
    Waiter(Operation operation_in, Room room_in) : operation(operation_in), room(room_in) {}

    Operation operation;
    Room room;
    absl::Status answer;
    bool settled = false;    // refused for good: not to be run again
    Waiter* next = nullptr;  // in the queue, and later in the batch
    size_t round = 0;        // in which it queued: says at which bell it waits

    // The answer is there, and whoever saw this may be gone with it.
    std::atomic<bool> answered = false;
  };
  using Batch = absl::Span<Waiter*>;

  // True if it leads at once, since nobody does.
  bool Enqueue(Waiter& waiter);

  // Waits until it has its answer; or, with true, until it leads.
  bool AwaitLead(const Waiter& waiter, std::optional<Meanwhile> meanwhile);

  // The leader's part; no lock is held.
  void Lead(const Waiter& self);
  void TakeQueue();
  bool TakeMore(Batch& batch, const Transaction& transaction);
  Batch Taken() { return Batch(batch_.data(), batch_size_); }
  void BeginRound();
  void HandOut(Waiter* first, const Waiter& self);
  void PassOn();
  void Commit(Batch batch, bool accompanied);
  bool RunCompanion(Transaction& transaction);
  Engine::Decision RunAll(Batch& batch, Transaction& transaction, Waiter** offender);
  Engine::Decision Finish(Batch batch, Transaction& transaction, Engine::Decision decision);
  enum class Next { kDone, kAgain, kHalves, kByRoom };
  Next Settle(Batch batch, const Engine::Outcome& outcome, Waiter* offender);
  static void AnswerUnsettled(Batch batch, const absl::Status& answer);

  // Where the disk is nearly full, those who free room go first, all at once, and nobody who takes
  // some keeps them waiting.
  static bool FreesRoom(const Waiter* waiter);
  static bool IsMixed(Batch batch);
  void CommitInTwo(Batch batch, size_t first);

  Bell& BellOf(size_t round) { return bells_[round % bells_.size()]; }

  Engine& engine_;
  const std::function<absl::Status(Transaction&)> epilogue_;
  Companion* const companion_;  // may be null

  // The leader's.
  std::array<Waiter*, kMaxBatch> batch_;
  size_t batch_size_ = 0;

  // A batch waits at one of them, and whoever queues while it is committed at the other: so that
  // one call wakes the whole batch, and hardly anybody else.
  std::array<Bell, 2> bells_;
  std::atomic<bool> leaderless_ = false;  // one of those who queue has to lead

  Mutex mu_;
  Waiter* first_ ABSL_GUARDED_BY(mu_) = nullptr;
  Waiter* last_ ABSL_GUARDED_BY(mu_) = nullptr;
  size_t round_ ABSL_GUARDED_BY(mu_) = 0;
  bool leading_ ABSL_GUARDED_BY(mu_) = false;  // somebody is, or will; else nothing is queued
  CondVar idle_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_GROUP_COMMITTER_H_
