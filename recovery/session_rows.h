// The rows that stand beside a session's record below its alias: its reservation, turn, attributes,
// compensation, and the members of the group that it is the first of.

#ifndef BATONSTORE_RECOVERY_SESSION_ROWS_H_
#define BATONSTORE_RECOVERY_SESSION_ROWS_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/table_rows.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {

// A session's rows in other tables, as far as they open.
struct Beside {
  std::optional<ReservationRecord> reservation;
  std::optional<TurnRecord> turn;
};

// Passes the tables in step with the sessions, and notes rows that are broken, that belong to no
// session, or that do not fit its record. Not thread-safe.
class SessionRows {
 public:
  // All must outlive it.
  SessionRows(const StoreFile& store, const StoreKeys& keys, FindingList& findings);

  // The rows of the session, checked against its record. REQUIRES: aliases ascend.
  Beside Take(const SessionRecord& record, uint64_t epoch);

  // The rows of a session whose record does not open: each only by itself.
  void Pass(Alias alias);

  // After the last session: what is left belongs to none.
  void PassRest();

  // The newest moment and the highest alias that a compensation names.
  std::optional<absl::Time> newest() const { return newest_; }
  Alias last_alias() const { return last_alias_; }

 private:
  // A table that stands at its first row that has not been passed.
  class Joined {
   public:
    Joined(const StoreFile& store, Table table, FindingList& findings);

    // Whether it stands at a row of the session; rows of sessions before it are given to
    // `orphan` and passed.
    bool IsAt(Alias alias, absl::FunctionRef<void(TableRows&)> orphan);
    void PassRest(absl::FunctionRef<void(TableRows&)> orphan);

    TableRows& row() { return rows_; }
    void Next();

   private:

    TableRows rows_;
    bool at_end_ = false;
    uint64_t alias_ = 0;  // of the row
  };

  template <typename Record>
  std::optional<Record> Open(Table table, TableRows& row,
                             std::optional<Record> (*decode)(absl::string_view));

  // Null for a session whose record does not open.
  std::optional<ReservationRecord> TakeReservation(Alias alias);
  std::optional<TurnRecord> TakeTurn(Alias alias);
  void TakeAttributes(Alias alias, const SessionRecord* record);
  void TakeMembers(Alias alias, const SessionRecord* record);
  void TakeCompensation(Alias alias, const SessionRecord* record);
  std::optional<Compensation> OpenCompensation(TableRows& row);

  void CheckReservation(const SessionRecord& record, const Beside& beside, uint64_t epoch);
  void CheckTurn(const SessionRecord& record, const Beside& beside);
  void Missing(Table table, Alias alias);
  void Wrong(Table table, Alias alias, absl::string_view what);

  const StoreKeys& keys_;
  FindingList& findings_;
  Joined reservations_;
  Joined turns_;
  Joined attributes_;
  Joined groups_;
  Joined compensations_;
  std::optional<absl::Time> newest_;
  Alias last_alias_;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_SESSION_ROWS_H_
