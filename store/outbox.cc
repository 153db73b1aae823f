#include "batonstore/store/outbox.h"

#include <algorithm>
#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"

namespace batonstore {

absl::Status AppendEvent(Transaction& transaction, const StoreKeys& keys, Event event) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t consumers, transaction.Count(Table::kConsumers));
  if (consumers == 0) return absl::OkStatus();
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, LastEvent(transaction));
  event.sequence = last + 1;
  BATONSTORE_RETURN_IF_ERROR(PutMetaNumber(transaction, meta::kLastEvent, event.sequence));
  return PutSealed(transaction, keys, Table::kOutbox, EncodeNumber(event.sequence),
                   EncodeEvent(event));
}

absl::StatusOr<uint64_t> LastEvent(Snapshot& snapshot) {
  return GetMetaNumber(snapshot, meta::kLastEvent);
}

absl::StatusOr<std::vector<Event>> ListEvents(Snapshot& snapshot, const StoreKeys& keys,
                                              uint64_t after, size_t most) {
  std::vector<Event> events;
  absl::Status broken;
  if (most == 0 || after == UINT64_MAX) return events;
  BATONSTORE_RETURN_IF_ERROR(snapshot.ScanUp(
      Table::kOutbox, EncodeNumber(after + 1), [&](absl::string_view key, absl::string_view value) {
        const absl::StatusOr<std::string> plaintext = keys.OpenRow(Table::kOutbox, key, value);
        broken = plaintext.status();
        if (!broken.ok()) return false;
        const std::optional<uint64_t> sequence = DecodeNumber(key);
        std::optional<Event> event;
        if (sequence.has_value()) event = DecodeEvent(*sequence, *plaintext);
        if (!event.has_value()) broken = CorruptRow(Table::kOutbox, key);
        if (broken.ok()) events.push_back(*std::move(event));
        return broken.ok() && events.size() < most;
      }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  return events;
}

absl::StatusOr<std::vector<Consumer>> ListConsumers(Snapshot& snapshot) {
  std::vector<Consumer> consumers;
  absl::Status broken;
  BATONSTORE_RETURN_IF_ERROR(
      snapshot.ScanUp(Table::kConsumers, "", [&](absl::string_view name, absl::string_view value) {
        const std::optional<uint64_t> acknowledged = DecodeNumber(value);
        if (!acknowledged.has_value()) broken = CorruptRow(Table::kConsumers, name);
        if (broken.ok()) consumers.push_back({std::string(name), *acknowledged});
        return broken.ok();
      }));
  BATONSTORE_RETURN_IF_ERROR(broken);
  return consumers;
}

absl::StatusOr<std::optional<uint64_t>> GetConsumer(Snapshot& snapshot, absl::string_view name) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, snapshot.Get(Table::kConsumers, name));
  if (!row.has_value()) return std::nullopt;
  const std::optional<uint64_t> acknowledged = DecodeNumber(*row);
  if (!acknowledged.has_value()) return CorruptRow(Table::kConsumers, name);
  return acknowledged;
}

absl::Status PutConsumer(Transaction& transaction, const Consumer& consumer) {
  return transaction.Put(Table::kConsumers, consumer.name, EncodeNumber(consumer.acknowledged));
}

absl::StatusOr<bool> DeleteConsumer(Transaction& transaction, absl::string_view name) {
  return transaction.Delete(Table::kConsumers, name);
}

absl::StatusOr<size_t> TrimOutbox(Transaction& transaction, size_t most) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t events, transaction.Count(Table::kOutbox));
  if (events == 0) return 0;
  BATONSTORE_ASSIGN_OR_RETURN(uint64_t read_by_all, LastEvent(transaction));
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Consumer> consumers, ListConsumers(transaction));
  for (const Consumer& consumer : consumers) {
    read_by_all = std::min(read_by_all, consumer.acknowledged);
  }
  std::vector<std::string> keys;
  const std::string last = EncodeNumber(read_by_all);
  BATONSTORE_RETURN_IF_ERROR(
      transaction.ScanUp(Table::kOutbox, "", [&](absl::string_view key, absl::string_view) {
        if (key > last || keys.size() == most) return false;
        keys.emplace_back(key);
        return true;
      }));
  for (const std::string& key : keys) {
    BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kOutbox, key).status());
  }
  return keys.size();
}

}  // namespace batonstore
