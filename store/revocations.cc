#include "batonstore/store/revocations.h"

#include <cstddef>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

constexpr size_t kNumberBytes = 8;

std::string Key(uint64_t principal, Alias covered) {
  return absl::StrCat(EncodeNumber(principal), covered.ToKey());
}

absl::StatusOr<Revocation> Open(const StoreKeys& keys, absl::string_view key,
                                absl::string_view value) {
  BATONSTORE_ASSIGN_OR_RETURN(RevocationRecord record,
                              OpenSealed(keys, Table::kRevoked, key, value, DecodeRevocation));
  const std::optional<uint64_t> principal = DecodeNumber(key.substr(0, kNumberBytes));
  const std::optional<Alias> covered = Alias::FromKey(key.substr(kNumberBytes));
  if (!principal.has_value() || !covered.has_value()) return CorruptRow(Table::kRevoked, key);
  return Revocation{*principal, *covered, record};
}

bool Covers(const Revocation& revocation, Alias alias) {
  return alias <= revocation.covered && alias != revocation.record.except;
}

// Collects the one row at which a scan stops.
class Finder {
 public:
  explicit Finder(const StoreKeys& keys) : keys_(keys) {}

  // False when it is found, or broken.
  bool LookAt(absl::string_view key, absl::string_view value) {
    absl::StatusOr<Revocation> opened = Open(keys_, key, value);
    broken_ = opened.status();
    if (opened.ok()) found_ = *opened;
    return false;
  }
  bool Skip() {
    found_.reset();
    return true;
  }
  const std::optional<Revocation>& found() const { return found_; }

  absl::StatusOr<std::optional<Revocation>> Result(const absl::Status& scanned) const {
    BATONSTORE_RETURN_IF_ERROR(scanned);
    BATONSTORE_RETURN_IF_ERROR(broken_);
    return found_;
  }

 private:
  const StoreKeys& keys_;
  std::optional<Revocation> found_;
  absl::Status broken_;
};

}  // namespace

absl::Status PutRevocation(Transaction& transaction, const StoreKeys& keys,
                           const Revocation& revocation) {
  return PutSealed(transaction, keys, Table::kRevoked,
                   Key(revocation.principal, revocation.covered),
                   EncodeRevocation(revocation.record));
}

absl::Status DeleteRevocation(Transaction& transaction, const Revocation& revocation) {
  return transaction.Delete(Table::kRevoked, Key(revocation.principal, revocation.covered))
      .status();
}

absl::StatusOr<std::optional<Revocation>> FindRevocation(Snapshot& snapshot, const StoreKeys& keys,
                                                         const Session& session) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t rows, snapshot.Count(Table::kRevoked));
  if (rows == 0) return std::nullopt;
  const uint64_t principal = keys.HashPrincipal(session.principal);
  const std::string prefix = EncodeNumber(principal);
  Finder finder(keys);
  return finder.Result(snapshot.ScanUp(
      Table::kRevoked, Key(principal, session.alias),
      [&](absl::string_view key, absl::string_view value) {
        if (!absl::StartsWith(key, prefix)) return false;
        finder.LookAt(key, value);
        const bool excepted = finder.found().has_value() && !Covers(*finder.found(), session.alias);
        return excepted && finder.Skip();
      }));
}

absl::StatusOr<std::optional<Revocation>> LastRevocation(Snapshot& snapshot, const StoreKeys& keys,
                                                         absl::string_view principal) {
  const uint64_t hash = keys.HashPrincipal(principal);
  const std::string prefix = EncodeNumber(hash);
  Finder finder(keys);
  return finder.Result(
      snapshot.ScanDown(Table::kRevoked, absl::StrCat(Key(hash, Alias(UINT64_MAX)), "."),
                        [&](absl::string_view key, absl::string_view value) {
                          return absl::StartsWith(key, prefix) && finder.LookAt(key, value);
                        }));
}

absl::StatusOr<std::optional<Revocation>> FirstRevocation(Snapshot& snapshot,
                                                          const StoreKeys& keys) {
  Finder finder(keys);
  return finder.Result(snapshot.ScanUp(
      Table::kRevoked, "",
      [&](absl::string_view key, absl::string_view value) { return finder.LookAt(key, value); }));
}

}  // namespace batonstore
