#include "batonstore/store/indexes.h"

#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/number.h"

namespace batonstore {
namespace {

constexpr size_t kNumberBytes = 8;

std::string PublicKeyKey(absl::string_view public_key) {
  return Sha256(public_key).substr(0, kNumberBytes);
}

std::string PrincipalKey(uint64_t principal_hash, Alias alias) {
  return absl::StrCat(EncodeNumber(principal_hash), alias.ToKey());
}

std::string GroupKey(Alias group, uint64_t sequence) {
  return absl::StrCat(group.ToKey(), EncodeNumber(sequence));
}

absl::Status CorruptIndex(Table table) {
  return Refuse(Verdict::kCorrupt,
                absl::StrCat("a row of ", TableName(table), " does not parse; restore a backup"));
}

}  // namespace

absl::Status Indexes::Insert(Transaction& transaction, const Session& session) const {
  BATONSTORE_RETURN_IF_ERROR(
      transaction.Put(Table::kPublicKeys, PublicKeyKey(session.public_key), session.alias.ToKey()));
  BATONSTORE_RETURN_IF_ERROR(transaction.Put(
      Table::kPrincipals, PrincipalKey(keys_.HashPrincipal(session.principal), session.alias), ""));
  if (session.group == session.alias) return absl::OkStatus();
  return JoinGroup(transaction, session.group, session.alias);
}

absl::Status Indexes::Remove(Transaction& transaction, const Session& session) const {
  BATONSTORE_RETURN_IF_ERROR(
      transaction.Delete(Table::kPublicKeys, PublicKeyKey(session.public_key)).status());
  BATONSTORE_RETURN_IF_ERROR(
      transaction
          .Delete(Table::kPrincipals,
                  PrincipalKey(keys_.HashPrincipal(session.principal), session.alias))
          .status());
  if (session.group == session.alias) return absl::OkStatus();
  return LeaveGroup(transaction, session.group, session.alias);
}

absl::StatusOr<std::optional<Alias>> Indexes::FindPublicKey(Snapshot& snapshot,
                                                            absl::string_view public_key) const {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row,
                              snapshot.Get(Table::kPublicKeys, PublicKeyKey(public_key)));
  if (!row.has_value()) return std::nullopt;
  const std::optional<Alias> alias = Alias::FromKey(*row);
  if (!alias.has_value()) return CorruptIndex(Table::kPublicKeys);
  return alias;
}

absl::Status Indexes::ScanPrincipal(Snapshot& snapshot, absl::string_view principal, Alias from,
                                    absl::FunctionRef<bool(Alias)> visit) const {
  const uint64_t hash = keys_.HashPrincipal(principal);
  const std::string prefix = EncodeNumber(hash);
  bool intact = true;
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      Table::kPrincipals, PrincipalKey(hash, from), [&](absl::string_view key, absl::string_view) {
        if (!absl::StartsWith(key, prefix)) return false;
        const std::optional<Alias> alias = Alias::FromKey(key.substr(prefix.size()));
        intact = alias.has_value();
        return intact && visit(*alias);
      }));
  return intact ? absl::OkStatus() : CorruptIndex(Table::kPrincipals);
}

absl::StatusOr<std::vector<Alias>> Indexes::LinkedMembers(Snapshot& snapshot, Alias group) const {
  std::vector<Alias> members;
  bool intact = true;
  const std::string prefix = group.ToKey();
  BATONSTORE_RETURN_IF_ERROR(
      snapshot.ScanUp(Table::kGroups, prefix, [&](absl::string_view key, absl::string_view value) {
        if (!absl::StartsWith(key, prefix)) return false;
        const std::optional<Alias> member = Alias::FromKey(value);
        intact = member.has_value();
        if (intact) members.push_back(*member);
        return intact;
      }));
  if (!intact) return CorruptIndex(Table::kGroups);
  return members;
}

absl::StatusOr<std::optional<Alias>> Indexes::LastLinked(Snapshot& snapshot, Alias group) const {
  std::optional<Alias> last;
  bool intact = true;
  const std::string prefix = group.ToKey();
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanDown(Table::kGroups, GroupKey(group, UINT64_MAX),
                                               [&](absl::string_view key, absl::string_view value) {
                                                 if (!absl::StartsWith(key, prefix)) return false;
                                                 last = Alias::FromKey(value);
                                                 intact = last.has_value();
                                                 return false;
                                               }));
  if (!intact) return CorruptIndex(Table::kGroups);
  return last;
}

absl::Status Indexes::JoinGroup(Transaction& transaction, Alias group, Alias member) const {
  std::optional<uint64_t> last = 0;
  const std::string prefix = group.ToKey();
  BATONSTORE_RETURN_IF_ERROR(transaction.ScanDown(
      Table::kGroups, GroupKey(group, UINT64_MAX), [&](absl::string_view key, absl::string_view) {
        if (absl::StartsWith(key, prefix)) last = DecodeNumber(key.substr(prefix.size()));
        return false;
      }));
  if (!last.has_value()) return CorruptIndex(Table::kGroups);
  return transaction.Put(Table::kGroups, GroupKey(group, *last + 1), member.ToKey());
}

absl::Status Indexes::LeaveGroup(Transaction& transaction, Alias group, Alias member) const {
  // Only a Reserved session is ever removed, and nobody joins after one until its deadline is past:
  // so it is nearly always the last.
  std::string found;
  const std::string prefix = group.ToKey();
  BATONSTORE_RETURN_IF_ERROR(
      transaction.ScanDown(Table::kGroups, GroupKey(group, UINT64_MAX),
                           [&](absl::string_view key, absl::string_view value) {
                             if (!absl::StartsWith(key, prefix)) return false;
                             if (Alias::FromKey(value) != member) return true;
                             found = std::string(key);
                             return false;
                           }));
  if (found.empty()) return absl::OkStatus();
  return transaction.Delete(Table::kGroups, found).status();
}

}  // namespace batonstore
