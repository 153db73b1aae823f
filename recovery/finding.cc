#include "batonstore/recovery/finding.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore::recovery {

std::string Finding::ToString() const {
  const std::string hex = absl::BytesToHexString(key);
  if (page.has_value()) {
    const std::string from = key.empty() ? "" : absl::StrCat(", from key ", hex);
    return absl::StrCat("page ", *page, " of data.mdb ", what,
                        table.empty() ? "" : absl::StrCat(" (", table, from, ")"));
  }
  if (table.empty()) return what;
  if (key.empty()) return absl::StrCat(table, ": ", what);
  return absl::StrCat("the row ", hex, " of ", table, " ", what);
}

absl::Status Finding::ToStatus() const {
  return Refuse(Verdict::kCorrupt, absl::StrCat(ToString(), "; restore a backup"));
}

void FindingList::Add(Finding finding) {
  ++total_;
  if (kept_.size() < most_) kept_.push_back(std::move(finding));
}

}  // namespace batonstore::recovery
