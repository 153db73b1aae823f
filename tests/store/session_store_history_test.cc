// Several threads call one store at the same time, round after round, with restarts in between.
// What they called and heard is a history, and must be linearizable: there must be an order of the
// calls, in keeping with what came before what, in which the model of one thread gives every
// answer. A turn is two calls, between which others take effect: one that takes it, and one that
// finishes or drops it, in a later round perhaps.
//
//   ./bazelw test //tests/store:session_store_history_test --test_arg=--operations=1000000
//   ... --test_arg=--seed=S repeats the calls of a run (not how the threads interleave)

#include <array>
#include <atomic>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/linearizability.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_folder.h"
#include "tests/support/store_history.h"
#include "tests/support/store_model.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

using testing::AnswersTheSame;
using testing::AnyCallsOf;
using testing::AnyPolicy;
using testing::Call;
using testing::CallAndReply;
using testing::CheckLinearizable;
using testing::Do;
using testing::FakeClock;
using testing::HistoryRecorder;
using testing::IsOk;
using testing::LinearizabilityOutcome;
using testing::MakeCall;
using testing::MarkThoseThatMayHaveMet;
using testing::OpenTurns;
using testing::Reply;
using testing::StoreHistory;
using testing::StoreModel;
using testing::Surroundings;
using testing::SurroundingsOf;
using testing::TempDir;

constexpr int kThreads = 4;
constexpr int kCallsEach = 4;  // in a round
constexpr int kRoundsBetweenRestarts = 6;
constexpr int kRoundsPerStore = 24;  // then a new one, so that the model stays small

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
uint64_t operations = 20'000;  // a sanitizer is ten times slower
#else
uint64_t operations = 100'000;
#endif
uint64_t seed = std::random_device()();

// The consumer of events that learns their order after each round.
constexpr absl::string_view kDriver = "the driver";

// A store, and every state that it may be in by what was heard so far: mostly one.
class World {
 public:
  World(const std::string& folder, std::mt19937_64& random)
      : folder_(folder), random_(random), policy_(AnyPolicy(random)) {
    Open();
    models_.emplace_back(clock_.Wall(), policy_);
    Keep({.what = Do::kAddConsumer, .text = std::string(kDriver)});
  }

