#include "tests/recovery/fault_phases.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <latch>
#include <new>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/verify.h"
#include "tests/support/store_folder.h"

namespace batonstore::testing {
namespace {

namespace fs = std::filesystem;

void CopyFolder(const std::string& from, const std::string& to) {
  fs::copy(from, to, fs::copy_options::recursive);
}

// Nothing, or what is wrong with the file of a store that nobody has open.
std::string Unsound(const std::string& directory, FakeClock& clock) {
  const auto report = recovery::Verify({.directory = directory, .clock = &clock});
  const absl::Status sound = report.ok() ? report->ToStatus() : report.status();
  return sound.ok() ? "" : absl::StrCat("Verify: ", sound.ToString());
}

// What must be found by whoever opens a store next.
class Reopening {
 public:
  Reopening(std::string directory, const Policy& policy, FakeClock& clock)
      : directory_(std::move(directory)), policy_(policy), clock_(clock) {}

  // The kernel may have an error to report yet.
  void ExpectEcho(const FaultKind& kind) { echoing_ = &kind; }

  // The store draws its keys elsewhere.
  void DoNotWrite() { draws_as_expected_ = false; }

  // One of these, of which `found` tells which; and it goes on as it must, and the file is sound.
  std::string Settle(const std::vector<Snapshot>& allowed, size_t& found) {
    recovery::Options options = StoreOptions(directory_, policy_, clock_, random_, keys_);
    auto store = recovery::Open(options);
    if (!store.ok() && echoing_ != nullptr) {
      const Verdict verdict = *VerdictOf(store.status());
      if (verdict != Verdict::kPoisoned && !echoing_->Explains(verdict)) {
        return absl::StrCat("Open, meeting a stale error: ", store.status().ToString());
      }
      store = recovery::Open(options);
    }
    if (!store.ok()) return absl::StrCat("Open again: ", store.status().ToString());
    return Settle(**store, allowed, found);
  }

  // The same for one that has just been opened.
  std::string Settle(recovery::Store& store, const std::vector<Snapshot>& allowed, size_t& found) {
    std::string differs;
    for (found = 0; found < allowed.size(); ++found) {
      const Expectation expected(allowed[found]);
      const std::string difference = expected.Differs(store);
      if (difference.empty()) return GoOn(store, expected);
      absl::StrAppend(&differs, "it is not what could be found (", found + 1, " of ",
                      allowed.size(), "): ", difference, "\n");
    }
    return differs;
  }

 private:
  std::string GoOn(recovery::Store& store, const Expectation& expected) {
    if (draws_as_expected_) {
      const std::string differs = expected.DiffersInWriting(store);
      if (!differs.empty()) return absl::StrCat("it goes on wrong: ", differs);
    }
    const absl::Status closed = store.Close();
    if (!closed.ok()) return absl::StrCat("Close: ", closed.ToString());
    return Unsound(directory_, clock_);
  }

  const std::string directory_;
  const Policy policy_;
  FakeClock& clock_;
  SeededRandom random_{7};
  ScriptedKeys keys_ = Expectation::Keys();
  const FaultKind* echoing_ = nullptr;
  bool draws_as_expected_ = true;
};

// Whether this is how a call may be refused that has met the fault.
std::string BadRefusal(const FaultKind& kind, const absl::Status& refusal) {
  const std::optional<Verdict> verdict = VerdictOf(refusal);
  if (verdict.has_value() && kind.Explains(*verdict)) return "";
  return absl::StrCat("refused with ", refusal.ToString());
}

std::string BadRefusal(const FaultKind& kind, const std::string& verdict_name) {
  for (const Verdict verdict : AllVerdicts()) {
    if (VerdictName(verdict) == verdict_name && kind.Explains(verdict)) return "";
  }
  return absl::StrCat("refused with ", verdict_name);
}

// To a verification a page that cannot be read is damage, and it says so.
bool IsUnreadable(const absl::Status& refusal) {
  return VerdictOf(refusal) == Verdict::kCorrupt &&
         absl::StrContains(refusal.message(), "cannot be read: IO");
}

bool IsPoisoned(recovery::Store& store) {
  return VerdictOf(store.sessions().Stats().status()) == Verdict::kPoisoned;
}

// ---- Operations ----

class OperationCase {
 public:
  OperationCase(const Operation& operation, const Base& base, const std::string& scratch)
      : operation_(operation),
        scratch_(scratch),
        stage_(scratch + "/store", base, operation.policy) {
    CopyFolder(base.folder, stage_.directory);
    stage_.Open();
    operation.prepare(stage_);
    call_ = operation.call(stage_);
    before_ = after_ = stage_.model;
    expected_ = after_.Answer(call_, stage_.NextReply());
  }

