// Stores that faults are tried on: with something of everything in them, and a model that says what
// they must answer.

#ifndef BATONSTORE_TESTS_RECOVERY_FAULT_STAGE_H_
#define BATONSTORE_TESTS_RECOVERY_FAULT_STAGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/policy.h"
#include "tests/recovery/expectation.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_model.h"

namespace batonstore::testing {

// A store that nobody has open.
struct Base {
  std::string folder;  // nothing there yet: a store that is still to be made
  StoreModel model;
  absl::Time wall;
  uint64_t draws = 0;  // of key pairs so far
  bool closed = false;
  bool fresh = false;
};

// One that somebody opens and uses. Ends the process if store and model disagree while nothing
// fails.
class Stage {
 public:
  Stage(const std::string& directory, const Base& base, const Policy& policy);
  ~Stage() { turns.clear(); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  absl::Status TryToOpen(recovery::Verification verify = recovery::Verification::kNever);
  void Open();  // and the model learns of it
  void Make(Call call);

  // The session of so many before the last one that was made.
  Alias Made(size_t back = 0) const { return made_[made_.size() - 1 - back]; }
  void Advance(absl::Duration duration);

  // With what the key source will draw next, if the call draws.
  Reply NextReply();

  const std::string directory;
  const Policy policy;
  FakeClock clock;
  SeededRandom random{11};
  ScriptedKeys keys;
  uint64_t first_draw = 0;
  StoreModel model;
  bool closed = false;  // what the model's store was before it was opened
  std::unique_ptr<recovery::Store> store;
  OpenTurns turns;

 private:
  std::vector<Alias> made_;
};

// Makes one in `folder`, with reservations that wait for recovery; closed in order.
Base MakeBase(const std::string& folder);

// As a crash would have left it, in another folder.
Base CrashedCopy(const Base& base, const std::string& folder);

struct Operation {
  std::string name;
  std::function<void(Stage&)> prepare;  // the store is open
  std::function<Call(const Stage&)> call;
  Policy policy = {};
  bool writes = true;
  bool shows = true;  // the model tells whether it was done
};
std::vector<Operation> AllOperations();

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_FAULT_STAGE_H_
