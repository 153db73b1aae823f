#include "batonstore/store/reservations.h"

#include <optional>
#include <string>
#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/store/rows.h"

namespace batonstore {

absl::Status PutReservation(Transaction& transaction, const StoreKeys& keys, Alias alias,
                            const ReservationRecord& record) {
  const std::string key = alias.ToKey();
  return transaction.Put(Table::kReservations, key,
                         keys.SealRow(Table::kReservations, key, EncodeReservation(record)));
}

absl::Status ScanReservations(Snapshot& snapshot, const StoreKeys& keys,
                              absl::FunctionRef<void(Alias, ReservationRecord)> visit) {
  absl::Status broken;
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      Table::kReservations, "", [&](absl::string_view key, absl::string_view value) {
        const absl::StatusOr<std::string> plaintext =
            keys.OpenRow(Table::kReservations, key, value);
        broken = plaintext.status();
        if (!broken.ok()) return false;
        const std::optional<Alias> alias = Alias::FromKey(key);
        std::optional<ReservationRecord> record = DecodeReservation(*plaintext);
        if (!alias.has_value() || !record.has_value()) {
          broken = CorruptRow(Table::kReservations, key);
          return false;
        }
        visit(*alias, *std::move(record));
        return true;
      }));
  return broken;
}

absl::Status RemoveReserved(Transaction& transaction, const Indexes& indexes,
                            const Session& session) {
  const std::string key = session.alias.ToKey();
  BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kReservations, key).status());
  BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kSessions, key).status());
  return indexes.Remove(transaction, session);
}

}  // namespace batonstore
