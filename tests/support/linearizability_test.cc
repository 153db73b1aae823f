// Histories with a known verdict, and random ones beside a checker that tries every order. The
// properties print their seed; replay one with --test_env=RC_PARAMS="seed=...".

#include "tests/support/linearizability.h"

#include <gtest/gtest.h>  // before RapidCheck, which uses it
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <optional>
#include <ostream>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "batonstore/base/mutex.h"
#include "gmock/gmock.h"

namespace batonstore {
namespace {

using testing::CheckLinearizable;
using ::testing::ElementsAre;
using testing::HistoryEntry;
using testing::HistoryRecorder;
using ::testing::IsEmpty;
using testing::kNever;
using testing::LinearizabilityOutcome;
using testing::LinearizabilityResult;
using testing::LinearizabilitySearch;
using ::testing::UnorderedElementsAre;

// ---- The objects: what they do when nobody else is there ----

enum class Do { kRead, kWrite, kIncrement, kPush, kPop };

constexpr int kDone = 0;    // what a write and a push answer
constexpr int kEmpty = -1;  // what a pop answers when there is nothing

struct Operation {
  Do what;
  int argument = 0;
  std::optional<int> answer = std::nullopt;  // nothing: it has not come
};

struct Register {
  static constexpr Do kFirst = Do::kRead;
  static constexpr Do kSecond = Do::kWrite;

  int Answer(const Operation& operation) {
    if (operation.what == Do::kRead) return value;
    value = operation.argument;
    return kDone;
  }

  int value = 0;
};

struct Counter {
  static constexpr Do kFirst = Do::kRead;
  static constexpr Do kSecond = Do::kIncrement;

  int Answer(const Operation& operation) { return operation.what == Do::kRead ? value : ++value; }

  int value = 0;
};

struct Queue {
  static constexpr Do kFirst = Do::kPush;
  static constexpr Do kSecond = Do::kPop;

  int Answer(const Operation& operation) {
    if (operation.what == Do::kPush) {
      value.push_back(operation.argument);
      return kDone;
    }
    if (value.empty()) return kEmpty;
    const int first = value.front();
    value.erase(value.begin());
    return first;
  }

