#include "batonstore/store/index_tail.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

// Every session has an entry in it, which is merged after the others that count.
constexpr Table kLastCounted = Table::kDatabases;

Scope ScopeOf(const IndexEntry& entry) { return {entry.table, entry.hash}; }

}  // namespace

std::vector<Alias> IndexTail::Find(Table table, uint64_t hash, Alias from, size_t most) const {
  std::vector<Alias> found;
  MutexLock lock(mu_);
  for (auto entry = entries_.lower_bound(IndexEntry{table, hash, from});
       entry != entries_.end() && found.size() < most; ++entry) {
    if (entry->table != table || entry->hash != hash) break;
    found.push_back(entry->alias);
  }
  return found;
}

size_t IndexTail::sessions() const {
  MutexLock lock(mu_);
  return sessions_;
}

uint64_t IndexTail::added() const {
  MutexLock lock(mu_);
  return added_;
}

absl::Status IndexTail::CatchUp(Snapshot& snapshot, const StoreKeys& keys) {
  BATONSTORE_ASSIGN_OR_RETURN(const IndexMark mark, GetIndexMark(snapshot));
  MutexLock lock(mu_);
  if (mark.done != floor_) {
    // A pass has ended since, or a snapshot from before its end is asked about.
    Forget();
    floor_ = seen_ = mark.done;
  }
  if (seen_.value() == std::numeric_limits<uint64_t>::max()) return absl::OkStatus();
  absl::Cleanup forget_what_is_half_read = [this] {
    mu_.AssertHeld();
    Forget();
  };
  std::map<Table, std::vector<IndexEntry>> read;
  Alias last = seen_;
  BATONSTORE_RETURN_IF_ERROR(
      ScanSessions(snapshot, keys, Alias(seen_.value() + 1), [&](SessionRecord record) {
        mu_.AssertHeld();
        for (const IndexEntry& entry : EntriesOf(keys, record)) {
          if (mark.Covers(entry)) continue;
          read[entry.table].push_back(entry);
          if (CountsLive(entry.table)) LoadLive(entry, !IsTerminal(record.session.state));
        }
        last = record.session.alias;
        return true;
      }));
  // In their order, which takes half the time where there are many.
  for (auto& [table, entries] : read) {
    std::sort(entries.begin(), entries.end());
    for (const IndexEntry& entry : entries) Insert(entry);
  }
  seen_ = last;
  std::move(forget_what_is_half_read).Cancel();
  return absl::OkStatus();
}

void IndexTail::Forget() {
  entries_.clear();
  ended_.clear();
  scopes_.clear();
  sessions_ = 0;
  floor_ = seen_ = Alias();
}

void IndexTail::LoadLive(const IndexEntry& entry, bool is_live) {
  if (!is_live) {
    ended_.insert(entry.alias);
    return;
  }
  Population& population = scopes_[ScopeOf(entry)];
  if (population.live++ == 0) population.oldest = entry.alias;
}

void IndexTail::Insert(const IndexEntry& entry) {
  const size_t before = entries_.size();
  entries_.insert(entries_.end(), entry);  // which is where CatchUp's belong
  if (entries_.size() == before || entry.table != kLastCounted) return;
  ++sessions_;
  ++added_;
}

void IndexTail::Drop(const IndexEntry& entry) {
  if (entries_.erase(entry) == 0 || entry.table != kLastCounted) return;
  --sessions_;
  ended_.erase(entry.alias);
}

void IndexTail::Add(const IndexEntries& entries) {
  MutexLock lock(mu_);
  for (const IndexEntry& entry : entries) {
    new_.push_back(entry);
    Insert(entry);
    if (!CountsLive(entry.table)) continue;
    Population& population = Change(ScopeOf(entry));
    if (population.live++ == 0) population.oldest = entry.alias;
  }
}

void IndexTail::Remove(const IndexEntry& entry) {
  MutexLock lock(mu_);
  removed_.push_back(entry);
}

Population& IndexTail::Change(const Scope& scope) {
  Population& population = scopes_[scope];
  changed_.emplace_back(scope, population);
  return population;
}

Population IndexTail::Live(const Scope& scope) const {
  MutexLock lock(mu_);
  const auto found = scopes_.find(scope);
  return found == scopes_.end() ? Population() : found->second;
}

void IndexTail::CountOut(const IndexEntry& entry) {
  MutexLock lock(mu_);
  newly_ended_.push_back(entry.alias);
  ended_.insert(entry.alias);
  --Change(ScopeOf(entry)).live;
}

void IndexTail::RaiseOldest(const Scope& scope, Alias oldest) {
  MutexLock lock(mu_);
  Change(scope).oldest = oldest;
}

std::vector<IndexTail::Item> IndexTail::Next(const IndexEntry& cursor, Alias target,
                                             size_t most) const {
  std::vector<Item> items;
  MutexLock lock(mu_);
  for (auto entry = entries_.upper_bound(cursor); entry != entries_.end() && items.size() < most;
       ++entry) {
    if (entry->alias <= target) items.push_back({*entry, !ended_.contains(entry->alias)});
  }
  return items;
}

void IndexTail::Merged(std::vector<Item> items) {
  MutexLock lock(mu_);
  merged_ = std::move(items);
  for (const Item& item : merged_) {
    if (item.is_live && CountsLive(item.entry.table)) --Change(ScopeOf(item.entry)).live;
  }
}

void IndexTail::End(bool committed) noexcept {
  MutexLock lock(mu_);
  if (committed) {
    for (const Item& item : merged_) Drop(item.entry);
    for (const IndexEntry& entry : removed_) Drop(entry);
    if (!merged_.empty() || !removed_.empty()) {
      departures_.fetch_add(1, std::memory_order_release);
    }
  } else {
    for (auto change = changed_.rbegin(); change != changed_.rend(); ++change) {
      scopes_.find(change->first)->second = change->second;
    }
    for (const Alias alias : newly_ended_) ended_.erase(alias);
    for (const IndexEntry& entry : new_) Drop(entry);
  }
  for (const auto& [scope, before] : changed_) {
    const auto found = scopes_.find(scope);
    if (found != scopes_.end() && found->second.live == 0) scopes_.erase(found);
  }
  new_.clear();
  removed_.clear();
  merged_.clear();
  newly_ended_.clear();
  changed_.clear();
}

}  // namespace batonstore
