#include "batonstore/store/indexes.h"

#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/number.h"

namespace batonstore {
namespace {

// Of the tail, in one bite.
constexpr size_t kAtATime = 256;

std::string GroupKey(Alias group, uint64_t sequence) {
  return absl::StrCat(group.ToKey(), EncodeNumber(sequence));
}

absl::Status CorruptIndex(Table table) {
  return Refuse(Verdict::kCorrupt,
                absl::StrCat("a row of ", TableName(table), " does not parse; restore a backup"));
}

// The sessions of a table that stand below a hash, from an alias on; whether all were visited.
absl::StatusOr<bool> ScanTable(Snapshot& snapshot, const IndexQuestion& question,
                               absl::FunctionRef<bool(Alias)> visit) {
  const std::string prefix = EncodeNumber(question.hash);
  bool intact = true;
  bool more = true;
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      question.table, absl::StrCat(prefix, question.from.ToKey()),
      [&](absl::string_view key, absl::string_view) {
        if (!absl::StartsWith(key, prefix)) return false;
        const std::optional<Alias> alias = Alias::FromKey(key.substr(prefix.size()));
        intact = alias.has_value();
        more = intact && visit(*alias);
        return more;
      }));
  if (!intact) return CorruptIndex(question.table);
  return more;
}

// Those that the tail has named; whether all were visited.
absl::StatusOr<bool> ScanNewer(Snapshot& snapshot, const IndexQuestion& question, Alias after,
                               absl::FunctionRef<bool(Alias)> visit) {
  for (const Alias alias : question.newer) {
    if (alias <= after) continue;  // it has been merged since
    BATONSTORE_ASSIGN_OR_RETURN(const auto record, snapshot.Get(Table::kSessions, alias.ToKey()));
    if (record.has_value() && !visit(alias)) return false;
  }
  return true;
}

}  // namespace

absl::Status Indexes::Insert(Transaction& transaction, const SessionRecord& record) const {
  const Session& session = record.session;
  tail_.Add(EntriesOf(keys_, record));
  // One that was given a new identity has left its group to that.
  if (session.group == session.alias || record.moved_to != Alias()) return absl::OkStatus();
  return JoinGroup(transaction, session.group, session.alias);
}

absl::Status Indexes::Remove(Transaction& transaction, const SessionRecord& record) const {
  const Session& session = record.session;
  BATONSTORE_ASSIGN_OR_RETURN(const IndexMark mark, GetIndexMark(transaction));
  for (const IndexEntry& entry : EntriesOf(keys_, record)) {
    BATONSTORE_RETURN_IF_ERROR(Remove(transaction, tail_, mark, entry));
  }
  // One that was given a new identity has left its group to that.
  if (session.group == session.alias || record.moved_to != Alias()) return absl::OkStatus();
  return LeaveGroup(transaction, session.group, session.alias);
}

absl::Status Indexes::Remove(Transaction& transaction, IndexTail& tail, const IndexMark& mark,
                             const IndexEntry& entry) {
  tail.Remove(entry);
  if (!mark.Covers(entry)) return absl::OkStatus();
  return transaction.Delete(entry.table, entry.Key()).status();
}

absl::Status Indexes::CountOut(Transaction& transaction, const Session& session) const {
  BATONSTORE_ASSIGN_OR_RETURN(const IndexMark mark, GetIndexMark(transaction));
  for (const IndexEntry& entry : {PrincipalEntry(keys_, session), DatabaseEntry(keys_, session)}) {
    if (mark.Covers(entry)) {
      BATONSTORE_RETURN_IF_ERROR(batonstore::CountOut(transaction, {entry.table, entry.hash}));
    } else {
      tail_.CountOut(entry);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Population> Indexes::CountLive(Snapshot& snapshot, const Scope& scope) const {
  BATONSTORE_ASSIGN_OR_RETURN(Population merged, GetPopulation(snapshot, scope));
  const Population newer = tail_.Live(scope);
  if (merged.live == 0) return newer;
  merged.live += newer.live;
  return merged;
}

absl::Status Indexes::RaiseOldest(Transaction& transaction, const Scope& scope,
                                  Alias oldest) const {
  BATONSTORE_ASSIGN_OR_RETURN(Population merged, GetPopulation(transaction, scope));
  if (merged.live == 0) {
    tail_.RaiseOldest(scope, oldest);
    return absl::OkStatus();
  }
  merged.oldest = oldest;
  return PutPopulation(transaction, scope, merged);
}

IndexQuestion Indexes::OfPublicKey(absl::string_view public_key) const {
  return {Table::kPublicKeys, HashPublicKey(public_key)};
}

IndexQuestion Indexes::OfPrincipal(absl::string_view principal, Alias from, size_t most) const {
  return {Table::kPrincipals, keys_.HashPrincipal(principal), from, most};
}

IndexQuestion Indexes::OfDatabase(absl::string_view database, Alias from, size_t most) const {
  return {Table::kDatabases, keys_.HashDatabase(database), from, most};
}

IndexQuestion Indexes::OfIdempotencyKey(absl::string_view principal, absl::string_view key) const {
  return {Table::kIdempotencyKeys, keys_.HashIdempotencyKey(principal, key)};
}

void Indexes::AskTail(IndexQuestion& question) const {
  question.newer = tail_.Find(question.table, question.hash, question.from, question.most);
}

absl::Status Indexes::Answer(Snapshot& snapshot, const IndexQuestion& question,
                             absl::FunctionRef<bool(Alias)> visit) {
  Alias last;
  BATONSTORE_ASSIGN_OR_RETURN(const bool more, ScanTable(snapshot, question, [&](Alias alias) {
                                last = alias;
                                return visit(alias);
                              }));
  if (!more) return absl::OkStatus();
  return ScanNewer(snapshot, question, last, visit).status();
}

absl::Status Indexes::Scan(Transaction& transaction, IndexQuestion question,
                           absl::FunctionRef<bool(Alias)> visit) const {
  Alias last;
  BATONSTORE_ASSIGN_OR_RETURN(bool more, ScanTable(transaction, question, [&](Alias alias) {
                                last = alias;
                                return visit(alias);
                              }));
  question.most = kAtATime;
  for (AskTail(question); more && !question.newer.empty(); AskTail(question)) {
    question.from = Alias(question.newer.back().value() + 1);
    BATONSTORE_ASSIGN_OR_RETURN(more, ScanNewer(transaction, question, last, visit));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Indexes::HasPublicKey(Transaction& transaction,
                                           absl::string_view public_key) const {
  bool found = false;
  BATONSTORE_RETURN_IF_ERROR(Scan(transaction, OfPublicKey(public_key), [&found](Alias) {
    found = true;
    return false;
  }));
  return found;
}

absl::Status Indexes::RemoveIdempotencyKey(Transaction& transaction,
                                           const SessionRecord& record) const {
  if (record.idempotency_key.empty()) return absl::OkStatus();
  BATONSTORE_ASSIGN_OR_RETURN(const IndexMark mark, GetIndexMark(transaction));
  return Remove(transaction, tail_, mark, IdempotencyEntry(keys_, record));
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
