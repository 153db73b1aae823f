#include "batonstore/store/expiries.h"

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

constexpr size_t kNumberBytes = 8;

std::string Key(const Expiry& expiry) {
  return absl::StrCat(EncodeNumber(EncodeTime(expiry.at)), expiry.alias.ToKey());
}

}  // namespace

absl::Status PutExpiry(Transaction& transaction, const Expiry& expiry) {
  if (expiry.at == absl::InfiniteFuture()) return absl::OkStatus();
  return transaction.Put(Table::kExpiries, Key(expiry), "");
}

absl::Status DeleteExpiry(Transaction& transaction, const Expiry& expiry) {
  if (expiry.at == absl::InfiniteFuture()) return absl::OkStatus();
  return transaction.Delete(Table::kExpiries, Key(expiry)).status();
}

absl::StatusOr<std::optional<Expiry>> FirstExpiry(Snapshot& snapshot) {
  std::optional<Expiry> first;
  absl::Status broken;
  BATONSTORE_RETURN_IF_ERROR(
      snapshot.ScanUp(Table::kExpiries, "", [&](absl::string_view key, absl::string_view) {
        const std::optional<uint64_t> at = DecodeNumber(key.substr(0, kNumberBytes));
        const std::optional<Alias> alias =
            Alias::FromKey(key.size() < kNumberBytes ? "" : key.substr(kNumberBytes));
        if (!at.has_value() || !alias.has_value()) {
          broken = CorruptRow(Table::kExpiries, key);
        } else {
          first = Expiry{DecodeTime(*at), *alias};
        }
        return false;
      }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  return first;
}

}  // namespace batonstore
