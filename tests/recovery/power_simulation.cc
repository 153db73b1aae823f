#include "tests/recovery/power_simulation.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace batonstore::testing {
namespace {

using LogKind = LogRecord::Kind;

// A record that changes nothing.
LogRecord Nothing() { return {.kind = LogKind::kEntries}; }

// The disk as it is when the barrier has begun: what it is to make durable is pending.
Disk Entered(const Disk& disk, const LogRecord& barrier) {
  Disk entered = disk;
  if (barrier.kind == LogKind::kDurableWrite) {
    LogRecord write = barrier;
    write.kind = LogKind::kWrite;
    entered.Apply(write);
  }
  return entered;
}

}  // namespace

bool IsBarrier(const LogRecord& record) {
  return record.kind == LogKind::kSync || record.kind == LogKind::kDurableWrite ||
         record.kind == LogKind::kSyncFolder || record.kind == LogKind::kFailedSync;
}

bool Shared::Insert(uint64_t hash) {
  if (hash == 0) hash = 1;
  for (size_t slot = hash % slots;; slot = (slot + 1) % slots) {
    uint64_t found = 0;
    if (hashes[slot].compare_exchange_strong(found, hash)) return true;
    if (found == hash) return false;
  }
}

// ---- A history ----

void Simulation::Run(const History& history, uint64_t number) {
  history_ = &history;
  records_ = Mutated(history);
  disk_.emplace(history.root);
  check_.emplace(history, folder_);
  known_.clear();
  place_.history = number;
  place_.barrier = 0;
  shared_.passes += history.passes;
  for (const Window& window : history.windows) {
    place_.step = window.step;
    RunWindow(window);
    if (shared_.is_stopped) return;
  }
}

std::vector<LogRecord> Simulation::Mutated(const History& history) const {
  std::vector<LogRecord> records = history.records;
  const auto drop = [&records](LogKind kind) {
    for (LogRecord& record : records) {
      if (record.kind == kind) record = Nothing();
    }
  };
  switch (options_.mutant) {
    case Mutant::kNone:
    case Mutant::kEarlyAnswer:  // what may be found differs, not what is written
      break;
    case Mutant::kNoBarrier:
      drop(LogKind::kSync);
      break;
    case Mutant::kNoDirectorySync:
      drop(LogKind::kSyncFolder);
      break;
    case Mutant::kLazyMeta:
      for (LogRecord& record : records) {
        if (record.kind == LogKind::kDurableWrite) record.kind = LogKind::kWrite;
      }
      break;
    case Mutant::kNoSyncOnOpen:
      for (const Window& window : history.windows) {
        if (window.kind == static_cast<int>(Kind::kCreateStore)) continue;
        const auto first = records.begin() + static_cast<std::ptrdiff_t>(window.opens_at);
        const auto last = records.begin() + static_cast<std::ptrdiff_t>(window.end);
        const auto sync = std::find_if(
            first, last, [](const LogRecord& record) { return record.kind == LogKind::kSync; });
        if (sync != last) *sync = Nothing();
      }
      break;
  }
  return records;
}

bool Simulation::IsSkipped(const Window& window) const {
  // Nowhere else does a sync on opening find anything to do.
  const bool is_elsewhere = window.kind != static_cast<int>(Kind::kFailedCall);
  if (options_.mutant == Mutant::kNoSyncOnOpen && is_elsewhere) return true;
  return options_.only_last_step && window.step != history_->windows.back().step;
}

// A store's making is much the same each time, and filling it is only there for its size: so that
// most histories have only a few states of them.
size_t Simulation::LimitOf(const Window& window) const {
  constexpr size_t kFew = 4;
  const bool is_making = window.kind == static_cast<int>(Kind::kCreateStore);
  if (options_.only_last_step) return options_.per_barrier;
  if (is_making) return history_->seed % 32 == 0 ? options_.per_barrier : kFew;
  return window.step < history_->prefilled ? std::min(kFew, options_.per_barrier)
                                           : options_.per_barrier;
}

void Simulation::RunWindow(const Window& window) {
  const bool is_skipped = IsSkipped(window);
  if (!is_skipped) ++shared_.rows[static_cast<size_t>(window.kind)].times;
  for (size_t at = window.begin; at < window.end; ++at) {
    if (!is_skipped && IsBarrier(records_[at])) AtBarrier(window, records_[at], at);
    if (shared_.is_stopped) return;
    disk_->Apply(records_[at]);
  }
  if (!is_skipped) AfterAnswer(window);
}

void Simulation::AtBarrier(const Window& window, const LogRecord& record, size_t at) {
  Random random(history_->seed * 1'000'003 + at);
  ++place_.barrier;
  ++shared_.barriers;
  ++shared_.rows[static_cast<size_t>(window.kind)].barriers;
  if (window.is_merging) {
    ++shared_.slices;
    ++shared_.rows[static_cast<size_t>(window.kind)].slices;
  }
  std::vector<size_t> allowed = window.allowed;
  const bool answers = window.kind < kCalls || window.kind > static_cast<int>(Kind::kFailedCall);
  if (options_.mutant == Mutant::kEarlyAnswer && answers) allowed = {window.answered};
  CheckStates(window, Entered(*disk_, record).CrashStates(LimitOf(window), random), allowed,
              random);
}

