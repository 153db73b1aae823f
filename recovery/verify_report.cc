#include "batonstore/recovery/verify_report.h"

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore::recovery {

absl::Status VerifyReport::ToStatus() const {
  if (is_sound()) return absl::OkStatus();
  return Refuse(Verdict::kCorrupt,
                absl::StrCat(findings.empty() ? "the store is damaged" : findings[0].ToString(),
                             damages > 1 ? absl::StrCat(", and ", damages - 1, " more") : "",
                             "; batonstore verify shows all; restore a backup"));
}

}  // namespace batonstore::recovery
