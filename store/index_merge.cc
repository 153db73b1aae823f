#include "batonstore/store/index_merge.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "batonstore/base/status_macros.h"
#include "batonstore/store/population.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

// Entries that are merged for each one that comes.
constexpr uint64_t kPace = 2;

// The least entries that a session has.
constexpr uint64_t kEntriesOfASession = 3;

// How many sessions of a scope are merged, while its entries pass.
class LiveCounter {
 public:
  explicit LiveCounter(Transaction& transaction) : transaction_(transaction) {}

  absl::Status Pass(const IndexTail::Item& item) {
    const Scope scope{item.entry.table, item.entry.hash};
    if (scope != scope_) BATONSTORE_RETURN_IF_ERROR(Finish());
    scope_ = scope;
    if (item.is_live && CountsLive(scope.table) && live_++ == 0) oldest_ = item.entry.alias;
    return absl::OkStatus();
  }

  absl::Status Finish() {
    if (live_ == 0) return absl::OkStatus();
    return CountIn(transaction_, scope_, std::exchange(live_, 0), oldest_);
  }

 private:
  Transaction& transaction_;
  Scope scope_;
  uint64_t live_ = 0;
  Alias oldest_;
};

}  // namespace

absl::StatusOr<bool> IndexMerge::Begin(Transaction& transaction) {
  const uint64_t added = tail_.added();
  if (added < due_at_) return false;
  BATONSTORE_ASSIGN_OR_RETURN(IndexMark mark, GetIndexMark(transaction));
  BATONSTORE_ASSIGN_OR_RETURN(const bool is_due, IsDue(transaction, mark));
  if (!is_due) return false;
  // Before the slice: one that fails is not tried again by the next commit already.
  due_at_ = added + std::max<uint64_t>(rules_.slice / (kPace * kEntriesOfASession), 1);
  BATONSTORE_RETURN_IF_ERROR(MergeSlice(transaction, mark, rules_.slice));
  if (!mark.IsMerging()) due_at_ = added + 1;
  return true;
}

absl::StatusOr<bool> IndexMerge::IsDue(Transaction& transaction, IndexMark& mark) {
  if (mark.IsMerging()) return true;
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t sessions, transaction.Count(Table::kSessions));
  const uint64_t most = std::max(rules_.min_tail, sessions / rules_.tail_share);
  const uint64_t tail = tail_.sessions();
  if (tail < most) {
    due_at_ = tail_.added() + (most - tail);
    return false;
  }
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, GetMetaNumber(transaction, meta::kLastAlias));
  mark.target = Alias(last);
  mark.cursor = {Table::kPublicKeys, 0, Alias()};
  return mark.IsMerging();
}

absl::Status IndexMerge::MergeAll(Transaction& transaction) {
  BATONSTORE_ASSIGN_OR_RETURN(IndexMark mark, GetIndexMark(transaction));
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, GetMetaNumber(transaction, meta::kLastAlias));
  mark.target = Alias(last);
  mark.cursor = {Table::kPublicKeys, 0, Alias()};
  return MergeSlice(transaction, mark, std::numeric_limits<size_t>::max());
}

absl::Status IndexMerge::MergeSlice(Transaction& transaction, IndexMark& mark, size_t most) {
  std::vector<IndexTail::Item> items = tail_.Next(mark.cursor, mark.target, most);
  LiveCounter counter(transaction);
  for (const IndexTail::Item& item : items) {
    BATONSTORE_RETURN_IF_ERROR(counter.Pass(item));
    BATONSTORE_RETURN_IF_ERROR(transaction.Put(item.entry.table, item.entry.Key(), ""));
  }
  BATONSTORE_RETURN_IF_ERROR(counter.Finish());
  if (items.size() < most) {
    mark.done = mark.target;
    mark.cursor = IndexEntry();
  } else {
    mark.cursor = items.back().entry;
  }
  BATONSTORE_RETURN_IF_ERROR(PutIndexMark(transaction, mark));
  tail_.Merged(std::move(items));
  return absl::OkStatus();
}

}  // namespace batonstore
