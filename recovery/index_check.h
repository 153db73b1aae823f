// Whether the tables whose order is not that of the sessions say the same as the sessions' records:
// public_keys, principals, databases, groups, idempotency_keys, expiries, and the populations.

#ifndef BATONSTORE_RECOVERY_INDEX_CHECK_H_
#define BATONSTORE_RECOVERY_INDEX_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/table_rows.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/population.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {

// What the indexes have to say of one session.
struct IndexedSession {
  uint64_t alias = 0;
  bool is_known = false;  // false: its record does not open, so whatever names it is let pass
  bool is_live = false;   // by its record
  // Of a live one its deadline, of an ended one when it ended, at or after which its row in
  // `expiries` stands; microseconds. Nothing for a live one whose deadline is not known.
  std::optional<uint64_t> moment;
  uint64_t public_key = 0;  // first bytes of the hash of its key
  uint64_t principal = 0;   // hashes
  uint64_t database = 0;
  std::optional<uint64_t> idempotency_key;
  std::optional<uint64_t> group;  // of one that was linked, and has not been given a new identity
};

// Takes the sessions in the order of their aliases, a window of them at a time, and looks for each
// row of each index in the window: who has been looked for is missing if it was not found. So both
// directions are exact, and the offender is named, in bounded memory: 100 bytes for each session of
// a window. Each window reads the indexes once, at some 20 ns a row, which is felt with more than
// a few million sessions.
//
// Of the deferred indexes (index_entry.h) exactly those entries must be there that the mark covers,
// and the populations of principals and databases count those.
//
// An ended session need not have a row in `expiries`: its retention may have been for ever.
class IndexCheck {
 public:
  static constexpr size_t kWindow = size_t{1} << 20;

  IndexCheck(const StoreFile& store, const IndexMark& mark, FindingList& findings,
             size_t window = kWindow);

  // REQUIRES: aliases ascend.
  void Add(const IndexedSession& session);

  // After the last session.
  void Finish();

 private:
  // Where a session can be missing.
  enum Place : uint8_t {
    kInPublicKeys = 1,
    kInPrincipals = 2,
    kInDatabases = 4,
    kInIdempotencyKeys = 8,
    kInGroups = 16,
    kInExpiries = 32,
  };
  struct Slot {
    IndexedSession session;
    uint8_t missing = 0;  // places where it has not been found yet
    uint8_t found = 0;    // places where it has
  };

  // A principal's or a database's rows, while they are passed.
  struct Scope {
    uint64_t hash = 0;
    std::optional<Population> said;
    uint64_t live = 0;    // in this window
    bool is_sure = true;  // every record of this window that it names opens
  };
  // With more than one window, what the populations say and what was found, summed up with a weight
  // for each scope: by the first 16 bits of the hash.
  struct Sums {
    std::vector<uint64_t> said;
    std::vector<uint64_t> found;
  };

  uint8_t PlacesOf(const IndexedSession& session) const;
  // Whether the mark covers the session's entry in a deferred index.
  bool IsMerged(Table table, uint64_t hash, uint64_t alias) const;

  void CheckWindow(bool is_last);
  void CheckKeys(Table table, Place place);
  void CheckScopes(Table table, Place place, Sums& sums);
  void CheckScopeMember(TableRows& rows, Place place, Scope& scope);
  void EndScope(TableRows& rows, const Scope& scope, Sums& sums);
  void CompareSums(Table table, const Sums& sums);
  void CheckGroups();
  void CheckExpiries();
  void ReportMissing();
  void ReportMissing(const Slot& slot);

  // The slot of an alias of this window; null, having noted it, when no session has it. Of another
  // window, null.
  Slot* Find(TableRows& rows, uint64_t alias);
  // Notes what does not fit; else the session has been found.
  void Match(TableRows& rows, Slot& slot, Place place, bool fits);
  void NoteMalformed(TableRows& rows);

  const StoreFile& store_;
  const IndexMark mark_;
  FindingList& findings_;
  const size_t window_;

  std::vector<uint64_t> aliases_;  // of the slots, ascending
  std::vector<Slot> slots_;
  uint64_t from_ = 0;  // the window's aliases
  uint64_t to_ = 0;
  bool is_first_ = true;
  bool is_only_ = false;
  bool is_sure_ = true;  // every record opens
  Sums principals_;
  Sums databases_;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_INDEX_CHECK_H_
