// One life of a store until the power fails: a random workload, recorded call by call, with what
// the store may be found to hold at each moment.

#ifndef BATONSTORE_TESTS_RECOVERY_POWER_HISTORY_H_
#define BATONSTORE_TESTS_RECOVERY_POWER_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "batonstore/store/policy.h"
#include "tests/recovery/expectation.h"
#include "tests/support/store_calls.h"
#include "tests/support/write_log.h"

namespace batonstore::testing {

// What is done to the store beside the calls of Do.
enum class Special : uint8_t {
  kAdvance,    // time passes
  kJumpWall,   // somebody sets the clock
  kWholeTurn,  // Resume, MergeInTurn, FinishTurn
  kReopen,     // Close and Open
  kFailing,    // a call that the disk, or the death of the process, cuts short; then Open
};

struct Step {
  int what = 0;  // one of Do, or, from kCalls on, of Special
  uint32_t which = 0;
  uint32_t detail = 0;
};

// What the table of a run counts: calls of Do by their number, and then these.
enum class Kind : uint8_t {
  kCreateStore = kCalls,
  kOpen,
  kClose,
  kFailedCall,
  kResumeAtMostOnce,
  kFinishAtMostOnce,
};
inline constexpr int kKinds = static_cast<int>(Kind::kFinishAtMostOnce) + 1;
std::string NameOfKind(int kind);
bool IsDurable(int kind);  // whether it ever writes

// From where an operation begins to where it is answered. What came in between may be found, in any
// part; from then on, only what was answered.
struct Window {
  int kind = 0;
  size_t step = 0;  // its number in the history's list; kNoStep for the creation
  std::string what;
  size_t begin = 0;             // its records: from here
  size_t end = 0;               // to here, when it is answered
  size_t opens_at = 0;          // where recovery::Open begins, if it does; else `end`
  std::vector<size_t> allowed;  // the snapshots that may be found meanwhile
  size_t answered = 0;          // the only one from `end` on
  bool is_merging = false;      // it carried a slice of a pass over the indexes
};
inline constexpr size_t kNoStep = ~size_t{0};

struct History {
  uint64_t seed = 0;
  Policy policy;
  std::vector<Step> steps;
  size_t prefilled = 0;                  // so many steps are only there to make the store bigger
  std::optional<WriteFault> death = {};  // of somebody who tries to make the store beforehand

  // What came of it.
  Node root = 0;
  std::vector<LogRecord> records;
  std::vector<Snapshot> snapshots;
  std::vector<Window> windows;
  size_t passes = 0;  // over the indexes, that ended
  std::string trouble = {};  // store and model disagreed with the power on, and how
};

// What is done in the history of that number, from its seed. Three of four are only about the
// making of a store.
History PlanHistory(uint64_t seed, uint64_t number);

// Does it, in the empty folder `root`.
void RecordHistory(const std::string& root, History& history);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_POWER_HISTORY_H_
