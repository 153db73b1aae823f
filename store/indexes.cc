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

std::string HashKey(uint64_t hash, Alias alias) {
  return absl::StrCat(EncodeNumber(hash), alias.ToKey());
}

std::string GroupKey(Alias group, uint64_t sequence) {
  return absl::StrCat(group.ToKey(), EncodeNumber(sequence));
}

absl::Status CorruptIndex(Table table) {
  return Refuse(Verdict::kCorrupt,
                absl::StrCat("a row of ", TableName(table), " does not parse; restore a backup"));
}

// The sessions that stand below a hash, from an alias on.
absl::Status ScanHash(Snapshot& snapshot, Table table, uint64_t hash, Alias from,
                      absl::FunctionRef<bool(Alias)> visit) {
  const std::string prefix = EncodeNumber(hash);
  bool intact = true;
  BATONSTORE_RETURN_IF_ERROR(
      snapshot.ScanUp(table, HashKey(hash, from), [&](absl::string_view key, absl::string_view) {
        if (!absl::StartsWith(key, prefix)) return false;
        const std::optional<Alias> alias = Alias::FromKey(key.substr(prefix.size()));
        intact = alias.has_value();
        return intact && visit(*alias);
      }));
  return intact ? absl::OkStatus() : CorruptIndex(table);
}

}  // namespace

absl::Status Indexes::Insert(Transaction& transaction, const SessionRecord& record) const {
  const Session& session = record.session;
  BATONSTORE_RETURN_IF_ERROR(
      transaction.Put(Table::kPublicKeys, PublicKeyKey(session.public_key), session.alias.ToKey()));
  BATONSTORE_RETURN_IF_ERROR(transaction.Put(
      Table::kPrincipals, HashKey(keys_.HashPrincipal(session.principal), session.alias), ""));
  BATONSTORE_RETURN_IF_ERROR(transaction.Put(
      Table::kDatabases, HashKey(keys_.HashDatabase(session.database), session.alias), ""));
  if (!record.idempotency_key.empty()) {
    BATONSTORE_RETURN_IF_ERROR(transaction.Put(
        Table::kIdempotencyKeys,
        EncodeNumber(keys_.HashIdempotencyKey(session.principal, record.idempotency_key)),
        session.alias.ToKey()));
  }
  if (session.group == session.alias) return absl::OkStatus();
  return JoinGroup(transaction, session.group, session.alias);
}

absl::Status Indexes::Remove(Transaction& transaction, const SessionRecord& record) const {
  const Session& session = record.session;
  const auto drop = [&transaction](Table table, const std::string& key) {
    return transaction.Delete(table, key).status();
  };
  BATONSTORE_RETURN_IF_ERROR(drop(Table::kPublicKeys, PublicKeyKey(session.public_key)));
  BATONSTORE_RETURN_IF_ERROR(
      drop(Table::kPrincipals, HashKey(keys_.HashPrincipal(session.principal), session.alias)));
  BATONSTORE_RETURN_IF_ERROR(
      drop(Table::kDatabases, HashKey(keys_.HashDatabase(session.database), session.alias)));
  if (!record.idempotency_key.empty()) {
    BATONSTORE_RETURN_IF_ERROR(
        drop(Table::kIdempotencyKeys,
             EncodeNumber(keys_.HashIdempotencyKey(session.principal, record.idempotency_key))));
  }
  // One that was given a new identity has left its group to that.
  if (session.group == session.alias || record.moved_to != Alias()) return absl::OkStatus();
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
  return ScanPrincipalHash(snapshot, keys_.HashPrincipal(principal), from, visit);
}

absl::Status Indexes::ScanPrincipalHash(Snapshot& snapshot, uint64_t hash, Alias from,
                                        absl::FunctionRef<bool(Alias)> visit) {
  return ScanHash(snapshot, Table::kPrincipals, hash, from, visit);
}

absl::Status Indexes::ScanDatabase(Snapshot& snapshot, absl::string_view database, Alias from,
                                   absl::FunctionRef<bool(Alias)> visit) const {
  return ScanHash(snapshot, Table::kDatabases, keys_.HashDatabase(database), from, visit);
}

absl::StatusOr<std::optional<Alias>> Indexes::FindIdempotencyKey(Snapshot& snapshot,
                                                                 absl::string_view principal,
                                                                 absl::string_view key) const {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row,
                              snapshot.Get(Table::kIdempotencyKeys,
                                           EncodeNumber(keys_.HashIdempotencyKey(principal, key))));
  if (!row.has_value()) return std::nullopt;
  const std::optional<Alias> alias = Alias::FromKey(*row);
  if (!alias.has_value()) return CorruptIndex(Table::kIdempotencyKeys);
  return alias;
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

absl::StatusOr<uint64_t> Indexes::CountLinked(Snapshot& snapshot, Alias group,
                                              uint64_t most) const {
  uint64_t linked = 0;
  if (most == 0) return linked;
  const std::string prefix = group.ToKey();
  BATONSTORE_RETURN_IF_ERROR(
      snapshot.ScanUp(Table::kGroups, prefix, [&](absl::string_view key, absl::string_view) {
        return absl::StartsWith(key, prefix) && ++linked < most;
      }));
  return linked;
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
  // A reservation that is taken away is nearly always the last. One whose retention has ended is
  // among the first: but then most before it have gone, too.
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
