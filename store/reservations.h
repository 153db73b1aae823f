// Rows of `reservations`: what is Reserved, who reserved it, and what it was meant for.

#ifndef BATONSTORE_STORE_RESERVATIONS_H_
#define BATONSTORE_STORE_RESERVATIONS_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/indexes.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

absl::Status PutReservation(Transaction& transaction, const StoreKeys& keys, Alias alias,
                            const ReservationRecord& record);

// Every reservation, in the order of creation. The first that is CORRUPT ends the scan.
absl::Status ScanReservations(Snapshot& snapshot, const StoreKeys& keys,
                              absl::FunctionRef<void(Alias, ReservationRecord)> visit);

// Removes a Reserved session with its reservation and all its index rows, as if it had never been.
absl::Status RemoveReserved(Transaction& transaction, const Indexes& indexes,
                            const Session& session);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_RESERVATIONS_H_
