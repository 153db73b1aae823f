#include "batonstore/recovery/log_check.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/event_log.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {
namespace {

constexpr size_t kNumberBytes = 8;
constexpr absl::string_view kBrokenSeal = "was changed or moved: its seal is broken";

class Checker {
 public:
  Checker(const StoreFile& store, const MetaRows& meta, const StoreKeys& keys,
          FindingList& findings)
      : store_(store),
        keys_(keys),
        findings_(findings),
        last_event_(meta.Number(meta::kLastEvent, findings)) {}

  LogSums Run() {
    CheckRevocations();
    CheckConsumers();
    CheckOutbox();
    return sums_;
  }

 private:
  void CheckRevocations() {
    TableRows rows(store_, Table::kRevoked, findings_);
    while (rows.Next()) {
      const absl::StatusOr<std::string> plaintext =
          keys_.OpenRow(Table::kRevoked, rows.key(), rows.value());
      if (!plaintext.ok()) {
        rows.Note(kBrokenSeal);
        continue;
      }
      const std::optional<RevocationRecord> record = DecodeRevocation(*plaintext);
      if (!record.has_value() || rows.key().size() != 2 * kNumberBytes) {
        rows.Note("does not parse");
        continue;
      }
      const Alias covered(*DecodeNumber(rows.key().substr(kNumberBytes)));
      if (record->done > covered) rows.Note("is done with sessions that it does not cover");
      Note(record->at, covered);
    }
  }

  void CheckConsumers() {
    TableRows rows(store_, Table::kConsumers, findings_);
    while (rows.Next()) {
      const std::optional<uint64_t> acknowledged = DecodeNumber(rows.value());
      if (!acknowledged.has_value() || rows.key().size() > kMaxConsumerNameBytes) {
        rows.Note("does not parse");
      } else if (*acknowledged > last_event_) {
        rows.Note("has acknowledged an event that has not been");
      } else {
        least_ = std::min(least_.value_or(*acknowledged), *acknowledged);
      }
    }
  }

  // Events are numbered without gaps, and dropped from the oldest on.
  void CheckOutbox() {
    TableRows rows(store_, Table::kOutbox, findings_);
    std::optional<uint64_t> before;
    while (rows.Next()) {
      const std::optional<uint64_t> sequence = DecodeNumber(rows.key());
      if (!sequence.has_value()) {
        rows.Note("is not the number of an event");
        continue;
      }
      if (before.has_value() ? *sequence != *before + 1 : Skips(*sequence)) {
        rows.Note("comes after an event that is missing");
      }
      before = sequence;
      CheckEvent(rows, *sequence);
    }
    const bool some_missing = before.has_value() ? *before != last_event_ : Skips(last_event_ + 1);
    if (!some_missing) return;
    findings_.Add({std::string(TableName(Table::kOutbox)), EncodeNumber(last_event_), std::nullopt,
                   "is missing: it is the last event"});
  }

  // Whether some consumer would miss an event if this were the first one.
  bool Skips(uint64_t first) const { return least_.has_value() && first > *least_ + 1; }

  void CheckEvent(TableRows& rows, uint64_t sequence) {
    const absl::StatusOr<std::string> plaintext =
        keys_.OpenRow(Table::kOutbox, rows.key(), rows.value());
    if (!plaintext.ok()) return rows.Note(kBrokenSeal);
    const std::optional<Event> event = DecodeEvent(sequence, *plaintext);
    if (!event.has_value()) return rows.Note("does not parse");
    Note(event->at, event->alias);
  }

  void Note(absl::Time at, Alias alias) {
    sums_.newest = std::max(sums_.newest.value_or(at), at);
    sums_.last_alias = std::max(sums_.last_alias, alias);
  }

  const StoreFile& store_;
  const StoreKeys& keys_;
  FindingList& findings_;
  const uint64_t last_event_;
  std::optional<uint64_t> least_;  // what the slowest consumer has acknowledged
  LogSums sums_;
};

}  // namespace

LogSums CheckLogs(const StoreFile& store, const MetaRows& meta, const StoreKeys& keys,
                  FindingList& findings) {
  return Checker(store, meta, keys, findings).Run();
}

}  // namespace batonstore::recovery
