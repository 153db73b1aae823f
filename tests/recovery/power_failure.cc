// Cuts the power of a store, again and again: every durable operation, at every one of its
// barriers, in hundreds of ways each; opens what is left, and requires that it is what was
// acknowledged.
//
//   bazel run -c opt //tests/recovery:power_failure -- --states=1000000
//
//   --states=N       how many different states to check
//   --seed=S         of everything; printed
//   --jobs=J         processes; by default one for each processor
//   --per-barrier=N  at most so many states of one barrier
//   --mutant=NAME    breaks a promise on purpose: no-barrier, lazy-meta, early-answer,
//                    no-sync-on-open, no-directory-sync
//   --prove          requires that each of those mutants is noticed
//   --history=H --steps=1,2,3   replays one history, or those of its steps

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/recovery/power_history.h"
#include "tests/recovery/power_simulation.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/shared_memory.h"

namespace batonstore::testing {
namespace {

struct Flags {
  uint64_t states = 30'000;
  uint64_t seed = std::random_device()();
  uint64_t jobs = std::max(1u, std::thread::hardware_concurrency());
  uint64_t per_barrier = 512;
  Mutant mutant = Mutant::kNone;
  bool prove = false;
  std::optional<uint64_t> history;
  std::optional<std::vector<size_t>> steps;
};

// ---- Shared memory, folders, histories ----

// What the processes that cut the power tell the one that waits for them, with a set of states that
// is large enough for so many.
class SharedStates {
 public:
  explicit SharedStates(uint64_t states)
      : slots_(4 * (states + 1024)), memory_(slots_ * sizeof(uint64_t)) {
    shared().slots = slots_;
  }

  Shared& shared() const { return *memory_; }

