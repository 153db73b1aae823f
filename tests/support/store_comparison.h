// Steps that are taken by a real store and by a model of plain maps (store_model.h) alike: calls,
// and what comes between them. Both must say the same to each.

#ifndef BATONSTORE_TESTS_SUPPORT_STORE_COMPARISON_H_
#define BATONSTORE_TESTS_SUPPORT_STORE_COMPARISON_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "batonstore/recovery/recovery_pass.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_store.h"
#include "tests/support/any_call.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_model.h"

namespace batonstore::testing {

// Thrown when store and model differ.
class Difference : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// ---- The stores that are compared with the model ----

class World {
 public:
  virtual ~World() = default;
  virtual SessionStore& store() = 0;
  virtual FakeClock& clock() = 0;
  virtual const recovery::RecoveryReport& report() = 0;
  virtual void Restart(bool orderly) = 0;
  virtual IndexMark mark() = 0;  // of the indexes

 protected:
  // Every third draw gives a pair that was given before.
  ScriptedKeys keys_{[](uint64_t draw) { return draw % 3 == 2 ? draw / 2 : draw; }};
};

class MemoryWorld final : public World {
 public:
  explicit MemoryWorld(const Policy& policy)
      : policy_(policy), store_(std::make_unique<MemoryStore>(keys_, policy)) {}

  SessionStore& store() override { return **store_; }
  FakeClock& clock() override { return store_->clock; }
  const recovery::RecoveryReport& report() override { return store_->report(); }
  void Restart(bool orderly) override;
  IndexMark mark() override;

 private:
  const Policy policy_;
  std::unique_ptr<MemoryStore> store_;
};

// ---- The steps ----

enum class Between : uint8_t { kAdvance, kJumpWall, kAdoptWall, kRestart, kAskTwice };

struct Step {
  // One of Do, or, from kCalls on, of Between.
  int what;
  uint32_t which;   // chooses the session
  uint32_t detail;  // chooses among the variants of the call
};
inline constexpr int kSteps = kCalls + static_cast<int>(Between::kAskTwice) + 1;

constexpr int StepOf(Do what) { return static_cast<int>(what); }
constexpr int StepOf(Between what) { return kCalls + static_cast<int>(what); }

// Rules so narrow that a few steps run into them. The same number gives the same ones.
Policy AnyPolicy(uint32_t number);
inline constexpr uint32_t kPolicies = 60 * 192;

// Takes each step in the store and in the model, and throws a Difference where they differ.
class StoreComparison {
 public:
  // Both must outlive it. `log` is told each call and its answer.
  StoreComparison(World& world, const Policy& policy, std::ostream& log)
      : world_(world),
        merges_(policy.indexes.min_tail < 100),
        model_(world.clock().Wall(), policy),
        log_(log) {}

  void Take(const Step& step);

  // Asks for all there is.
  void CompareAll();

  // Whether a session has ever been made.
  bool has_sessions() const { return !given_.empty(); }

 private:
  static constexpr int kCallers = 2;

  SessionStore& store() { return world_.store(); }
  Surroundings Here();
  void Same(const std::string& real, const std::string& expected);
  Call CallOf(Do what, const Step& step);
  void Make(const Call& call);
  void NoteFresh(const Session& fresh);
  void NoteMerging();
  void AskTwice(const Step& step);
  void FindByPublicKey(Alias alias);
  void AskWithEveryBaton(Alias alias);
  void Restart(bool orderly);

  World& world_;
  const bool merges_;
  IndexMark mark_;
  StoreModel model_;
  std::ostream& log_;
  std::array<OpenTurns, kCallers> turns_;
  std::vector<Alias> given_;           // every alias that was ever seen
  std::map<Alias, std::string> keys_;  // their public keys
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_STORE_COMPARISON_H_