  CaseResult Run(const FaultKind& kind, const std::optional<IoFault>& io, size_t nth) {
    ArmedFault fault(kind, io, nth);
    crashes_ = nth % 2 == 1;
    try {
      reply_ = MakeCall(stage_.store->sessions(), stage_.turns, call_, fault).text;
    } catch (const std::bad_alloc&) {
      threw_ = true;
    }
    fault.End();
    result_.calls = fault.calls();
    result_.trouble = Judge(kind, fault);
    if (!result_.trouble.empty()) {
      result_.trouble =
          absl::StrCat(testing::Describe(call_), threw_ ? " threw" : " answered " + reply_,
                       "\n  without a fault: ", expected_, "\n  ", result_.trouble);
    }
    return std::move(result_);
  }

 private:
  bool OnlyTells() const { return call_.what == Do::kVerify; }
  Snapshot Of(const StoreModel& model, bool closed) {
    return {.model = model, .wall = stage_.clock.Wall(), .closed = closed};
  }

  std::string Judge(const FaultKind& kind, ArmedFault& fault) {
    if (!fault.struck() && (threw_ || reply_ != expected_)) return "nothing had failed";
    if (IsPoisoned(*stage_.store)) return JudgePoisoned(kind, fault);
    result_.how = !fault.struck()       ? How::kNotStruck
                  : threw_              ? How::kThrew
                  : reply_ == expected_ ? How::kSucceeded
                                        : How::kRefused;
    if (result_.how != How::kThrew && reply_ == expected_) return JudgeSuccess();
    if (!threw_) {
      const std::string bad = BadRefusal(kind, reply_);
      if (!bad.empty()) return bad;
    }
    return JudgeRefusal();
  }

  std::string JudgeSuccess() {
    std::string differs = Expectation::Differs(*stage_.store, after_);
    if (!differs.empty() && OnlyTells()) {
      after_ = before_;
      differs = Expectation::Differs(*stage_.store, after_);
    }
    if (!differs.empty()) return absl::StrCat("it did not happen as a whole: ", differs);
    return Leave(after_);
  }

  // It has changed nothing, and can be asked again.
  std::string JudgeRefusal() {
    StoreModel model = before_;
    const bool lost_its_turn = call_.what == Do::kFinishTurn && stage_.turns.empty();
    if (lost_its_turn) model.Answer({.what = Do::kDropTurn}, {});
    std::string differs = Expectation::Differs(*stage_.store, model);
    if (!differs.empty()) return absl::StrCat("refused, and yet: ", differs);
    if (!lost_its_turn) {
      const Reply again = MakeCall(stage_.store->sessions(), stage_.turns, call_);
      const std::string expected = model.Answer(call_, again);
      if (again.text != expected) {
        return absl::StrCat("asked again: ", again.text, "\n  expected: ", expected);
      }
    }
    return Leave(model);
  }

  // The next one finds this, whether the store is closed or the process dies.
  std::string Leave(StoreModel& model) {
    std::string directory = stage_.directory;
    if (crashes_) {
      directory = scratch_ + "/crashed";
      CopyAsACrashWouldLeaveIt(stage_.directory, directory);
    } else {
      while (!stage_.turns.empty()) stage_.turns.pop_back();
      const absl::Status closed = stage_.store->Close();
      if (!closed.ok()) return absl::StrCat("Close: ", closed.ToString());
      stage_.store.reset();
    }
    Reopening reopening(directory, operation_.policy, stage_.clock);
    size_t found = 0;
    return reopening.Settle({Of(model, !crashes_)}, found);
  }

