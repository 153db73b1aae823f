// The tail of the deferred indexes (index_entry.h): the entries of the newest sessions, in memory,
// from where the mark ends.
//
// An entry here is a hint. It appears before its session is committed, and disappears after the
// session's removal, or the entry's merging, is; whoever finds one asks the snapshot at hand for
// the session's record, and passes over it when there is none. So a reader that begins its snapshot
// first, and asks the tail then, misses nobody who came before the snapshot, unless somebody has
// disappeared from the tail meanwhile: then it tries again.

#ifndef BATONSTORE_STORE_INDEX_TAIL_H_
#define BATONSTORE_STORE_INDEX_TAIL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/population.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Thread-safe. Memory: some 300 bytes for each session in it.
class IndexTail final : public GroupCommitter::Companion {
 public:
  IndexTail() = default;
  IndexTail(const IndexTail&) = delete;
  IndexTail& operator=(const IndexTail&) = delete;

  // The sessions below a hash, from an alias on, in order; at most `most`.
  std::vector<Alias> Find(Table table, uint64_t hash, Alias from, size_t most) const;

  // How many sessions have entries here.
  size_t sessions() const;

  // How many have been added, ever.
  uint64_t added() const;

  // How often entries have disappeared.
  uint64_t departures() const { return departures_.load(std::memory_order_acquire); }

  // Adds what a snapshot has after its mark, from the sessions' records: all of it at first, then
  // what is new since the last call. Who opens a store calls it once, before the first write, and
  // an observer for each question. CORRUPT when one of those records is damaged. Costs some 1 us
  // for each session that is read.
  absl::Status CatchUp(Snapshot& snapshot, const StoreKeys& keys);

  // ---- The writer, inside its transaction. Each change counts at once, but for removals, which
  // wait for the commit. ----

  // Of a live session.
  void Add(const IndexEntries& entries);
  void Remove(const IndexEntry& entry);

  // How many of a principal's or database's sessions here are live.
  Population Live(const Scope& scope) const;
  void CountOut(const IndexEntry& entry);
  void RaiseOldest(const Scope& scope, Alias oldest);

  struct Item {
    IndexEntry entry;
    bool is_live = false;
  };
  // The entries after `cursor` of sessions up to `target`, in order; at most `most`.
  std::vector<Item> Next(const IndexEntry& cursor, Alias target, size_t most) const;

  // These are in the tables now.
  void Merged(std::vector<Item> items);

  // The transaction has ended: what it did stays, or is undone. Takes no memory.
  void End(bool committed) noexcept override;

 private:
  // Remembers a scope as it is, to be restored.
  Population& Change(const Scope& scope) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Insert(const IndexEntry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LoadLive(const IndexEntry& entry, bool is_live) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Drop(const IndexEntry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  absl::btree_set<IndexEntry> entries_ ABSL_GUARDED_BY(mu_);
  // Of the sessions here, not live. Not Abseil's hash tables: those do not survive it when an
  // allocation fails.
  std::unordered_set<Alias, absl::Hash<Alias>> ended_ ABSL_GUARDED_BY(mu_);
  std::unordered_map<Scope, Population, absl::Hash<Scope>> scopes_ ABSL_GUARDED_BY(mu_);
  size_t sessions_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t added_ ABSL_GUARDED_BY(mu_) = 0;
  std::atomic<uint64_t> departures_ = 0;  // counted with mu_ held, by whom they are made

  // What CatchUp has read: from after `floor_`, where the mark was, up to `seen_`.
  Alias floor_ ABSL_GUARDED_BY(mu_);
  Alias seen_ ABSL_GUARDED_BY(mu_);

  // Of the transaction under way.
  std::vector<IndexEntry> new_ ABSL_GUARDED_BY(mu_);
  std::vector<IndexEntry> removed_ ABSL_GUARDED_BY(mu_);
  std::vector<Item> merged_ ABSL_GUARDED_BY(mu_);
  std::vector<Alias> newly_ended_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<Scope, Population>> changed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_INDEX_TAIL_H_
