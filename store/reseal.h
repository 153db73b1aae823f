// What follows a new data key: every row that the former one has sealed is sealed again, in pieces,
// while the store serves. A mark moves in the transaction of each piece, so that a crash costs
// nothing of what is done.
//
// Whatever is written after the new key came into use is sealed under it. So one pass over the
// sealed tables, in the order of their keys, sees all that is not.

#ifndef BATONSTORE_STORE_RESEAL_H_
#define BATONSTORE_STORE_RESEAL_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// The row `reseal` of meta, while a pass is under way: which rows it has seen.
struct ResealMark {
  uint64_t rows = 0;  // how many
  Table table = Table::kSessions;
  std::string after = {};  // the last of that table
};
std::string EncodeResealMark(const ResealMark& mark);
std::optional<ResealMark> DecodeResealMark(absl::string_view bytes);

// Nothing while there is none; CORRUPT.
absl::StatusOr<std::optional<ResealMark>> GetResealMark(Snapshot& snapshot);

// How far a pass is.
struct ResealProgress {
  bool is_rotating = false;  // false: every row is sealed under the current data key
  uint64_t done = 0;         // rows
  uint64_t total = 0;        // about as many: rows come and go meanwhile
};
absl::StatusOr<ResealProgress> GetResealProgress(Snapshot& snapshot);

// Seals the private key inside a record under the current key, if it is not yet; true if it was
// not. CORRUPT when it does not open.
absl::StatusOr<bool> ResealPrivateKey(const StoreKeys& keys, SessionRecord& record);

// Seals the next rows again: up to `most`, or of 256 KiB, or of one table; moves the mark. True
// when the pass has seen all. REQUIRES: there is a mark, and `keys` uses the new key.
absl::StatusOr<bool> ResealPiece(Transaction& transaction, const StoreKeys& keys, uint64_t most);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_RESEAL_H_
