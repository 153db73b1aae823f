#include "batonstore/store/group_committer.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

// Built once: refusing for want of memory must not need any.
const absl::Status& OutOfMemory() {
  static const absl::Status* const kStatus = new absl::Status(
      Refuse(Verdict::kTooMany, "not enough memory for this operation; it changed nothing"));
  return *kStatus;
}
const absl::Status& TooBig() {
  static const absl::Status* const kStatus = new absl::Status(
      Refuse(Verdict::kTooMany, "one operation changes more than a transaction can hold"));
  return *kStatus;
}
const absl::Status& Poisoned() {
  static const absl::Status* const kStatus = new absl::Status(
      Refuse(Verdict::kPoisoned,
             "the commit failed and its outcome is unknown; close the store and open it again"));
  return *kStatus;
}
absl::Status PoisonedBy(const absl::Status& cause) {
  try {
    return Refuse(Verdict::kPoisoned,
                  absl::StrCat("a commit failed (", cause.message(),
                               ") and its outcome is unknown; close the store and open it again"));
  } catch (const std::bad_alloc&) {
    return Poisoned();
  }
}

absl::Status Guarded(absl::FunctionRef<absl::Status()> body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
}

}  // namespace

GroupCommitter::GroupCommitter(Engine& engine, std::function<absl::Status(Transaction&)> epilogue,
                               Companion* companion)
    : engine_(engine), epilogue_(std::move(epilogue)), companion_(companion) {
  // So that they exist before memory is short.
  (void)OutOfMemory();
  (void)TooBig();
  (void)Poisoned();
}

absl::Status GroupCommitter::Run(Operation operation, Room room,
                                 std::optional<Meanwhile> meanwhile) {
  absl::Status usable = engine_.Usable();  // asks without a lock, as a forked child must
  if (!usable.ok()) return usable;
  Waiter self(operation, room);
  bool leads = Enqueue(self);
  while (!self.answered.load(std::memory_order_acquire)) {
    if (leads || AwaitLead(self, meanwhile)) Lead(self);
    leads = false;  // where more had queued than a batch holds, it may have led others only
  }
  return std::move(self.answer);
}

size_t GroupCommitter::Waiting() {
  MutexLock lock(mu_);
  size_t waiting = 0;
  for (const Waiter* waiter = first_; waiter != nullptr; waiter = waiter->next) ++waiting;
  return waiting;
}

void GroupCommitter::Drain() {
  MutexLock lock(mu_);
  while (leading_ || first_ != nullptr) idle_.Wait(mu_);
}

bool GroupCommitter::Enqueue(Waiter& waiter) {
  MutexLock lock(mu_);
  (first_ == nullptr ? first_ : last_->next) = &waiter;
  last_ = &waiter;
  waiter.round = round_;
  if (leading_) return false;
  return leading_ = true;
}

bool GroupCommitter::AwaitLead(const Waiter& waiter, std::optional<Meanwhile> meanwhile) {
  Bell& bell = BellOf(waiter.round);
  for (;;) {
    const uint32_t rings = bell.Rings();
    if (waiter.answered.load(std::memory_order_acquire)) return false;
    if (leaderless_.load(std::memory_order_relaxed) && leaderless_.exchange(false)) return true;
    if (meanwhile.has_value() && (*meanwhile)()) continue;
    bell.Wait(rings);
  }
}

// The answers come before the next leader: those who have got theirs and call again make its batch
// larger.
void GroupCommitter::Lead(const Waiter& self) {
  batch_size_ = 0;
  TakeQueue();
  Waiter* const first = batch_[0];  // its links outlast the order of the batch
  Commit(Taken(), /*accompanied=*/companion_ != nullptr);
  HandOut(first, self);
  PassOn();
}

void GroupCommitter::TakeQueue() {
  MutexLock lock(mu_);
  if (batch_size_ > 0) batch_[batch_size_ - 1]->next = first_;
  while (first_ != nullptr && batch_size_ < kMaxBatch) {
    batch_[batch_size_++] = first_;
    first_ = first_->next;
  }
  batch_[batch_size_ - 1]->next = nullptr;
}

// Whoever queued while the batch ran is taken in, which saves a commit: but not into a part of a
// batch that had to be divided, nor by those who have written nothing and can be answered now.
bool GroupCommitter::TakeMore(Batch& batch, const Transaction& transaction) {
  if (batch.size() != batch_size_ || transaction.writes() == 0) return false;
  TakeQueue();
  const bool took_some = batch_size_ > batch.size();
  batch = Taken();
  return took_some;
}

// Nothing is taken into the batch any more: who queues from now on is not woken with it.
void GroupCommitter::BeginRound() {
  MutexLock lock(mu_);
  ++round_;
}

// Without the lock, which whoever wakes is about to take for its next call.
void GroupCommitter::HandOut(Waiter* first, const Waiter& self) {
  std::array<bool, 2> waited = {};
  while (first != nullptr) {
    Waiter* const waiter = first;
    first = waiter->next;  // it lives on its caller's stack, and is gone once it is answered
    if (waiter != &self) waited[waiter->round % waited.size()] = true;
    waiter->answered.store(true, std::memory_order_release);
  }
  for (size_t i = 0; i < waited.size(); ++i) {
    if (waited[i]) bells_[i].RingAll();
  }
}

// Wakes one and no more: the others that queue wait for its commit.
void GroupCommitter::PassOn() {
  size_t round = 0;
  {
    MutexLock lock(mu_);
    if (first_ == nullptr) {
      leading_ = false;
      idle_.SignalAll();
      return;
    }
    round = first_->round;
  }
  leaderless_ = true;
  BellOf(round).RingOne();
}

bool GroupCommitter::FreesRoom(const Waiter* waiter) { return waiter->room == Room::kFrees; }

