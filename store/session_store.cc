#include "batonstore/store/session_store.h"

#include <unistd.h>

#include <new>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/admission.h"
#include "batonstore/store/attribute_rows.h"
#include "batonstore/store/revocations.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

// As many as callers commonly wait at a time. Somebody's own source of key pairs is asked for one
// only when a session needs it.
constexpr size_t kKeyPairsInStock = 64;

// What one transaction of RevokeEverybody takes on.
constexpr size_t kRevokedInPiece = 256;
constexpr uint64_t kSeenInPiece = 4096;

absl::Status IllegalShift(const StoredSession& session, State to) {
  return Refuse(Verdict::kIllegalShift,
                absl::StrCat("session ", session.alias().ToString(), " is ",
                             StateName(session.state), " and cannot become ", StateName(to)));
}

bool IsLegalShift(State from, State to) {
  switch (from) {
    case State::kReserved:
      return to == State::kCreated;
    case State::kCreated:
    case State::kInUse:
      return IsTerminal(to);
    case State::kRevoked:
    case State::kExpired:
      return false;
  }
  return false;
}

}  // namespace

SessionStore::SessionStore(Recovered recovered, KeyPairSource& key_pairs, const Policy& policy)
    : SessionReader(*recovered.engine, *recovered.keys, *recovered.time, *recovered.tail,
                    Tail::kIsComplete, policy),
      recovered_(std::move(recovered)),
      pid_(getpid()),
      key_pairs_(key_pairs, keys_, &key_pairs == &SystemKeyPairs() ? kKeyPairsInStock : 0),
      index_merge_(*recovered_.tail, policy.indexes),
      committer_(std::make_unique<GroupCommitter>(
          *recovered_.engine, [this](Transaction& transaction) { return EndOfBatch(transaction); },
          &index_merge_)),
      events_(*committer_, engine_, keys_),
      refusals_(policy.refusals),
      keyring_(recovered_.keyring.get()),
      key_encryption_key_(std::move(recovered_.key_encryption_key)),
      data_keys_(std::move(*recovered_.data_keys)) {}

SessionStore::~SessionStore() { (void)Close(); }

absl::Status SessionStore::Commit(GroupCommitter::Operation operation, Room room,
                                  std::optional<GroupCommitter::Meanwhile> meanwhile) {
  absl::Status committed = committer_->Run(operation, room, meanwhile);
  if (committed.ok()) events_.Committed();
  return committed;
}

absl::Status SessionStore::CommitWithKeyPair(KeyType type, GroupCommitter::Operation operation) {
  return Commit(operation, Room::kTakes, [this, type] { return key_pairs_.Refill(type); });
}

absl::Status SessionStore::DrawKeyPairs(KeyType type, KeyPairUse use) {
  BATONSTORE_RETURN_IF_ERROR(engine_.Usable());  // asks without a lock, as a forked child must
  for (int draw = 0; draw < kKeyPairDraws; ++draw) {
    BATONSTORE_ASSIGN_OR_RETURN(SealedKeyPair pair, key_pairs_.Take(type));
    BATONSTORE_ASSIGN_OR_RETURN(const bool used, use(std::move(pair)));
    if (used) return absl::OkStatus();
  }
  return Refuse(Verdict::kKeysExhausted,
                absl::StrCat("the key source gave ", kKeyPairDraws,
                             " key pairs that are all in use; is it random?"));
}

absl::StatusOr<Session> SessionStore::Reserve(const SessionSpec& spec) {
  BATONSTORE_ASSIGN_OR_RETURN(Saved saved, Insert(spec, State::kReserved, {}));
  return std::move(saved.session);
}

absl::StatusOr<Session> SessionStore::ReserveAndCreate(const SessionSpec& spec) {
  BATONSTORE_ASSIGN_OR_RETURN(Saved saved, Insert(spec, State::kCreated, {}));
  return std::move(saved.session);
}

absl::StatusOr<Saved> SessionStore::SaveOrCreate(const SessionSpec& spec, const Fields& fields) {
  return Insert(spec, State::kCreated, fields);
}