  std::vector<int> value;
};

template <typename Object>
using Value = decltype(Object::value);

// ---- Histories ----

using Entry = HistoryEntry<Operation>;
using History = std::vector<Entry>;

Operation Write(int value) { return {Do::kWrite, value, kDone}; }
Operation Read(int answer) { return {Do::kRead, 0, answer}; }
Operation Increment(int answer) { return {Do::kIncrement, 0, answer}; }
Operation Push(int value) { return {Do::kPush, value, kDone}; }
Operation Pop(int answer) { return {Do::kPop, 0, answer}; }

// Was invoked; no answer came.
Entry Unanswered(Operation operation, uint64_t invoked) {
  operation.answer = std::nullopt;
  return {operation, invoked};
}

// Nor could it come any more: whoever was at it died.
Entry Lost(Operation operation, uint64_t invoked, uint64_t lost) {
  operation.answer = std::nullopt;
  return {operation, invoked, kNever, lost};
}

void showValue(const Entry& entry, std::ostream& out) {
  static constexpr const char* kNames[] = {"Read", "Write", "Increment", "Push", "Pop"};
  out << kNames[static_cast<int>(entry.operation.what)] << "(" << entry.operation.argument << ")";
  if (entry.operation.answer.has_value()) out << " = " << *entry.operation.answer;
  out << " [" << entry.invoked << ", ";
  if (entry.answered != kNever) out << entry.answered;
  if (entry.lost != kNever) out << "lost at " << entry.lost;
  out << "]";
}

template <typename Object>
bool Apply(Object& object, const Operation& operation) {
  const int answer = object.Answer(operation);
  return operation.answer.value_or(answer) == answer;
}

template <typename Object>
LinearizabilityResult<Object> Check(const History& history,
                                    const LinearizabilitySearch& search = {}) {
  return CheckLinearizable(
      Object(), history, Apply<Object>, [](const Object& object) { return object.value; }, search);
}

template <typename Object>
std::vector<Value<Object>> Finals(const History& history) {
  std::vector<Value<Object>> values;
  for (const Object& object : Check<Object>(history).finals) values.push_back(object.value);
  return values;
}

template <typename Object>
bool Linearizable(const History& history) {
  const LinearizabilityResult<Object> result = Check<Object>(history);
  EXPECT_NE(result.outcome, LinearizabilityOutcome::kUndecided);
  EXPECT_NE(result.linearizable(), result.finals.empty());
  return result.linearizable();
}

TEST(LinearizabilityTest, NothingHappened) {
  const LinearizabilityResult<Register> result = Check<Register>({});
  EXPECT_TRUE(result.linearizable());
  EXPECT_EQ(result.finals.size(), 1u);
  EXPECT_THAT(result.longest, IsEmpty());
  EXPECT_EQ(result.visited, 1u);
}

// ---- A register ----

TEST(RegisterHistoryTest, OneAfterTheOther) {
  EXPECT_TRUE(Linearizable<Register>({{Read(0), 0, 1}, {Write(1), 2, 3}, {Read(1), 4, 5}}));
  EXPECT_FALSE(Linearizable<Register>({{Read(1), 0, 1}, {Write(1), 2, 3}}));
}

TEST(RegisterHistoryTest, StaleReadAfterAnAnsweredWrite) {
  EXPECT_FALSE(Linearizable<Register>({{Write(1), 0, 1}, {Read(0), 2, 3}}));
  EXPECT_FALSE(Linearizable<Register>({{Write(1), 0, 1}, {Write(2), 2, 3}, {Read(1), 4, 5}}));
}

TEST(RegisterHistoryTest, ReadMayMissOrSeeAWriteThatItOverlaps) {
  EXPECT_TRUE(Linearizable<Register>({{Write(1), 0, 3}, {Read(0), 1, 2}}));
  EXPECT_TRUE(Linearizable<Register>({{Write(1), 0, 3}, {Read(1), 1, 2}}));
  EXPECT_TRUE(Linearizable<Register>({{Write(1), 0, 2}, {Read(0), 1, 3}}));
  EXPECT_FALSE(Linearizable<Register>({{Write(1), 0, 3}, {Read(2), 1, 2}}));
}

TEST(RegisterHistoryTest, OnceSeenAWriteStaysSeen) {
  EXPECT_TRUE(Linearizable<Register>({{Write(1), 0, 5}, {Read(0), 1, 2}, {Read(1), 3, 4}}));
  EXPECT_FALSE(Linearizable<Register>({{Write(1), 0, 5}, {Read(1), 1, 2}, {Read(0), 3, 4}}));
  // Reads that overlap each other may be told apart either way.
  EXPECT_TRUE(Linearizable<Register>({{Write(1), 0, 5}, {Read(1), 1, 3}, {Read(0), 2, 4}}));
}

TEST(RegisterHistoryTest, AllReadersSeeTheWritesInOneOrder) {
  const Entry one = {Write(1), 0, 9};
  const Entry two = {Write(2), 1, 10};
  EXPECT_TRUE(Linearizable<Register>(
      {one, two, {Read(1), 2, 4}, {Read(2), 5, 7}, {Read(1), 3, 6}, {Read(2), 8, 11}}));
  EXPECT_FALSE(Linearizable<Register>(
      {one, two, {Read(1), 2, 4}, {Read(2), 5, 7}, {Read(2), 3, 6}, {Read(1), 8, 11}}));
}

TEST(RegisterHistoryTest, UnansweredWriteHappenedOrNot) {
  const Entry write = Unanswered(Write(1), 0);
  EXPECT_TRUE(Linearizable<Register>({write, {Read(0), 1, 2}}));
  EXPECT_TRUE(Linearizable<Register>({write, {Read(1), 1, 2}}));
  EXPECT_TRUE(Linearizable<Register>({write, {Read(0), 1, 2}, {Read(1), 3, 4}}));
  EXPECT_FALSE(Linearizable<Register>({write, {Read(1), 1, 2}, {Read(0), 3, 4}}));
  // It happens once, and not before it is invoked.
  EXPECT_FALSE(Linearizable<Register>({write, {Read(1), 1, 2}, {Write(2), 3, 4}, {Read(1), 5, 6}}));
  EXPECT_FALSE(Linearizable<Register>({{Read(1), 0, 1}, Unanswered(Write(1), 2)}));
}

TEST(RegisterHistoryTest, LostWriteHappenedBeforeOrNot) {
  const Entry write = Lost(Write(1), 0, 3);
  EXPECT_TRUE(Linearizable<Register>({write, {Read(0), 1, 2}, {Read(0), 4, 5}}));
  EXPECT_TRUE(Linearizable<Register>({write, {Read(1), 1, 2}, {Read(1), 4, 5}}));
  EXPECT_TRUE(Linearizable<Register>({write, {Read(0), 1, 2}, {Read(1), 4, 5}}));
  EXPECT_THAT(Finals<Register>({write, {Read(0), 1, 2}}), UnorderedElementsAre(0, 1));
  EXPECT_THAT(Finals<Register>({write, {Read(1), 4, 5}}), ElementsAre(1));
  EXPECT_THAT(Finals<Register>({write, {Read(0), 4, 5}}), ElementsAre(0));
}

TEST(RegisterHistoryTest, LostWriteDoesNotHappenLate) {
  const Entry write = Lost(Write(1), 0, 3);
  EXPECT_FALSE(Linearizable<Register>({write, {Read(0), 4, 5}, {Read(1), 6, 7}}));
  EXPECT_TRUE(  // unlike one that may still be under way
      Linearizable<Register>({Unanswered(Write(1), 0), {Read(0), 4, 5}, {Read(1), 6, 7}}));
  // Nor is it undone, if it has happened.
  EXPECT_FALSE(Linearizable<Register>({write, {Read(1), 4, 5}, {Read(0), 6, 7}}));
  EXPECT_FALSE(Linearizable<Register>({write, {Read(1), 1, 2}, {Read(0), 4, 5}}));
  // What overlaps the death may be on either side of it.
  EXPECT_TRUE(Linearizable<Register>({write, {Read(0), 2, 4}, {Read(1), 5, 6}}));
  // A later life's write is the last.
  EXPECT_THAT(Finals<Register>({write, {Write(2), 4, 5}}), ElementsAre(2));
  EXPECT_THAT(Finals<Register>({write, Lost(Write(2), 4, 5), {Write(3), 6, 7}}), ElementsAre(3));
}

TEST(RegisterHistoryTest, FinalStates) {
  EXPECT_THAT(Finals<Register>({{Write(1), 0, 1}, {Write(2), 2, 3}}), ElementsAre(2));
  EXPECT_THAT(Finals<Register>({{Write(1), 0, 2}, {Write(2), 1, 3}}), UnorderedElementsAre(1, 2));
  EXPECT_THAT(Finals<Register>({{Write(1), 0, 2}, {Write(2), 1, 3}, {Read(1), 4, 5}}),
              ElementsAre(1));
  EXPECT_THAT(
      Finals<Register>({Unanswered(Write(1), 0), {Write(2), 1, 2}, Unanswered(Write(3), 3)}),
      UnorderedElementsAre(1, 2, 3));
  EXPECT_THAT(Finals<Register>({Unanswered(Write(1), 0), {Write(2), 1, 2}, {Read(2), 3, 4}}),
              UnorderedElementsAre(1, 2));
  EXPECT_THAT(Finals<Register>({Unanswered(Write(1), 0), {Read(1), 1, 2}}), ElementsAre(1));
  EXPECT_THAT(Finals<Register>({{Write(1), 0, 1}, {Read(0), 2, 3}}), IsEmpty());
}

// ---- A counter ----

TEST(CounterHistoryTest, LostUpdate) {
  EXPECT_FALSE(Linearizable<Counter>({{Increment(1), 0, 2}, {Increment(1), 1, 3}}));
  EXPECT_TRUE(Linearizable<Counter>({{Increment(1), 0, 2}, {Increment(2), 1, 3}}));
  EXPECT_FALSE(
      Linearizable<Counter>({{Increment(1), 0, 2}, {Increment(2), 1, 3}, {Read(1), 4, 5}}));
}

TEST(CounterHistoryTest, AnswersThatContradictTheOrder) {
  EXPECT_TRUE(Linearizable<Counter>({{Increment(2), 0, 2}, {Increment(1), 1, 3}}));
  EXPECT_FALSE(Linearizable<Counter>({{Increment(2), 0, 1}, {Increment(1), 2, 3}}));
  // What overlaps both does not make them overlap.
  EXPECT_FALSE(
      Linearizable<Counter>({{Increment(3), 0, 5}, {Increment(2), 1, 2}, {Increment(1), 3, 4}}));
}

TEST(CounterHistoryTest, StampsAndNotPositionsCount) {
  EXPECT_TRUE(Linearizable<Counter>({{Increment(2), 2, 3}, {Increment(1), 0, 1}}));
  EXPECT_FALSE(Linearizable<Counter>({{Increment(1), 2, 3}, {Increment(2), 0, 1}}));
}

TEST(CounterHistoryTest, UnansweredIncrementsFillTheGaps) {
  const Entry first = Unanswered(Increment(0), 0);
  const Entry second = Unanswered(Increment(0), 1);
  EXPECT_TRUE(Linearizable<Counter>({first, second, {Increment(2), 2, 3}}));
  EXPECT_TRUE(Linearizable<Counter>({first, second, {Increment(3), 2, 3}}));
  EXPECT_FALSE(Linearizable<Counter>({first, second, {Increment(4), 2, 3}}));
  EXPECT_THAT(Finals<Counter>({first, second, {Increment(2), 2, 3}}), UnorderedElementsAre(2, 3));
  EXPECT_THAT(Finals<Counter>({first, second}), UnorderedElementsAre(0, 1, 2));
}

// ---- A queue ----

TEST(QueueHistoryTest, FirstInFirstOut) {
  const History pushes = {{Push(1), 0, 1}, {Push(2), 2, 3}};
  const auto then = [&](std::vector<Entry> pops) {
    pops.insert(pops.begin(), pushes.begin(), pushes.end());
    return pops;
  };
  EXPECT_TRUE(Linearizable<Queue>(then({{Pop(1), 4, 5}, {Pop(2), 6, 7}, {Pop(kEmpty), 8, 9}})));
  EXPECT_FALSE(Linearizable<Queue>(then({{Pop(2), 4, 5}})));
  EXPECT_FALSE(Linearizable<Queue>(then({{Pop(2), 4, 5}, {Pop(1), 6, 7}})));
  EXPECT_FALSE(Linearizable<Queue>(then({{Pop(1), 4, 6}, {Pop(1), 5, 7}})));
  EXPECT_FALSE(Linearizable<Queue>(then({{Pop(kEmpty), 4, 5}})));
  EXPECT_TRUE(Linearizable<Queue>(then({{Pop(2), 4, 6}, {Pop(1), 5, 7}})));
}

TEST(QueueHistoryTest, PopsTellTheOrderOfOverlappingPushes) {
  const Entry one = {Push(1), 0, 2};
  const Entry two = {Push(2), 1, 3};
  EXPECT_TRUE(Linearizable<Queue>({one, two, {Pop(1), 4, 5}, {Pop(2), 6, 7}}));
  EXPECT_TRUE(Linearizable<Queue>({one, two, {Pop(2), 4, 5}, {Pop(1), 6, 7}}));
  EXPECT_THAT(Finals<Queue>({one, two}),
              UnorderedElementsAre(ElementsAre(1, 2), ElementsAre(2, 1)));
  EXPECT_THAT(Finals<Queue>({one, two, {Pop(2), 4, 5}}), ElementsAre(ElementsAre(1)));
}

TEST(QueueHistoryTest, UnansweredPopMayHaveTakenAnElement) {
  const Entry one = {Push(1), 0, 1};
  const Entry pop = Unanswered(Pop(kEmpty), 2);
  EXPECT_TRUE(Linearizable<Queue>({one, pop, {Pop(1), 3, 4}}));
  EXPECT_TRUE(Linearizable<Queue>({one, pop, {Pop(kEmpty), 3, 4}}));
  EXPECT_FALSE(Linearizable<Queue>({one, pop, {Pop(kEmpty), 3, 4}, {Pop(1), 5, 6}}));
}

TEST(QueueHistoryTest, LostOperationHappensAsAWhole) {
  const Entry one = {Push(1), 0, 1};
  const Entry pop = Lost(Pop(kEmpty), 2, 4);
  const Entry push = Lost(Push(2), 3, 4);
  EXPECT_THAT(Finals<Queue>({one, pop, push}),
              UnorderedElementsAre(ElementsAre(1), ElementsAre(2), ElementsAre(1, 2), IsEmpty()));
  EXPECT_TRUE(Linearizable<Queue>({one, pop, push, {Pop(2), 5, 6}, {Pop(kEmpty), 7, 8}}));
  EXPECT_FALSE(Linearizable<Queue>({one, pop, push, {Pop(2), 5, 6}, {Pop(1), 7, 8}}));
  EXPECT_FALSE(Linearizable<Queue>({one, pop, push, {Pop(kEmpty), 5, 6}, {Pop(2), 7, 8}}));
}

// ---- The search ----

TEST(LinearizabilityTest, ShowsHowFarItCame) {
  const LinearizabilityResult<Register> stale =
      Check<Register>({{Read(0), 4, 5}, {Write(2), 2, 3}, {Write(1), 0, 1}});
  EXPECT_FALSE(stale.linearizable());
  EXPECT_THAT(stale.longest, ElementsAre(2, 1));

  const LinearizabilityResult<Register> fine =
      Check<Register>({{Read(1), 1, 2}, Unanswered(Write(1), 0), Unanswered(Write(2), 3)});
  EXPECT_TRUE(fine.linearizable());
  EXPECT_THAT(fine.longest, ElementsAre(1, 0));
}

TEST(LinearizabilityTest, BoundIsNoVerdict) {
  History history;
  for (uint64_t i = 0; i < 10; ++i) history.push_back(Unanswered(Increment(0), i));
  history.push_back({Read(10), 20, 21});
  const uint64_t needed = Check<Counter>(history).visited;

  const LinearizabilityResult<Counter> enough = Check<Counter>(history, {.max_visited = needed});
  EXPECT_TRUE(enough.linearizable());
  EXPECT_EQ(enough.visited, needed);

  for (const uint64_t bound : {uint64_t{0}, uint64_t{1}, uint64_t{5}, needed - 1}) {
    const LinearizabilityResult<Counter> result = Check<Counter>(history, {.max_visited = bound});
    EXPECT_EQ(result.outcome, LinearizabilityOutcome::kUndecided) << bound;
    EXPECT_FALSE(result.linearizable());
    EXPECT_EQ(result.visited, bound);
  }

  history.back() = {Read(11), 20, 21};
  const uint64_t all = Check<Counter>(history).visited;
  EXPECT_EQ(Check<Counter>(history, {.max_visited = all}).outcome,
            LinearizabilityOutcome::kNotLinearizable);
  EXPECT_EQ(Check<Counter>(history, {.max_visited = all - 1}).outcome,
            LinearizabilityOutcome::kUndecided);
}

TEST(LinearizabilityTest, FinalStatesSoFarAreThereWhenTheBoundIsReached) {
  const History history = {Unanswered(Write(1), 0), Unanswered(Write(2), 1)};
  const LinearizabilityResult<Register> result = Check<Register>(history, {.max_visited = 2});
  EXPECT_EQ(result.outcome, LinearizabilityOutcome::kUndecided);
  EXPECT_EQ(result.finals.size(), 2u);
  EXPECT_THAT(Finals<Register>(history), UnorderedElementsAre(0, 1, 2));
}

TEST(LinearizabilityTest, IsContentWithOneFinalStateOnRequest) {
  History history;
  for (int i = 0; i < 30; ++i) history.push_back(Unanswered(Write(i), static_cast<uint64_t>(i)));
  history.push_back({Read(29), 100, 101});
  const LinearizabilityResult<Register> result =
      Check<Register>(history, {.max_visited = 1000, .all_finals = false});
  EXPECT_TRUE(result.linearizable());
  EXPECT_EQ(result.finals.size(), 1u);
}

TEST(LinearizabilityTest, VisitsAConfigurationOnce) {
  History history;
  for (uint64_t i = 0; i < 12; ++i) history.push_back(Unanswered(Increment(0), i));
  EXPECT_EQ(Check<Counter>(history).visited, uint64_t{1} << 12);  // the subsets, not the orders
}

TEST(LinearizabilityTest, LongHistory) {
  constexpr int kOperations = 5000;  // each overlaps its neighbours
  History history;
  for (int i = 0; i < kOperations; ++i) {
    const uint64_t at = 2 * static_cast<uint64_t>(i);
    history.push_back({Increment(i + 1), at, at + 3});
  }
  const LinearizabilityResult<Counter> result = Check<Counter>(history);
  EXPECT_TRUE(result.linearizable());
  EXPECT_EQ(result.longest.size(), history.size());
  std::swap(history[100].operation, history[102].operation);
  EXPECT_FALSE(Linearizable<Counter>(history));
}

TEST(LinearizabilityDeathTest, AnswerBeforeTheInvocation) {
  EXPECT_DEATH(Check<Register>({{Read(0), 2, 1}}), "answered before it was invoked");
  EXPECT_DEATH(Check<Register>({Lost(Write(0), 2, 1)}), "answered before it was invoked");
}

// ---- Beside a checker that tries every order ----

template <typename Object>
struct Truth {
  std::set<Value<Object>> finals;
  size_t most_answered = 0;  // that any beginning of an order has
};

bool KeepsToStamps(const History& history, const std::vector<size_t>& order) {
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t j = i + 1; j < order.size(); ++j) {
      const Entry& later = history[order[j]];
      if (std::min(later.answered, later.lost) < history[order[i]].invoked) return false;
    }
  }
  return true;
}

