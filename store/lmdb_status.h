// From LMDB's return codes to ours: one total map.

#ifndef BATONSTORE_STORE_LMDB_STATUS_H_
#define BATONSTORE_STORE_LMDB_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/engine.h"

namespace batonstore {

// The status for what `call` ("mdb_put", "fdatasync") returned: an LMDB code, an errno, or 0 for
// OK. The message names the call and LMDB's own explanation.
absl::Status LmdbStatus(int code, absl::string_view call);

// What a failed read, put or delete means for its transaction, and what a failed commit does. The
// difference: inside a transaction nothing has been written yet. A commit is certain not to be on
// the disk only for the two codes that LMDB returns before it writes (map full, transaction full);
// any other, ENOMEM from the kernel included, may come from a commit that is durable.
Fault FaultInTransaction(int code);
Fault FaultInCommit(int code);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_LMDB_STATUS_H_
