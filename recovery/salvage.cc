#include "batonstore/recovery/salvage.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/default_key.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/meta_check.h"
#include "batonstore/recovery/new_store.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/recovery/publish.h"
#include "batonstore/recovery/tolerant_rows.h"
#include "batonstore/recovery/verify_report.h"
#include "batonstore/store/attribute_rows.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/index_merge.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/reseal.h"
#include "batonstore/store/reservations.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_table.h"
#include "batonstore/store/store_lock.h"

namespace batonstore::recovery {
namespace {

// Rows that one transaction puts into the new store.
constexpr size_t kRowsAtATime = 256;

struct Row {
  std::string key;
  std::string value;
};

// From the damaged file into the new store, table by table. Both have the same data keys.
class Salvager {
 public:
  Salvager(const StoreFile& from, const Identity& identity, Engine& to, Clock& clock,
           FindingList& lost)
      : from_(from),
        keys_(*identity.keys),
        time_(clock, identity.last_time),
        lost_(lost),
        table_(keys_, tail_),
        merge_(tail_, IndexRules()),
        committer_(
            to,
            [this](Transaction& transaction) {
              return PutMetaNumber(transaction, meta::kTime, EncodeTime(time_.Now()));
            },
            &merge_) {}

  absl::Status Run(bool revoke) {
    revoke_ = revoke;
    BATONSTORE_RETURN_IF_ERROR(Copy(Table::kRevoked, &Salvager::PutAsItIs));
    BATONSTORE_RETURN_IF_ERROR(Copy(Table::kSessions, &Salvager::PutSession));
    BATONSTORE_RETURN_IF_ERROR(Copy(Table::kTurns, &Salvager::PutIdleClock));
    BATONSTORE_RETURN_IF_ERROR(Copy(Table::kAttributes, &Salvager::PutField));
    BATONSTORE_RETURN_IF_ERROR(Copy(Table::kCompensations, &Salvager::PutAsItIs));
    return Copy(Table::kReservations, &Salvager::PutReservation);
  }

  uint64_t sessions() const { return sessions_; }
  uint64_t revoked() const { return revoked_; }

 private:
  // Puts one row, or notes why it is lost; run again from the start with its transaction.
  using PutRow = absl::Status (Salvager::*)(Transaction&, Table, const Row&);

  absl::Status Copy(Table table, PutRow put) {
    TolerantRows rows(from_, table, lost_);
    std::vector<Row> batch;
    for (bool more = true; more;) {
      more = rows.Next();
      if (more) batch.push_back({std::string(rows.key()), std::string(rows.value())});
      if (batch.size() < (more ? kRowsAtATime : 1)) continue;
      BATONSTORE_RETURN_IF_ERROR(PutBatch(table, batch, put));
      batch.clear();
    }
    return absl::OkStatus();
  }

  absl::Status PutBatch(Table table, const std::vector<Row>& batch, PutRow put) {
    BATONSTORE_RETURN_IF_ERROR(committer_.Run([&](Transaction& transaction) -> absl::Status {
      batch_ = {};
      for (const Row& row : batch) {
        BATONSTORE_RETURN_IF_ERROR((this->*put)(transaction, table, row));
      }
      return absl::OkStatus();
    }));
    sessions_ += batch_.sessions;
    revoked_ += batch_.revoked;
    for (Finding& finding : batch_.lost) lost_.Add(std::move(finding));
    for (auto& [alias, session] : batch_.reserved) reserved_.emplace(alias, std::move(session));
    return absl::OkStatus();
  }

  void Lose(Table table, const Row& row, absl::string_view what) {
    batch_.lost.push_back(
        {std::string(TableName(table)), row.key, std::nullopt, std::string(what)});
  }

