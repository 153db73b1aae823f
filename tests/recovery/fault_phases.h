// What faults are tried on, and what must come of each: every operation of a store, opening one,
// creating one, closing one, and callers that share a commit.

#ifndef BATONSTORE_TESTS_RECOVERY_FAULT_PHASES_H_
#define BATONSTORE_TESTS_RECOVERY_FAULT_PHASES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/recovery/fault_kinds.h"
#include "tests/recovery/fault_stage.h"
#include "tests/support/io_faults.h"

namespace batonstore::testing {

enum class How : uint8_t {
  kNotStruck,
  kSucceeded,  // it did not mind
  kRefused,    // and changed nothing
  kThrew,      // std::bad_alloc, and changed nothing
  kPoisoned,
};

struct CaseResult {
  How how = How::kNotStruck;
  bool is_done = false;            // of what was poisoned: whether it was found to have happened
  std::vector<IoCall> calls = {};  // that were made while the fault was armed
  std::string trouble = {};        // empty if all is well
};

class Phase {
 public:
  explicit Phase(std::string name) : name_(std::move(name)) {}
  virtual ~Phase() = default;

  const std::string& name() const { return name_; }

  // Whether it has a commit, which may fail and be durable.
  virtual bool commits() const { return true; }

  // In the empty folder `scratch`.
  virtual CaseResult Run(const std::string& scratch, const FaultKind& kind,
                         const std::optional<IoFault>& io, size_t nth) const = 0;

 private:
  const std::string name_;
};

// `closed` and `crashed` are stores that cases copy.
std::vector<std::unique_ptr<Phase>> AllPhases(const Base& closed, const Base& crashed);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_FAULT_PHASES_H_
