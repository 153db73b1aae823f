#include "batonstore/recovery/recovery_pass.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/reservations.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session_table.h"

namespace batonstore::recovery {
namespace {

struct Found {
  Alias alias;
  ReservationRecord reservation;
};

absl::StatusOr<std::vector<Found>> FindEarlier(Snapshot& snapshot, const StoreKeys& keys,
                                               uint64_t epoch) {
  std::vector<Found> found;
  BATONSTORE_RETURN_IF_ERROR(
      ScanReservations(snapshot, keys, [&](Alias alias, ReservationRecord reservation) {
        if (reservation.epoch < epoch) found.push_back({alias, std::move(reservation)});
      }));
  return found;
}

absl::StatusOr<RemovedReservation> Remove(Transaction& transaction, const SessionTable& table,
                                          const Found& found, absl::Time now) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<StoredSession> session,
                              table.Find(transaction, found.alias, now));
  if (!session.has_value() || !session->reservation.has_value()) {
    return Refuse(Verdict::kCorrupt,
                  "a reservation stands for a session that is not Reserved; "
                  "restore a backup");
  }
  BATONSTORE_RETURN_IF_ERROR(
      table.RemoveReservation(transaction, *session, SessionTable::Intent::kCompensate, now));
  const Session& stored = session->record.session;
  return RemovedReservation{found.alias, found.reservation.epoch, stored.principal, stored.database,
                            found.reservation.intent};
}

}  // namespace

absl::StatusOr<RecoveryPass::Result> RecoveryPass::Run(Inputs inputs) {
  Identity& identity = inputs.identity;
  RecoveryReport report;
  report.epoch = identity.epoch + 1;
  report.crashed = identity.epoch != identity.closed_epoch;
  BATONSTORE_ASSIGN_OR_RETURN(report.readers_cleared, inputs.engine->ClearStaleReaders());

  auto time = std::make_unique<StoreTime>(*inputs.clock, identity.last_time);
  const auto record_time = [&time](Transaction& transaction) {
    return PutMetaNumber(transaction, meta::kTime, EncodeTime(time->Now()));
  };
  auto tail = std::make_unique<IndexTail>();
  {
    BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, inputs.engine->Read());
    BATONSTORE_RETURN_IF_ERROR(tail->CatchUp(*snapshot, *identity.keys));
  }
  report.reindexed = tail->sessions();
  GroupCommitter committer(*inputs.engine, record_time, tail.get());
  const SessionTable table(*identity.keys, *tail);
  // One transaction; but on a full disk, where all at once might not find their room in what is
  // kept back, several. A crash in between leaves the rest to the next opening.
  size_t most = std::numeric_limits<size_t>::max();
  for (bool is_done = false; !is_done;) {
    const size_t removed_before = report.removed.size();
    size_t left = 0;
    const absl::Status committed = committer.Run(
        [&](Transaction& transaction) -> absl::Status {
          report.removed.resize(removed_before);
          BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Found> earlier,
                                      FindEarlier(transaction, *identity.keys, report.epoch));
          left = earlier.size();
          for (const Found& found : absl::MakeConstSpan(earlier).subspan(0, most)) {
            BATONSTORE_ASSIGN_OR_RETURN(RemovedReservation removed,
                                        Remove(transaction, table, found, time->Now()));
            report.removed.push_back(std::move(removed));
          }
          return PutMetaNumber(transaction, meta::kEpoch, report.epoch);
        },
        GroupCommitter::Room::kFrees);
    if (VerdictOf(committed) == Verdict::kFull && std::min(most, left) > 1) {
      report.removed.resize(removed_before);
      most = std::min(most, left) / 2;
      continue;
    }
    BATONSTORE_RETURN_IF_ERROR(committed);
    is_done = left <= most;
  }

  Result result;
  result.recovered.engine = std::move(inputs.engine);
  result.recovered.keys = std::move(identity.keys);
  result.recovered.tail = std::move(tail);
  result.recovered.keyring = std::move(identity.keyring);
  result.recovered.data_keys = std::move(identity.data_keys);
  result.recovered.time = std::move(time);
  result.recovered.key_encryption_key = std::move(inputs.key_encryption_key);
  result.recovered.store_id = std::move(identity.store_id);
  result.recovered.incarnation = std::move(identity.incarnation);
  result.recovered.epoch = report.epoch;
  result.recovered.random = inputs.random;
  result.report = std::move(report);
  return result;
}

}  // namespace batonstore::recovery