  // All threads make their calls; the answers must fit one of the states.
  void Round() {
    const std::vector<std::vector<Call>> calls = ChooseCalls();
    HistoryRecorder<CallAndReply> recorder(kThreads);
    std::atomic<int> not_ready = kThreads;
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        --not_ready;
        while (not_ready > 0) std::this_thread::yield();
        for (const Call& call : calls[thread]) {
          recorder.Invoke(thread, {call, {}});
          Reply reply = MakeCall(store_->sessions(), turns_[thread], call);
          recorder.Answer(thread, {call, std::move(reply)});
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    Judge(recorder.History());
  }

  void Advance(absl::Duration duration) {
    clock_.Advance(duration);
    for (StoreModel& model : models_) model.Advance(duration);
  }

  void Restart() {
    for (OpenTurns& turns : turns_) turns.clear();
    const bool orderly = random_() % 2 == 0;
    if (orderly) {
      ASSERT_THAT(store_->Close(), IsOk());
    } else {
      const std::string next = folder_ + "x";
      testing::CopyAsACrashWouldLeaveIt(folder_, next);
      store_.reset();
      folder_ = next;
    }
    store_.reset();
    Open();
    for (StoreModel& model : models_) model.Restart(orderly);
  }

 private:
  void Open() {
    auto opened = recovery::Open({.directory = folder_,
                                  .map_bytes = uint64_t{64} << 20,
                                  .reserved_bytes = uint64_t{256} << 10,  // copied often
                                  .policy = policy_,
                                  .sweep_every = absl::InfiniteDuration(),
                                  .clock = &clock_});
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }

  std::vector<std::vector<Call>> ChooseCalls() {
    const Surroundings here = SurroundingsOf(models_.front(), aliases_);
    std::vector<std::vector<Call>> calls(kThreads);
    for (size_t thread = 0; thread < kThreads; ++thread) {
      calls[thread] = AnyCallsOf(static_cast<int>(thread), kCallsEach, !turns_[thread].empty(),
                                 std::nullopt, here, random_);
    }
    return calls;
  }

  void Judge(StoreHistory history) {
    MarkThoseThatMayHaveMet(history);
    std::vector<StoreModel> after;
    std::set<std::string> prints;
    const StoreModel* closest = nullptr;
    std::vector<size_t> longest;
    for (const StoreModel& model : models_) {
      auto result = CheckLinearizable(model, history, AnswersTheSame,
                                      [](const StoreModel& state) { return state.Fingerprint(); });
      ASSERT_NE(result.outcome, LinearizabilityOutcome::kUndecided) << "visited " << result.visited;
      for (StoreModel& final_state : result.finals) {
        if (prints.insert(final_state.Fingerprint()).second) {
          after.push_back(std::move(final_state));
        }
      }
      if (closest == nullptr || result.longest.size() > longest.size()) {
        closest = &model;
        longest = std::move(result.longest);
      }
    }
    ASSERT_FALSE(after.empty()) << "not linearizable:\n" << Tell(*closest, history, longest);
    models_ = std::move(after);
    for (const auto& entry : history) {
      const auto& fresh = entry.operation.reply.fresh;
      if (fresh.has_value()) aliases_.push_back(fresh->alias);
    }
    Look();
  }

  // Nobody is at work now: what there is to see leaves few of the states that are possible.
  void Look() {
    Keep({.what = Do::kStats});
    Keep({.what = Do::kList});
    Keep({.what = Do::kCompensations});
    for (const Alias alias : models_.front().Aliases()) Keep({.what = Do::kLoad, .alias = alias});
    const auto events = store_->sessions().events().Read(kDriver, kMaxEventsRead);
    ASSERT_THAT(events, IsOk());
    KeepIf([&events](StoreModel& model) { return model.TakeOrderOf(*events); });
    if (!events->empty()) {
      Keep({.what = Do::kAcknowledgeEvents,
            .number = events->back().sequence,
            .text = std::string(kDriver)});
    }
  }

  void Keep(const Call& call) {
    const Reply real = MakeCall(store_->sessions(), call);
    KeepIf([&](StoreModel& model) { return model.Answer(call, real) == real.text; });
    ASSERT_FALSE(models_.empty()) << Describe(call) << "\n" << real.text;
  }

  // Keeps those that say so, and of equal ones one.
  template <typename Condition>
  void KeepIf(Condition condition) {
    std::set<std::string> prints;
    std::vector<StoreModel> kept;
    for (StoreModel& model : models_) {
      if (condition(model) && prints.insert(model.Fingerprint()).second) {
        kept.push_back(std::move(model));
      }
    }
    models_ = std::move(kept);
    ASSERT_FALSE(models_.empty()) << "what is there now fits no order of the calls";
  }

  // What could be ordered, then what could not.
  static std::string Tell(StoreModel model, const StoreHistory& history,
                          const std::vector<size_t>& longest) {
    std::string story;
    std::set<size_t> told;
    for (const size_t index : longest) {
      const CallAndReply& made = history[index].operation;
      absl::StrAppend(&story, "  ", Describe(made.call), "\n    ", made.reply.text, "\n");
      AnswersTheSame(model, made);
      told.insert(index);
    }
    for (size_t index = 0; index < history.size(); ++index) {
      if (told.contains(index)) continue;
      const auto& [made, invoked, answered, lost] = history[index];
      StoreModel copy = model;
      absl::StrAppend(&story, "? ", invoked, "..", answered, " ", Describe(made.call), "\n    ",
                      made.reply.text, "\n    and not ", copy.Answer(made.call, made.reply), "\n");
    }
    return story;
  }

  std::string folder_;
  std::mt19937_64& random_;
  const Policy policy_;
  FakeClock clock_;
  std::unique_ptr<recovery::Store> store_;
  std::array<OpenTurns, kThreads> turns_;
  std::vector<StoreModel> models_;
  std::vector<Alias> aliases_;
};

TEST(SessionStoreHistoryTest, WhatThreadsHearIsLinearizable) {
  std::cout << "seed " << seed << ", operations " << operations << std::endl;
  std::mt19937_64 random(seed);
  uint64_t made = 0;
  while (made < operations) {
    TempDir dir;
    World world(dir / "store", random);
    for (int round = 1; round <= kRoundsPerStore; ++round) {
      world.Round();
      if (HasFatalFailure()) return;
      made += kThreads * kCallsEach;
      world.Advance(absl::Milliseconds(random() % 4 * 500));  // which meets deadlines exactly
      if (round % kRoundsBetweenRestarts == 0) world.Restart();
      if (HasFatalFailure()) return;
    }
  }
  std::cout << "operations " << made << ", all linearizable" << std::endl;
}

}  // namespace
}  // namespace batonstore

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    const bool understood = (absl::ConsumePrefix(&argument, "--operations=") &&
                             absl::SimpleAtoi(argument, &batonstore::operations)) ||
                            (absl::ConsumePrefix(&argument, "--seed=") &&
                             absl::SimpleAtoi(argument, &batonstore::seed));
    if (!understood) {
      std::cerr << "unknown argument: " << argv[i] << "\n";
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
