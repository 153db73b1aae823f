// Whether the rows of a store are sound: the second half of verification.

#ifndef BATONSTORE_RECOVERY_ROW_CHECK_H_
#define BATONSTORE_RECOVERY_ROW_CHECK_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/index_check.h"
#include "batonstore/recovery/meta_check.h"
#include "batonstore/recovery/table_rows.h"

namespace batonstore::recovery {

struct RowCounts {
  uint64_t sessions = 0;
  uint64_t rows = 0;  // of all tables but `meta`
};

// Opens every sealed row and compares every table with every other that says something about it:
//   sessions          each opens and parses; live ones have a private key, ended ones have none
//   reservations      one for exactly the Reserved sessions, of an epoch that has been
//   turns             one for each live, created session with an idle timeout; otherwise only of
//                     live, created ones whose baton has rotated
//   attributes        only of live sessions; the head counts the fields and their bytes
//   compensations     their session is gone, or was revoked before it was created
//   groups            stand below a first session; members are in the order of their linking
//   the indexes       index_check.h
//   revoked           open; cover no alias that was not given
//   outbox            without gaps, to the last event; no consumer misses one
//   meta              the last alias, event, epoch and time are not before what there is; `live`
//                     counts the live sessions
// What these cannot prove they let pass (a row that is an older version of itself in a table
// without a sealed partner, a missing row of an ended session in `expiries`, a number of `meta`
// that is too high): root_check.h notices that.
//
// The file's structure must be sound. `progress` is told how many sessions are done.
RowCounts CheckRows(const StoreFile& store, const MetaRows& meta, const Identity& identity,
                    FindingList& findings, absl::FunctionRef<void(uint64_t sessions)> progress,
                    size_t window = IndexCheck::kWindow);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_ROW_CHECK_H_