bool GroupCommitter::IsMixed(Batch batch) {
  return std::any_of(batch.begin(), batch.end(), FreesRoom) &&
         !std::all_of(batch.begin(), batch.end(), FreesRoom);
}

void GroupCommitter::CommitInTwo(Batch batch, size_t first) {
  Commit(batch.first(first), /*accompanied=*/false);
  Commit(batch.subspan(first), /*accompanied=*/false);
}

void GroupCommitter::Commit(Batch batch, bool accompanied) {
  for (;;) {
    Waiter* offender = nullptr;
    bool companion_failed = false;
    bool companion_wrote = false;
    auto decision = Engine::Decision::kAbandon;
    const Engine::Outcome outcome = engine_.Write([&](Transaction& transaction) {
      companion_failed = accompanied && !RunCompanion(transaction);
      if (companion_failed) return Engine::Decision::kAbandon;
      companion_wrote = transaction.writes() > 0;
      return decision = RunAll(batch, transaction, &offender);
    });
    if (companion_ != nullptr) {
      companion_->End(outcome.status.ok() && decision != Engine::Decision::kAbandon);
    }
    const bool has_fault = outcome.fault != Fault::kNone && outcome.fault != Fault::kUnknown;
    if (companion_failed || (companion_wrote && has_fault)) {
      accompanied = false;
      continue;
    }
    switch (Settle(batch, outcome, offender)) {
      case Next::kDone:
        return;
      case Next::kAgain:
        break;
      case Next::kHalves:
        return CommitInTwo(batch, batch.size() / 2);
      case Next::kByRoom: {
        // All of them are under way at once, so that any order is theirs; it takes no memory.
        const auto takes = std::partition(batch.begin(), batch.end(), FreesRoom);
        return CommitInTwo(batch, static_cast<size_t>(takes - batch.begin()));
      }
    }
  }
}

// False if it could not do its work: then nothing of it is wanted.
bool GroupCommitter::RunCompanion(Transaction& transaction) {
  const absl::Status began = Guarded([&] { return companion_->Begin(transaction).status(); });
  return began.ok() && transaction.fault() == Fault::kNone;
}

// Runs every operation that is not settled, and those that queue meanwhile. An offender is one for
// which the transaction has to be abandoned: the engine failed under it, or it wrote before it
// refused.
Engine::Decision GroupCommitter::RunAll(Batch& batch, Transaction& transaction, Waiter** offender) {
  auto decision =
      transaction.writes() == 0 ? Engine::Decision::kCommitFromReserve : Engine::Decision::kCommit;
  for (size_t at = 0; at < batch.size() || TakeMore(batch, transaction); ++at) {
    Waiter* const waiter = batch[at];
    if (waiter->settled) continue;
    const uint64_t writes_before = transaction.writes();
    waiter->answer = Guarded([&] { return waiter->operation(transaction); });
    const bool wrote = transaction.writes() != writes_before;
    if (transaction.fault() != Fault::kNone || (wrote && !waiter->answer.ok())) {
      *offender = waiter;
      return Engine::Decision::kAbandon;
    }
    if (wrote && waiter->room == Room::kTakes) decision = Engine::Decision::kCommit;
  }
  BeginRound();
  return Finish(batch, transaction, decision);
}

Engine::Decision GroupCommitter::Finish(Batch batch, Transaction& transaction,
                                        Engine::Decision decision) {
  if (transaction.writes() == 0) return Engine::Decision::kAbandon;
  const absl::Status epilogue = Guarded([&] { return epilogue_(transaction); });
  if (epilogue.ok()) return decision;
  AnswerUnsettled(batch, epilogue);
  return Engine::Decision::kAbandon;
}

// What is left to do: nothing, when every waiter has its answer; to run the batch again, without
// the offender if that is settled now; or, when nobody in particular is to blame, to run each half.
GroupCommitter::Next GroupCommitter::Settle(Batch batch, const Engine::Outcome& outcome,
                                            Waiter* offender) {
  const auto answer_all = [batch](const absl::Status& answer) {
    AnswerUnsettled(batch, answer);
    return Next::kDone;
  };
  const auto refuse = [&](const absl::Status& answer) {
    if (offender == nullptr) return answer_all(answer);
    offender->answer = answer;
    offender->settled = true;
    return Next::kAgain;
  };
  switch (outcome.fault) {
    case Fault::kNone:
      if (!outcome.status.ok()) return answer_all(outcome.status);
      return offender == nullptr ? Next::kDone : refuse(offender->answer);
    case Fault::kMapFull: {
      const absl::Status grown = Guarded([this] { return engine_.Grow(); });
      if (grown.ok()) return Next::kAgain;
      return offender == nullptr && batch.size() > 1 ? Next::kHalves : refuse(grown);
    }
    case Fault::kDiskFull:
      if (batch.size() == 1) return refuse(outcome.status);
      return IsMixed(batch) ? Next::kByRoom : Next::kHalves;
    case Fault::kTooBig:
      return batch.size() > 1 ? Next::kHalves : refuse(TooBig());
    case Fault::kNoMemory:
      return refuse(OutOfMemory());
    case Fault::kFailed:
      return refuse(offender != nullptr && !offender->answer.ok() ? offender->answer
                                                                  : outcome.status);
    case Fault::kUnknown:
      engine_.Shut(Verdict::kPoisoned);
      return answer_all(PoisonedBy(outcome.status));
  }
  return answer_all(outcome.status);
}

void GroupCommitter::AnswerUnsettled(Batch batch, const absl::Status& answer) {
  for (Waiter* waiter : batch) {
    if (!waiter->settled) waiter->answer = Unshared(answer);
  }
}

}  // namespace batonstore