absl::StatusOr<Saved> SessionStore::Insert(const SessionSpec& spec, State state,
                                           const Fields& fields) try {
  BATONSTORE_RETURN_IF_ERROR(CheckSpec(spec, time_.Now()));
  BATONSTORE_RETURN_IF_ERROR(CheckFields(fields));
  for (const auto& [field, value] : fields) {
    if (!value.is_withheld()) continue;
    return Refuse(Verdict::kInvalid,
                  "a withheld value stands for a secret that is there; a new session has none");
  }
  Applicant applicant(spec, fields, RecordFor(spec, state), recovered_.epoch);
  BATONSTORE_RETURN_IF_ERROR(
      DrawKeyPairs(spec.key_type, [&](SealedKeyPair pair) -> absl::StatusOr<bool> {
        applicant.record.session.public_key = std::move(pair.public_key);
        applicant.record.sealed_private_key = std::move(pair.sealed_private_key);
        do {
          BATONSTORE_RETURN_IF_ERROR(
              CommitWithKeyPair(spec.key_type, [&](Transaction& transaction) {
                return Admit(transaction, table_, applicant, time_.Now());
              }));
        } while (applicant.outcome == Applicant::Outcome::kAgain);
        return applicant.outcome != Applicant::Outcome::kKeyTaken;
      }));
  if (applicant.outcome == Applicant::Outcome::kRefused) return applicant.refusal;
  return Saved{std::move(applicant.session), applicant.version,
               applicant.outcome == Applicant::Outcome::kAdmitted};
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::Status SessionStore::Create(Alias alias) { return Shift(alias, State::kCreated).status(); }

absl::Status SessionStore::Revoke(Alias alias) { return Shift(alias, State::kRevoked).status(); }

absl::StatusOr<Session> SessionStore::Shift(Alias alias, State to) {
  absl::StatusOr<Session> shifted;
  BATONSTORE_RETURN_IF_ERROR(Commit(
      [&](Transaction& transaction) {
        shifted = ShiftIn(transaction, alias, to);
        return shifted.status();
      },
      Room::kFrees));
  return shifted;
}

absl::StatusOr<Session> SessionStore::ShiftIn(Transaction& transaction, Alias alias,
                                              State to) const {
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(StoredSession session, table_.Get(transaction, alias, now));
  BATONSTORE_RETURN_IF_ERROR(CheckNotMoved(session, now));
  const bool is_open = session.reservation.has_value();
  if (session.state == to) {
    // What it counts as already is written down when somebody asks for it. A reservation that has
    // run out is not a session that has: it waits for its removal.
    if (!is_open || to == State::kRevoked) {
      BATONSTORE_RETURN_IF_ERROR(table_.Settle(transaction, session, now).status());
    }
    return session.Seen();
  }
  if (!session.was_created() && to == State::kCreated) {
    BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(session, now));
  }
  if (!IsLegalShift(session.state, to)) return IllegalShift(session, to);
  BATONSTORE_RETURN_IF_ERROR(is_open ? table_.Create(transaction, session, now)
                                     : table_.End(transaction, session, to, now, now));
  return session.Seen();
}

absl::Status SessionStore::Abandon(Alias alias) {
  return Commit(
      [&](Transaction& transaction) -> absl::Status {
        const absl::Time now = time_.Now();
        BATONSTORE_ASSIGN_OR_RETURN(const StoredSession session,
                                    table_.Get(transaction, alias, now));
        BATONSTORE_RETURN_IF_ERROR(CheckNotMoved(session, now));
        if (session.was_created()) {
          return Refuse(Verdict::kIllegalShift,
                        absl::StrCat("session ", alias.ToString(), " is ", StateName(session.state),
                                     "; only a reservation can be abandoned, revoke it instead"));
        }
        if (session.state == State::kRevoked) return CheckNotEnded(session, now);
        return table_.RemoveReservation(transaction, session, SessionTable::Intent::kForget, now);
      },
      Room::kFrees);
}

