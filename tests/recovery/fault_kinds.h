// The ways in which a call of the system, or an allocation, is made to fail.

#ifndef BATONSTORE_TESTS_RECOVERY_FAULT_KINDS_H_
#define BATONSTORE_TESTS_RECOVERY_FAULT_KINDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "batonstore/base/verdict.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/io_faults.h"
#include "tests/support/store_calls.h"

namespace batonstore::testing {

// Columns of the table.
enum class FaultGroup : uint8_t {
  kError,      // EIO, ENOSPC, EDQUOT; once or for good
  kPersisted,  // the same, but the call does its work
  kEintr,      // EINTR
  kShort,      // a write does a half
  kStale,      // the error is reported once more, by the next durable write
  kScarce,     // EMFILE, ENOLCK, ENOMEM: what the call needs is used up
  kMemory,     // malloc and new
};
inline constexpr size_t kFaultGroups = static_cast<size_t>(FaultGroup::kMemory) + 1;
absl::string_view NameOf(FaultGroup group);

struct FaultKind {
  std::string name;
  FaultGroup group = FaultGroup::kError;
  IoFault io = {};
  bool for_good = false;  // of memory

  bool is_memory() const { return group == FaultGroup::kMemory; }

  // This one for the nth call, which is such a call; nothing if such a call does not fail so.
  std::optional<IoFault> For(IoCall call, size_t nth) const;

  // What an operation may refuse with that has met it, besides POISONED.
  bool Explains(Verdict verdict) const;
};
const std::vector<FaultKind>& AllFaultKinds();

// Arms a fault and disarms it. Where a fault of memory is armed, nothing but the store is to run.
class ArmedFault final : public AroundCall {
 public:
  ArmedFault(const FaultKind& kind, const std::optional<IoFault>& io, size_t nth)
      : kind_(kind), io_(io), nth_(nth) {}

  void Begin() override;
  void End() override;  // again is the same as once

  bool struck() const { return struck_; }

  // The calls that were made while it was armed; and how many have been since Begin, all of them
  // or those that write.
  const std::vector<IoCall>& calls() const { return calls_; }
  size_t CountCalls() const { return io_faults_->AllCalls().size(); }
  size_t CountWrites() const { return io_faults_->Calls().size(); }

 private:
  const FaultKind& kind_;
  const std::optional<IoFault> io_;
  const size_t nth_;
  bool struck_ = false;
  bool ended_ = false;
  std::vector<IoCall> calls_;
  std::optional<ScopedIoFaults> io_faults_;  // to the end: for the echo, and to watch
  std::optional<ScopedAllocationFault> memory_fault_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_FAULT_KINDS_H_
