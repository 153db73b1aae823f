// An engine that keeps everything in memory, for tests of the store's logic. A commit copies the
// tables, so that snapshots stay as they were: fit for thousands of rows, not for more.

#ifndef BATONSTORE_STORE_MEMORY_ENGINE_H_
#define BATONSTORE_STORE_MEMORY_ENGINE_H_

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/engine.h"

namespace batonstore {

class MemoryEngine final : public Engine {
 public:
  using TableRows = std::map<std::string, std::string, std::less<>>;
  using Rows = std::array<TableRows, kAllTables.size()>;

  MemoryEngine() : committed_(std::make_shared<const Rows>()) {}

  // Starts from rows that another engine left behind, as a process does that opens after a crash.
  explicit MemoryEngine(Rows rows) : committed_(std::make_shared<const Rows>(std::move(rows))) {}

  // Called before each put, delete and commit; what it returns happens instead when it is a fault.
  // A fault of kUnknown at a commit applies the changes if `persist_unknown`.
  enum class Step { kPut, kDelete, kCommit };
  using FaultInjector = std::function<Fault(Step)>;
  void InjectFaults(FaultInjector injector, bool persist_unknown = false);

  // How often the engine may grow before Grow() says FULL.
  void AllowGrowth(int times);

  Rows Committed() const;

  absl::Status Grow() override;
  absl::StatusOr<int> ClearStaleReaders() override { return 0; }
  void Close() override {}
  absl::StatusOr<Space> MeasureSpace() override { return Space{}; }

 private:
  class MemoryTransaction;

  absl::StatusOr<std::unique_ptr<Snapshot>> DoRead() override;
  void DoWrite(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) override;

  mutable Mutex mu_;
  std::shared_ptr<const Rows> committed_ ABSL_GUARDED_BY(mu_);
  FaultInjector injector_ ABSL_GUARDED_BY(mu_);
  bool persist_unknown_ ABSL_GUARDED_BY(mu_) = false;
  int growths_left_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_MEMORY_ENGINE_H_
