#include "batonstore/recovery/index_check.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"

namespace batonstore::recovery {
namespace {

constexpr size_t kNumberBytes = 8;
constexpr size_t kSums = size_t{1} << 16;

const uint64_t kNever = EncodeTime(absl::InfiniteFuture());

// The two numbers of a key, or nothing.
struct Pair {
  uint64_t first;
  uint64_t second;
};
std::optional<Pair> ParsePair(absl::string_view key) {
  if (key.size() != 2 * kNumberBytes) return std::nullopt;
  return Pair{*DecodeNumber(key.substr(0, kNumberBytes)), *DecodeNumber(key.substr(kNumberBytes))};
}

// Weighs a scope, so that one that is said to have one too many does not make up for another.
uint64_t WeightOf(uint64_t hash) {
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;  // the finalizer of SplitMix64
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
  return (hash ^ (hash >> 31)) | 1;  // odd, so that no difference is lost
}

}  // namespace

IndexCheck::IndexCheck(const StoreFile& store, const IndexMark& mark, FindingList& findings,
                       size_t window)
    : store_(store), mark_(mark), findings_(findings), window_(window) {
  const size_t most = std::min<uint64_t>(window, store.tree(Table::kSessions).entries);
  aliases_.reserve(most);
  slots_.reserve(most);
}

bool IndexCheck::IsMerged(Table table, uint64_t hash, uint64_t alias) const {
  return mark_.Covers({table, hash, Alias(alias)});
}

uint8_t IndexCheck::PlacesOf(const IndexedSession& session) const {
  if (!session.is_known) return 0;
  const auto place_if = [](Place place, bool is_there) -> uint8_t { return is_there ? place : 0; };
  const uint64_t alias = session.alias;
  const bool falls_due = session.is_live && session.moment.value_or(kNever) != kNever;
  return static_cast<uint8_t>(
      place_if(kInPublicKeys, IsMerged(Table::kPublicKeys, session.public_key, alias)) |
      place_if(kInPrincipals, IsMerged(Table::kPrincipals, session.principal, alias)) |
      place_if(kInDatabases, IsMerged(Table::kDatabases, session.database, alias)) |
      place_if(kInIdempotencyKeys,
               session.idempotency_key.has_value() &&
                   IsMerged(Table::kIdempotencyKeys, *session.idempotency_key, alias)) |
      place_if(kInGroups, session.group.has_value()) | place_if(kInExpiries, falls_due));
}

void IndexCheck::Add(const IndexedSession& session) {
  if (slots_.size() == window_) CheckWindow(/*is_last=*/false);
  is_sure_ = is_sure_ && session.is_known;
  aliases_.push_back(session.alias);
  slots_.push_back({session, PlacesOf(session), 0});
}

void IndexCheck::Finish() {
  is_only_ = is_first_;
  CheckWindow(/*is_last=*/true);
  if (is_only_ || !is_sure_) return;
  CompareSums(Table::kPrincipals, principals_);
  CompareSums(Table::kDatabases, databases_);
}

void IndexCheck::CheckWindow(bool is_last) {
  to_ = is_last ? std::numeric_limits<uint64_t>::max() : aliases_.back();
  CheckKeys(Table::kPublicKeys, kInPublicKeys);
  CheckKeys(Table::kIdempotencyKeys, kInIdempotencyKeys);
  CheckScopes(Table::kPrincipals, kInPrincipals, principals_);
  CheckScopes(Table::kDatabases, kInDatabases, databases_);
  CheckGroups();
  CheckExpiries();
  ReportMissing();
  aliases_.clear();
  slots_.clear();
  from_ = to_ + 1;
  is_first_ = false;
}

void IndexCheck::NoteMalformed(TableRows& rows) {
  if (is_first_) rows.Note("does not parse");
}

IndexCheck::Slot* IndexCheck::Find(TableRows& rows, uint64_t alias) {
  if (alias < from_ || alias > to_) return nullptr;
  const auto found = std::lower_bound(aliases_.begin(), aliases_.end(), alias);
  if (found != aliases_.end() && *found == alias) {
    return &slots_[static_cast<size_t>(found - aliases_.begin())];
  }
  rows.Note(absl::StrCat("names the session ", Alias(alias).ToString(), ", which does not exist"));
  return nullptr;
}

void IndexCheck::Match(TableRows& rows, Slot& slot, Place place, bool fits) {
  if (!slot.session.is_known) return;
  const std::string alias = Alias(slot.session.alias).ToString();
  if (!fits) {
    rows.Note(absl::StrCat("does not fit the record of session ", alias));
  } else if ((slot.found & place) != 0) {
    rows.Note(absl::StrCat("is not the only one of session ", alias));
  } else {
    slot.found = static_cast<uint8_t>(slot.found | place);
    slot.missing = static_cast<uint8_t>(slot.missing & ~place);
  }
}

void IndexCheck::CheckKeys(Table table, Place place) {
  TableRows rows(store_, table, findings_);
  while (rows.Next()) {
    const std::optional<Pair> key = ParsePair(rows.key());
    if (!key.has_value() || !rows.value().empty()) {
      NoteMalformed(rows);
      continue;
    }
    Slot* const slot = Find(rows, key->second);
    if (slot == nullptr) continue;
    const IndexedSession& session = slot->session;
    const bool fits = place == kInPublicKeys ? session.public_key == key->first
                                             : session.idempotency_key == key->first;
    Match(rows, *slot, place, fits && IsMerged(table, key->first, key->second));
  }
}

void IndexCheck::CheckScopes(Table table, Place place, Sums& sums) {
  TableRows rows(store_, table, findings_);
  std::optional<Scope> scope;
  while (rows.Next()) {
    const std::optional<uint64_t> hash = DecodeNumber(rows.key().substr(0, kNumberBytes));
    if (!hash.has_value()) {
      NoteMalformed(rows);
      continue;
    }
    if (!scope.has_value() || scope->hash != *hash) {
      if (scope.has_value()) EndScope(rows, *scope, sums);
      scope.emplace();
      scope->hash = *hash;
    }
    if (rows.key().size() != kNumberBytes) {
      CheckScopeMember(rows, place, *scope);
    } else if (const std::optional<Pair> said = ParsePair(rows.value())) {
      scope->said = Population{said->first, Alias(said->second)};
    } else {
      NoteMalformed(rows);
    }
  }
  if (scope.has_value()) EndScope(rows, *scope, sums);
}

void IndexCheck::CheckScopeMember(TableRows& rows, Place place, Scope& scope) {
  const std::optional<Pair> key = ParsePair(rows.key());
  if (!key.has_value() || !rows.value().empty()) return NoteMalformed(rows);
  Slot* const slot = Find(rows, key->second);
  if (slot == nullptr) return;
  const IndexedSession& session = slot->session;
  const bool fits = place == kInPrincipals
                        ? session.principal == scope.hash &&
                              IsMerged(Table::kPrincipals, scope.hash, session.alias)
                        : session.database == scope.hash &&
                              IsMerged(Table::kDatabases, scope.hash, session.alias);
  Match(rows, *slot, place, fits);
  scope.is_sure = scope.is_sure && session.is_known;
  if (!session.is_live) return;
  ++scope.live;
  if (scope.said.has_value() && session.alias < scope.said->oldest.value()) {
    rows.Note(EncodeNumber(scope.hash),
              absl::StrCat("says that no session before ", scope.said->oldest.ToString(),
                           " is live, but ", Alias(session.alias).ToString(), " is"));
  }
}

void IndexCheck::EndScope(TableRows& rows, const Scope& scope, Sums& sums) {
  const uint64_t said = scope.said.has_value() ? scope.said->live : 0;
  if (is_first_ && scope.said.has_value() && said == 0) {
    rows.Note(EncodeNumber(scope.hash), "counts nobody, and should not be there");
  }
  if (is_only_) {
    if (said == scope.live || !scope.is_sure) return;
    return rows.Note(EncodeNumber(scope.hash),
                     absl::StrCat("counts ", said, " live sessions; there are ", scope.live));
  }
  sums.said.resize(kSums);
  sums.found.resize(kSums);
  const size_t at = scope.hash >> 48;
  if (is_first_) sums.said[at] += said * WeightOf(scope.hash);
  sums.found[at] += scope.live * WeightOf(scope.hash);
}

void IndexCheck::CompareSums(Table table, const Sums& sums) {
  for (size_t at = 0; at < sums.said.size(); ++at) {
    if (sums.said[at] == sums.found[at]) continue;
    const std::string prefix = EncodeNumber(at).substr(kNumberBytes - 2);
    findings_.Add({std::string(TableName(table)), prefix, std::nullopt,
                   "and those that begin like it do not count their live sessions right"});
  }
}

void IndexCheck::CheckGroups() {
  TableRows rows(store_, Table::kGroups, findings_);
  while (rows.Next()) {
    const std::optional<Pair> key = ParsePair(rows.key());
    const std::optional<uint64_t> alias = DecodeNumber(rows.value());
    if (!key.has_value() || !alias.has_value()) {
      NoteMalformed(rows);
    } else if (Slot* const slot = Find(rows, *alias)) {
      Match(rows, *slot, kInGroups, slot->session.group == key->first);
    }
  }
}

void IndexCheck::CheckExpiries() {
  TableRows rows(store_, Table::kExpiries, findings_);
  while (rows.Next()) {
    const std::optional<Pair> key = ParsePair(rows.key());
    if (!key.has_value() || !rows.value().empty()) {
      NoteMalformed(rows);
      continue;
    }
    Slot* const slot = Find(rows, key->second);
    if (slot == nullptr || !slot->session.moment.has_value()) continue;
    const uint64_t moment = *slot->session.moment;
    Match(rows, *slot, kInExpiries,
          slot->session.is_live ? key->first == moment : key->first >= moment);
  }
}

void IndexCheck::ReportMissing() {
  for (const Slot& slot : slots_) {
    if (slot.missing != 0) ReportMissing(slot);
  }
}

void IndexCheck::ReportMissing(const Slot& slot) {
  const IndexedSession& session = slot.session;
  const std::string alias = EncodeNumber(session.alias);
  const auto note = [&](Place place, Table table, const std::string& key) {
    if ((slot.missing & place) == 0) return;
    findings_.Add(
        {std::string(TableName(table)), key, std::nullopt,
         absl::StrCat("is missing, says the record of session ", Alias(session.alias).ToString())});
  };
  note(kInPublicKeys, Table::kPublicKeys, EncodeNumber(session.public_key) + alias);
  note(kInPrincipals, Table::kPrincipals, EncodeNumber(session.principal) + alias);
  note(kInDatabases, Table::kDatabases, EncodeNumber(session.database) + alias);
  note(kInIdempotencyKeys, Table::kIdempotencyKeys,
       EncodeNumber(session.idempotency_key.value_or(0)) + alias);
  note(kInGroups, Table::kGroups, EncodeNumber(session.group.value_or(0)));
  note(kInExpiries, Table::kExpiries, EncodeNumber(session.moment.value_or(0)) + alias);
}

}  // namespace batonstore::recovery
