// What a store must answer that is opened after a crash, worked out from a model of what it had
// acknowledged: once for each thing that it may be found to hold, and compared with many stores.

#ifndef BATONSTORE_TESTS_RECOVERY_EXPECTATION_H_
#define BATONSTORE_TESTS_RECOVERY_EXPECTATION_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_reader.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_model.h"

namespace batonstore::testing {

// What a store may be found to hold.
struct Snapshot {
  StoreModel model;
  absl::Time wall;      // at the moment of the crash
  bool closed = false;  // and in order
  bool fresh = false;   // it has never been opened, or is not even there
  uint64_t data = 0;    // the same for snapshots of which the file holds the same
};

class Expectation {
 public:
  explicit Expectation(const Snapshot& snapshot);

  // Empty if the store, just opened, answers to every question as it must; else what differs.
  std::string Differs(recovery::Store& store) const;

  // The same for calls that write, after which the store is closed, opened again, and once more
  // compared. To be called once, when Differs was empty.
  std::string DiffersInWriting(recovery::Store& store) const;
  std::string DiffersWhenOpenedAgain(recovery::Store& store) const;

  // Of an observer of the store that was opened again, and has been closed.
  std::string DiffersToAnObserver(const SessionReader& sessions) const;

  // The same of a store that has been open since the model has.
  static std::string Differs(recovery::Store& store, const StoreModel& model);

  absl::Time wall() const { return wall_; }

  // Gives the key pairs that the model expects the store to draw.
  static ScriptedKeys Keys();

 private:
  using Answers = std::vector<std::pair<Call, std::string>>;
  // Questions that write nothing, and what they find.
  struct Reads {
    uint64_t epoch = 0;
    bool crashed = false;
    uint64_t primary_key_id = 0;
    std::set<uint64_t> retired_keys;
    std::vector<std::pair<Alias, std::string>> removed;
    Answers answers;
    std::vector<std::pair<std::string, Alias>> by_public_key;
  };

  static Reads ReadsOf(StoreModel& model);
  static Answers WritesOf(StoreModel& model, bool has_limits);
  static std::string Compare(recovery::Store& store, const Reads& reads);
  static std::string Compare(recovery::Store& store, const Answers& answers);
  static std::string CompareAnswers(recovery::Store& store, const Reads& reads);

  absl::Time wall_;
  Reads reads_;
  Answers writes_;
  Reads again_;
};

// Random bytes that are the same for the same seed. Not thread-safe.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void Fill(absl::Span<uint8_t> out) override;

 private:
  uint64_t state_;
};

// How stores are opened that are compared: with no threads of their own, by one clock.
recovery::Options StoreOptions(const std::string& directory, const Policy& policy, FakeClock& clock,
                               SeededRandom& random, ScriptedKeys& keys);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_EXPECTATION_H_
