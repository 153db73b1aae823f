// Whether the tables that are not about single sessions are sound: the marks of RevokeAll, events
// and their consumers.

#ifndef BATONSTORE_RECOVERY_LOG_CHECK_H_
#define BATONSTORE_RECOVERY_LOG_CHECK_H_

#include <optional>

#include "absl/time/time.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/meta_check.h"
#include "batonstore/recovery/table_rows.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {

// The newest moment and the highest alias that they name.
struct LogSums {
  std::optional<absl::Time> newest;
  Alias last_alias;
};

LogSums CheckLogs(const StoreFile& store, const MetaRows& meta, const StoreKeys& keys,
                  FindingList& findings);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_LOG_CHECK_H_
