#include "batonstore/recovery/session_rows.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "batonstore/crypto/secret_memory.h"
#include "batonstore/store/number.h"
#include "batonstore/store/session.h"

namespace batonstore::recovery {
namespace {

constexpr size_t kNumberBytes = 8;

void NoteOrphan(TableRows& row) { row.Note("belongs to no session"); }

}  // namespace

SessionRows::Joined::Joined(const StoreFile& store, Table table, FindingList& findings)
    : rows_(store, table, findings) {
  Next();
}

void SessionRows::Joined::Next() {
  while (rows_.Next()) {
    const std::optional<uint64_t> alias = DecodeNumber(rows_.key().substr(0, kNumberBytes));
    if (alias.has_value()) {
      alias_ = *alias;
      return;
    }
    rows_.Note("does not begin with an alias");
  }
  at_end_ = true;
}

bool SessionRows::Joined::IsAt(Alias alias, absl::FunctionRef<void(TableRows&)> orphan) {
  while (!at_end_ && alias_ < alias.value()) {
    orphan(rows_);
    Next();
  }
  return !at_end_ && alias_ == alias.value();
}

void SessionRows::Joined::PassRest(absl::FunctionRef<void(TableRows&)> orphan) {
  for (; !at_end_; Next()) orphan(rows_);
}

SessionRows::SessionRows(const StoreFile& store, const StoreKeys& keys, FindingList& findings)
    : keys_(keys),
      findings_(findings),
      reservations_(store, Table::kReservations, findings),
      turns_(store, Table::kTurns, findings),
      attributes_(store, Table::kAttributes, findings),
      groups_(store, Table::kGroups, findings),
      compensations_(store, Table::kCompensations, findings) {}

Beside SessionRows::Take(const SessionRecord& record, uint64_t epoch) {
  const Alias alias = record.session.alias;
  Beside beside;
  beside.reservation = TakeReservation(alias);
  beside.turn = TakeTurn(alias);
  CheckReservation(record, beside, epoch);
  CheckTurn(record, beside);
  TakeAttributes(alias, &record);
  TakeMembers(alias, &record);
  TakeCompensation(alias, &record);
  return beside;
}

void SessionRows::Pass(Alias alias) {
  TakeReservation(alias);
  TakeTurn(alias);
  TakeAttributes(alias, nullptr);
  TakeMembers(alias, nullptr);
  TakeCompensation(alias, nullptr);
}

void SessionRows::PassRest() {
  reservations_.PassRest(NoteOrphan);
  turns_.PassRest(NoteOrphan);
  attributes_.PassRest(NoteOrphan);
  groups_.PassRest([](TableRows& row) { row.Note("stands below a group that does not exist"); });
  compensations_.PassRest([this](TableRows& row) { OpenCompensation(row); });
}

template <typename Record>
std::optional<Record> SessionRows::Open(Table table, TableRows& row,
                                        std::optional<Record> (*decode)(absl::string_view)) {
  absl::StatusOr<std::string> plaintext = keys_.OpenRow(table, row.key(), row.value());
  if (!plaintext.ok()) {
    row.Note("was changed or moved: its seal is broken");
    return std::nullopt;
  }
  // It may hold a secret field, or a baton.
  const absl::Cleanup wiping = [&] { WipeMemory(plaintext->data(), plaintext->size()); };
  std::optional<Record> record = decode(*plaintext);
  if (!record.has_value()) row.Note("does not parse");
  return record;
}

std::optional<ReservationRecord> SessionRows::TakeReservation(Alias alias) {
  std::optional<ReservationRecord> taken;
  for (; reservations_.IsAt(alias, NoteOrphan); reservations_.Next()) {
    taken = Open(Table::kReservations, reservations_.row(), DecodeReservation);
  }
  return taken;
}

std::optional<TurnRecord> SessionRows::TakeTurn(Alias alias) {
  std::optional<TurnRecord> taken;
  for (; turns_.IsAt(alias, NoteOrphan); turns_.Next()) {
    taken = Open(Table::kTurns, turns_.row(), DecodeTurn);
  }
  return taken;
}

void SessionRows::Missing(Table table, Alias alias) {
  Wrong(table, alias, "is missing, says the record of its session");
}

void SessionRows::Wrong(Table table, Alias alias, absl::string_view what) {
  findings_.Add({std::string(TableName(table)), alias.ToKey(), std::nullopt, std::string(what)});
}

void SessionRows::CheckReservation(const SessionRecord& record, const Beside& beside,
                                   uint64_t epoch) {
  const Alias alias = record.session.alias;
  const bool is_reserved = record.session.state == State::kReserved;
  if (!beside.reservation.has_value()) {
    if (is_reserved) Missing(Table::kReservations, alias);
  } else if (!is_reserved) {
    Wrong(Table::kReservations, alias, "is of a session that is not Reserved");
  } else if (beside.reservation->epoch > epoch) {
    Wrong(Table::kReservations, alias, "is of an epoch that has not been");
  }
}

void SessionRows::CheckTurn(const SessionRecord& record, const Beside& beside) {
  const Session& session = record.session;
  const bool is_in_use = !IsTerminal(session.state) && session.state != State::kReserved;
  const bool idles = session.idle_timeout != absl::InfiniteDuration();
  if (!beside.turn.has_value()) {
    if (is_in_use && idles) Missing(Table::kTurns, session.alias);
  } else if (!is_in_use) {
    Wrong(Table::kTurns, session.alias, "is of a session that is not created, or has ended");
  } else if (!idles && beside.turn->last == TurnRecord::Last::kNone) {
    Wrong(Table::kTurns, session.alias, "is of a session that has neither idled nor turned");
  }
}

void SessionRows::TakeAttributes(Alias alias, const SessionRecord* record) {
  std::optional<AttributesHead> head;
  uint64_t fields = 0;
  uint64_t bytes = 0;
  bool any = false;
  bool all_open = true;
  for (; attributes_.IsAt(alias, NoteOrphan); attributes_.Next()) {
    TableRows& row = attributes_.row();
    any = true;
    const size_t name_bytes = row.key().size() - kNumberBytes;
    if (name_bytes == 0) {
      head = Open(Table::kAttributes, row, DecodeAttributesHead);
      all_open = all_open && head.has_value();
    } else {
      const std::optional<Value> value = Open(Table::kAttributes, row, DecodeValue);
      all_open = all_open && value.has_value();
      ++fields;
      if (value.has_value()) bytes += name_bytes + value->bytes().size();
    }
  }
  if (!any || record == nullptr) return;
  if (IsTerminal(record->session.state)) {
    Wrong(Table::kAttributes, alias, "is of a session that has ended");
  } else if (all_open && !head.has_value()) {
    Missing(Table::kAttributes, alias);
  } else if (all_open && (head->fields != fields || head->bytes != bytes)) {
    Wrong(Table::kAttributes, alias,
          absl::StrCat("counts ", head->fields, " fields of ", head->bytes, " bytes; there are ",
                       fields, " of ", bytes));
  }
}

void SessionRows::TakeMembers(Alias alias, const SessionRecord* record) {
  const auto orphan = [](TableRows& row) { row.Note("stands below a group that does not exist"); };
  uint64_t before = 0;
  for (; groups_.IsAt(alias, orphan); groups_.Next()) {
    TableRows& row = groups_.row();
    if (record != nullptr && record->session.group != alias) {
      row.Note("stands below a session that is not the first of a group");
    }
    const std::optional<uint64_t> member = DecodeNumber(row.value());
    if (!member.has_value()) continue;  // that is noted where the sessions are looked up
    if (*member <= before) row.Note("is not in the order of the members' linking");
    before = *member;
  }
}

std::optional<Compensation> SessionRows::OpenCompensation(TableRows& row) {
  const std::optional<Alias> alias = Alias::FromKey(row.key());
  const absl::StatusOr<std::string> plaintext =
      keys_.OpenRow(Table::kCompensations, row.key(), row.value());
  if (!plaintext.ok()) {
    row.Note("was changed or moved: its seal is broken");
    return std::nullopt;
  }
  std::optional<Compensation> opened;
  if (alias.has_value()) opened = DecodeCompensation(*alias, *plaintext);
  if (!opened.has_value()) {
    row.Note("does not parse");
    return std::nullopt;
  }
  newest_ = std::max(newest_.value_or(opened->at), opened->at);
  last_alias_ = std::max(last_alias_, *alias);
  return opened;
}

void SessionRows::TakeCompensation(Alias alias, const SessionRecord* record) {
  const auto of_a_session_that_is_gone = [this](TableRows& row) { OpenCompensation(row); };
  for (; compensations_.IsAt(alias, of_a_session_that_is_gone); compensations_.Next()) {
    TableRows& row = compensations_.row();
    const std::optional<Compensation> compensation = OpenCompensation(row);
    if (!compensation.has_value() || record == nullptr) continue;
    if (!record->never_created || compensation->principal != record->session.principal ||
        compensation->database != record->session.database) {
      row.Note("does not fit the record of its session");
    }
  }
}

}  // namespace batonstore::recovery