  std::string JudgePoisoned(const FaultKind& kind, ArmedFault& fault) {
    result_.how = How::kPoisoned;
    if (!threw_ && reply_ != "POISONED" && !(OnlyTells() && reply_ == expected_)) {
      return "and yet the store is poisoned";
    }
    if (threw_) return "threw, and the store is poisoned";
    const std::string refuses = RefusesAll(fault);
    if (!refuses.empty()) return refuses;
    std::string directory = stage_.directory;
    if (crashes_) {
      directory = scratch_ + "/crashed";
      CopyAsACrashWouldLeaveIt(stage_.directory, directory);
    }
    stage_.turns.clear();
    const size_t writes = fault.CountWrites();
    if (VerdictOf(stage_.store->Close()) != Verdict::kPoisoned) return "Close: not POISONED";
    if (fault.CountWrites() != writes) return "a poisoned store has written as it was closed";
    stage_.store.reset();
    Reopening reopening(directory, operation_.policy, stage_.clock);
    reopening.ExpectEcho(kind);
    size_t found = 0;
    std::string trouble = reopening.Settle({Of(before_, false), Of(after_, false)}, found);
    result_.is_done = found == 1;
    return trouble;
  }

  // Nothing more is read or written.
  std::string RefusesAll(const ArmedFault& fault) {
    const size_t calls = fault.CountCalls();
    std::vector<Call> asked = {call_};
    for (const Do what : {Do::kFind, Do::kLoad, Do::kList, Do::kStats, Do::kIssue, Do::kMerge,
                          Do::kRevoke, Do::kSweep, Do::kCompensations, Do::kRotateSigningKey}) {
      asked.push_back({.what = what, .alias = stage_.Made()});
    }
    asked.push_back({.what = Do::kReadEvents, .text = "consumer 0"});
    asked.push_back({.what = Do::kAddConsumer, .text = "consumer 3"});
    asked[6].changes = {{"f", Change::Set("x")}};
    for (const Call& call : asked) {
      const std::string answer = MakeCall(stage_.store->sessions(), stage_.turns, call).text;
      if (answer == "POISONED" || answer == kNoTurn) continue;
      return absl::StrCat("a poisoned store answers ", testing::Describe(call), "\n  with ",
                          answer);
    }
    return fault.CountCalls() == calls ? "" : "a poisoned store goes on with its files";
  }

  const Operation& operation_;
  const std::string scratch_;
  Stage stage_;
  Call call_;
  StoreModel before_{absl::Time(), {}};
  StoreModel after_{absl::Time(), {}};
  std::string expected_;
  bool crashes_ = false;
  std::string reply_;
  bool threw_ = false;
  CaseResult result_;
};

class OperationPhase final : public Phase {
 public:
  OperationPhase(Operation operation, const Base& base)
      : Phase(operation.name), operation_(std::move(operation)), base_(base) {}

  CaseResult Run(const std::string& scratch, const FaultKind& kind,
                 const std::optional<IoFault>& io, size_t nth) const override {
    return OperationCase(operation_, base_, scratch).Run(kind, io, nth);
  }

  bool commits() const override { return operation_.writes && operation_.shows; }

 private:
  const Operation operation_;
  const Base& base_;
};

// ---- Opening and creating ----

class OpeningPhase final : public Phase {
 public:
  OpeningPhase(std::string name, const Base& base,
               recovery::Verification verify = recovery::Verification::kNever)
      : Phase(std::move(name)), base_(base), verify_(verify) {}

