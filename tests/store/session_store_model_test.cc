// Random sequences of calls, answered by a real store and by a model of plain maps, which must say
// the same to each. Prints its seed; a failure is shrunk to a short sequence. Replay with
// --test_env=RC_PARAMS="seed=...".

#include <gtest/gtest.h>  // before RapidCheck, which uses it
#include <rapidcheck/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/session_store.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/any_call.h"
#include "tests/support/fake_clock.h"
#include "tests/support/index_rules.h"
#include "tests/support/memory_store.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_folder.h"
#include "tests/support/store_model.h"
#include "tests/support/temp_dir.h"

namespace batonstore {

// Found by its argument, so it stands where that does.
void showValue(const Policy& policy, std::ostream& out) {
  const Limits& limits = policy.limits;
  out << "principal " << limits.per_principal << ", database " << limits.per_database << ", store "
      << limits.per_store << ", group " << limits.per_group
      << (limits.at_limit == Limits::AtLimit::kRefuse ? ", refuse" : ", revoke the oldest")
      << ", retention " << policy.retention << ", replies of " << policy.turns.max_reply_bytes
      << ", on replay " << static_cast<int>(policy.turns.on_replay) << ", tails of "
      << policy.indexes.min_tail << ", slices of " << policy.indexes.slice;
}

namespace {

using testing::AnyCall;
using testing::AnyIndexRules;
using testing::Call;
using testing::Do;
using testing::FakeClock;
using testing::MakeCall;
using testing::MemoryStore;
using testing::OpenTurns;
using testing::ReadFileMark;
using testing::Reply;
using testing::ScriptedKeys;
using testing::StatusOf;
using testing::StoreModel;
using testing::Surroundings;
using testing::TempDir;

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

  void Restart(bool orderly) override {
    if (orderly) RC_ASSERT(store().Close().ok());
    store_ = std::make_unique<MemoryStore>(store_->Crash(), keys_, policy_);
  }
  IndexMark mark() override {
    const absl::StatusOr<std::unique_ptr<Snapshot>> snapshot = store_->engine().Read();
    RC_ASSERT(snapshot.ok());
    return *GetIndexMark(**snapshot);
  }

 private:
  const Policy policy_;
  std::unique_ptr<MemoryStore> store_;
};

class FileWorld final : public World {
 public:
  explicit FileWorld(const Policy& policy) : policy_(policy) { Open(); }

  SessionStore& store() override { return store_->sessions(); }
  FakeClock& clock() override { return clock_; }
  const recovery::RecoveryReport& report() override { return store_->report(); }

  void Restart(bool orderly) override {
    if (orderly) {
      RC_ASSERT(store_->Close().ok());
    } else {
      testing::CopyAsACrashWouldLeaveIt(Folder(), NextFolder());
      ++crashes_;
    }
    store_.reset();
    Open();
  }
  IndexMark mark() override { return ReadFileMark(Folder() + "/data.mdb").value(); }

 private:
  void Open() {
    absl::StatusOr<std::unique_ptr<recovery::Store>> opened =
        recovery::Open({.directory = Folder(),
                        .map_bytes = uint64_t{64} << 20,
                        .reserved_bytes = uint64_t{256} << 10,  // copied often
                        .policy = policy_,
                        .verify = recovery::Verification::kAlways,
                        .clock = &clock_,
                        .key_pairs = &keys_});
    if (!opened.ok()) RC_FAIL(opened.status().ToString());
    store_ = *std::move(opened);
  }

  std::string Folder() const { return dir_ / absl::StrCat("store", crashes_); }
  std::string NextFolder() const { return dir_ / absl::StrCat("store", crashes_ + 1); }

