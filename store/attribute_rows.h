// Rows of `attributes`: below each session's alias a head with the version and the sizes, and one
// row a field. A session that never had a field has none.

#ifndef BATONSTORE_STORE_ATTRIBUTE_ROWS_H_
#define BATONSTORE_STORE_ATTRIBUTE_ROWS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// INVALID when a field's name or value, or all of them together, are over their limits.
absl::Status CheckFields(const Fields& fields);
absl::Status CheckChanges(const Changes& changes);

// What a session has; secrets with their bytes.
absl::StatusOr<Attributes> GetAttributes(Snapshot& snapshot, const StoreKeys& keys, Alias alias);

absl::StatusOr<AttributesHead> GetAttributesHead(Snapshot& snapshot, const StoreKeys& keys,
                                                 Alias alias);
absl::StatusOr<std::optional<Value>> GetField(Snapshot& snapshot, const StoreKeys& keys,
                                              Alias alias, absl::string_view field);

// The bytes alone, never in memory that is not wiped.
absl::StatusOr<std::optional<SecretBytes>> GetSecretField(Snapshot& snapshot, const StoreKeys& keys,
                                                          Alias alias, absl::string_view field);

// Makes the session's fields these, and no others; the new version. A withheld one stays as it is:
// INVALID if it is not there, or is no secret.
absl::StatusOr<uint64_t> ReplaceFields(Transaction& transaction, const StoreKeys& keys, Alias alias,
                                       const Fields& fields);

// Does all of the changes or, refusing before it writes, none; the new version, which is the old
// one if nothing changed. CONFLICT, INVALID: see attributes.h.
absl::StatusOr<uint64_t> ApplyChanges(Transaction& transaction, const StoreKeys& keys, Alias alias,
                                      const Changes& changes);

// Gives everything to a session that has nothing yet.
absl::Status MoveAttributes(Transaction& transaction, const StoreKeys& keys, Alias from, Alias to);

// Deletes everything; how many rows that were.
absl::StatusOr<uint64_t> DropAttributes(Transaction& transaction, Alias alias);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ATTRIBUTE_ROWS_H_
