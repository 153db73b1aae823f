// Fuzzes what callers can do: whatever they call in whatever order, a store answers as its model
// (tests/support/store_model.h) does.
//
// An input is the number of a policy (2 bytes) and steps of 6 bytes each: what (1), which session
// (2), detail (3), as tests/support/store_comparison.h has them.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/store/policy.h"
#include "tests/support/fuzz_target.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_comparison.h"

namespace batonstore::testing {
namespace {

constexpr int kMostSteps = 300;

Step TakeStep(InputBytes& bytes) {
  const int what = bytes.U8() % kSteps;
  const uint32_t which = bytes.U16();
  return {.what = what, .which = which, .detail = bytes.U24()};
}

// ---- Seeds ----

std::string BigEndian(uint32_t number, size_t bytes) {
  std::string text;
  for (size_t i = bytes; i > 0; --i) text += static_cast<char>(number >> 8 * (i - 1));
  return text;
}

// Each of `whats`, so many times over, with numbers that differ from one time to the next.
std::string Steps(uint32_t policy, int times, std::initializer_list<int> whats) {
  std::string input = BigEndian(policy, 2);
  uint32_t number = policy;
  for (int time = 0; time < times; ++time) {
    for (const int what : whats) {
      number = number * 1'103'515'245 + 12'345;
      input += static_cast<char>(what) + BigEndian(number >> 8, 2) + BigEndian(number >> 4, 3);
    }
  }
  return input;
}

}  // namespace

bool TryInput(absl::string_view input) {
  InputBytes bytes(input);
  const Policy policy = AnyPolicy(bytes.U16() % kPolicies);
  MemoryWorld world(policy);
  std::ostringstream log;
  StoreComparison comparison(world, policy, log);
  try {
    for (int steps = 0; !bytes.empty() && steps < kMostSteps; ++steps) {
      comparison.Take(TakeStep(bytes));
    }
    comparison.CompareAll();
  } catch (const Difference& difference) {
    std::cerr << log.str();
    Require(false, difference.what());
  }
  return comparison.has_sessions();
}

std::map<std::string, std::string> MakeSeeds() {
  constexpr int kNew = StepOf(Do::kReserveAndCreate);
  constexpr int kRestart = StepOf(Between::kRestart);
  constexpr int kAdvance = StepOf(Between::kAdvance);
  constexpr int kAskTwice = StepOf(Between::kAskTwice);
  return {{"life", Steps(0, 5,
                         {StepOf(Do::kReserve), StepOf(Do::kCreate), StepOf(Do::kReserve),
                          StepOf(Do::kAbandon), StepOf(Do::kShift), StepOf(Do::kFind),
                          StepOf(Do::kList), StepOf(Do::kCount), StepOf(Do::kStats)})},
          {"turns",
           Steps(8, 6,
                 {kNew, StepOf(Do::kIssue), StepOf(Do::kResume), StepOf(Do::kMergeInTurn),
                  StepOf(Do::kFinishTurn), kAskTwice, StepOf(Do::kVerify), StepOf(Do::kDropTurn)})},
          {"keys", Steps(60, 4,
                         {kNew, kAskTwice, StepOf(Do::kRotateSigningKey), kAskTwice,
                          StepOf(Do::kRetireSigningKey), StepOf(Do::kVerify), kRestart})},
          {"attributes", Steps(120, 4,
                               {StepOf(Do::kSaveOrCreate), StepOf(Do::kSaveIf), StepOf(Do::kMerge),
                                StepOf(Do::kLoad), StepOf(Do::kSecret), StepOf(Do::kCycleKey),
                                StepOf(Do::kSetRemotePublicKey)})},
          {"limits", Steps(61, 8,
                           {kNew, StepOf(Do::kReserve), StepOf(Do::kSaveOrCreate), kAdvance,
                            StepOf(Do::kSweep)})},
          {"revocations", Steps(1000, 5,
                                {kNew, kNew, StepOf(Do::kRevokeGroup), kNew, StepOf(Do::kRevokeAll),
                                 kNew, StepOf(Do::kRevokeAllExcept), StepOf(Do::kRevoke),
                                 StepOf(Do::kGroupOf), StepOf(Do::kGroupMembers)})},
          {"events", Steps(2000, 5,
                           {StepOf(Do::kAddConsumer), kNew, StepOf(Do::kRevoke),
                            StepOf(Do::kReadEvents), StepOf(Do::kAcknowledgeEvents),
                            StepOf(Do::kSweep), StepOf(Do::kRemoveConsumer)})},
          {"restarts",
           Steps(3000, 6,
                 {StepOf(Do::kReserve), kNew, StepOf(Do::kTouch), kAdvance,
                  StepOf(Between::kJumpWall), StepOf(Between::kAdoptWall), kRestart,
                  StepOf(Do::kCompensations), StepOf(Do::kAcknowledge), StepOf(Do::kPrivateKey)})}};
}

}  // namespace batonstore::testing