  CaseResult Run(const std::string& scratch, const FaultKind& kind,
                 const std::optional<IoFault>& io, size_t nth) const override {
    Stage stage(scratch + "/store", base_, {});
    if (!base_.fresh) CopyFolder(base_.folder, stage.directory);
    recovery::Options options =
        StoreOptions(stage.directory, {}, stage.clock, stage.random, stage.keys);
    options.verify = verify_;
    absl::StatusOr<std::unique_ptr<recovery::Store>> opened;
    bool threw = false;
    ArmedFault fault(kind, io, nth);
    try {
      fault.Begin();
      opened = recovery::Open(options);
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    fault.End();
    CaseResult result;
    result.calls = fault.calls();
    result.how = HowOf(opened.status(), threw, fault.struck());
    result.trouble = Judge(stage, opened, threw, kind, fault.struck(), result);
    if (result.trouble.empty() && base_.fresh) result.trouble = LeftBehind(scratch);
    if (!result.trouble.empty()) {
      result.trouble = absl::StrCat("Open: ", threw ? "threw" : opened.status().ToString(), "\n  ",
                                    result.trouble);
    }
    return result;
  }

 private:
  static How HowOf(const absl::Status& opened, bool threw, bool struck) {
    if (!struck) return How::kNotStruck;
    if (threw) return How::kThrew;
    if (opened.ok()) return How::kSucceeded;
    return VerdictOf(opened) == Verdict::kPoisoned ? How::kPoisoned : How::kRefused;
  }

  std::string Judge(Stage& stage, absl::StatusOr<std::unique_ptr<recovery::Store>>& opened,
                    bool threw, const FaultKind& kind, bool struck, CaseResult& result) const {
    if (!struck && !opened.ok()) return "nothing had failed";
    Reopening reopening(stage.directory, {}, stage.clock);
    size_t found = 0;
    if (opened.ok() && !threw) {
      reopening.DoNotWrite();
      return reopening.Settle(**opened, {Allowed(stage)[0]}, found);
    }
    if (result.how == How::kRefused && !IsUnreadable(opened.status())) {
      const std::string bad = BadRefusal(kind, opened.status());
      if (!bad.empty()) return bad;
    }
    reopening.ExpectEcho(kind);
    std::string trouble = reopening.Settle(Allowed(stage), found);
    result.is_done = found > 0;
    return trouble;
  }

  // As it was, or recovered by the first attempt, which may have got as far as closing it.
  std::vector<Snapshot> Allowed(Stage& stage) const {
    const absl::Time wall = stage.clock.Wall();
    StoreModel recovered = base_.model;
    if (!base_.fresh) recovered.Restart(base_.closed);
    return {{base_.model, wall, base_.closed, base_.fresh},
            {recovered, wall, /*closed=*/false},
            {recovered, wall, /*closed=*/true}};
  }

  static std::string LeftBehind(const std::string& scratch) {
    for (const auto& entry : fs::directory_iterator(scratch)) {
      const std::string name = entry.path().filename().string();
      if (name != "store") return absl::StrCat(name, " was left behind");
    }
    return "";
  }

  const Base& base_;
  const recovery::Verification verify_;
};

// ---- Closing ----

class ClosingPhase final : public Phase {
 public:
  explicit ClosingPhase(const Base& base) : Phase("Close"), base_(base) {}

  CaseResult Run(const std::string& scratch, const FaultKind& kind,
                 const std::optional<IoFault>& io, size_t nth) const override {
    Stage stage(scratch + "/store", base_, {});
    CopyFolder(base_.folder, stage.directory);
    stage.Open();
    stage.Make({.what = Do::kRevoke, .alias = stage.Made()});
    absl::Status closed;
    ArmedFault fault(kind, io, nth);
    CaseResult result;
    try {
      fault.Begin();
      closed = stage.store->Close();
      fault.End();
    } catch (const std::bad_alloc&) {
      fault.End();
      result.trouble = "Close threw";
      return result;
    }
    result.calls = fault.calls();
    const bool poisoned = VerdictOf(closed) == Verdict::kPoisoned;
    result.how = !fault.struck() ? How::kNotStruck
                 : closed.ok()   ? How::kSucceeded
                 : poisoned      ? How::kPoisoned
                                 : How::kRefused;
    result.trouble = Judge(stage, closed, kind, result);
    return result;
  }

 private:
  static std::string Judge(Stage& stage, const absl::Status& closed, const FaultKind& kind,
                           CaseResult& result) {
    if (result.how == How::kRefused) {
      const std::string bad = BadRefusal(kind, closed);
      if (!bad.empty()) return bad;
    }
    if (result.how == How::kNotStruck && !closed.ok()) return closed.ToString();
    const absl::Status later = stage.store->sessions().Stats().status();
    if (VerdictOf(later) != Verdict::kClosed) return "later: " + later.ToString();
    Reopening reopening(stage.directory, {}, stage.clock);
    reopening.ExpectEcho(kind);
    size_t found = 0;
    std::vector<Snapshot> allowed = {{stage.model, stage.clock.Wall(), /*closed=*/true}};
    if (!closed.ok()) allowed.push_back({stage.model, stage.clock.Wall(), /*closed=*/false});
    std::string trouble = reopening.Settle(allowed, found);
    result.is_done = found == 0;
    return trouble;
  }