  // The row's plaintext, sealed again: its data key may be one that the new store has no more.
  absl::Status PutAsItIs(Transaction& transaction, Table table, const Row& row) {
    const absl::StatusOr<SecretBytes> plaintext = keys_.OpenSecretRow(table, row.key, row.value);
    if (plaintext.ok()) return PutSealed(transaction, keys_, table, row.key, plaintext->Reveal());
    Lose(table, row, "was changed: its seal is broken");
    return absl::OkStatus();
  }

  std::optional<SessionRecord> OpenRecord(const Row& row) {
    const std::optional<Alias> alias = Alias::FromKey(row.key);
    const absl::StatusOr<std::string> plaintext =
        keys_.OpenRow(Table::kSessions, row.key, row.value);
    if (!alias.has_value() || !plaintext.ok()) return std::nullopt;
    std::optional<SessionRecord> record = DecodeSession(*alias, *plaintext);
    if (record.has_value() && !ResealPrivateKey(keys_, *record).ok()) record.reset();
    return record;
  }

  absl::Status PutSession(Transaction& transaction, Table table, const Row& row) {
    std::optional<SessionRecord> record = OpenRecord(row);
    if (!record.has_value()) {
      Lose(table, row, "was changed: a seal is broken");
      return absl::OkStatus();
    }
    if (record->session.state == State::kReserved) {
      batch_.reserved.emplace(record->session.alias, std::move(record->session));
      return absl::OkStatus();
    }
    BATONSTORE_RETURN_IF_ERROR(JoinOrBegin(transaction, row, *record));
    const State state = record->session.state;
    if (IsTerminal(state)) record->session.state = State::kCreated;  // until it ends, below
    const std::optional<absl::Time> ended_at = std::exchange(record->ended_at, std::nullopt);
    const absl::Time now = time_.Now();
    BATONSTORE_RETURN_IF_ERROR(table_.Insert(transaction, *record, std::nullopt, now).status());
    BATONSTORE_RETURN_IF_ERROR(RaiseLastAlias(transaction, record->session.alias));
    ++batch_.sessions;
    if (!IsTerminal(state) && !revoke_) return absl::OkStatus();
    BATONSTORE_ASSIGN_OR_RETURN(StoredSession session,
                                table_.Get(transaction, record->session.alias, now));
    if (!IsTerminal(state)) {
      // It may have run out, or been revoked with all of its principal's.
      if (IsTerminal(session.state)) return table_.Settle(transaction, session, now).status();
      ++batch_.revoked;
      return table_.End(transaction, session, State::kRevoked, now, now);
    }
    session.record.moved_to = record->moved_to;
    session.record.redirect_until = record->redirect_until;
    session.record.never_created = record->never_created;
    return table_.End(transaction, session, state, *ended_at, now);
  }

  // A group whose first session is lost is none: those that were linked to it stand alone.
  absl::Status JoinOrBegin(Transaction& transaction, const Row& row, SessionRecord& record) {
    Session& session = record.session;
    if (session.group == session.alias) return absl::OkStatus();
    BATONSTORE_ASSIGN_OR_RETURN(const auto first,
                                transaction.Get(Table::kSessions, session.group.ToKey()));
    if (first.has_value()) return absl::OkStatus();
    Lose(Table::kGroups, row, "has lost the first session of its group");
    session.group = session.alias;
    return absl::OkStatus();
  }

  absl::Status RaiseLastAlias(Transaction& transaction, Alias alias) {
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, GetMetaNumber(transaction, meta::kLastAlias));
    if (alias.value() <= last) return absl::OkStatus();
    return PutMetaNumber(transaction, meta::kLastAlias, alias.value());
  }

  // A session that is live in the new store.
  absl::StatusOr<std::optional<StoredSession>> Live(Transaction& transaction, const Row& row) {
    const std::optional<Alias> alias = Alias::FromKey(absl::string_view(row.key).substr(0, 8));
    if (!alias.has_value()) return std::nullopt;
    BATONSTORE_ASSIGN_OR_RETURN(std::optional<StoredSession> session,
                                table_.Find(transaction, *alias, time_.Now()));
    if (session.has_value() && !session->is_stored_live()) session.reset();
    return session;
  }