// Whatever is still pending now is not needed for what was answered.
void Simulation::AfterAnswer(const Window& window) {
  constexpr size_t kAfterAnswer = 32;
  Random random(history_->seed * 1'000'003 + window.end + 500'000);
  CheckStates(window, disk_->CrashStates(std::min(kAfterAnswer, LimitOf(window)), random),
              {window.answered}, random);
}

// ---- States ----

void Simulation::CheckStates(const Window& window, std::vector<DiskImage> states,
                             const std::vector<size_t>& allowed, Random& random) {
  for (size_t i = 0; i < states.size() && !shared_.is_stopped; ++i) {
    place_.state = i;
    CheckState(window, states[i], allowed, random);
  }
}

// Whether it was found before to hold what it may hold.
bool Simulation::IsKnown(uint64_t hash, const std::vector<size_t>& allowed) const {
  const auto known = known_.find(hash);
  if (known == known_.end()) return false;
  return std::any_of(allowed.begin(), allowed.end(), [&](size_t snapshot) {
    return history_->snapshots[snapshot].data == known->second;
  });
}

// False when there are enough.
bool Simulation::Count(const Window& window, uint64_t hash) {
  ++shared_.checked;
  if (!shared_.Insert(hash)) return true;
  if (shared_.states.fetch_add(1) >= options_.states) {
    --shared_.states;
    shared_.is_stopped = true;
    return false;
  }
  ++shared_.rows[static_cast<size_t>(window.kind)].states;
  return true;
}

void Simulation::CheckState(const Window& window, const DiskImage& image,
                            const std::vector<size_t>& allowed, Random& random) {
  constexpr uint64_t kThoroughOneIn = 8;
  constexpr uint64_t kSecondOneIn = 256;
  constexpr uint64_t kSpoiledOneIn = 16;
  const uint64_t hash = image.Hash();
  if (IsKnown(hash, allowed) || !Count(window, hash)) return;
  folder_.Put(image);
  std::optional<Disk> again;
  if (hash / 16 % kSecondOneIn == 0) {
    again.emplace(folder_.NodeOf(""), image,
                  [this](const std::string& path) { return folder_.NodeOf(path); });
  }
  if (hash % kSpoiledOneIn < 2) {
    folder_.Spoil(hash % kSpoiledOneIn == 0 ? StateFolder::LockFile::kGone
                                            : StateFolder::LockFile::kNoise);
  }
  const PowerCheck::Outcome outcome =
      check_->Check(image, allowed, hash / 4096 % kThoroughOneIn == 0);
  if (!outcome.trouble.empty()) return Violation(window, outcome.trouble);
  known_[hash] = history_->snapshots[outcome.found].data;
  if (again.has_value() && options_.mutant == Mutant::kNone) {
    CrashInRecovery(window, *again, outcome, random);
  }
}

// The power fails again while the store is opened: either nothing has come of that, or all.
void Simulation::CrashInRecovery(const Window& window, const Disk& start,
                                 const PowerCheck::Outcome& first, Random& random) {
  constexpr size_t kStates = 24;
  const Snapshot& found = history_->snapshots[first.found];
  Snapshot recovered = found;
  recovered.fresh = recovered.closed = false;
  if (!found.fresh) recovered.model.Restart(found.closed);
  const Expectation after(recovered);
  const std::vector<const Expectation*> allowed = {&check_->ExpectationOf(first.found), &after};
  Disk disk = start;
  for (const LogRecord& record : first.recovery) {
    if (IsBarrier(record)) {
      for (const DiskImage& image : Entered(disk, record).CrashStates(kStates, random)) {
        const uint64_t hash = image.Hash();
        if (known_.contains(hash)) continue;
        const uint64_t before = shared_.states;
        if (!Count(window, hash)) return;
        if (shared_.states > before) ++shared_.of_recovery;
        const PowerCheck::Outcome outcome =
            check_->Check(image, allowed, found.fresh, /*thorough=*/false);
        if (!outcome.trouble.empty()) {
          return Violation(window, "after a second crash, in recovery: " + outcome.trouble);
        }
      }
    }
    disk.Apply(record);
  }
}

void Simulation::Violation(const Window& window, const std::string& trouble) {
  ++shared_.violations;
  if (options_.stop_at_violation) shared_.is_stopped = true;
  if (shared_.is_reported.exchange(true)) return;
  shared_.reported.history = place_.history.load();
  shared_.reported.step = window.step;
  shared_.reported.barrier = place_.barrier.load();
  shared_.reported.state = place_.state.load();
  const std::string text = absl::StrCat("during ", window.what, "\n", trouble);
  const size_t size = std::min(text.size(), shared_.report.size() - 1);
  std::memcpy(shared_.report.data(), text.data(), size);
}

}  // namespace batonstore::testing
