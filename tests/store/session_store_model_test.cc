// Random sequences of calls, answered by a real store and by a model of plain maps, which must say
// the same to each. Prints its seed; a failure is shrunk to a short sequence. Replay with
// --test_env=RC_PARAMS="seed=...".

#include <gtest/gtest.h>  // before RapidCheck, which uses it
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_store.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/fake_clock.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_comparison.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore {

// Found by their arguments, so they stand where those do.
void showValue(const Policy& policy, std::ostream& out) {
  const Limits& limits = policy.limits;
  out << "principal " << limits.per_principal << ", database " << limits.per_database << ", store "
      << limits.per_store << ", group " << limits.per_group
      << (limits.at_limit == Limits::AtLimit::kRefuse ? ", refuse" : ", revoke the oldest")
      << ", retention " << policy.retention << ", replies of " << policy.turns.max_reply_bytes
      << ", on replay " << static_cast<int>(policy.turns.on_replay) << ", tails of "
      << policy.indexes.min_tail << ", slices of " << policy.indexes.slice;
}

namespace testing {

void showValue(const Step& step, std::ostream& out) {
  out << "{" << step.what << ", " << step.which << ", " << step.detail << "}";
}

}  // namespace testing

namespace {

using testing::AnyPolicy;
using testing::Between;
using testing::Difference;
using testing::Do;
using testing::FakeClock;
using testing::MemoryWorld;
using testing::ReadFileMark;
using testing::Step;
using testing::StepOf;
using testing::StoreComparison;
using testing::TempDir;
using testing::World;

// ---- The stores that are compared with the model ----

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

rc::Gen<std::vector<Step>> Steps(double scale) {
  const auto what = rc::gen::weightedElement<int>({{12, StepOf(Do::kReserve)},
                                                   {12, StepOf(Do::kReserveAndCreate)},
                                                   {6, StepOf(Do::kSaveOrCreate)},
                                                   {10, StepOf(Do::kCreate)},
                                                   {4, StepOf(Do::kAbandon)},
                                                   {6, StepOf(Do::kShift)},
                                                   {6, StepOf(Do::kTouch)},
                                                   {8, StepOf(Do::kCycleKey)},
                                                   {5, StepOf(Do::kRevoke)},
                                                   {3, StepOf(Do::kRevokeGroup)},
                                                   {3, StepOf(Do::kRevokeAll)},
                                                   {4, StepOf(Do::kRevokeAllExcept)},
                                                   {6, StepOf(Do::kSaveIf)},
                                                   {8, StepOf(Do::kMerge)},
                                                   {5, StepOf(Do::kLoad)},
                                                   {3, StepOf(Do::kSecret)},
                                                   {3, StepOf(Do::kSetRemotePublicKey)},
                                                   {2, StepOf(Do::kPrivateKey)},
                                                   {6, StepOf(Do::kIssue)},
                                                   {8, StepOf(Do::kVerify)},
                                                   {30, StepOf(Do::kResume)},
                                                   {10, StepOf(Do::kMergeInTurn)},
                                                   {20, StepOf(Do::kFinishTurn)},
                                                   {4, StepOf(Do::kDropTurn)},
                                                   {2, StepOf(Do::kRotateSigningKey)},
                                                   {2, StepOf(Do::kRetireSigningKey)},
                                                   {2, StepOf(Do::kRotateDataKey)},
                                                   {8, StepOf(Do::kReseal)},
                                                   {4, StepOf(Do::kFind)},
                                                   {4, StepOf(Do::kList)},
                                                   {2, StepOf(Do::kCount)},
                                                   {2, StepOf(Do::kGroupOf)},
                                                   {3, StepOf(Do::kGroupMembers)},
                                                   {5, StepOf(Do::kSweep)},
                                                   {3, StepOf(Do::kCompensations)},
                                                   {2, StepOf(Do::kAcknowledge)},
                                                   {3, StepOf(Do::kAddConsumer)},
                                                   {1, StepOf(Do::kRemoveConsumer)},
                                                   {4, StepOf(Do::kReadEvents)},
                                                   {2, StepOf(Do::kAcknowledgeEvents)},
                                                   {3, StepOf(Do::kStats)},
                                                   {8, StepOf(Between::kAdvance)},
                                                   {3, StepOf(Between::kJumpWall)},
                                                   {2, StepOf(Between::kAdoptWall)},
                                                   {3, StepOf(Between::kRestart)},
                                                   {20, StepOf(Between::kAskTwice)}});
  const auto number = rc::gen::resize(100, rc::gen::inRange<uint32_t>(0, 1'000'000));
  return rc::gen::scale(
      scale, rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(what, number, number)));
}

rc::Gen<Policy> Policies() {
  return rc::gen::map(rc::gen::inRange<uint32_t>(0, testing::kPolicies), AnyPolicy);
}

void Compare(World& world, const Policy& policy, const std::vector<Step>& steps) {
  std::ostringstream log;
  StoreComparison comparison(world, policy, log);
  try {
    for (const Step& step : steps) comparison.Take(step);
    comparison.CompareAll();
  } catch (const Difference& difference) {
    RC_LOG() << log.str() << std::endl;
    RC_FAIL(difference.what());
  }
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
