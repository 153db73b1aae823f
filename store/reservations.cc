#include "batonstore/store/reservations.h"

#include <string>
#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/store/rows.h"

namespace batonstore {

absl::Status PutReservation(Transaction& transaction, const StoreKeys& keys, Alias alias,
                            const ReservationRecord& record) {
  return PutSealed(transaction, keys, Table::kReservations, alias.ToKey(),
                   EncodeReservation(record));
}

absl::StatusOr<std::optional<ReservationRecord>> GetReservation(Snapshot& snapshot,
                                                                const StoreKeys& keys,
                                                                Alias alias) {
  return GetSealed(snapshot, keys, Table::kReservations, alias.ToKey(), DecodeReservation);
}

absl::Status ScanReservations(Snapshot& snapshot, const StoreKeys& keys,
                              absl::FunctionRef<void(Alias, ReservationRecord)> visit) {
  absl::Status broken;
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      Table::kReservations, "", [&](absl::string_view key, absl::string_view value) {
        absl::StatusOr<ReservationRecord> record =
            OpenSealed(keys, Table::kReservations, key, value, DecodeReservation);
        const std::optional<Alias> alias = Alias::FromKey(key);
        broken = record.ok() && !alias.has_value() ? CorruptRow(Table::kReservations, key)
                                                   : record.status();
        if (broken.ok()) visit(*alias, *std::move(record));
        return broken.ok();
      }));
  return broken;
}

absl::Status PutCompensation(Transaction& transaction, const StoreKeys& keys,
                             const Compensation& compensation) {
  return PutSealed(transaction, keys, Table::kCompensations, compensation.alias.ToKey(),
                   EncodeCompensation(compensation));
}

absl::StatusOr<std::vector<Compensation>> ListCompensations(Snapshot& snapshot,
                                                            const StoreKeys& keys, size_t most,
                                                            Alias after) {
  std::vector<Compensation> found;
  absl::Status broken;
  if (most == 0 || after == Alias(UINT64_MAX)) return found;
  BATONSTORE_RETURN_IF_ERROR(
      snapshot.ScanUp(Table::kCompensations, Alias(after.value() + 1).ToKey(),
                      [&](absl::string_view key, absl::string_view value) {
                        const absl::StatusOr<std::string> plaintext =
                            keys.OpenRow(Table::kCompensations, key, value);
                        broken = plaintext.status();
                        if (!broken.ok()) return false;
                        const std::optional<Alias> alias = Alias::FromKey(key);
                        std::optional<Compensation> compensation;
                        if (alias.has_value())
                          compensation = DecodeCompensation(*alias, *plaintext);
                        if (!compensation.has_value())
                          broken = CorruptRow(Table::kCompensations, key);
                        if (broken.ok()) found.push_back(*std::move(compensation));
                        return broken.ok() && found.size() < most;
                      }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  return found;
}

}  // namespace batonstore
