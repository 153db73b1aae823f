#include "batonstore/store/memory_engine.h"

#include <iterator>
#include <utility>

namespace batonstore {
namespace {

using Rows = MemoryEngine::Rows;
using TableRows = MemoryEngine::TableRows;

// What a snapshot and a transaction read alike. `Base` is the interface that it implements.
template <typename Base>
class MemoryReading : public Base {
 public:
  absl::StatusOr<std::optional<absl::string_view>> Get(Table table,
                                                       absl::string_view key) override {
    const auto row = In(table).find(key);
    if (row == In(table).end()) return std::nullopt;
    return absl::string_view(row->second);
  }

  absl::Status ScanUp(Table table, absl::string_view from, Snapshot::Visitor visit) override {
    const TableRows& rows = In(table);
    for (auto row = rows.lower_bound(from); row != rows.end(); ++row) {
      if (!visit(row->first, row->second)) break;
    }
    return absl::OkStatus();
  }

  absl::Status ScanDown(Table table, absl::string_view before, Snapshot::Visitor visit) override {
    const TableRows& rows = In(table);
    for (auto row = std::make_reverse_iterator(rows.lower_bound(before)); row != rows.rend();
         ++row) {
      if (!visit(row->first, row->second)) break;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Count(Table table) override { return In(table).size(); }

 private:
  virtual const Rows& AllRows() const = 0;
  const TableRows& In(Table table) const { return AllRows()[TableIndex(table)]; }
};

class MemorySnapshot final : public MemoryReading<Snapshot> {
 public:
  explicit MemorySnapshot(std::shared_ptr<const Rows> rows) : rows_(std::move(rows)) {}

 private:
  const Rows& AllRows() const override { return *rows_; }

  std::shared_ptr<const Rows> rows_;
};

Fault Ask(const MemoryEngine::FaultInjector& injector, MemoryEngine::Step step) {
  return injector ? injector(step) : Fault::kNone;
}

absl::Status Failed(Fault fault) {
  return Refuse(fault == Fault::kMapFull ? Verdict::kFull : Verdict::kIo, "injected fault");
}

}  // namespace

class MemoryEngine::MemoryTransaction final : public MemoryReading<Transaction> {
 public:
  MemoryTransaction(Rows rows, const FaultInjector& injector)
      : rows_(std::move(rows)), injector_(injector) {}

  Rows TakeRows() { return std::move(rows_); }

 private:
  absl::Status DoPut(Table table, absl::string_view key, absl::string_view value) override {
    const Fault fault = Ask(injector_, Step::kPut);
    if (fault != Fault::kNone) {
      SetFault(fault);
      return Failed(fault);
    }
    rows_[TableIndex(table)].insert_or_assign(std::string(key), std::string(value));
    return absl::OkStatus();
  }

  absl::StatusOr<bool> DoDelete(Table table, absl::string_view key) override {
    const Fault fault = Ask(injector_, Step::kDelete);
    if (fault != Fault::kNone) {
      SetFault(fault);
      return Failed(fault);
    }
    return rows_[TableIndex(table)].erase(std::string(key)) > 0;
  }

  const Rows& AllRows() const override { return rows_; }

  Rows rows_;
  const FaultInjector& injector_;
};

void MemoryEngine::InjectFaults(FaultInjector injector, bool persist_unknown) {
  MutexLock lock(mu_);
  injector_ = std::move(injector);
  persist_unknown_ = persist_unknown;
}

void MemoryEngine::AllowGrowth(int times) {
  MutexLock lock(mu_);
  growths_left_ = times;
}

MemoryEngine::Rows MemoryEngine::Committed() const {
  MutexLock lock(mu_);
  return *committed_;
}

absl::Status MemoryEngine::Grow() {
  MutexLock lock(mu_);
  if (growths_left_ == 0) return Refuse(Verdict::kFull, "no growth left");
  --growths_left_;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Snapshot>> MemoryEngine::DoRead() {
  MutexLock lock(mu_);
  return std::make_unique<MemorySnapshot>(committed_);
}

void MemoryEngine::DoWrite(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) {
  FaultInjector injector;
  std::unique_ptr<MemoryTransaction> transaction;
  bool persist_unknown = false;
  {
    MutexLock lock(mu_);
    injector = injector_;
    persist_unknown = persist_unknown_;
    transaction = std::make_unique<MemoryTransaction>(*committed_, injector);
  }
  const Decision decision = body(*transaction);
  outcome.fault = transaction->fault();
  if (outcome.fault == Fault::kNone && decision == Decision::kAbandon) return;
  if (outcome.fault == Fault::kNone) {
    outcome.in_commit = true;
    outcome.fault = Ask(injector, Step::kCommit);
    if (outcome.fault == Fault::kNone || (outcome.fault == Fault::kUnknown && persist_unknown)) {
      MutexLock lock(mu_);
      committed_ = std::make_shared<const Rows>(transaction->TakeRows());
    }
  }
  if (outcome.fault != Fault::kNone) outcome.status = Failed(outcome.fault);
}

}  // namespace batonstore