absl::StatusOr<Session> SessionStore::Touch(Alias alias) try {
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(StoredSession session, FindStored(alias));
  BATONSTORE_RETURN_IF_ERROR(CheckUsable(session, now));
  if (!IsWorthTouching(session, now)) return std::move(session).Seen();
  BATONSTORE_RETURN_IF_ERROR(Commit(
      [&](Transaction& transaction) -> absl::Status {
        const absl::Time moment = time_.Now();
        BATONSTORE_ASSIGN_OR_RETURN(session, table_.Get(transaction, alias, moment));
        BATONSTORE_RETURN_IF_ERROR(CheckUsable(session, moment));
        if (!IsWorthTouching(session, moment)) return absl::OkStatus();
        return table_.Touch(transaction, session, moment);
      },
      Room::kFrees));
  return std::move(session).Seen();
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::StatusOr<Session> SessionStore::CycleKey(Alias alias, const CycleOptions& options) try {
  if (options.redirect_for < absl::ZeroDuration()) {
    return Refuse(Verdict::kInvalid, "redirect_for is negative");
  }
  BATONSTORE_ASSIGN_OR_RETURN(const StoredSession before, FindStored(alias));
  BATONSTORE_RETURN_IF_ERROR(CheckUsable(before, time_.Now()));
  SessionRecord fresh;
  absl::StatusOr<std::optional<Session>> cycled;
  const KeyType key_type = before.record.session.key_type;
  BATONSTORE_RETURN_IF_ERROR(
      DrawKeyPairs(key_type, [&](SealedKeyPair pair) -> absl::StatusOr<bool> {
        fresh.session.public_key = std::move(pair.public_key);
        fresh.sealed_private_key = std::move(pair.sealed_private_key);
        BATONSTORE_RETURN_IF_ERROR(CommitWithKeyPair(key_type, [&](Transaction& transaction) {
          cycled = CycleIn(transaction, fresh, alias, options);
          return cycled.status();
        }));
        return cycled->has_value();
      }));
  return **std::move(cycled);
} catch (const std::bad_alloc&) {
  return NoMemory();
}

// Nothing, and nothing written, if the key pair is taken.
absl::StatusOr<std::optional<Session>> SessionStore::CycleIn(Transaction& transaction,
                                                             SessionRecord& fresh, Alias alias,
                                                             const CycleOptions& options) const {
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(StoredSession old, table_.Get(transaction, alias, now));
  BATONSTORE_RETURN_IF_ERROR(CheckUsable(old, now));
  BATONSTORE_ASSIGN_OR_RETURN(const bool key_is_taken,
                              table_.indexes().HasPublicKey(transaction, fresh.session.public_key));
  if (key_is_taken || !keys_.IsCurrentPrivateKey(fresh.sealed_private_key)) return std::nullopt;

  std::string public_key = std::move(fresh.session.public_key);
  fresh.session = old.record.session;
  fresh.session.public_key = std::move(public_key);
  BATONSTORE_RETURN_IF_ERROR(table_.indexes().RemoveIdempotencyKey(transaction, old.record));
  fresh.idempotency_key = std::exchange(old.record.idempotency_key, "");
  BATONSTORE_RETURN_IF_ERROR(table_.TakeAlias(transaction, fresh, now));
  const Session& stored = old.record.session;
  BATONSTORE_RETURN_IF_ERROR(MoveAttributes(transaction, keys_, stored.alias, fresh.session.alias));
  if (stored.group != stored.alias) {
    BATONSTORE_RETURN_IF_ERROR(
        table_.indexes().LeaveGroup(transaction, stored.group, stored.alias));
  }
  BATONSTORE_RETURN_IF_ERROR(
      table_.Tell(transaction, EventType::kMoved, stored, now, fresh.session.alias));
  old.record.moved_to = fresh.session.alias;
  old.record.redirect_until = DecodeTime(
      EncodeTime(options.privilege_change ? absl::UnixEpoch() : now + options.redirect_for));
  BATONSTORE_RETURN_IF_ERROR(table_.End(transaction, old, State::kRevoked, now, now));
  return table_.Insert(transaction, fresh, std::nullopt, now);
}

absl::StatusOr<uint64_t> SessionStore::RevokeGroup(Alias group) {
  absl::StatusOr<uint64_t> revoked;
  BATONSTORE_RETURN_IF_ERROR(Commit(
      [&](Transaction& transaction) {
        revoked = RevokeGroupIn(transaction, group, time_.Now());
        return revoked.status();
      },
      Room::kFrees));
  return revoked;
}

absl::StatusOr<uint64_t> SessionStore::RevokeGroupIn(Transaction& transaction, Alias group,
                                                     absl::Time now) const {
  uint64_t revoked = 0;
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Alias> members, MembersIn(transaction, group));
  for (const Alias member : members) {
    BATONSTORE_ASSIGN_OR_RETURN(StoredSession session, table_.GetNamed(transaction, member, now));
    if (IsTerminal(session.state)) continue;
    BATONSTORE_RETURN_IF_ERROR(table_.End(transaction, session, State::kRevoked, now, now));
    ++revoked;
  }
  return revoked;
}

struct SessionStore::RevokedPiece {
  std::optional<Alias> from;  // nothing: all have been seen
  uint64_t revoked = 0;
};