  const Policy policy_;
  TempDir dir_;
  int crashes_ = 0;
  FakeClock clock_;
  std::unique_ptr<recovery::Store> store_;
};

// ---- The steps ----

enum class Between : uint8_t { kAdvance, kJumpWall, kAdoptWall, kRestart, kAskTwice };

struct Step {
  // One of Do, or, from kCalls on, of Between.
  int what;
  uint32_t which;   // chooses the session
  uint32_t detail;  // chooses among the variants of the call
};

int Of(Do what) { return static_cast<int>(what); }
int Of(Between what) { return testing::kCalls + static_cast<int>(what); }

void showValue(const Step& step, std::ostream& out) {
  out << "{" << step.what << ", " << step.which << ", " << step.detail << "}";
}

rc::Gen<std::vector<Step>> Steps(double scale) {
  const auto what = rc::gen::weightedElement<int>({{12, Of(Do::kReserve)},
                                                   {12, Of(Do::kReserveAndCreate)},
                                                   {6, Of(Do::kSaveOrCreate)},
                                                   {10, Of(Do::kCreate)},
                                                   {4, Of(Do::kAbandon)},
                                                   {6, Of(Do::kShift)},
                                                   {6, Of(Do::kTouch)},
                                                   {8, Of(Do::kCycleKey)},
                                                   {5, Of(Do::kRevoke)},
                                                   {3, Of(Do::kRevokeGroup)},
                                                   {3, Of(Do::kRevokeAll)},
                                                   {4, Of(Do::kRevokeAllExcept)},
                                                   {6, Of(Do::kSaveIf)},
                                                   {8, Of(Do::kMerge)},
                                                   {5, Of(Do::kLoad)},
                                                   {3, Of(Do::kSecret)},
                                                   {3, Of(Do::kSetRemotePublicKey)},
                                                   {2, Of(Do::kPrivateKey)},
                                                   {6, Of(Do::kIssue)},
                                                   {8, Of(Do::kVerify)},
                                                   {30, Of(Do::kResume)},
                                                   {10, Of(Do::kMergeInTurn)},
                                                   {20, Of(Do::kFinishTurn)},
                                                   {4, Of(Do::kDropTurn)},
                                                   {2, Of(Do::kRotateSigningKey)},
                                                   {2, Of(Do::kRetireSigningKey)},
                                                   {2, Of(Do::kRotateDataKey)},
                                                   {8, Of(Do::kReseal)},
                                                   {4, Of(Do::kFind)},
                                                   {4, Of(Do::kList)},
                                                   {2, Of(Do::kCount)},
                                                   {2, Of(Do::kGroupOf)},
                                                   {3, Of(Do::kGroupMembers)},
                                                   {5, Of(Do::kSweep)},
                                                   {3, Of(Do::kCompensations)},
                                                   {2, Of(Do::kAcknowledge)},
                                                   {3, Of(Do::kAddConsumer)},
                                                   {1, Of(Do::kRemoveConsumer)},
                                                   {4, Of(Do::kReadEvents)},
                                                   {2, Of(Do::kAcknowledgeEvents)},
                                                   {3, Of(Do::kStats)},
                                                   {8, Of(Between::kAdvance)},
                                                   {3, Of(Between::kJumpWall)},
                                                   {2, Of(Between::kAdoptWall)},
                                                   {3, Of(Between::kRestart)},
                                                   {20, Of(Between::kAskTwice)}});
  const auto number = rc::gen::resize(100, rc::gen::inRange<uint32_t>(0, 1'000'000));
  return rc::gen::scale(
      scale, rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(what, number, number)));
}

rc::Gen<Policy> Policies() {
  return rc::gen::map(rc::gen::inRange(0, 60 * 192), [](int number) {
    Policy policy;
    policy.indexes = AnyIndexRules(static_cast<uint64_t>(number / 60));
    policy.retention = number % 3 == 0 ? absl::InfiniteDuration() : absl::Seconds(number % 5 * 3);
    policy.turns.on_replay = static_cast<TurnRules::OnReplay>(number / 5 % 3);
    policy.turns.max_reply_bytes = 9;  // now and then a reply is longer
    if (number % 4 == 0) return policy;
    policy.limits = {.per_principal = static_cast<uint64_t>(number % 4),
                     .per_database = static_cast<uint64_t>(number % 6),
                     .per_store = static_cast<uint64_t>(number % 2 * 8),
                     .per_group = static_cast<uint64_t>(number % 5)};
    if (number % 10 < 5) policy.limits.at_limit = Limits::AtLimit::kRevokeOldest;
    return policy;
  });
}

// Does each step in the store and in the model, and fails the property when they differ.
class Comparison {
 public:
  Comparison(World& world, const Policy& policy)
      : world_(world),
        merges_(policy.indexes.min_tail < 100),
        model_(world.clock().Wall(), policy) {}

  void Take(const Step& step) {
    if (step.what < testing::kCalls) {
      return Make(CallOf(static_cast<Do>(step.what), step));
    }
    const auto milliseconds = static_cast<int64_t>(step.detail % 8000);
    switch (static_cast<Between>(step.what - testing::kCalls)) {
      case Between::kAdvance:
        // In steps that meet deadlines exactly.
        world_.clock().Advance(absl::Milliseconds(milliseconds / 1000 * 500));
        return model_.Advance(absl::Milliseconds(milliseconds / 1000 * 500));
      case Between::kJumpWall:
        world_.clock().JumpWall(absl::Milliseconds(milliseconds - 4000));
        return model_.JumpWall(absl::Milliseconds(milliseconds - 4000));
      case Between::kAdoptWall:
        return Same(TextOf(store().AdoptWallClock()), model_.AdoptWall() ? "OK" : "INVALID");
      case Between::kRestart:
        return Restart(step.detail % 2 == 0);
      case Between::kAskTwice:
        return AskTwice(step);
    }
  }

  void CompareAll() {
    Make({.what = Do::kStats});
    Make({.what = Do::kList});
    Make({.what = Do::kList, .number = 1});
    Make({.what = Do::kCompensations});
    for (const Alias alias : given_) {
      for (const Do what : {Do::kFind, Do::kLoad, Do::kGroupOf, Do::kGroupMembers}) {
        Make({.what = what, .alias = alias});
      }
      FindByPublicKey(alias);
      AskWithEveryBaton(alias);
    }
    for (const char* consumer : {"consumer 0", "consumer 1"}) {
      Make({.what = Do::kReadEvents, .text = consumer});
    }
  }

 private:
  static constexpr int kCallers = 2;

