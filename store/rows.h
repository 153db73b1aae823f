// Typed access to the tables: from sealed bytes to records and back. Each function is one or two
// calls of a snapshot or a transaction.

#ifndef BATONSTORE_STORE_ROWS_H_
#define BATONSTORE_STORE_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Rows of `meta`. A row that is missing or not as long as it must be is CORRUPT.
absl::StatusOr<std::string> GetMeta(Snapshot& snapshot, absl::string_view name);
absl::StatusOr<uint64_t> GetMetaNumber(Snapshot& snapshot, absl::string_view name);
absl::Status PutMetaNumber(Transaction& transaction, absl::string_view name, uint64_t number);

absl::StatusOr<std::optional<SessionRecord>> GetSession(Snapshot& snapshot, const StoreKeys& keys,
                                                        Alias alias);
absl::Status PutSession(Transaction& transaction, const StoreKeys& keys,
                        const SessionRecord& record);

// Sessions with an alias of at least `from`, in the order of creation, until `visit` says false.
// The first that is CORRUPT ends the scan.
absl::Status ScanSessions(Snapshot& snapshot, const StoreKeys& keys, Alias from,
                          absl::FunctionRef<bool(SessionRecord)> visit);

// What a row says that does not parse.
absl::Status CorruptRow(Table table, absl::string_view key);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ROWS_H_
