#include "batonstore/store/sql_cache.h"

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore {

absl::Status SqlCache::Store(int32_t id, absl::string_view text) {
  if (texts_.contains(id)) {
    return Refuse(Verdict::kExists, absl::StrCat("the stream has an SQL text ", id, " already"));
  }
  if (texts_.size() >= max_texts_) {
    return Refuse(Verdict::kTooMany,
                  absl::StrCat("a stream keeps at most ", max_texts_, " SQL texts; drop some"));
  }
  if (text.size() > max_bytes_ - bytes_) {
    return Refuse(Verdict::kTooMany,
                  absl::StrCat("a stream keeps at most ", max_bytes_, " bytes of SQL; drop some"));
  }
  texts_.try_emplace(id, text);
  bytes_ += text.size();
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> SqlCache::Lookup(int32_t id) const {
  const auto found = texts_.find(id);
  if (found == texts_.end()) {
    return Refuse(Verdict::kNotFound, absl::StrCat("the stream has no SQL text ", id));
  }
  return absl::string_view(found->second);
}

bool SqlCache::Drop(int32_t id) {
  const auto found = texts_.find(id);
  if (found == texts_.end()) return false;
  bytes_ -= found->second.size();
  texts_.erase(found);
  return true;
}

}  // namespace batonstore
