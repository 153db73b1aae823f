#include "batonstore/recovery/row_check.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/recovery/log_check.h"
#include "batonstore/recovery/session_rows.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/number.h"
#include "batonstore/store/population.h"

namespace batonstore::recovery {
namespace {

constexpr size_t kNumberBytes = 8;

class Checker {
 public:
  Checker(const StoreFile& store, const MetaRows& meta, const Identity& identity,
          FindingList& findings, size_t window)
      : store_(store),
        meta_(meta),
        identity_(identity),
        keys_(*identity.keys),
        findings_(findings),
        beside_(store, keys_, findings),
        mark_(MarkOf(meta)),
        indexes_(store, mark_.value_or(IndexMark()), findings, window) {}

  RowCounts Run(absl::FunctionRef<void(uint64_t)> progress) {
    if (!mark_.has_value()) NoteMeta(meta::kIndexMark, "does not parse");
    CheckSessions(progress);
    CheckLive();
    const LogSums logs = CheckLogs(store_, meta_, keys_, findings_);
    CheckNumbers(logs);
    RowCounts counts;
    counts.sessions = store_.tree(Table::kSessions).entries;
    for (const Table table : kAllTables) {
      if (table != Table::kMeta) counts.rows += store_.tree(table).entries;
    }
    return counts;
  }

 private:
  static std::optional<IndexMark> MarkOf(const MetaRows& meta) {
    return DecodeIndexMark(meta.Find(meta::kIndexMark).value_or(""));
  }

  void CheckSessions(absl::FunctionRef<void(uint64_t)> progress) {
    TableRows rows(store_, Table::kSessions, findings_);
    while (rows.Next()) {
      const std::optional<Alias> alias = Alias::FromKey(rows.key());
      if (!alias.has_value() || *alias == Alias()) {
        rows.Note("is not an alias");
        continue;
      }
      last_alias_ = *alias;
      CheckSession(rows, *alias);
      if (rows.rows() % 1024 == 0) progress(rows.rows());
    }
    beside_.PassRest();
    indexes_.Finish();
  }

  void CheckSession(TableRows& rows, Alias alias) {
    SessionRecord record;
    const absl::StatusOr<std::string> plaintext =
        keys_.OpenRow(Table::kSessions, rows.key(), rows.value());
    const bool opens = plaintext.ok() && DecodeSessionInto(alias, *plaintext, record);
    if (!opens) {
      rows.Note(plaintext.ok() ? "does not parse" : "was changed or moved: its seal is broken");
      beside_.Pass(alias);
      IndexedSession unknown;
      unknown.alias = alias.value();
      indexes_.Add(unknown);
      is_sure_ = false;
      return;
    }
    const Beside beside = beside_.Take(record, identity_.epoch);
    CheckRecord(rows, record);
    Note(record.ended_at);
    if (beside.turn.has_value()) Note(beside.turn->last_used);
    if (!IsTerminal(record.session.state)) CountLive(alias);
    indexes_.Add(IndexedAs(record, beside));
  }

  void CheckRecord(TableRows& rows, const SessionRecord& record) {
    if (IsTerminal(record.session.state) != record.sealed_private_key.empty()) {
      rows.Note("has a private key and has ended, or is live and has none");
    }
    if (!record.sealed_private_key.empty() && !PrivateKeyOpens(record)) {
      rows.Note("has a private key that was changed or is another session's: its seal is broken");
    }
    if (record.moved_to != Alias() && record.session.state != State::kRevoked) {
      rows.Note("has a new identity and was not revoked");
    }
    last_named_ = std::max(last_named_, record.moved_to);
  }

  bool PrivateKeyOpens(const SessionRecord& record) const {
    const Session& session = record.session;
    return keys_.OpenPrivateKey(session.key_type, session.public_key, record.sealed_private_key)
        .ok();
  }

  // When a live session ends by itself, as SessionTable has it.
  static std::optional<absl::Time> DueOf(const SessionRecord& record, const Beside& beside) {
    const Session& session = record.session;
    if (session.state == State::kReserved) {
      if (!beside.reservation.has_value()) return std::nullopt;
      return std::min(session.expires_at, beside.reservation->deadline);
    }
    if (session.idle_timeout == absl::InfiniteDuration()) return session.expires_at;
    if (!beside.turn.has_value()) return std::nullopt;
    return std::min(session.expires_at, beside.turn->last_used + session.idle_timeout);
  }