 private:
  const size_t slots_;
  const SharedMemory<Shared> memory_;
};

uint64_t SeedOf(uint64_t seed, uint64_t history) {
  std::seed_seq sequence{seed, seed >> 32, history, history >> 32};
  uint32_t words[2];
  sequence.generate(std::begin(words), std::end(words));
  return uint64_t{words[0]} << 32 | words[1];
}

History HistoryOf(const Flags& flags, uint64_t number,
                  const std::optional<std::vector<size_t>>& steps) {
  History history = PlanHistory(SeedOf(flags.seed, number), number);
  if (!steps.has_value()) return history;
  std::vector<Step> kept;
  size_t prefilled = 0;
  for (const size_t step : *steps) {
    if (step >= history.steps.size()) continue;
    kept.push_back(history.steps[step]);
    prefilled += step < history.prefilled;
  }
  history.steps = std::move(kept);
  history.prefilled = prefilled;
  return history;
}

// Records a history and checks its states. False if it could not even be recorded.
bool RunHistory(History history, uint64_t number, const SimulationOptions& options,
                const ScratchFolder& scratch, Shared& shared, Place& place) {
  place.history = number;
  place.step = kNoStep;
  RecordHistory(scratch.MakeEmpty("record"), history);
  if (!history.trouble.empty()) {
    ++shared.unrecorded;
    shared.is_stopped = true;
    (void)fprintf(stderr, "power_failure: --history=%ju, %s\n", uintmax_t{number},
                  history.trouble.c_str());
    return false;
  }
  StateFolder folder(scratch.MakeEmpty("check"));
  Simulation(options, folder, shared, place).Run(history, number);
  return true;
}

// ---- Processes ----

template <typename Body>
pid_t Fork(Body body) {
  (void)fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child > 0) return child;
  body();
  (void)fflush(nullptr);
  _exit(EXIT_SUCCESS);
}

pid_t StartJob(const Flags& flags, const SimulationOptions& options, const ScratchFolder& scratch,
               Shared& shared, size_t job, uint64_t first) {
  return Fork([&] {
    for (uint64_t number = first; !shared.is_stopped; number += flags.jobs) {
      RunHistory(HistoryOf(flags, number, std::nullopt), number, options, scratch, shared,
                 shared.places[job]);
    }
  });
}

void NoteSignal(const Place& place, int status, Shared& shared) {
  ++shared.violations;
  if (shared.is_reported.exchange(true)) return;
  shared.reported.history = place.history.load();
  shared.reported.step = place.step.load();
  shared.reported.barrier = place.barrier.load();
  shared.reported.state = place.state.load();
  (void)snprintf(shared.report.data(), shared.report.size(), "the process died: %s",
                 WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it exited");
}

// Until there are enough states. A job that dies goes on with its next history.
void RunJobs(const Flags& flags, const SimulationOptions& options, Shared& shared) {
  // Here and not in the jobs: what a job leaves that dies is removed too.
  const std::vector<ScratchFolder> folders(flags.jobs);
  std::vector<pid_t> jobs;
  for (size_t job = 0; job < flags.jobs; ++job) {
    jobs.push_back(StartJob(flags, options, folders[job], shared, job, job));
  }
  for (size_t running = jobs.size(); running > 0;) {
    int status = 0;
    const pid_t ended = wait(&status);
    const auto found = std::find(jobs.begin(), jobs.end(), ended);
    if (found == jobs.end()) continue;
    --running;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) continue;
    const auto job = static_cast<size_t>(found - jobs.begin());
    NoteSignal(shared.places[job], status, shared);
    if (options.stop_at_violation) shared.is_stopped = true;
    if (shared.is_stopped) continue;
    *found = StartJob(flags, options, folders[job], shared, job,
                      shared.places[job].history + flags.jobs);
    ++running;
  }
}

// ---- Shrinking ----

// Whether these steps of a history still show a violation at the last one.
bool StillFails(const Flags& flags, uint64_t history, const std::vector<size_t>& steps) {
  SharedStates memory(uint64_t{1} << 17);
  Shared& shared = memory.shared();
  const SimulationOptions options{.states = uint64_t{1} << 17,
                                  .per_barrier = flags.per_barrier,
                                  .mutant = flags.mutant,
                                  .only_last_step = true};
  const ScratchFolder scratch;
  const pid_t child = Fork([&] {
    if (freopen("/dev/null", "w", stderr) == nullptr) std::abort();
    RunHistory(HistoryOf(flags, history, steps), history, options, scratch, shared,
               shared.places[0]);
  });
  int status = 0;
  (void)waitpid(child, &status, 0);
  return status != 0 || shared.violations > 0;
}

std::vector<size_t> Shrink(const Flags& flags, const Place& place) {
  std::vector<size_t> steps;
  if (place.step == kNoStep) return steps;
  for (size_t i = 0; i <= place.step; ++i) steps.push_back(i);
  if (!StillFails(flags, place.history, steps)) return steps;
  for (size_t chunk = steps.size() / 2; chunk > 0; chunk /= 2) {
    for (size_t at = 0; at + 1 < steps.size();) {  // the last one is what was cut
      std::vector<size_t> fewer = steps;
      const size_t end = std::min(at + chunk, steps.size() - 1);
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at),
                  fewer.begin() + static_cast<std::ptrdiff_t>(end));
      if (StillFails(flags, place.history, fewer)) {
        steps = std::move(fewer);
      } else {
        at += chunk;
      }
    }
  }
  return steps;
}

void PrintWorkload(const Flags& flags, uint64_t number, const std::vector<size_t>& steps) {
  const ScratchFolder scratch;
  const pid_t child = Fork([&] {  // which may die of it
    History history = HistoryOf(flags, number, steps);
    RecordHistory(scratch.MakeEmpty("record"), history);
    for (const Window& window : history.windows) printf("  %s\n", window.what.c_str());
  });
  (void)waitpid(child, nullptr, 0);
}