  const Base& base_;
};

// ---- Callers that share a commit ----

// Whether a thread of this process waits for something.
bool IsAsleep(pid_t thread) {
  const std::string line = ReadFile(absl::StrCat("/proc/self/task/", thread, "/stat"));
  const size_t state = line.rfind(") ");
  return state != std::string::npos && line[state + 2] == 'S';
}

class BatchCase {
 public:
  BatchCase(const Base& base, const std::string& scratch) : stage_(scratch + "/store", base, {}) {
    CopyFolder(base.folder, stage_.directory);
    stage_.Open();
    SessionSpec spec;
    spec.principal = "ab";
    spec.expires_at = absl::InfiniteFuture();
    calls_ = {{.what = Do::kMerge,
               .alias = stage_.Made(),
               .changes = {{"big", Change::Set(std::string(5000, 'c'))}}},
              {.what = Do::kReserveAndCreate, .spec = spec},
              {.what = Do::kCreate, .alias = Alias(1)},  // which there is not
              {.what = Do::kRevoke, .alias = stage_.Made(1)}};
    before_ = after_ = stage_.model;
    const Reply fresh = stage_.NextReply();
    for (const Call& call : calls_) after_.Answer(call, fresh);
    replies_.resize(calls_.size());
  }

  CaseResult Run(const FaultKind& kind, const std::optional<IoFault>& io, size_t nth) {
    ArmedFault fault(kind, io, nth);
    CallTogether(fault, kind.is_memory());
    fault.End();
    CaseResult result;
    result.calls = fault.calls();
    result.trouble = Judge(kind, fault.struck(), result);
    if (result.trouble.empty()) return result;
    for (size_t i = 0; i < calls_.size(); ++i) {
      absl::StrAppend(&result.trouble, "\n  ", testing::Describe(calls_[i]), "\n    answered ",
                      replies_[i].text);
    }
    return result;
  }

 private:
  // They queue, in their order, behind one that writes nothing and ends when all of them are there.
  // The first of them leads the others.
  void CallTogether(ArmedFault& fault, bool is_memory) {
    std::latch leading(1);
    std::latch go(1);
    stage_.clock.AtNextLook([&] {
      leading.count_down();
      go.wait();
    });
    std::vector<std::thread> threads;
    threads.emplace_back([this] { (void)stage_.store->sessions().Abandon(Alias(1)); });
    leading.wait();
    for (size_t i = 0; i < calls_.size(); ++i) {
      std::atomic<pid_t> id{0};
      threads.emplace_back([this, i, is_memory, &fault, &id] {
        id = gettid();
        MakeOne(i, is_memory && i == 0 ? &fault : nullptr);
      });
      while (id == 0 || !IsAsleep(id)) std::this_thread::yield();
    }
    if (!is_memory) fault.Begin();
    go.count_down();
    for (std::thread& thread : threads) thread.join();
  }

  void MakeOne(size_t i, ArmedFault* fault) {
    OpenTurns turns;
    try {
      replies_[i] = fault == nullptr ? MakeCall(stage_.store->sessions(), turns, calls_[i])
                                     : MakeCall(stage_.store->sessions(), turns, calls_[i], *fault);
    } catch (const std::bad_alloc&) {
      if (fault != nullptr) fault->End();
      replies_[i].text = std::string(VerdictName(Verdict::kTooMany));
    }
  }

  std::string Judge(const FaultKind& kind, bool struck, CaseResult& result) {
    const bool is_poisoned = IsPoisoned(*stage_.store);
    StoreModel model = before_;
    size_t refused = 0;
    for (size_t i = 0; i < calls_.size(); ++i) {
      if (is_poisoned) {
        if (replies_[i].text != "POISONED") return "not all of a batch are poisoned";
        continue;
      }
      StoreModel next = model;
      if (replies_[i].text == next.Answer(calls_[i], replies_[i])) {
        model = std::move(next);
        continue;
      }
      const std::string bad = BadRefusal(kind, replies_[i].text);
      if (!bad.empty() || !struck) return absl::StrCat("caller ", i, ": ", bad);
      ++refused;
    }
    result.how = !struck        ? How::kNotStruck
                 : is_poisoned  ? How::kPoisoned
                 : refused == 0 ? How::kSucceeded
                                : How::kRefused;
    if (!is_poisoned) {
      const std::string differs = Expectation::Differs(*stage_.store, model);
      if (!differs.empty()) return differs;
    }
    const bool in_order = stage_.store->Close().ok();
    stage_.store.reset();
    Reopening reopening(stage_.directory, {}, stage_.clock);
    reopening.ExpectEcho(kind);
    const absl::Time wall = stage_.clock.Wall();
    std::vector<Snapshot> allowed = {{model, wall, in_order}};
    if (is_poisoned) allowed = {{before_, wall, false}, {after_, wall, false}};
    size_t found = 0;
    std::string trouble = reopening.Settle(allowed, found);
    result.is_done = found == 1;
    return trouble;
  }

