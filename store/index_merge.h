// Moves the tail of the deferred indexes into their tables, a slice at a time, in the commits that
// bring new sessions.
//
// A pass begins when the tail has become long enough, takes the entries of all sessions of that
// moment in the order of their keys, and is done when half as many sessions have been created
// since. So a table's page is written about once for all of a pass's entries that lie on it, and
// the longer the tail, the more those are: it has to grow with the store.

#ifndef BATONSTORE_STORE_INDEX_MERGE_H_
#define BATONSTORE_STORE_INDEX_MERGE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/policy.h"

namespace batonstore {

// For the writer alone. `tail` must outlive it.
class IndexMerge final : public GroupCommitter::Companion {
 public:
  IndexMerge(IndexTail& tail, const IndexRules& rules) : tail_(tail), rules_(rules) {}

  // Merges a slice if one is due; true if it did.
  absl::StatusOr<bool> Begin(Transaction& transaction) override;
  void End(bool committed) noexcept override { tail_.End(committed); }

  // Merges all that there is, whether it is due or not, in the transaction at hand.
  absl::Status MergeAll(Transaction& transaction);

 private:
  // True if a pass is under way, or begins.
  absl::StatusOr<bool> IsDue(Transaction& transaction, IndexMark& mark);
  absl::Status MergeSlice(Transaction& transaction, IndexMark& mark, size_t most);

  IndexTail& tail_;
  const IndexRules rules_;
  uint64_t due_at_ = 0;  // when so many sessions have been added, look again
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_INDEX_MERGE_H_
