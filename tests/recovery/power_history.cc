#include "tests/recovery/power_history.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/index_entry.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/any_call.h"
#include "tests/support/crash_states.h"
#include "tests/support/fake_clock.h"
#include "tests/support/index_rules.h"
#include "tests/support/store_folder.h"

namespace batonstore::testing {
namespace {

int Of(Do what) { return static_cast<int>(what); }
int Of(Special what) { return kCalls + static_cast<int>(what); }

struct Weighted {
  int weight;
  int what;
};

const std::vector<Weighted>& Workload() {
  static const auto* const workload = new std::vector<Weighted>{
      {10, Of(Do::kReserve)},
      {10, Of(Do::kReserveAndCreate)},
      {6, Of(Do::kSaveOrCreate)},
      {9, Of(Do::kCreate)},
      {6, Of(Do::kAbandon)},
      {7, Of(Do::kShift)},
      {7, Of(Do::kTouch)},
      {7, Of(Do::kCycleKey)},
      {6, Of(Do::kRevoke)},
      {4, Of(Do::kRevokeGroup)},
      {3, Of(Do::kRevokeAll)},
      {4, Of(Do::kRevokeAllExcept)},
      {7, Of(Do::kSaveIf)},
      {8, Of(Do::kMerge)},
      {4, Of(Do::kSetRemotePublicKey)},
      {6, Of(Do::kVerify)},
      {8, Of(Do::kResume)},
      {3, Of(Do::kMergeInTurn)},
      {6, Of(Do::kFinishTurn)},
      {2, Of(Do::kDropTurn)},
      {3, Of(Do::kRotateSigningKey)},
      {3, Of(Do::kRetireSigningKey)},
      {2, Of(Do::kRotateDataKey)},
      {12, Of(Do::kReseal)},
      {7, Of(Do::kSweep)},
      {4, Of(Do::kAcknowledge)},
      {6, Of(Do::kAddConsumer)},
      {2, Of(Do::kRemoveConsumer)},
      {4, Of(Do::kAcknowledgeEvents)},
      {9, Of(Special::kAdvance)},
      {2, Of(Special::kJumpWall)},
      {14, Of(Special::kWholeTurn)},
      {4, Of(Special::kReopen)},
      {10, Of(Special::kFailing)},
  };
  return *workload;
}

// Those that a fault is aimed at. None of them draws a key pair: of those that failed nobody can
// tell which it was.
constexpr std::array<Do, 12> kMayFail = {
    Do::kCreate, Do::kAbandon,     Do::kShift, Do::kRevoke,      Do::kRevokeAll, Do::kMerge,
    Do::kSaveIf, Do::kRevokeGroup, Do::kSweep, Do::kAddConsumer, Do::kTouch,     Do::kMerge};

int AnyStep(std::mt19937_64& random) {
  int total = 0;
  for (const Weighted& entry : Workload()) total += entry.weight;
  auto left = static_cast<int>(random() % static_cast<uint64_t>(total));
  for (const Weighted& entry : Workload()) {
    if ((left -= entry.weight) < 0) return entry.what;
  }
  return 0;
}

Policy AnyPolicy(std::mt19937_64& random) {
  const uint64_t number = random() % 60;
  Policy policy;
  policy.retention =
      number % 3 == 0 ? absl::InfiniteDuration() : absl::Seconds(static_cast<int>(number) % 5 * 3);
  policy.turns.on_replay = static_cast<TurnRules::OnReplay>(number / 5 % 3);
  policy.turns.max_reply_bytes = number % 2 == 0 ? 9 : 30'000;
  policy.indexes = AnyIndexRules(random());
  if (number % 4 != 1) return policy;
  policy.limits = {.per_principal = 2 + number % 4, .per_database = number % 7, .per_group = 4};
  if (number % 8 < 4) policy.limits.at_limit = Limits::AtLimit::kRevokeOldest;
  return policy;
}

// Now and then something that needs pages of its own.
void Enlarge(Call& call, uint32_t detail) {
  if (call.what == Do::kFinishTurn && detail % 8 != 0) {
    if (detail % 5 == 1) call.text = std::string(detail % 20'000, 'r');
  } else if (call.what == Do::kMerge && detail % 6 == 1) {
    call.changes.insert_or_assign("big", Change::Set(std::string(detail % 12'000, 'b')));
  }
}

class Recorder {
 public:
  Recorder(const std::string& root, History& history)
      : history_(history),
        root_(root),
        log_(root),
        keys_([](uint64_t draw) { return draw % 5 == 4 ? draw / 2 : draw; }),
        random_(history.seed),
        model_(clock_.Wall(), history.policy) {
    struct stat info {};
    (void)stat(root.c_str(), &info);
    history_.root = info.st_ino;
    cached_ = std::make_unique<Disk>(info.st_ino);
  }

  void Run() {
    CreateStore();
    for (size_t i = 0; i < history_.steps.size() && Fine(); ++i) {
      step_ = i;
      Take(history_.steps[i]);
    }
    turns_.clear();
  }

 private:
  bool Fine() const { return history_.trouble.empty(); }

  void Trouble(const std::string& what) {
    if (Fine()) history_.trouble = absl::StrCat("with the power on: ", what);
  }

  void Same(const std::string& what, const std::string& got, const std::string& expected) {
    if (got == expected) return;
    Trouble(absl::StrCat(what, "\n  answered: ", got, "\n  expected: ", expected));
  }

  // ---- Writing down ----

  size_t AddSnapshot(const StoreModel& model, uint64_t data, bool closed = false,
                     bool fresh = false) {
    history_.snapshots.push_back({model, clock_.Wall(), closed, fresh, data});
    return history_.snapshots.size() - 1;
  }

  // Everything that was written since the last time, and that nothing has been missed.
  void TakeRecords() {
    for (LogRecord& record : log_.Take()) {
      cached_->Apply(record);
      history_.records.push_back(std::move(record));
    }
    CompareFiles();
  }

  void CompareFiles() {
    const DiskImage image = cached_->Cached();
    for (const auto& [path, file] : image.files) {
      if (absl::EndsWith(path, kScratchFile)) continue;
      const std::string bytes = ReadFile(absl::StrCat(root_, "/", path));
      if (bytes.size() != file.size) return Trouble(path + " has a size that no call gave it");
      for (size_t i = 0; i * kPieceBytes < bytes.size(); ++i) {
        const size_t size = std::min(kPieceBytes, bytes.size() - i * kPieceBytes);
        const PiecePtr piece = file.At(i);
        const Piece zeros;
        const auto* expected = piece == nullptr ? &zeros : piece.get();
        if (bytes.compare(i * kPieceBytes, size, expected->bytes.data(), size) != 0) {
          return Trouble(absl::StrCat(path, " was changed by a call that is not modelled"));
        }
      }
    }
    const auto entries = std::distance(std::filesystem::recursive_directory_iterator(root_),
                                       std::filesystem::recursive_directory_iterator());
    if (static_cast<size_t>(entries) != image.files.size() + image.folders.size()) {
      Trouble("there are files that nobody logged");
    }
  }

  Window Begin(int kind, const std::string& what) {
    Window window;
    window.kind = kind;
    window.step = step_;
    window.what = what;
    window.begin = window.opens_at = history_.records.size();
    return window;
  }

  // Answered: from now on, only `answered` may be found. A window without writes is nothing; false
  // then.
  bool End(Window window, size_t answered) {
    TakeRecords();
    window.end = history_.records.size();
    if (window.opens_at == window.begin && window.kind != static_cast<int>(Kind::kOpen) &&
        window.kind != static_cast<int>(Kind::kCreateStore)) {
      window.opens_at = window.end;
    }
    window.answered = answered;
    window.allowed.push_back(answered);
    if (window.begin == window.end) return false;
    window.is_merging = std::exchange(has_merged_, false);
    history_.windows.push_back(std::move(window));
    return true;
  }

  // Looks whether the indexes have been merged further since the last time.
  void NoteMerging() {
    const IndexMark mark = ReadFileMark(root_ + "/store/data.mdb").value_or(mark_);
    const IndexMark before = std::exchange(mark_, mark);
    history_.passes += mark.done != before.done;
    if (mark == before) return;
    has_merged_ = true;
    model_.MergedIndexes();
  }

  // ---- Opening and closing ----

  absl::Status TryToOpen() {
    absl::StatusOr<std::unique_ptr<recovery::Store>> opened =
        recovery::Open(StoreOptions(root_ + "/store", history_.policy, clock_, random_, keys_));
    if (opened.ok()) store_ = *std::move(opened);
    return opened.status();
  }

  bool OpenStore() {
    const absl::Status opened = TryToOpen();
    if (!opened.ok()) Trouble(absl::StrCat("Open: ", opened.ToString()));
    return opened.ok();
  }

  void CreateStore() {
    step_ = kNoStep;
    Window window = Begin(static_cast<int>(Kind::kCreateStore), "create the store");
    window.allowed = {AddSnapshot(model_, data_, /*closed=*/false, /*fresh=*/true)};
    if (history_.death.has_value()) DieInCreation(window);
    if (!Fine() || !OpenStore()) return;
    // The first attempt may have got as far as its first commit, or its last.
    if (store_->report().epoch == 2) model_.Restart(!store_->report().crashed);
    End(std::move(window), AddSnapshot(model_, ++data_));
  }

  // The process dies while it makes the store; another one comes after it.
  void DieInCreation(Window& window) {
    window.what += ", after somebody who died of it";
    log_.Fail(history_.death);
    (void)TryToOpen();
    store_.reset();
    log_.Fail(std::nullopt);
    TakeRecords();
    window.allowed.push_back(AddSnapshot(model_, ++data_));
    window.allowed.push_back(AddSnapshot(model_, ++data_, /*closed=*/true));
  }

  void Reopen() {
    turns_.clear();
    Window window = Begin(static_cast<int>(Kind::kClose), "Close");
    window.allowed = {AddSnapshot(model_, data_)};
    const absl::Status closed = store_->Close();
    if (!closed.ok()) return Trouble(absl::StrCat("Close: ", closed.ToString()));
    store_.reset();
    const size_t after = AddSnapshot(model_, ++data_, /*closed=*/true);
    End(std::move(window), after);

    window = Begin(static_cast<int>(Kind::kOpen), "Open");
    window.allowed = {after};
    if (!OpenStore()) return;
    model_.Restart(/*orderly=*/true);
    End(std::move(window), AddSnapshot(model_, ++data_));
  }

  // ---- Calls ----

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

  Call CallOf(Do what, const Step& step) {
    Call call = AnyCall(what, step.which, step.detail, Here());
    Enlarge(call, step.detail);
    if (step.detail % 4 != 0) Aim(call, step.which);
    return call;
  }

  // One of the sessions of which that is true; none: the default alias.
  template <typename Predicate>
  Alias Among(uint32_t which, Predicate fits) const {
    std::vector<Alias> fitting;
    for (const Alias alias : model_.Aliases()) {
      if (fits(*model_.Find(alias))) fitting.push_back(alias);
    }
    return fitting.empty() ? Alias() : fitting[which % fitting.size()];
  }

  // At something that the call will change, if there is such a thing.
  void Aim(Call& call, uint32_t which) {
    if (call.what == Do::kVerify || call.what == Do::kResume) {
      return which % 3 == 0 ? Present(call, Rotated(which)) : void();
    }
    if (call.what == Do::kRetireSigningKey && model_.primary_key_id() > 1) {
      call.number = 1 + which % (model_.primary_key_id() - 1);
    }
    const Alias aim = AimOf(call.what, which);
    if (aim == Alias()) return;
    call.alias = aim;
    if (call.what == Do::kAcknowledge) return;
    const Session session = *model_.Find(aim);
    if (call.what == Do::kTouch) Advance(session.idle_timeout / 4);
    if (call.what == Do::kRevokeGroup) call.alias = session.group;
    if (call.what == Do::kRevokeAllExcept) call.text = session.principal;
    if (call.what == Do::kSaveIf) call.number = model_.VersionOf(aim);
  }

  Alias AimOf(Do what, uint32_t which) {
    switch (what) {
      case Do::kCreate:
      case Do::kAbandon:
        return Among(which, [](const Session& s) { return s.state == State::kReserved; });
      case Do::kTouch:
        return Among(which, [](const Session& s) {
          return s.state == State::kCreated && s.idle_timeout != absl::InfiniteDuration();
        });
      case Do::kShift:
      case Do::kCycleKey:
      case Do::kRevoke:
      case Do::kRevokeGroup:
      case Do::kRevokeAllExcept:
      case Do::kSaveIf:
      case Do::kMerge:
      case Do::kSetRemotePublicKey:
        return Among(which, [](const Session& s) { return s.state == State::kCreated; });
      case Do::kAcknowledge:
        return AnyCompensation(which);
      default:
        return Alias();
    }
  }

  Alias AnyCompensation(uint32_t which) {
    const auto pending = store_->sessions().PendingCompensations();
    if (!pending.ok() || pending->empty()) return Alias();
    return (*pending)[which % pending->size()].alias;
  }

  Alias Rotated(uint32_t which) const {
    return Among(which, [this](const Session& s) { return model_.GenerationOf(s.alias) > 0; });
  }

  // A baton of the past.
  void Present(Call& call, Alias alias) const {
    if (alias == Alias()) return;
    const Session session = *model_.Find(alias);
    call.alias = alias;
    call.presentation.kind = BatonKind::kSession;
    call.presentation.generation = model_.GenerationOf(alias) - 1;
    call.presentation.principal = session.principal;
    call.presentation.database = session.database;
  }

  void Advance(absl::Duration duration) {
    clock_.Advance(duration);
    model_.Advance(duration);
  }

  // Which row of the table this is for. Asked before the call.
  int KindOf(const Call& call) const {
    if (call.what == Do::kResume && call.presentation.cut_off == CutOff::kAtMostOnce) {
      return static_cast<int>(Kind::kResumeAtMostOnce);
    }
    if (call.what == Do::kFinishTurn && !turns_.empty() && at_most_once_) {
      return static_cast<int>(Kind::kFinishAtMostOnce);
    }
    return static_cast<int>(call.what);
  }

  void Take(const Step& step) {
    if (step.what < kCalls) return Make(CallOf(static_cast<Do>(step.what), step));
    const auto milliseconds = static_cast<int64_t>(step.detail % 8000);
    switch (static_cast<Special>(step.what - kCalls)) {
      case Special::kAdvance:
        return Advance(absl::Milliseconds(milliseconds / 1000 * 500));
      case Special::kJumpWall:
        clock_.JumpWall(absl::Milliseconds(milliseconds - 4000));
        return model_.JumpWall(absl::Milliseconds(milliseconds - 4000));
      case Special::kWholeTurn:
        for (const Do what : {Do::kResume, Do::kMergeInTurn, Do::kFinishTurn}) {
          if (Fine()) Make(CallOf(what, step));
        }
        return;
      case Special::kReopen:
        return Reopen();
      case Special::kFailing:
        return Fail(step);
    }
  }

  void Note(const Reply& reply) {
    if (!reply.fresh.has_value()) return;
    if (std::find(given_.begin(), given_.end(), reply.fresh->alias) == given_.end()) {
      given_.push_back(reply.fresh->alias);
    }
  }

  void Make(const Call& call) {
    Window window = Begin(KindOf(call), Describe(call));
    const size_t before = AddSnapshot(model_, data_);
    window.allowed = {before};
    const size_t turns = turns_.size();
    const Reply reply = MakeCall(store_->sessions(), turns_, call);
    if (turns_.size() > turns) at_most_once_ = call.presentation.cut_off == CutOff::kAtMostOnce;
    Same(Describe(call), reply.text, model_.Answer(call, reply));
    NoteMerging();
    Note(reply);
    if (End(std::move(window), AddSnapshot(model_, data_ + 1))) ++data_;
  }

  // ---- Calls that fail ----

  WriteFault FaultOf(const Step& step) const {
    constexpr std::array<int, 3> kErrors = {EIO, ENOSPC, EDQUOT};
    const auto call = static_cast<WriteFault::Call>(step.detail / 16 % 3);
    return {.call = call,
            .nth = call == WriteFault::Call::kAny ? step.detail / 48 % 16 : 0,
            .for_good = step.detail % 2 == 0,
            .error = kErrors[step.detail / 4 % kErrors.size()],
            .takes_effect = step.detail / 2 % 2 == 0};
  }

  void Fail(const Step& step) {
    const Call call = CallOf(kMayFail[step.which % kMayFail.size()], step);
    Window window = Begin(static_cast<int>(Kind::kFailedCall), "failing " + Describe(call));
    StoreModel done = model_;
    const std::string expected = done.Answer(call, {});
    window.allowed = {AddSnapshot(model_, data_), AddSnapshot(done, data_ + 1)};
    log_.Fail(FaultOf(step));
    const Reply reply = MakeCall(store_->sessions(), turns_, call);
    if (reply.text == expected) {  // it did not strike, or nothing that matters
      log_.Fail(std::nullopt);
      model_ = done;
      NoteMerging();
      window.kind = static_cast<int>(call.what);
      window.allowed.pop_back();
      if (End(std::move(window), AddSnapshot(model_, data_ + 1))) ++data_;
      return;
    }
    Same(Describe(call), reply.text, "POISONED");
    OpenAfterFailure(std::move(window), std::move(done));
  }

  // What became of the call is settled by looking.
  void OpenAfterFailure(Window window, StoreModel done) {
    turns_.clear();
    store_.reset();
    log_.Fail(std::nullopt);
    TakeRecords();
    window.opens_at = history_.records.size();
    if (!Fine() || !OpenStore()) return;
    const bool is_done =
        Expectation(history_.snapshots[window.allowed[1]]).Differs(*store_).empty();
    if (!is_done) {
      const Expectation undone(history_.snapshots[window.allowed[0]]);
      if (const std::string differs = undone.Differs(*store_); !differs.empty()) Trouble(differs);
    }
    data_ += 2;
    done.Restart(/*orderly=*/false);
    model_.Restart(/*orderly=*/false);
    if (is_done) model_ = std::move(done);
    NoteMerging();
    End(std::move(window), AddSnapshot(model_, data_));
  }

  History& history_;
  const std::string root_;
  FakeClock clock_;
  ScopedWriteLog log_;
  ScriptedKeys keys_;
  SeededRandom random_;
  std::unique_ptr<Disk> cached_;
  StoreModel model_;
  std::unique_ptr<recovery::Store> store_;
  OpenTurns turns_;
  bool at_most_once_ = false;  // the last turn that was taken
  std::vector<Alias> given_;
  IndexMark mark_;
  bool has_merged_ = false;  // in the window under way
  uint64_t data_ = 0;
  size_t step_ = kNoStep;
};

}  // namespace

std::string NameOfKind(int kind) {
  if (kind < kCalls) {
    const std::string text = Describe(Call{.what = static_cast<Do>(kind)});
    return text.substr(0, text.find('('));
  }
  switch (static_cast<Kind>(kind)) {
    case Kind::kCreateStore:
      return "create the store";
    case Kind::kOpen:
      return "Open";
    case Kind::kClose:
      return "Close";
    case Kind::kFailedCall:
      return "a failed commit, Open";
    case Kind::kResumeAtMostOnce:
      return "Resume, at most once";
    case Kind::kFinishAtMostOnce:
      return "FinishTurn, at most once";
  }
  return "";
}

bool IsDurable(int kind) {
  if (kind >= kCalls) return true;
  switch (static_cast<Do>(kind)) {
    case Do::kLoad:
    case Do::kSecret:
    case Do::kPrivateKey:
    case Do::kIssue:
    case Do::kMergeInTurn:
    case Do::kDropTurn:
    case Do::kFind:
    case Do::kList:
    case Do::kCount:
    case Do::kGroupOf:
    case Do::kGroupMembers:
    case Do::kCompensations:
    case Do::kReadEvents:
    case Do::kStats:
      return false;
    default:
      return true;
  }
}

namespace {

// Each sync in its turn, and calls all over.
WriteFault DeathInCreation(uint64_t number) {
  constexpr uint64_t kSyncs = 24;  // about as many as there are
  constexpr uint64_t kCalls = 160;
  const uint64_t turn = number / 2;
  if (number % 2 == 0) {
    return {.call = WriteFault::Call::kSync, .nth = turn % kSyncs, .for_good = true, .error = EIO};
  }
  return {.nth = turn * 7 % kCalls, .for_good = true, .error = EIO, .takes_effect = turn % 3 == 0};
}

}  // namespace

History PlanHistory(uint64_t seed, uint64_t number) {
  std::mt19937_64 random(seed);
  History history;
  history.seed = seed;
  history.policy = AnyPolicy(random);
  if (number % 4 != 0) {
    history.death = DeathInCreation(number - number / 4 - 1);
    return history;
  }
  const bool is_big = random() % 4 == 0;
  if (is_big) history.policy.limits = {};
  history.prefilled = is_big ? 40 : 0;
  for (size_t i = 0; i < history.prefilled; ++i) {
    const int what = random() % 4 == 0 ? Of(Do::kReserve) : Of(Do::kReserveAndCreate);
    history.steps.push_back({what, static_cast<uint32_t>(random() % 1'000'000),
                             static_cast<uint32_t>(random() % 1'000'000)});
  }
  if (random() % 2 == 0) history.steps.push_back({Of(Do::kAddConsumer), 0, 1});
  for (int i = 0; i < 50; ++i) {
    history.steps.push_back({AnyStep(random), static_cast<uint32_t>(random() % 1'000'000),
                             static_cast<uint32_t>(random() % 1'000'000)});
  }
  return history;
}

void RecordHistory(const std::string& root, History& history) { Recorder(root, history).Run(); }

}  // namespace batonstore::testing