absl::StatusOr<uint64_t> SessionStore::RevokeEverybody() try {
  BATONSTORE_ASSIGN_OR_RETURN(const StoreStats stats, Stats());
  uint64_t revoked = 0;
  std::optional<Alias> from = Alias();
  while (from.has_value()) {
    RevokedPiece piece;
    BATONSTORE_RETURN_IF_ERROR(Commit(
        [&](Transaction& transaction) {
          piece = {from};
          return RevokePiece(transaction, stats.last_alias, piece);
        },
        Room::kFrees));
    revoked += piece.revoked;
    from = piece.from;
  }
  return revoked;
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::Status SessionStore::RevokePiece(Transaction& transaction, Alias last,
                                       RevokedPiece& piece) const {
  std::vector<Alias> live;
  uint64_t seen = 0;
  const Alias from = *piece.from;
  piece.from.reset();
  BATONSTORE_RETURN_IF_ERROR(
      ScanSessions(transaction, keys_, from, [&](const SessionRecord& record) {
        const Session& session = record.session;
        if (session.alias > last) return false;
        if (live.size() == kRevokedInPiece || seen == kSeenInPiece) {
          piece.from = session.alias;
          return false;
        }
        ++seen;
        if (!IsTerminal(session.state)) live.push_back(session.alias);
        return true;
      }));
  const absl::Time now = time_.Now();
  for (const Alias alias : live) {
    BATONSTORE_ASSIGN_OR_RETURN(StoredSession session, table_.GetNamed(transaction, alias, now));
    if (IsTerminal(session.state)) continue;
    BATONSTORE_RETURN_IF_ERROR(table_.End(transaction, session, State::kRevoked, now, now));
    ++piece.revoked;
  }
  return absl::OkStatus();
}

absl::Status SessionStore::RevokeAll(absl::string_view principal) {
  return RevokeAll(principal, std::nullopt);
}

absl::Status SessionStore::RevokeAllExcept(absl::string_view principal, Alias keep) {
  return RevokeAll(principal, keep);
}

absl::Status SessionStore::RevokeAll(absl::string_view principal, std::optional<Alias> keep) {
  if (principal.size() > kMaxPrincipalBytes) {
    return Refuse(Verdict::kInvalid, absl::StrCat("a principal has at most ", kMaxPrincipalBytes,
                                                  " bytes; this one has ", principal.size()));
  }
  return Commit(
      [&](Transaction& transaction) -> absl::Status {
        if (keep.has_value()) {
          const absl::Time now = time_.Now();
          BATONSTORE_ASSIGN_OR_RETURN(const StoredSession kept,
                                      table_.Get(transaction, *keep, now));
          if (kept.record.session.principal != principal) {
            return Refuse(Verdict::kWrongPrincipal, "the session to keep is another principal's");
          }
          BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(kept, now));
        }
        return RevokeAllIn(transaction, principal, keep);
      },
      Room::kFrees);
}

absl::Status SessionStore::RevokeAllIn(Transaction& transaction, absl::string_view principal,
                                       std::optional<Alias> keep) const {
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, GetMetaNumber(transaction, meta::kLastAlias));
  const Alias covered(last);
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Revocation> before,
                              LastRevocation(transaction, keys_, principal));
  if (before.has_value() && before->covered == covered) {
    // All are revoked already but, perhaps, the one that was kept then.
    const Alias kept = before->record.except;
    if (kept == Alias() || kept == keep) return absl::OkStatus();
    BATONSTORE_ASSIGN_OR_RETURN(std::optional<StoredSession> session,
                                table_.Find(transaction, kept, now));
    if (!session.has_value() || IsTerminal(session->state)) return absl::OkStatus();
    return table_.End(transaction, *session, State::kRevoked, now, now);
  }
  BATONSTORE_RETURN_IF_ERROR(
      PutRevocation(transaction, keys_,
                    {keys_.HashPrincipal(principal),
                     covered,
                     {DecodeTime(EncodeTime(now)), keep.value_or(Alias()), Alias()}}));
  Session whose;
  whose.alias = keep.value_or(Alias());
  whose.principal = std::string(principal);
  return table_.Tell(transaction, EventType::kRevokedAll, whose, now, covered);
}

absl::StatusOr<uint64_t> SessionStore::ChangeFields(
    Alias alias, absl::FunctionRef<absl::StatusOr<uint64_t>(Transaction&)> change) {
  absl::StatusOr<uint64_t> version;
  BATONSTORE_RETURN_IF_ERROR(Commit([&](Transaction& transaction) -> absl::Status {
    const absl::Time now = time_.Now();
    BATONSTORE_ASSIGN_OR_RETURN(const StoredSession session, table_.Get(transaction, alias, now));
    BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(session, now));
    version = change(transaction);
    return version.status();
  }));
  return version;
}

absl::StatusOr<uint64_t> SessionStore::SaveIf(Alias alias, uint64_t version, const Fields& fields) {
  BATONSTORE_RETURN_IF_ERROR(CheckFields(fields));
  return ChangeFields(alias, [&](Transaction& transaction) -> absl::StatusOr<uint64_t> {
    BATONSTORE_ASSIGN_OR_RETURN(const AttributesHead head,
                                GetAttributesHead(transaction, keys_, alias));
    if (head.version != version) {
      return Refuse(Verdict::kConflict, absl::StrCat("the attributes have version ", head.version,
                                                     " by now, not ", version));
    }
    return ReplaceFields(transaction, keys_, alias, fields);
  });
}