  IndexedSession IndexedAs(const SessionRecord& record, const Beside& beside) const {
    const Session& session = record.session;
    IndexedSession indexed;
    indexed.alias = session.alias.value();
    indexed.is_known = true;
    indexed.is_live = !IsTerminal(session.state);
    const std::optional<absl::Time> moment =
        indexed.is_live ? DueOf(record, beside) : record.ended_at;
    if (moment.has_value()) indexed.moment = EncodeTime(*moment);
    indexed.public_key = HashPublicKey(session.public_key);
    indexed.principal = keys_.HashPrincipal(session.principal);
    indexed.database = keys_.HashDatabase(session.database);
    if (!record.idempotency_key.empty()) {
      indexed.idempotency_key = keys_.HashIdempotencyKey(session.principal, record.idempotency_key);
    }
    if (session.group != session.alias && record.moved_to == Alias()) {
      indexed.group = session.group.value();
    }
    return indexed;
  }

  void CountLive(Alias alias) {
    if (live_++ == 0) oldest_live_ = alias;
  }

  // The population of the whole store.
  void CheckLive() {
    Population said;
    const auto row = meta_.Find(meta::kLive);
    if (row.has_value() && row->size() == 2 * kNumberBytes) {
      said.live = *DecodeNumber(row->substr(0, kNumberBytes));
      said.oldest = Alias(*DecodeNumber(row->substr(kNumberBytes)));
    }
    if (!is_sure_) return;
    if (said.live != live_ || row.has_value() != (live_ > 0)) {
      NoteMeta(meta::kLive,
               absl::StrCat("counts ", said.live, " live sessions; there are ", live_));
    } else if (live_ > 0 && said.oldest > oldest_live_) {
      NoteMeta(meta::kLive, absl::StrCat("says that no session before ", said.oldest.ToString(),
                                         " is live, but ", oldest_live_.ToString(), " is"));
    }
  }

  void CheckNumbers(const LogSums& logs) {
    Note(logs.newest);
    Note(beside_.newest());
    const Alias named = std::max({last_alias_, last_named_, logs.last_alias, beside_.last_alias()});
    const Alias last(meta_.Number(meta::kLastAlias, findings_));
    if (mark_.has_value() && mark_->target > last) {
      NoteMeta(meta::kIndexMark, "names an alias that has not been given");
    }
    if (last < named) {
      NoteMeta(meta::kLastAlias, absl::StrCat("is ", last.ToString(), ", before ", named.ToString(),
                                              ", which has been given"));
    }
    if (identity_.closed_epoch > identity_.epoch) {
      NoteMeta(meta::kClosed, "is an epoch that has not been");
    }
    if (newest_.has_value() && *newest_ > identity_.last_time) {
      NoteMeta(meta::kTime, "is before something that has happened");
    }
  }

  // Remembers the newest moment that was written down.
  void Note(const std::optional<absl::Time>& moment) {
    if (moment.has_value() && (!newest_.has_value() || *moment > *newest_)) newest_ = moment;
  }

  void NoteMeta(absl::string_view name, absl::string_view what) {
    findings_.Add(
        {std::string(TableName(Table::kMeta)), std::string(name), std::nullopt, std::string(what)});
  }

  const StoreFile& store_;
  const MetaRows& meta_;
  const Identity& identity_;
  const StoreKeys& keys_;
  FindingList& findings_;
  SessionRows beside_;
  const std::optional<IndexMark> mark_;
  IndexCheck indexes_;

  Alias last_alias_;  // the highest that a session has
  Alias last_named_;  // the highest that another row names
  uint64_t live_ = 0;
  Alias oldest_live_;
  bool is_sure_ = true;  // every record opens
  std::optional<absl::Time> newest_;
};

}  // namespace

RowCounts CheckRows(const StoreFile& store, const MetaRows& meta, const Identity& identity,
                    FindingList& findings, absl::FunctionRef<void(uint64_t sessions)> progress,
                    size_t window) {
  return Checker(store, meta, identity, findings, window).Run(progress);
}

}  // namespace batonstore::recovery
