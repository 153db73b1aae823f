// The rows of `meta`, straight from a store's file, and whether they are what they must be.

#ifndef BATONSTORE_RECOVERY_META_CHECK_H_
#define BATONSTORE_RECOVERY_META_CHECK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/recovery/table_rows.h"
#include "batonstore/store/engine.h"

namespace batonstore::recovery {

// The known rows, in memory: a snapshot of nothing but `meta`.
class MetaRows final : public Snapshot {
 public:
  // Notes rows that no store has.
  MetaRows(const StoreFile& store, FindingList& findings);

  absl::StatusOr<std::optional<absl::string_view>> Get(Table table, absl::string_view key) override;

  // Not for this: UNSUPPORTED.
  absl::Status ScanUp(Table table, absl::string_view from, Visitor visit) override;
  absl::Status ScanDown(Table table, absl::string_view before, Visitor visit) override;
  absl::StatusOr<uint64_t> Count(Table table) override;

  // The row as a number; 0, having noted it, when it is none.
  uint64_t Number(absl::string_view name, FindingList& findings) const;

  // The row as it lies; nothing when it is missing.
  std::optional<absl::string_view> Find(absl::string_view name) const;

  uint64_t rows() const { return rows_; }

 private:
  std::map<std::string, std::string, std::less<>> values_;
  uint64_t rows_ = 0;
};

// Who the store is, or nothing, having noted why: a row is missing, or a seal is broken that must
// open, since another one opens under the same key.
//   WRONG_FORMAT
//   WRONG_KEY     neither seal opens: it is the key, or the row `store_id`
absl::StatusOr<std::optional<Identity>> CheckIdentity(MetaRows& meta, const KeySource& key_source,
                                                      RandomSource& random, FindingList& findings);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_META_CHECK_H_