absl::StatusOr<uint64_t> SessionStore::Merge(Alias alias, const Changes& changes) {
  BATONSTORE_RETURN_IF_ERROR(CheckChanges(changes));
  return ChangeFields(alias, [&](Transaction& transaction) {
    return ApplyChanges(transaction, keys_, alias, changes);
  });
}

absl::StatusOr<SecretBytes> SessionStore::Secret(Alias alias, absl::string_view field) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(const StoredSession session, table_.Get(*snapshot, alias, now));
  BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(session, now));
  if (!field.empty() && field.size() <= kMaxFieldNameBytes) {
    BATONSTORE_ASSIGN_OR_RETURN(const std::optional<SecretBytes> value,
                                GetSecretField(*snapshot, keys_, alias, field));
    if (value.has_value()) return value->Clone();
  }
  return Refuse(Verdict::kNotFound, "the session has no such field");
}

absl::Status SessionStore::SetRemotePublicKey(Alias alias, absl::string_view public_key) {
  if (public_key.empty() || public_key.size() > kMaxRemotePublicKeyBytes) {
    return Refuse(Verdict::kInvalid,
                  absl::StrCat("a remote public key has 1 to ", kMaxRemotePublicKeyBytes,
                               " bytes; this one has ", public_key.size()));
  }
  return Commit([&](Transaction& transaction) -> absl::Status {
    const absl::Time now = time_.Now();
    BATONSTORE_ASSIGN_OR_RETURN(StoredSession session, table_.Get(transaction, alias, now));
    BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(session, now));
    std::string& remote = session.record.session.remote_public_key;
    if (remote == public_key) return absl::OkStatus();
    remote = std::string(public_key);
    return table_.Update(transaction, session.record);
  });
}

absl::StatusOr<SecretBytes> SessionStore::PrivateKey(Alias alias) const {
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(const StoredSession session, FindStored(alias));
  BATONSTORE_RETURN_IF_ERROR(CheckNotEnded(session, now));
  const SessionRecord& record = session.record;
  return keys_.OpenPrivateKey(record.session.key_type, record.session.public_key,
                              record.sealed_private_key);
}

absl::StatusOr<Swept> SessionStore::Sweep() {
  // On a full disk a whole piece might not find its room in what is kept back: a smaller one may.
  for (uint64_t part = 1;; part *= 4) {
    absl::StatusOr<Swept> swept;
    const absl::Status committed = Commit(
        [&](Transaction& transaction) {
          swept = batonstore::Sweep(transaction, table_, time_.Now(), part);
          return swept.status();
        },
        Room::kFrees);
    if (committed.ok()) return swept;
    if (VerdictOf(committed) != Verdict::kFull || part >= kSweepSessions) return committed;
  }
}

absl::Status SessionStore::Acknowledge(Alias alias) {
  return Commit(
      [&](Transaction& transaction) -> absl::Status {
        BATONSTORE_ASSIGN_OR_RETURN(const bool was_pending,
                                    transaction.Delete(Table::kCompensations, alias.ToKey()));
        if (was_pending) return absl::OkStatus();
        return Refuse(Verdict::kNotFound,
                      absl::StrCat("no compensation is pending for ", alias.ToString()));
      },
      Room::kFrees);
}

absl::Status SessionStore::AdoptWallClock() {
  if (recovered_.time->WallAhead() < absl::ZeroDuration()) {
    return Refuse(
        Verdict::kInvalid,
        "the wall clock is behind the store's time; adopting it would revive what expired");
  }
  recovered_.time->AdoptWall();
  return absl::OkStatus();
}

absl::Status SessionStore::EndOfBatch(Transaction& transaction) const {
  return PutMetaNumber(transaction, meta::kTime, EncodeTime(time_.Now()));
}

absl::Status SessionStore::Close() {
  if (getpid() != pid_) return absl::OkStatus();  // a forked child's copy: it must not even lock
  MutexLock lock(close_mu_);
  if (VerdictOf(engine_.Usable()) == Verdict::kClosed) return absl::OkStatus();
  absl::Status noted = committer_->Run(
      [&](Transaction& transaction) {
        return PutMetaNumber(transaction, meta::kClosed, recovered_.epoch);
      },
      Room::kFrees);
  engine_.Shut(Verdict::kClosed);
  committer_->Drain();
  engine_.Close();
  return noted;
}

}  // namespace batonstore
