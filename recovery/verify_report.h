// What a verification has found.

#ifndef BATONSTORE_RECOVERY_VERIFY_REPORT_H_
#define BATONSTORE_RECOVERY_VERIFY_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "batonstore/recovery/finding.h"

namespace batonstore::recovery {

inline constexpr size_t kMaxFindings = 100;  // that a report keeps

struct VerifyReport {
  std::vector<Finding> findings;  // the first kMaxFindings, in the order of their finding
  uint64_t damages = 0;           // how many there were

  // Rows are looked at only in a file whose pages are sound: with a page missing, half of them
  // would seem to be wrong.
  bool rows_checked = false;

  uint64_t transaction_id = 0;  // of the snapshot that was verified
  uint64_t bytes = 0;           // of the file
  uint64_t pages = 0;           // in the file, free ones included
  uint64_t sessions = 0;        // records, tombstones included
  uint64_t rows = 0;            // of all tables, sessions included
  absl::Duration duration;

  bool is_sound() const { return damages == 0; }

  // OK, or CORRUPT: the first finding, and how many more there are.
  absl::Status ToStatus() const;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_VERIFY_REPORT_H_
