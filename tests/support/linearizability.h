// Judges what several threads did to one object at the same time: a recorder of their calls and
// answers, and a checker that looks for an order in which the object could have given them.
//
//   HistoryRecorder<Operation> recorder(/*threads=*/4);
//   ... in each thread: recorder.Invoke(thread, operation);
//                       operation.answer = object.Do(operation);
//                       recorder.Answer(thread, operation);
//   const auto result = CheckLinearizable(Model(), recorder.History(), apply, fingerprint);
//   EXPECT_TRUE(result.linearizable());
//
// Linearizability is that of M. P. Herlihy and J. M. Wing, "Linearizability: A Correctness
// Condition for Concurrent Objects" (1990). The search is that of J. M. Wing and C. Gong, "Testing
// and Verifying Concurrent Objects" (1993), with the memory of visited configurations that
// G. Lowe, "Testing for Linearizability" (2017), added to it.

#ifndef BATONSTORE_TESTS_SUPPORT_LINEARIZABILITY_H_
#define BATONSTORE_TESTS_SUPPORT_LINEARIZABILITY_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

namespace batonstore::testing {

// The answer has not come.
inline constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

// One operation of a history. Both stamps come from one counter that only rises: an operation that
// was answered before another was invoked took effect before it. What was never answered may have
// taken effect at any moment after its invocation, or not at all; but if the process that was at it
// died, then before that or not at all, and wholly.
template <typename Operation>
struct HistoryEntry {
  Operation operation{};  // the call, and its answer if it has one
  uint64_t invoked = 0;
  uint64_t answered = kNever;  // greater than `invoked`
  uint64_t lost = kNever;      // of what was never answered: when its process died, after `invoked`
};

// Writes down what several threads do. Its counter puts the threads in an order that
// ThreadSanitizer takes for the object's own: look for data races without it.
template <typename Operation>
class HistoryRecorder {
 public:
  explicit HistoryRecorder(size_t threads) : logs_(threads) {}

  // `thread`, from 0, is about to make a call. Thread-safe, as is Answer(), for different threads.
  void Invoke(size_t thread, Operation operation) {
    std::vector<HistoryEntry<Operation>>& log = logs_[thread];
    log.push_back({.operation = std::move(operation)});
    log.back().invoked = clock_++;
  }

  // The last call of `thread` was answered: `operation` is that call with its answer. A thread that
  // learns no answer leaves this out, and may go on with another call.
  void Answer(size_t thread, Operation operation) {
    const uint64_t now = clock_++;
    HistoryEntry<Operation>& last = logs_[thread].back();
    last.operation = std::move(operation);
    last.answered = now;
  }

  // All entries, thread by thread. REQUIRES: no thread is recording.
  std::vector<HistoryEntry<Operation>> History() const {
    std::vector<HistoryEntry<Operation>> history;
    for (const auto& log : logs_) history.insert(history.end(), log.begin(), log.end());
    return history;
  }

 private:
  std::atomic<uint64_t> clock_ = 0;
  std::vector<std::vector<HistoryEntry<Operation>>> logs_;
};

enum class LinearizabilityOutcome {
  kLinearizable,
  kNotLinearizable,
  kUndecided,  // the bound on the search came first
};

struct LinearizabilitySearch {
  // The search ends, undecided, rather than visit one more configuration: which operations have
  // taken effect, and the state that they led to.
  uint64_t max_visited = 1'000'000;
  // Whether to look for all final states, or be content with the first.
  bool all_finals = true;
};

template <typename State>
struct LinearizabilityResult {
  LinearizabilityOutcome outcome = LinearizabilityOutcome::kNotLinearizable;

  // The states, each once, in which the history may have ended: none if it is not linearizable.
  // When undecided, those found so far: if there are any, only their number is undecided.
  std::vector<State> finals;

  // An order, by index in the history, in which the model gives the answers, as far as that was
  // found to go: of all such beginnings, one with the most answered operations.
  std::vector<size_t> longest;

  uint64_t visited = 0;  // configurations

