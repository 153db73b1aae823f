// Tidying up, in bounded pieces: what has run out is noted and shredded, what a RevokeAll covers is
// shredded, reservations past their deadline and tombstones past their retention are removed,
// events that everybody has read are dropped. Whether a session can be used never depends on when
// that happens; what is to be removed can be seen, ended, until then.

#ifndef BATONSTORE_STORE_SWEEP_H_
#define BATONSTORE_STORE_SWEEP_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/session_table.h"

namespace batonstore {

struct Swept {
  uint64_t expired = 0;  // noted as Expired
  uint64_t revoked = 0;  // shredded because a RevokeAll covers them
  uint64_t removed = 0;  // reservations past their deadline, tombstones past their retention
  uint64_t trimmed = 0;  // events
  bool more = false;     // something is left to do now
};

// What bounds one piece, and with it the time that it holds the writer: the sessions that it ends
// or removes, and the rows that it passes and writes. It goes over only with the attributes of its
// last session (kMaxFields at the most). On two processors and a disk that syncs in 0.2 ms that is
// 2 ms in a store of 10,000 sessions and 8 ms in one of 1,000,000 (longest_piece_us of BM_Sweep in
// benchmarks/ending_benchmark.cc), and 25 ms while others use the disk: most of it is the commit.
inline constexpr uint64_t kSweepSessions = 256;
inline constexpr uint64_t kSweepRows = 8192;

// One piece, in the caller's transaction. Costs O(what it does), whatever the size of the store.
// `part` asks for one that is so many times smaller.
absl::StatusOr<Swept> Sweep(Transaction& transaction, const SessionTable& table, absl::Time now,
                            uint64_t part = 1);

// Whether there is anything to settle that could make room at a limit: a deadline that has passed
// or a RevokeAll that is not worked off.
absl::StatusOr<bool> AnythingDue(Snapshot& snapshot, const SessionTable& table, absl::Time now);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SWEEP_H_
