#include "batonstore/store/engine.h"

#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "batonstore/base/status_macros.h"

namespace batonstore {
namespace {

// Built before memory is short.
struct Refusals {
  absl::Status poisoned =
      Refuse(Verdict::kPoisoned,
             "a commit failed and its outcome is unknown; close the store and open it again");
  absl::Status closed =
      Refuse(Verdict::kClosed,
             "this handle is closed, or was inherited through fork; open the store again");
  absl::Status no_words =
      Refuse(Verdict::kTooMany, "something failed, and there is no memory to say what");
};
const Refusals& Refused() {
  static const Refusals* const kRefusals = new Refusals;
  return *kRefusals;
}

// Adds what the transaction has changed to the root row.
absl::Status MoveRoot(Transaction& transaction, const RootHash& hash, const RowSums& changes) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, transaction.Get(Table::kMeta, meta::kRoot));
  std::optional<Root> root = row.has_value() ? hash.Decode(*row) : std::nullopt;
  if (!root.has_value()) {
    return Refuse(Verdict::kCorrupt, "the root row is missing or was changed; restore a backup");
  }
  ++root->sequence;
  for (const Table table : kAllTables) {
    TableSum& sum = root->tables[TableIndex(table)];
    sum.rows += changes.of(table).rows;
    sum.hash += changes.of(table).hash;
  }
  return transaction.Put(Table::kMeta, meta::kRoot, hash.Encode(*root));
}

}  // namespace

absl::Status Transaction::Put(Table table, absl::string_view key, absl::string_view value) {
  ++writes_;
  if (sums_ != nullptr && !IsDeferred(table)) {
    BATONSTORE_RETURN_IF_ERROR(Uncount(table, key));
    sums_->Add(table, key, value);
  }
  return DoPut(table, key, value);
}

absl::StatusOr<bool> Transaction::Delete(Table table, absl::string_view key) {
  ++writes_;
  if (sums_ != nullptr && !IsDeferred(table)) BATONSTORE_RETURN_IF_ERROR(Uncount(table, key));
  return DoDelete(table, key);
}

absl::Status Transaction::Uncount(Table table, absl::string_view key) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, Get(table, key));
  if (row.has_value()) sums_->Remove(table, key, *row);
  return absl::OkStatus();
}

Engine::Engine() { Refused(); }

absl::Status Engine::Usable() const {
  const uint8_t shut = shut_.load(std::memory_order_acquire);
  if (shut == 0) return absl::OkStatus();
  return static_cast<Verdict>(shut) == Verdict::kPoisoned ? Refused().poisoned : Refused().closed;
}

void Engine::Shut(Verdict why) {
  if (why == Verdict::kClosed) {
    shut_.store(static_cast<uint8_t>(why), std::memory_order_release);
    return;
  }
  uint8_t open = 0;
  shut_.compare_exchange_strong(open, static_cast<uint8_t>(why), std::memory_order_acq_rel);
}

void Engine::KeepRoot(std::unique_ptr<const RootHash> hash) { root_hash_ = std::move(hash); }

absl::StatusOr<std::unique_ptr<Snapshot>> Engine::Read() {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  return DoRead();
}

Engine::Outcome Engine::Write(absl::FunctionRef<Decision(Transaction&)> body) {
  Outcome outcome;
  try {
    outcome.status = Usable();
    if (!outcome.status.ok()) return outcome;
    if (root_hash_ == nullptr) {
      DoWrite(body, outcome);
    } else {
      DoWriteWithRoot(body, outcome);
    }
  } catch (const std::bad_alloc&) {
    if (outcome.fault == Fault::kNone) {
      outcome.fault = outcome.in_commit ? Fault::kUnknown : Fault::kNoMemory;
    }
  }
  if (outcome.fault != Fault::kNone && outcome.status.ok()) outcome.status = Refused().no_words;
  return outcome;
}

void Engine::DoWriteWithRoot(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) {
  absl::Status moved;
  const auto body_and_root = [&](Transaction& transaction) {
    RowSums changes(*root_hash_);
    transaction.sums_ = &changes;
    const absl::Cleanup done = [&transaction] { transaction.sums_ = nullptr; };
    const Decision decision = body(transaction);
    if (decision == Decision::kAbandon || transaction.fault() != Fault::kNone) return decision;
    moved = MoveRoot(transaction, *root_hash_, changes);
    return moved.ok() ? decision : Decision::kAbandon;
  };
  DoWrite(body_and_root, outcome);
  if (outcome.status.ok() && !moved.ok()) outcome.status = std::move(moved);
}

}  // namespace batonstore