  bool linearizable() const { return outcome == LinearizabilityOutcome::kLinearizable; }
};

// Looks for an order of the operations of `history` that keeps to its stamps and in which a model,
// starting as `initial`, gives their answers.
//
// `apply(State&, const Operation&)` does the operation in the model and returns whether the answer
// on record is the model's; always, for an operation without an answer. `fingerprint(const State&)`
// names a state: anything that `<` orders, equal for states that no operation can tell apart and
// for no others (a hash that collides may hide a linearization).
//
// `history` may be of any length and in any order. The time it takes is exponential in how many
// operations overlap, those without an answer overlapping all that follow.
template <typename State, typename Operation, typename Apply, typename Fingerprint>
LinearizabilityResult<State> CheckLinearizable(const State& initial,
                                               const std::vector<HistoryEntry<Operation>>& history,
                                               Apply apply, Fingerprint fingerprint,
                                               const LinearizabilitySearch& search = {}) {
  using Name = std::decay_t<std::invoke_result_t<Fingerprint&, const State&>>;
  // A configuration, and how far its successors have been tried.
  struct Frame {
    State state;
    size_t next = 0;                 // index into `by_invocation`
    uint64_t first_answer = kNever;  // of the entries before that, those not on the path
    uint64_t last_invoked = 0;       // of the entries on the path
  };

  size_t missing = 0;  // entries with an answer that are not on the path
  for (const HistoryEntry<Operation>& entry : history) {
    if (entry.answered <= entry.invoked || entry.lost <= entry.invoked) {
      std::fprintf(stderr, "CheckLinearizable: an operation was answered before it was invoked\n");
      std::abort();
    }
    if (entry.answered != kNever) ++missing;
  }
  std::vector<size_t> by_invocation(history.size());
  std::iota(by_invocation.begin(), by_invocation.end(), size_t{0});
  std::stable_sort(by_invocation.begin(), by_invocation.end(),
                   [&](size_t a, size_t b) { return history[a].invoked < history[b].invoked; });

  LinearizabilityResult<State> result;
  std::vector<size_t> path;                         // leads to the configuration at hand
  std::vector<uint8_t> on_path(history.size(), 0);  // 1 if it is
  std::vector<Frame> stack;                         // the configurations on the way to it
  std::set<std::pair<std::vector<uint8_t>, Name>> visited;
  std::set<Name> names_of_finals;
  size_t fewest_missing = missing;
  bool done = false;

  const auto step = [&](size_t index) {
    path.push_back(index);
    on_path[index] = 1;
    if (history[index].answered != kNever) --missing;
  };
  const auto step_back = [&] {
    const size_t index = path.back();
    path.pop_back();
    on_path[index] = 0;
    if (history[index].answered != kNever) ++missing;
  };
  // Makes `state`, at the end of the path, the configuration at hand; false if there is no use.
  const auto visit = [&](State state, uint64_t last_invoked) {
    Name name = fingerprint(std::as_const(state));
    if (!visited.emplace(on_path, name).second) return false;
    if (result.visited == search.max_visited) {
      result.outcome = LinearizabilityOutcome::kUndecided;
      done = true;
      return false;
    }
    ++result.visited;
    if (missing < fewest_missing) {
      fewest_missing = missing;
      result.longest = path;
    }
    if (missing == 0) {
      result.outcome = LinearizabilityOutcome::kLinearizable;
      if (names_of_finals.insert(std::move(name)).second) result.finals.push_back(state);
      done = !search.all_finals;
    }
    stack.push_back({.state = std::move(state), .last_invoked = last_invoked});
    return true;
  };

  visit(initial, /*last_invoked=*/0);
  while (!done && !stack.empty()) {
    Frame& frame = stack.back();
    // What was invoked after an answer that is still missing has to wait for it, and so do all that
    // were invoked even later.
    if (frame.next == history.size() ||
        history[by_invocation[frame.next]].invoked > frame.first_answer) {
      stack.pop_back();
      if (!path.empty()) step_back();
      continue;
    }
    const size_t index = by_invocation[frame.next++];
    if (on_path[index] != 0) continue;
    const HistoryEntry<Operation>& entry = history[index];
    frame.first_answer = std::min(frame.first_answer, entry.answered);
    if (entry.lost < frame.last_invoked) continue;  // something later has taken effect already
    State state = frame.state;
    if (!apply(state, entry.operation)) continue;
    const uint64_t last_invoked = std::max(frame.last_invoked, entry.invoked);
    step(index);
    if (!visit(std::move(state), last_invoked)) step_back();
  }
  return result;
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_LINEARIZABILITY_H_