  Stage stage_;
  std::vector<Call> calls_;
  StoreModel before_{absl::Time(), {}};
  StoreModel after_{absl::Time(), {}};
  std::vector<Reply> replies_;
};

class BatchPhase final : public Phase {
 public:
  explicit BatchPhase(const Base& base) : Phase("four callers, one commit"), base_(base) {}

  CaseResult Run(const std::string& scratch, const FaultKind& kind,
                 const std::optional<IoFault>& io, size_t nth) const override {
    return BatchCase(base_, scratch).Run(kind, io, nth);
  }

 private:
  const Base& base_;
};

// ---- Looking at a store that nobody owns ----

class LookingPhase final : public Phase {
 public:
  using Look = absl::Status (*)(const recovery::Options& options);
  LookingPhase(std::string name, const Base& base, Look look)
      : Phase(std::move(name)), base_(base), look_(look) {}

  CaseResult Run(const std::string& scratch, const FaultKind& kind,
                 const std::optional<IoFault>& io, size_t nth) const override {
    Stage stage(scratch + "/store", base_, {});
    CopyFolder(base_.folder, stage.directory);
    const recovery::Options options =
        StoreOptions(stage.directory, {}, stage.clock, stage.random, stage.keys);
    absl::Status seen;
    bool threw = false;
    ArmedFault fault(kind, io, nth);
    try {
      fault.Begin();
      seen = look_(options);
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    fault.End();
    CaseResult result;
    result.calls = fault.calls();
    result.how = !fault.struck() ? How::kNotStruck
                 : threw         ? How::kThrew
                 : seen.ok()     ? How::kSucceeded
                                 : How::kRefused;
    if (!seen.ok() && !IsUnreadable(seen)) result.trouble = BadRefusal(kind, seen);
    if (!result.trouble.empty()) return result;
    Reopening reopening(stage.directory, {}, stage.clock);
    reopening.ExpectEcho(kind);
    size_t found = 0;
    result.trouble = reopening.Settle({{base_.model, stage.clock.Wall(), base_.closed}}, found);
    return result;
  }

  bool commits() const override { return false; }

 private:
  const Base& base_;
  const Look look_;
};

absl::Status Observe(const recovery::Options& options) {
  const auto observer = recovery::OpenReadOnly(options);
  return observer.ok() ? (*observer)->sessions().Stats().status() : observer.status();
}

absl::Status VerifyAll(const recovery::Options& options) {
  const auto report = recovery::Verify({.directory = options.directory, .clock = options.clock});
  return report.ok() ? report->ToStatus() : report.status();
}

}  // namespace

std::vector<std::unique_ptr<Phase>> AllPhases(const Base& closed, const Base& crashed) {
  static const auto* const none =
      new Base{"", StoreModel(closed.wall, {}), closed.wall, 0, false, true};
  std::vector<std::unique_ptr<Phase>> phases;
  phases.push_back(std::make_unique<OpeningPhase>("create a store", *none));
  phases.push_back(std::make_unique<OpeningPhase>("Open", closed));
  phases.push_back(std::make_unique<OpeningPhase>("Open, after a crash", crashed));
  phases.push_back(
      std::make_unique<OpeningPhase>("Open, verifying", crashed, recovery::Verification::kAlways));
  phases.push_back(std::make_unique<LookingPhase>("OpenReadOnly", crashed, &Observe));
  phases.push_back(std::make_unique<LookingPhase>("recovery::Verify", crashed, &VerifyAll));
  for (Operation& operation : AllOperations()) {
    phases.push_back(std::make_unique<OperationPhase>(std::move(operation), closed));
  }
  phases.push_back(std::make_unique<BatchPhase>(closed));
  phases.push_back(std::make_unique<ClosingPhase>(closed));
  return phases;
}

}  // namespace batonstore::testing
