// Fails every call of the system that a store makes of its files, and every allocation, in turn and
// in every way; and requires that the store says so, goes on or is poisoned as it must, and that
// whoever opens it next finds all that was acknowledged, and of what failed all or nothing.
//
//   bazel run //tests/recovery:fault_matrix -- --phase=Merge
//
//   --phase=NAME       only this row of the table
//   --sample=N         of the allocations, only every Nth; 1: all (under a sanitizer the default is
//                      more)
//   --case=NAME:KIND:K replays one case: the Kth call, or allocation, from 0
//   --list             prints the names of phases and kinds

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/recovery/fault_kinds.h"
#include "tests/recovery/fault_phases.h"
#include "tests/recovery/fault_stage.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/shared_memory.h"

namespace batonstore::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kDefaultSample = 11;
#else
constexpr size_t kDefaultSample = 1;
#endif
constexpr unsigned kSecondsPerCase = 60;  // a case that takes longer hangs
constexpr size_t kMaxDeaths = 20;         // of one phase

struct CaseName {
  std::string phase;
  std::string kind;
  size_t nth = 0;
};

struct Flags {
  std::optional<std::string> phase;
  std::optional<CaseName> only;
  size_t sample = kDefaultSample;
  bool list = false;
};

// What the processes that run the cases tell the one that waits for them.
struct Cell {
  std::array<std::atomic<uint64_t>, static_cast<size_t>(How::kPoisoned) + 1> how;
  std::atomic<uint64_t> done;  // of those poisoned
};
struct Shared {
  std::array<Cell, kFaultGroups> cells;
  std::atomic<size_t> kind;  // what is under way
  std::atomic<size_t> nth;
  std::atomic<uint64_t> violations;
};

size_t OpenFiles() {
  size_t files = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++files;
  closedir(folder);
  return files;
}

// ---- The cases of a phase, in a process of their own ----

class PhaseRun {
 public:
  PhaseRun(const Phase& phase, const ScratchFolder& scratch, const Flags& flags, Shared& shared)
      : phase_(phase), scratch_(scratch), flags_(flags), shared_(shared) {}

  // From that case on.
  void Run(size_t kind, size_t nth) {
    IoFault never = AllFaultKinds()[0].io;
    never.any_call = true;
    never.nth = ~size_t{0};
    shared_.kind = kind;
    shared_.nth = nth;
    const CaseResult watched = RunOne(AllFaultKinds()[0], never, ~size_t{0});
    if (watched.how != How::kNotStruck) Violation(AllFaultKinds()[0], 0, "it was struck");
    for (; kind < AllFaultKinds().size(); ++kind, nth = 0) {
      shared_.kind = kind;
      const FaultKind& fault = AllFaultKinds()[kind];
      if (flags_.only.has_value() && flags_.only->kind != fault.name) continue;
      if (fault.is_memory()) {
        FailAllocations(fault, nth);
      } else {
        FailCalls(fault, watched.calls, nth);
      }
    }
  }

 private:
  bool IsWanted(size_t nth) const { return !flags_.only.has_value() || flags_.only->nth == nth; }

  void FailCalls(const FaultKind& kind, const std::vector<IoCall>& calls, size_t nth) {
    for (; nth < calls.size(); ++nth) {
      const std::optional<IoFault> io = kind.For(calls[nth], nth);
      if (!io.has_value() || !IsWanted(nth)) continue;
      const CaseResult result = RunOne(kind, io, nth);
      if (result.how == How::kNotStruck && result.trouble.empty()) {
        Violation(kind, nth, "the call was not made this time");
      }
    }
  }

  // Until none is left to fail.
  void FailAllocations(const FaultKind& kind, size_t nth) {
    if (flags_.only.has_value()) nth = flags_.only->nth;
    const size_t step = flags_.only.has_value() ? ~size_t{0} - nth : flags_.sample;
    for (How how = How::kRefused; how != How::kNotStruck && nth != ~size_t{0}; nth += step) {
      how = RunOne(kind, std::nullopt, nth).how;
    }
  }

  CaseResult RunOne(const FaultKind& kind, const std::optional<IoFault>& io, size_t nth) {
    alarm(kSecondsPerCase);
    if (nth != ~size_t{0}) shared_.nth = nth;
    const size_t files = OpenFiles();
    CaseResult result = phase_.Run(scratch_.MakeEmpty("case"), kind, io, nth);
    if (result.trouble.empty() && OpenFiles() != files) result.trouble = "a file stayed open";
    if (!result.trouble.empty()) Violation(kind, nth, result.trouble);
    if (result.how == How::kNotStruck) return result;
    Cell& cell = shared_.cells[static_cast<size_t>(kind.group)];
    ++cell.how[static_cast<size_t>(result.how)];
    if (result.how == How::kPoisoned && result.is_done) ++cell.done;
    return result;
  }

  void Violation(const FaultKind& kind, size_t nth, const std::string& trouble) {
    ++shared_.violations;
    (void)fprintf(stderr, "\nviolation: --case='%s:%s:%zu'\n  %s\n", phase_.name().c_str(),
                  kind.name.c_str(), nth, trouble.c_str());
  }

  const Phase& phase_;
  const ScratchFolder& scratch_;
  const Flags& flags_;
  Shared& shared_;
};