  absl::Status PutIdleClock(Transaction& transaction, Table table, const Row& row) {
    const absl::StatusOr<TurnRecord> turn =
        OpenSealed(keys_, table, row.key, row.value, DecodeTurn);
    if (!turn.ok()) {
      Lose(table, row, "was changed: its seal is broken; the idle clock starts anew");
      return absl::OkStatus();
    }
    BATONSTORE_ASSIGN_OR_RETURN(std::optional<StoredSession> session, Live(transaction, row));
    if (!session.has_value() || !session->turn.has_value()) return absl::OkStatus();
    return table_.PutTurn(transaction, *session, TurnRecord{turn->last_used});
  }

  // A row of a field; the head, which counts them, is made anew with each.
  absl::Status PutField(Transaction& transaction, Table table, const Row& row) {
    if (row.key.size() <= Alias().ToKey().size()) return absl::OkStatus();
    const absl::StatusOr<Value> value = OpenSealed(keys_, table, row.key, row.value, DecodeValue);
    if (!value.ok()) {
      Lose(table, row, "was changed: its seal is broken");
      return absl::OkStatus();
    }
    BATONSTORE_ASSIGN_OR_RETURN(const std::optional<StoredSession> session, Live(transaction, row));
    if (!session.has_value()) return absl::OkStatus();
    const std::string field = row.key.substr(Alias().ToKey().size());
    return ApplyChanges(transaction, keys_, session->alias(), {{field, Change::Set(*value)}})
        .status();
  }

  absl::Status PutReservation(Transaction& transaction, Table table, const Row& row) {
    const std::optional<Alias> alias = Alias::FromKey(row.key);
    const absl::StatusOr<ReservationRecord> reservation =
        OpenSealed(keys_, table, row.key, row.value, DecodeReservation);
    const auto session = alias.has_value() ? reserved_.find(*alias) : reserved_.end();
    if (!reservation.ok() || session == reserved_.end()) {
      Lose(table, row, "was changed, or its session is lost: what it was about is not known");
      return absl::OkStatus();
    }
    if (reservation->intent.empty()) return absl::OkStatus();
    return PutCompensation(transaction, keys_,
                           {*alias, reservation->epoch, time_.Now(), session->second.principal,
                            session->second.database, reservation->intent});
  }

  const StoreFile& from_;
  const StoreKeys& keys_;
  const StoreTime time_;
  FindingList& lost_;
  IndexTail tail_;
  const SessionTable table_;
  IndexMerge merge_;
  GroupCommitter committer_;
  bool revoke_ = false;

  // What the transaction under way has done.
  struct Batch {
    uint64_t sessions = 0;
    uint64_t revoked = 0;
    std::vector<Finding> lost;
    std::map<Alias, Session> reserved;
  };
  Batch batch_;