// Every choice of the unanswered operations, in every order.
template <typename Object>
Truth<Object> TryEverything(const History& history) {
  Truth<Object> truth;
  for (size_t choice = 0; choice < size_t{1} << history.size(); ++choice) {
    std::vector<size_t> order;
    bool all_answered = true;
    for (size_t i = 0; i < history.size(); ++i) {
      if ((choice >> i & 1) != 0) {
        order.push_back(i);
      } else if (history[i].answered != kNever) {
        all_answered = false;
      }
    }
    if (!all_answered) continue;
    do {
      if (!KeepsToStamps(history, order)) continue;
      Object object;
      size_t taken = 0;
      size_t answered = 0;
      while (taken < order.size() && Apply(object, history[order[taken]].operation)) {
        if (history[order[taken++]].answered != kNever) ++answered;
      }
      truth.most_answered = std::max(truth.most_answered, answered);
      if (taken == order.size()) truth.finals.insert(object.value);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return truth;
}

// How an operation of a random history came about.
struct Draw {
  bool second;  // which operation of the object
  int argument;
  uint64_t early;  // how long before it took effect it was invoked
  uint64_t late;   // how long after it took effect it was answered
  int fate;        // 0: it was not answered, 1: nor did it take effect, others: it was answered
  bool lost;       // if it was not answered: `late` after that moment, it could not be any more
};

void showValue(const Draw& draw, std::ostream& out) {
  out << "{" << draw.second << ", " << draw.argument << ", " << draw.early << ", " << draw.late
      << ", " << draw.fate << ", " << draw.lost << "}";
}

rc::Gen<std::vector<Draw>> Draws() {
  const auto draw = rc::gen::construct<Draw>(
      rc::gen::arbitrary<bool>(), rc::gen::inRange(1, 4), rc::gen::inRange<uint64_t>(0, 30),
      rc::gen::inRange<uint64_t>(1, 30), rc::gen::inRange(0, 10), rc::gen::arbitrary<bool>());
  return rc::gen::resize(rc::kNominalSize,
                         rc::gen::mapcat(rc::gen::inRange<size_t>(0, 8), [draw](size_t count) {
                           return rc::gen::container<std::vector<Draw>>(count, draw);
                         }));
}

// A history of an object that takes up one operation every ten ticks.
template <typename Object>
History MakeHistory(const std::vector<Draw>& draws, Object& object) {
  History history;
  uint64_t now = 100;
  for (const Draw& draw : draws) {
    now += 10;
    Entry entry = {{draw.second ? Object::kSecond : Object::kFirst, draw.argument},
                   now - draw.early};
    if (draw.fate != 1) {
      const int answer = object.Answer(entry.operation);
      if (draw.fate != 0) {
        entry.operation.answer = answer;
        entry.answered = now + draw.late;
      }
    }
    if (draw.fate < 2 && draw.lost) entry.lost = now + draw.late;
    history.push_back(entry);
  }
  return history;
}

// How it is then falsified, as numbers to choose by.
struct Lie {
  int what;  // 0: answers are swapped, 1: an answer is changed, 2: stamps are swapped
  size_t first;
  size_t second;
};

void showValue(const Lie& lie, std::ostream& out) {
  out << "{" << lie.what << ", " << lie.first << ", " << lie.second << "}";
}

rc::Gen<Lie> AnyLie() {
  const auto number = rc::gen::inRange<size_t>(0, 8);
  return rc::gen::resize(rc::kNominalSize,
                         rc::gen::construct<Lie>(rc::gen::inRange(0, 3), number, number));
}

void Tell(const Lie& lie, History& history) {
  std::vector<Entry*> answered;
  for (Entry& entry : history) {
    if (entry.answered != kNever) answered.push_back(&entry);
  }
  if (answered.empty()) return;
  Entry& first = *answered[lie.first % answered.size()];
  Entry& second = *answered[lie.second % answered.size()];
  if (lie.what == 0) std::swap(first.operation.answer, second.operation.answer);
  if (lie.what == 1) *first.operation.answer += lie.second % 2 == 0 ? 1 : -1;
  if (lie.what == 2) {
    std::swap(first.invoked, second.invoked);
    std::swap(first.answered, second.answered);
  }
}

// How many random histories were judged, and how.
struct Tally {
  int linearizable = 0;
  int not_linearizable = 0;
};

// Fails the property when the verdict, the final states or the longest beginning are not those that
// trying everything finds.
template <typename Object>
void Compare(const History& history, Tally& tally) {
  RC_LOG() << rc::toString(history) << std::endl;
  const LinearizabilityResult<Object> result = Check<Object>(history);
  const Truth<Object> truth = TryEverything<Object>(history);
  RC_ASSERT(result.outcome == (truth.finals.empty() ? LinearizabilityOutcome::kNotLinearizable
                                                    : LinearizabilityOutcome::kLinearizable));
  std::set<Value<Object>> finals;
  for (const Object& object : result.finals) RC_ASSERT(finals.insert(object.value).second);
  RC_ASSERT(finals == truth.finals);

  RC_ASSERT(KeepsToStamps(history, result.longest));
  Object object;
  size_t answered = 0;
  for (const size_t index : result.longest) {
    RC_ASSERT(Apply(object, history[index].operation));
    if (history[index].answered != kNever) ++answered;
  }
  RC_ASSERT(answered == truth.most_answered);
  ++(result.linearizable() ? tally.linearizable : tally.not_linearizable);
}

template <typename Object>
class RandomHistoryTest : public ::testing::Test {};
using Objects = ::testing::Types<Register, Counter, Queue>;
TYPED_TEST_SUITE(RandomHistoryTest, Objects);

TYPED_TEST(RandomHistoryTest, AgreesWithTryingEverything) {
  constexpr int kHistoriesACase = 12;
  Tally true_ones;
  Tally false_ones;
  const bool passed = rc::check([&] {
    for (int i = 0; i < kHistoriesACase; ++i) {
      TypeParam object;
      History history = MakeHistory(*Draws(), object);
      if (*rc::gen::arbitrary<bool>()) std::reverse(history.begin(), history.end());
      Compare<TypeParam>(history, true_ones);
      RC_ASSERT(true_ones.not_linearizable == 0);
      const std::vector<Value<TypeParam>> finals = Finals<TypeParam>(history);
      RC_ASSERT(std::count(finals.begin(), finals.end(), object.value) == 1);
      Tell(*AnyLie(), history);
      Compare<TypeParam>(history, false_ones);
    }
  });
  ASSERT_TRUE(passed);
  // Neither verdict is rare.
  EXPECT_GT(false_ones.linearizable, 100);
  EXPECT_GT(false_ones.not_linearizable, 100);
}

// ---- Beside objects that threads share ----

// An object behind a lock.
template <typename Object>
class Shared {
 public:
  int Answer(const Operation& operation) {
    MutexLock lock(mu_);
    std::this_thread::yield();  // the others queue up
    return object_.Answer(operation);
  }
  Value<Object> value() {
    MutexLock lock(mu_);
    return object_.value;
  }

 private:
  Mutex mu_;
  Object object_ ABSL_GUARDED_BY(mu_);
};

// Does the operations that were drawn for each thread, all threads at once. A thread gives up at
// its first lost answer: the final states of a queue multiply with every push that may have
// happened.
template <typename Object>
History Record(const std::vector<std::vector<Draw>>& draws, Shared<Object>& object) {
  HistoryRecorder<Operation> recorder(draws.size());
  std::atomic<size_t> not_ready = draws.size();
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < draws.size(); ++thread) {
    threads.emplace_back([&, thread] {
      --not_ready;
      while (not_ready > 0) std::this_thread::yield();
      for (const Draw& draw : draws[thread]) {
        Operation operation{draw.second ? Object::kSecond : Object::kFirst, draw.argument};
        recorder.Invoke(thread, operation);
        if (draw.fate == 1) return;  // lost on the way there
        const int answer = object.Answer(operation);
        if (draw.fate == 0) return;  // lost on the way back
        operation.answer = answer;
        recorder.Answer(thread, operation);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return recorder.History();
}

template <typename Object>
class SharedObjectTest : public ::testing::Test {};
TYPED_TEST_SUITE(SharedObjectTest, Objects);

// The seed decides what the threads do, not who is first.
TYPED_TEST(SharedObjectTest, IsLinearizable) {
  constexpr size_t kThreads = 4;
  const bool passed = rc::check([&] {
    const auto draws = *rc::gen::container<std::vector<std::vector<Draw>>>(kThreads, Draws());
    Shared<TypeParam> object;
    const History history = Record(draws, object);
    RC_LOG() << rc::toString(history) << std::endl;
    const LinearizabilityResult<TypeParam> result = Check<TypeParam>(history);
    RC_ASSERT(result.linearizable());
    RC_ASSERT(std::count_if(result.finals.begin(), result.finals.end(),
                            [&](const auto& final) { return final.value == object.value(); }) == 1);
  });
  EXPECT_TRUE(passed);
}

TYPED_TEST(SharedObjectTest, FalsifiedHistoryIsFoundOut) {
  Tally tally;
  const bool passed = rc::check([&] {
    std::vector<std::vector<Draw>> draws(4);
    size_t next = 0;
    for (const Draw& draw : *Draws()) draws[next++ % draws.size()].push_back(draw);
    Shared<TypeParam> object;
    History history = Record(draws, object);
    Tell(*AnyLie(), history);
    Compare<TypeParam>(history, tally);
  });
  EXPECT_TRUE(passed);
}

// ---- The recorder ----

TEST(HistoryRecorderTest, StampsInTheOrderOfTheCalls) {
  HistoryRecorder<Operation> recorder(2);
  recorder.Invoke(1, {Do::kIncrement});
  recorder.Invoke(0, {Do::kRead});
  recorder.Answer(1, Increment(1));
  recorder.Invoke(1, {Do::kIncrement});
  recorder.Answer(0, Read(1));
  recorder.Invoke(0, {Do::kIncrement});
  recorder.Answer(0, Increment(2));
  const History history = recorder.History();
  ASSERT_EQ(history.size(), 4u);
  const Entry &read = history[0], &second = history[1], &first = history[2], &lost = history[3];
  EXPECT_EQ(read.operation.answer, 1);
  EXPECT_EQ(second.operation.answer, 2);
  EXPECT_EQ(first.operation.answer, 1);
  EXPECT_EQ(lost.operation.answer, std::nullopt);
  EXPECT_LT(first.invoked, read.invoked);
  EXPECT_LT(read.invoked, first.answered);
  EXPECT_LT(first.answered, lost.invoked);
  EXPECT_LT(lost.invoked, read.answered);
  EXPECT_LT(read.answered, second.invoked);
  EXPECT_LT(second.invoked, second.answered);
  EXPECT_EQ(lost.answered, kNever);
  EXPECT_THAT(Finals<Counter>(history), UnorderedElementsAre(2, 3));
}

TEST(HistoryRecorderTest, CatchesACounterThatIsNotAtomic) {
  HistoryRecorder<Operation> recorder(2);
  std::atomic<int> counter = 0;
  std::barrier both_have_read(2);
  const auto increment = [&](size_t thread) {
    recorder.Invoke(thread, {Do::kIncrement});
    const int before = counter;
    both_have_read.arrive_and_wait();
    counter = before + 1;
    recorder.Answer(thread, Increment(before + 1));
  };
  std::thread other(increment, size_t{1});
  increment(0);
  other.join();
  EXPECT_FALSE(Linearizable<Counter>(recorder.History()));
}

}  // namespace
}  // namespace batonstore