void PrintViolation(const Flags& flags, const Shared& shared) {
  if (!shared.is_reported) return;
  const Place& place = shared.reported;
  printf("\nviolation in history %ju, barrier %ju, state %ju: %s\n",
         uintmax_t{place.history.load()}, uintmax_t{place.barrier.load()},
         uintmax_t{place.state.load()}, shared.report.data());
  const std::vector<size_t> steps = Shrink(flags, place);
  printf("\nThe smallest workload that shows it, of what it wrote:\n");
  PrintWorkload(flags, place.history, steps);
  printf(
      "\nTo replay it:\n  bazel run -c opt //tests/recovery:power_failure -- --seed=%ju "
      "--history=%ju --steps=%s --per-barrier=%ju%s%s\n\n",
      uintmax_t{flags.seed}, uintmax_t{place.history.load()}, absl::StrJoin(steps, ",").c_str(),
      uintmax_t{flags.per_barrier}, flags.mutant == Mutant::kNone ? "" : " --mutant=",
      flags.mutant == Mutant::kNone ? "" : kMutantNames[static_cast<size_t>(flags.mutant)]);
}

// ---- Runs ----

void PrintTable(const Shared& shared) {
  printf("%-28s %10s %10s %10s %10s\n", "operation", "times", "barriers", "in slices", "states");
  for (int kind = 0; kind < kKinds; ++kind) {
    const Shared::Row& row = shared.rows[static_cast<size_t>(kind)];
    if (!IsDurable(kind) && row.times == 0) continue;
    printf("%-28s %10ju %10ju %10ju %10ju\n", NameOfKind(kind).c_str(), uintmax_t{row.times},
           uintmax_t{row.barriers}, uintmax_t{row.slices}, uintmax_t{row.states});
  }
}

// Kinds of operations that a long run has never met.
std::vector<std::string> NeverCut(const Shared& shared) {
  std::vector<std::string> never;
  for (int kind = 0; kind < kKinds; ++kind) {
    if (IsDurable(kind) && shared.rows[static_cast<size_t>(kind)].barriers == 0) {
      never.push_back(NameOfKind(kind));
    }
  }
  return never;
}