  uint64_t sessions_ = 0;
  uint64_t revoked_ = 0;
  std::map<Alias, Session> reserved_;
};

// Whether the root row shows that a table is as it was written last.
bool IsProven(const StoreFile& store, const RootHash& hash, const Root& root, Table table) {
  FindingList ignored(0);
  TolerantRows rows(store, table, ignored);
  RowSums sums(hash);
  while (rows.Next()) sums.Add(table, rows.key(), rows.value());
  return sums.of(table) == root.tables[TableIndex(table)];
}

// Of what only rises, as far as it can be told.
MetaNumbers NumbersOf(MetaRows& meta) {
  return {GetMetaNumber(meta, meta::kLastAlias).value_or(0),
          GetMetaNumber(meta, meta::kLastEvent).value_or(0)};
}

bool IsDoubtful(const StoreFile& store, const MetaRows& meta, const StoreKeys& keys) {
  const auto hash = keys.MakeRootHash();
  const std::optional<Root> root = hash->Decode(meta.Find(meta::kRoot).value_or(""));
  return !root.has_value() || !IsProven(store, *hash, *root, Table::kSessions) ||
         !IsProven(store, *hash, *root, Table::kRevoked);
}

// A new store without any rows, of the same identity, and another incarnation.
struct NewCopy {
  std::unique_ptr<LmdbEngine> engine;
  SecretBytes key;
};

absl::StatusOr<NewCopy> MakeCopy(const std::string& folder, const Identity& identity,
                                 const MetaNumbers& numbers, const SalvageRequest& request) {
  NewCopy copy;
  BATONSTORE_ASSIGN_OR_RETURN(copy.key, KeyOfNewStore(folder, request.next_key_encryption_key,
                                                      identity.store_id, *request.random));
  BATONSTORE_RETURN_IF_ERROR(StoreLock::CreateFile(folder));
  BATONSTORE_ASSIGN_OR_RETURN(auto registration, OpenEnvironment::Register(folder, [] {}));
  BATONSTORE_ASSIGN_OR_RETURN(
      auto environment, LmdbEnvironment::Create(RoomyOptions(folder), std::move(registration)));
  BATONSTORE_ASSIGN_OR_RETURN(copy.engine, LmdbEngine::Create(std::move(environment)));
  BATONSTORE_RETURN_IF_ERROR(
      WriteReincarnation(*copy.engine, identity, numbers, copy.key, *request.random));
  return copy;
}

absl::Status SalvageInto(const SalvageRequest& request, const std::string& folder,
                         SalvageReport& report) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file, PageFile::Open(request.file));
  BATONSTORE_ASSIGN_OR_RETURN(const lmdb::Meta last, file->ReadLastMeta());
  FindingList lost(kMaxFindings);
  const StoreFile from = TolerantTables(*file, last, lost);
  MetaRows meta(from, lost);
  absl::StatusOr<Identity> read = ReadIdentity(meta, request.key_encryption_key, *request.random);
  // What could not be read is not missing.
  const bool is_unread = VerdictOf(read.status()) == Verdict::kWrongFormat && lost.total() > 0;
  if (is_unread) return lost.kept().front().ToStatus();
  BATONSTORE_ASSIGN_OR_RETURN(const Identity identity, std::move(read));
  BATONSTORE_ASSIGN_OR_RETURN(const NewCopy copy,
                              MakeCopy(folder, identity, NumbersOf(meta), request));
  Salvager salvager(from, identity, *copy.engine, *request.clock, lost);
  BATONSTORE_RETURN_IF_ERROR(
      salvager.Run(!request.keep_doubtful && IsDoubtful(from, meta, *identity.keys)));
  copy.engine->Shut(Verdict::kClosed);
  copy.engine->Close();
  BATONSTORE_ASSIGN_OR_RETURN(
      const VerifyReport sound,
      VerifyQuietFile(folder + "/data.mdb", KeySource(copy.key), *request.clock, request.progress));
  BATONSTORE_RETURN_IF_ERROR(sound.ToStatus());
  report = {salvager.sessions(), salvager.revoked(), lost.kept(), lost.total()};
  return SyncDirectory(folder);
}

}  // namespace

absl::StatusOr<SalvageReport> Salvage(const SalvageRequest& request) try {
  if (request.file.empty() || request.directory.empty() || !request.key_encryption_key ||
      request.clock == nullptr || request.random == nullptr) {
    return Refuse(Verdict::kInvalid,
                  "the request has no file, no directory, no key, or a null clock or random");
  }
  SalvageReport report;
  BATONSTORE_RETURN_IF_ERROR(PublishFolder(request.directory, [&](const std::string& folder) {
    return SalvageInto(request, folder, report);
  }));
  return report;
} catch (const std::bad_alloc&) {
  return NoMemory();
}

}  // namespace batonstore::recovery
