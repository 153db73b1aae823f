#include "batonstore/recovery/followed_keys.h"

#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/data_keys.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {

absl::Status FollowedKeys::Follow(Snapshot& snapshot) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, snapshot.Get(Table::kMeta, meta::kDataKeys));
  if (!row.has_value()) return Refuse(Verdict::kCorrupt, "the data keys are missing");
  MutexLock lock(mu_);
  if (*row == row_) return absl::OkStatus();
  const absl::StatusOr<SecretBytes> opened =
      OpenUnderKeyEncryptionKey(key_encryption_key_, store_id_, meta::kDataKeys, *row);
  if (!opened.ok()) {
    return Refuse(Verdict::kWrongKey,
                  "the key-encryption key has been replaced since: open the store again");
  }
  BATONSTORE_ASSIGN_OR_RETURN(const DataKeys keys, DataKeys::Parse(opened->Reveal()));
  keys_.Add(keys.current());
  if (keys.former().has_value()) keys_.Add(*keys.former());
  row_ = std::string(*row);
  return absl::OkStatus();
}

}  // namespace batonstore::recovery
