// Verification of a store's data file, for whoever has made sure that its snapshot stays.

#ifndef BATONSTORE_RECOVERY_VERIFY_FILE_H_
#define BATONSTORE_RECOVERY_VERIFY_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "batonstore/base/clock.h"
#include "batonstore/recovery/index_check.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/recovery/verify_report.h"

namespace batonstore::recovery {

// How far it is, from 0 to 1. Called often, on the calling thread.
using VerifyProgress = std::function<void(double done)>;

// First the pages (structure_check.h) and then, if those are sound, the rows (row_check.h).
//   WRONG_FORMAT, WRONG_KEY, TOO_MANY (memory); what the source of the key says
// Damage is no error: it is what the report is for.
// REQUIRES: no page of the snapshot is reused meanwhile.
absl::StatusOr<VerifyReport> VerifySnapshot(const PageFile& file, const lmdb::Meta& meta,
                                            const KeySource& key_source, Clock& clock,
                                            const VerifyProgress& progress,
                                            size_t window = IndexCheck::kWindow);

// The same for a file that nobody writes.
absl::StatusOr<VerifyReport> VerifyQuietFile(const std::string& data_file,
                                             const KeySource& key_source, Clock& clock,
                                             const VerifyProgress& progress,
                                             size_t window = IndexCheck::kWindow);

// Whether the last owner of a file that nobody writes did not live to close it. CORRUPT, without
// having looked at more than the free list and the way to those two numbers.
absl::StatusOr<bool> HasCrashed(const std::string& data_file);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_VERIFY_FILE_H_
