// Rows of `reservations`: what is Reserved, who reserved it, until when, and what it was meant for;
// and of `compensations`: what has become of those that were taken away.

#ifndef BATONSTORE_STORE_RESERVATIONS_H_
#define BATONSTORE_STORE_RESERVATIONS_H_

#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

absl::Status PutReservation(Transaction& transaction, const StoreKeys& keys, Alias alias,
                            const ReservationRecord& record);
absl::StatusOr<std::optional<ReservationRecord>> GetReservation(Snapshot& snapshot,
                                                                const StoreKeys& keys, Alias alias);

// Every reservation, in the order of creation. The first that is CORRUPT ends the scan.
absl::Status ScanReservations(Snapshot& snapshot, const StoreKeys& keys,
                              absl::FunctionRef<void(Alias, ReservationRecord)> visit);

absl::Status PutCompensation(Transaction& transaction, const StoreKeys& keys,
                             const Compensation& compensation);

// Up to `most` of those after the alias `after`, in the order of creation.
absl::StatusOr<std::vector<Compensation>> ListCompensations(Snapshot& snapshot,
                                                            const StoreKeys& keys, size_t most,
                                                            Alias after);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_RESERVATIONS_H_
