// Goes through a recorded history barrier by barrier, makes the states that a power failure may
// leave there, and has each checked. Says in memory that is shared with other processes what it has
// done and where it is, so that a signal can be told whose it was.

#ifndef BATONSTORE_TESTS_RECOVERY_POWER_SIMULATION_H_
#define BATONSTORE_TESTS_RECOVERY_POWER_SIMULATION_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/recovery/power_check.h"
#include "tests/recovery/power_history.h"
#include "tests/support/crash_states.h"

namespace batonstore::testing {

// A promise that is broken on purpose, to see that the check notices: as if the store had ...
enum class Mutant : uint8_t {
  kNone,
  kNoBarrier,        // not synced the file between its pages and the meta page
  kLazyMeta,         // not waited for the meta page, as MDB_NOMETASYNC does
  kEarlyAnswer,      // answered before the commit
  kNoSyncOnOpen,     // not forced a sync when it was opened
  kNoDirectorySync,  // not synced folders
};
inline constexpr std::array<const char*, 6> kMutantNames = {
    "none", "no-barrier", "lazy-meta", "early-answer", "no-sync-on-open", "no-directory-sync"};

struct SimulationOptions {
  uint64_t states = 0;  // how many different ones are wanted, by all processes together
  size_t per_barrier = 512;
  bool stop_at_violation = true;
  Mutant mutant = Mutant::kNone;
  bool only_last_step = false;  // check no other; for shrinking
};

// Where a simulation is, or what it has found there.
struct Place {
  std::atomic<uint64_t> history{0};
  std::atomic<uint64_t> step{kNoStep};
  std::atomic<uint64_t> barrier{0};  // its number in the history
  std::atomic<uint64_t> state{0};    // its number at the barrier
};

// Lies in shared memory, zeroed.
struct Shared {
  struct Row {
    std::atomic<uint64_t> times;
    std::atomic<uint64_t> barriers;
    std::atomic<uint64_t> slices;  // barriers while a slice of the indexes was being merged
    std::atomic<uint64_t> states;
  };
  std::atomic<uint64_t> states;
  std::atomic<uint64_t> of_recovery;  // those of them that are of a second crash
  std::atomic<uint64_t> checked;      // with repetitions
  std::atomic<uint64_t> barriers;
  std::atomic<uint64_t> slices;
  std::atomic<uint64_t> passes;  // over the indexes, that ended in the histories
  std::atomic<uint64_t> violations;
  std::atomic<uint64_t> unrecorded;  // histories that went wrong with the power on
  std::atomic<bool> is_stopped;
  std::array<Row, kKinds> rows;

  static constexpr size_t kMaxJobs = 64;
  std::array<Place, kMaxJobs> places;

  // The first violation.
  std::atomic<bool> is_reported;
  Place reported;
  std::array<char, 16384> report;

  // Hashes of the states so far, open addressing. As many as `slots` says lie behind this.
  size_t slots;
  std::atomic<uint64_t> hashes[1];

  // True if it is new.
  bool Insert(uint64_t hash);
};

class Simulation {
 public:
  // `check_root` is an empty folder. All must outlive it.
  Simulation(const SimulationOptions& options, StateFolder& folder, Shared& shared, Place& place)
      : options_(options), folder_(folder), shared_(shared), place_(place) {}

  // Goes through a history that has been recorded. `number` is what it is called in reports.
  void Run(const History& history, uint64_t number);

 private:
  using Random = Disk::Random;

  std::vector<LogRecord> Mutated(const History& history) const;
  void RunWindow(const Window& window);
  void AtBarrier(const Window& window, const LogRecord& record, size_t at);
  void AfterAnswer(const Window& window);
  void CheckStates(const Window& window, std::vector<DiskImage> states,
                   const std::vector<size_t>& allowed, Random& random);
  void CheckState(const Window& window, const DiskImage& image, const std::vector<size_t>& allowed,
                  Random& random);
  void CrashInRecovery(const Window& window, const Disk& start, const PowerCheck::Outcome& first,
                       Random& random);
  bool IsKnown(uint64_t hash, const std::vector<size_t>& allowed) const;
  bool Count(const Window& window, uint64_t hash);
  void Violation(const Window& window, const std::string& trouble);
  size_t LimitOf(const Window& window) const;
  bool IsSkipped(const Window& window) const;

  const SimulationOptions options_;
  StateFolder& folder_;
  Shared& shared_;
  Place& place_;

  // Of the history under way.
  const History* history_ = nullptr;
  std::vector<LogRecord> records_;
  std::optional<Disk> disk_;
  std::optional<PowerCheck> check_;
  std::unordered_map<uint64_t, uint64_t> known_;  // hash of a state -> the data that it holds
};

bool IsBarrier(const LogRecord& record);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_POWER_SIMULATION_H_
