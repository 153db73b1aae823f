// Whether the tables hold what the root row (store/root.h) says: the one check that notices a page
// which is sound but older than the rest of the file, where no other table knows better.

#ifndef BATONSTORE_RECOVERY_ROOT_CHECK_H_
#define BATONSTORE_RECOVERY_ROOT_CHECK_H_

#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/meta_check.h"
#include "batonstore/recovery/table_rows.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {

// Reads every row of every table once. It cannot say which row is at fault, only of which table.
// REQUIRES: the file's structure is sound.
void CheckRoot(const StoreFile& store, const MetaRows& meta, const StoreKeys& keys,
               FindingList& findings);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_ROOT_CHECK_H_