int RunStates(const Flags& flags) {
  constexpr uint64_t kLongRun = 1'000'000;
  constexpr uint64_t kRunWithSlices = 10'000;
  SharedStates memory(flags.states);
  Shared& shared = memory.shared();
  const auto begin = std::chrono::steady_clock::now();
  printf("power_failure: seed=%ju\n", uintmax_t{flags.seed});
  RunJobs(flags, {.states = flags.states, .per_barrier = flags.per_barrier, .mutant = flags.mutant},
          shared);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  PrintTable(shared);
  PrintViolation(flags, shared);
  const std::vector<std::string> never =
      flags.states >= kLongRun ? NeverCut(shared) : std::vector<std::string>();
  if (!never.empty()) printf("never cut: %s\n", absl::StrJoin(never, ", ").c_str());
  // In the histories that have merged at all, it is cut everywhere.
  const bool has_slices =
      flags.states < kRunWithSlices || (shared.slices >= 20 && shared.passes >= 2);
  if (!has_slices) printf("hardly ever cut: the merging of the indexes\n");
  const bool ok = shared.violations == 0 && shared.unrecorded == 0 && never.empty() && has_slices &&
                  shared.states == flags.states;
  printf(
      "power_failure: %s states=%ju violations=%ju barriers=%ju in_slices=%ju passes=%ju "
      "second_crashes=%ju seconds=%.1f states_per_second=%.0f seed=%ju\n",
      ok ? "ok" : "FAILED", uintmax_t{shared.states}, uintmax_t{shared.violations},
      uintmax_t{shared.barriers}, uintmax_t{shared.slices}, uintmax_t{shared.passes},
      uintmax_t{shared.of_recovery}, took.count(),
      static_cast<double>(shared.states) / took.count(), uintmax_t{flags.seed});
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int Replay(const Flags& flags) {
  SharedStates memory(uint64_t{1} << 20);
  Shared& shared = memory.shared();
  const SimulationOptions options{.states = uint64_t{1} << 20,
                                  .per_barrier = flags.per_barrier,
                                  .mutant = flags.mutant,
                                  .only_last_step = flags.steps.has_value()};
  const ScratchFolder scratch;
  const pid_t child = Fork([&] {
    RunHistory(HistoryOf(flags, *flags.history, flags.steps), *flags.history, options, scratch,
               shared, shared.places[0]);
  });
  int status = 0;
  (void)waitpid(child, &status, 0);
  if (status != 0) NoteSignal(shared.places[0], status, shared);
  PrintTable(shared);
  if (shared.is_reported) {
    printf("\nviolation at barrier %ju, state %ju: %s\n", uintmax_t{shared.reported.barrier.load()},
           uintmax_t{shared.reported.state.load()}, shared.report.data());
  }
  const bool ok = shared.violations == 0 && shared.unrecorded == 0;
  printf("power_failure: %s history=%ju states=%ju violations=%ju\n", ok ? "ok" : "FAILED",
         uintmax_t{*flags.history}, uintmax_t{shared.states}, uintmax_t{shared.violations});
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int Prove(Flags flags) {
  bool ok = true;
  for (size_t mutant = 1; mutant < kMutantNames.size(); ++mutant) {
    flags.mutant = static_cast<Mutant>(mutant);
    SharedStates memory(flags.states);
    Shared& shared = memory.shared();
    RunJobs(flags,
            {.states = flags.states,
             .per_barrier = flags.per_barrier,
             .stop_at_violation = false,
             .mutant = flags.mutant},
            shared);
    printf("mutant %-20s %s: %ju of %ju states flagged, the first one: %s\n", kMutantNames[mutant],
           shared.violations > 0 ? "noticed" : "SURVIVED", uintmax_t{shared.violations},
           uintmax_t{shared.checked}, shared.report.data());
    ok = ok && shared.violations > 0 && shared.unrecorded == 0;
  }
  printf("power_failure: mutants %s seed=%ju\n", ok ? "ok" : "FAILED", uintmax_t{flags.seed});
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

// ---- The command line ----

bool ParseSteps(absl::string_view text, Flags& flags) {
  flags.steps.emplace();
  for (const absl::string_view word : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    uint64_t step = 0;
    if (!absl::SimpleAtoi(word, &step)) return false;
    flags.steps->push_back(step);
  }
  return true;
}

bool ParseFlag(absl::string_view word, Flags& flags) {
  if (word == "--prove") return flags.prove = true;
  if (absl::ConsumePrefix(&word, "--states=")) return absl::SimpleAtoi(word, &flags.states);
  if (absl::ConsumePrefix(&word, "--seed=")) return absl::SimpleAtoi(word, &flags.seed);
  if (absl::ConsumePrefix(&word, "--per-barrier=")) {
    return absl::SimpleAtoi(word, &flags.per_barrier);
  }
  if (absl::ConsumePrefix(&word, "--jobs=")) {
    return absl::SimpleAtoi(word, &flags.jobs) && flags.jobs >= 1 && flags.jobs <= Shared::kMaxJobs;
  }
  if (absl::ConsumePrefix(&word, "--history=")) {
    return absl::SimpleAtoi(word, &flags.history.emplace());
  }
  if (absl::ConsumePrefix(&word, "--steps=")) return ParseSteps(word, flags);
  if (!absl::ConsumePrefix(&word, "--mutant=")) return false;
  const auto* const name = std::find(kMutantNames.begin(), kMutantNames.end(), word);
  flags.mutant = static_cast<Mutant>(name - kMutantNames.begin());
  return name != kMutantNames.end();
}

int Main(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    if (ParseFlag(argv[i], flags)) continue;
    (void)fprintf(stderr, "power_failure: cannot read %s\n", argv[i]);
    return EXIT_FAILURE;
  }
  if (flags.prove) return Prove(flags);
  return flags.history.has_value() ? Replay(flags) : RunStates(flags);
}

}  // namespace
}  // namespace batonstore::testing

int main(int argc, char** argv) { return batonstore::testing::Main(argc, argv); }