  SessionStore& store() { return world_.store(); }

  Surroundings Here() {
    return {.now = model_.now(),
            .aliases = given_,
            .version_of = [this](Alias alias) { return model_.VersionOf(alias); },
            .last_event = model_.last_event(),
            .epoch = model_.epoch(),
            .primary_key_id = model_.primary_key_id(),
            .generation_of = [this](Alias alias) { return model_.GenerationOf(alias); },
            .find = [this](Alias alias) { return model_.Find(alias); }};
  }

  static void Same(const std::string& real, const std::string& expected) {
    RC_LOG() << real << std::endl;
    RC_ASSERT(real == expected);
  }

  static std::string TextOf(const absl::Status& status) { return testing::TextOf(status); }

  Call CallOf(Do what, const Step& step) {
    Call call = AnyCall(what, step.which, step.detail, Here());
    call.caller = static_cast<int>(step.which % kCallers);
    return call;
  }

  // A whole turn, if it is granted; then the client, who has heard nothing, asks again.
  void AskTwice(const Step& step) {
    const Call resume = CallOf(Do::kResume, step);
    Make(resume);
    Make(CallOf(Do::kMergeInTurn, step));
    Make(CallOf(step.which / 2 % 4 == 0 ? Do::kDropTurn : Do::kFinishTurn, step));
    Make(resume);
    Make(CallOf(Do::kFinishTurn, step));
  }

  void Make(const Call& call) {
    RC_LOG() << Describe(call) << std::endl;
    const Reply real = MakeCall(store(), turns_[static_cast<size_t>(call.caller)], call);
    Same(real.text, model_.Answer(call, real));
    NoteMerging();
    if (!real.fresh.has_value()) return;
    const auto [known, is_new] = keys_.emplace(real.fresh->alias, real.fresh->public_key);
    if (is_new) given_.push_back(real.fresh->alias);
    RC_ASSERT(known->second == real.fresh->public_key);
    if (is_new) {  // nobody in the store has this key
      for (const Alias other : model_.Aliases()) {
        RC_ASSERT(other == real.fresh->alias || keys_[other] != real.fresh->public_key);
      }
    }
  }

  void NoteMerging() {
    if (!merges_) return;
    const IndexMark mark = world_.mark();
    if (std::exchange(mark_, mark) != mark) model_.MergedIndexes();
  }

  void FindByPublicKey(Alias alias) {
    const Reply by_alias = MakeCall(store(), {.what = Do::kFind, .alias = alias});
    if (!model_.Find(alias).has_value()) return;  // another may have that key by now
    const absl::StatusOr<Session> by_key = store().FindByPublicKey(keys_[alias]);
    Same(by_key.ok() ? testing::Describe(*by_key) : TextOf(by_key.status()), by_alias.text);
  }

  // What every generation of a session's baton, and one to come, is good for.
  void AskWithEveryBaton(Alias alias) {
    Make({.what = Do::kIssue, .alias = alias});
    const uint64_t current = model_.GenerationOf(alias);
    const std::optional<Session> session = model_.Find(alias);
    if (!session.has_value()) return;
    for (uint64_t generation = 0; generation <= current + 1; ++generation) {
      Call call = {.what = Do::kVerify, .alias = alias};
      call.presentation = {.generation = generation,
                           .principal = session->principal,
                           .database = session->database,
                           .digest = "request"};
      Make(call);
      call.what = Do::kResume;
      Make(call);
    }
  }

  void Restart(bool orderly) {
    for (OpenTurns& turns : turns_) turns.clear();
    world_.Restart(orderly);
    const std::vector<std::pair<Alias, std::string>> expected = model_.Restart(orderly);
    RC_ASSERT(world_.report().epoch == model_.epoch());
    RC_ASSERT(world_.report().crashed == !orderly);
    std::vector<std::pair<Alias, std::string>> removed;
    for (const recovery::RemovedReservation& r : world_.report().removed) {
      removed.emplace_back(r.alias, r.intent);
    }
    RC_ASSERT(removed == expected);
  }

  World& world_;
  const bool merges_;
  IndexMark mark_;
  StoreModel model_;
  std::array<OpenTurns, kCallers> turns_;
  std::vector<Alias> given_;           // every alias that was ever seen
  std::map<Alias, std::string> keys_;  // their public keys
};

void Compare(World& world, const Policy& policy, const std::vector<Step>& steps) {
  Comparison comparison(world, policy);
  for (const Step& step : steps) comparison.Take(step);
  comparison.CompareAll();
}

RC_GTEST_PROP(SessionStoreModel, MemoryEngineAgreesWithTheModel, ()) {
  const Policy policy = *Policies();
  const std::vector<Step> steps = *Steps(/*scale=*/10.0);
  MemoryWorld world(policy);
  Compare(world, policy, steps);
}

RC_GTEST_PROP(SessionStoreModel, LmdbAgreesWithTheModel, ()) {
  const Policy policy = *Policies();
  const std::vector<Step> steps = *Steps(/*scale=*/2.0);
  FileWorld world(policy);
  Compare(world, policy, steps);
}

}  // namespace
}  // namespace batonstore