// A process that dies of a case is followed by one that goes on with the next.
void RunPhase(const Phase& phase, const ScratchFolder& scratch, const Flags& flags,
              Shared& shared) {
  size_t kind = 0;
  size_t nth = 0;
  for (size_t deaths = 0; deaths < kMaxDeaths; ++deaths) {
    (void)fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) std::abort();
    if (child == 0) {
      PhaseRun(phase, scratch, flags, shared).Run(kind, nth);
      (void)fflush(nullptr);
      _exit(EXIT_SUCCESS);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) std::abort();
    if (status == 0) return;
    kind = shared.kind;
    nth = shared.nth;
    ++shared.violations;
    const char* const how = !WIFSIGNALED(status)          ? "the process exited"
                            : WTERMSIG(status) == SIGALRM ? "it hangs"
                                                          : strsignal(WTERMSIG(status));
    (void)fprintf(stderr, "\nviolation: --case='%s:%s:%zu'\n  %s\n", phase.name().c_str(),
                  AllFaultKinds()[kind].name.c_str(), nth, how);
    ++nth;
  }
}

// ---- The table ----

uint64_t Count(const Cell& cell, How how) { return cell.how[static_cast<size_t>(how)]; }

uint64_t Cases(const Cell& cell) {
  uint64_t cases = 0;
  for (const auto& count : cell.how) cases += count;
  return cases;
}

// Whether a commit that had failed was found done, and one undone.
bool MetBothOutcomes(const Shared& shared) {
  uint64_t poisoned = 0;
  uint64_t done = 0;
  for (const Cell& cell : shared.cells) {
    poisoned += Count(cell, How::kPoisoned);
    done += cell.done;
  }
  return 0 < done && done < poisoned;
}

void PrintHeader() {
  printf(
      "How many cases, and of these: r refused, having changed nothing (t by std::bad_alloc), p "
      "poisoned\n(d of them were done all the same), s succeeded.\n%-30s",
      "");
  for (size_t group = 0; group < kFaultGroups; ++group) {
    printf(" %22s", std::string(NameOf(static_cast<FaultGroup>(group))).c_str());
  }
  printf("\n");
}

void PrintRow(const std::string& name, const Shared& shared) {
  printf("%-30s", name.c_str());
  for (const Cell& cell : shared.cells) {
    std::string text = Cases(cell) == 0 ? "-" : absl::StrCat(Cases(cell), ":");
    const auto add = [&text](uint64_t count, const char* unit) {
      if (count > 0) absl::StrAppend(&text, " ", count, unit);
    };
    add(Count(cell, How::kRefused), "r");
    add(Count(cell, How::kThrew), "t");
    add(Count(cell, How::kPoisoned), "p");
    add(cell.done, "d");
    add(Count(cell, How::kSucceeded), "s");
    printf(" %22s", text.c_str());
  }
  printf("\n");
  (void)fflush(stdout);
}

// ---- The command line ----

bool ParseCase(absl::string_view word, Flags& flags) {
  const std::vector<std::string> parts = absl::StrSplit(word, ':');
  CaseName name;
  // Names of phases may have colons of their own.
  if (parts.size() < 3 || !absl::SimpleAtoi(parts.back(), &name.nth)) return false;
  name.kind = parts[parts.size() - 2];
  name.phase =
      std::string(word.substr(0, word.size() - name.kind.size() - parts.back().size() - 2));
  flags.phase = name.phase;
  flags.only = std::move(name);
  return true;
}

bool ParseFlag(absl::string_view word, Flags& flags) {
  if (word == "--list") return flags.list = true;
  if (absl::ConsumePrefix(&word, "--phase=")) {
    flags.phase = std::string(word);
    return true;
  }
  if (absl::ConsumePrefix(&word, "--sample=")) {
    return absl::SimpleAtoi(word, &flags.sample) && flags.sample > 0;
  }
  return absl::ConsumePrefix(&word, "--case=") && ParseCase(word, flags);
}

int List(const std::vector<std::unique_ptr<Phase>>& phases) {
  for (const auto& phase : phases) printf("%s\n", phase->name().c_str());
  for (const FaultKind& kind : AllFaultKinds()) printf("  %s\n", kind.name.c_str());
  return EXIT_SUCCESS;
}

int Run(const Flags& flags) {
  const auto begin = std::chrono::steady_clock::now();
  const ScratchFolder scratch;
  const Base closed = MakeBase(scratch.path() + "/closed");
  const Base crashed = CrashedCopy(closed, scratch.path() + "/crashed");
  const std::vector<std::unique_ptr<Phase>> phases = AllPhases(closed, crashed);
  if (flags.list) return List(phases);
  if (flags.sample > 1) printf("fault_matrix: of the allocations every %zuth\n", flags.sample);
  if (!MallocCanFail())
    printf("fault_matrix: a sanitizer keeps malloc to itself: only new fails\n");
  PrintHeader();
  uint64_t cases = 0;
  uint64_t violations = 0;
  for (const auto& phase : phases) {
    if (flags.phase.has_value() && phase->name() != *flags.phase) continue;
    const SharedMemory<Shared> memory;
    Shared& shared = *memory;
    RunPhase(*phase, scratch, flags, shared);
    PrintRow(phase->name(), shared);
    for (const Cell& cell : shared.cells) cases += Cases(cell);
    violations += shared.violations;
    if (phase->commits() && !flags.only.has_value() && !MetBothOutcomes(shared)) {
      printf("of the commits that failed, none was found to be durable, or all were\n");
      ++violations;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const bool ok = violations == 0 && cases > 0;
  printf("fault_matrix: %s cases=%ju violations=%ju seconds=%.1f\n", ok ? "ok" : "FAILED",
         uintmax_t{cases}, uintmax_t{violations}, took.count());
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace batonstore::testing

int main(int argc, char** argv) {
  batonstore::testing::Flags flags;
  for (int i = 1; i < argc; ++i) {
    if (batonstore::testing::ParseFlag(argv[i], flags)) continue;
    (void)fprintf(stderr, "fault_matrix: cannot understand %s\n", argv[i]);
    return EXIT_FAILURE;
  }
  return batonstore::testing::Run(flags);
}
