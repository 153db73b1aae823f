#include "batonstore/store/session_store.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/reservations.h"

namespace batonstore {
namespace {

absl::Status CheckLength(absl::string_view what, absl::string_view value, size_t most) {
  if (value.size() <= most) return absl::OkStatus();
  return Refuse(Verdict::kInvalid, absl::StrCat("the ", what, " has ", value.size(),
                                                " bytes; at most ", most, " are allowed"));
}

absl::Status CheckSpec(const SessionSpec& spec, absl::Time now) {
  BATONSTORE_RETURN_IF_ERROR(CheckLength("label", spec.label, kMaxLabelBytes));
  BATONSTORE_RETURN_IF_ERROR(CheckLength("principal", spec.principal, kMaxPrincipalBytes));
  BATONSTORE_RETURN_IF_ERROR(CheckLength("database", spec.database, kMaxDatabaseBytes));
  BATONSTORE_RETURN_IF_ERROR(CheckLength("intent", spec.intent, kMaxIntentBytes));
  if (!IsKeyType(static_cast<uint8_t>(spec.key_type))) {
    return Refuse(Verdict::kInvalid, "there is no such key type");
  }
  if (spec.expires_at == absl::Time()) {
    return Refuse(Verdict::kInvalid,
                  "expires_at is not set; absl::InfiniteFuture() is how to say never");
  }
  if (DecodeTime(EncodeTime(spec.expires_at)) <= now) {  // as it will be read
    return Refuse(Verdict::kInvalid, absl::StrCat("the expiry ", absl::FormatTime(spec.expires_at),
                                                  " lies in the past"));
  }
  return absl::OkStatus();
}

absl::Status IllegalShift(const Session& session, State to) {
  return Refuse(Verdict::kIllegalShift,
                absl::StrCat("session ", session.alias.ToString(), " is ", StateName(session.state),
                             " and cannot become ", StateName(to)));
}

// OK for a session that is in use or could be; else what stands in the way.
absl::Status CheckLive(const Session& session) {
  switch (session.state) {
    case State::kReserved:
      return Refuse(Verdict::kReserved, "the session is reserved and not created yet");
    case State::kRevoked:
      return Refuse(Verdict::kRevoked, "the session was revoked");
    case State::kExpired:
      return Refuse(Verdict::kExpired, "the session has expired");
    case State::kCreated:
    case State::kInUse:
      return absl::OkStatus();
  }
  return Refuse(Verdict::kCorrupt, "the session's state is none");
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

// A session on its way in. The key pair is made and sealed by the caller's thread, outside of the
// writer; the transaction fills in the alias.
struct SessionStore::Draft {
  SessionRecord record;
  bool key_taken = false;
};

SessionStore::SessionStore(Recovered recovered, KeyPairSource& key_pairs)
    : SessionReader(*recovered.engine, *recovered.keys, *recovered.time),
      recovered_(std::move(recovered)),
      key_pairs_(key_pairs),
      pid_(getpid()),
      committer_(std::make_unique<GroupCommitter>(
          *recovered_.engine,
          [this](Transaction& transaction) { return EndOfBatch(transaction); })),
      keyring_(recovered_.keyring.get()) {}

SessionStore::~SessionStore() { (void)Close(); }

absl::StatusOr<Session> SessionStore::Reserve(const SessionSpec& spec) {
  return Insert(spec, State::kReserved);
}

absl::StatusOr<Session> SessionStore::ReserveAndCreate(const SessionSpec& spec) {
  return Insert(spec, State::kCreated);
}

absl::StatusOr<Session> SessionStore::Insert(const SessionSpec& spec, State state) {
  BATONSTORE_RETURN_IF_ERROR(CheckSpec(spec, time_.Now()));
  for (int draw = 0; draw < kKeyPairDraws; ++draw) {
    BATONSTORE_ASSIGN_OR_RETURN(KeyPair pair, key_pairs_.Generate(spec.key_type));
    Draft draft;
    draft.record.sealed_private_key = keys_.SealPrivateKey(pair);
    Session& session = draft.record.session;
    session.state = state;
    session.label = spec.label;
    session.kind = spec.kind;
    session.principal = spec.principal;
    session.database = spec.database;
    session.expires_at = DecodeTime(EncodeTime(spec.expires_at));  // as it will be read
    session.key_type = pair.type;
    session.public_key = std::move(pair.public_key);
    const absl::Status inserted = committer_->Run(
        [&](Transaction& transaction) { return InsertDraft(transaction, spec, draft); });
    if (inserted.ok()) return std::move(session);
    if (!draft.key_taken) return inserted;
  }
  return Refuse(Verdict::kKeysExhausted,
                absl::StrCat("the key source gave ", kKeyPairDraws,
                             " key pairs that are all in use; is it random?"));
}

absl::Status SessionStore::InsertDraft(Transaction& transaction, const SessionSpec& spec,
                                       Draft& draft) const {
  draft.key_taken = false;
  const absl::Time now = time_.Now();
  BATONSTORE_RETURN_IF_ERROR(CheckSpec(spec, now));
  if (spec.group.has_value()) {
    BATONSTORE_RETURN_IF_ERROR(CheckGroup(transaction, *spec.group, now));
  }
  Session& session = draft.record.session;
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> holder,
                              indexes_.FindPublicKey(transaction, session.public_key));
  if (holder.has_value()) {
    draft.key_taken = true;
    return Refuse(Verdict::kKeysExhausted, "the key pair is in use");
  }
  BATONSTORE_ASSIGN_OR_RETURN(session.alias, TakeAlias(transaction, now));
  session.created_at = session.alias.time();
  session.group = spec.group.value_or(session.alias);
  BATONSTORE_RETURN_IF_ERROR(PutSession(transaction, keys_, draft.record));
  BATONSTORE_RETURN_IF_ERROR(indexes_.Insert(transaction, session));
  if (session.state != State::kReserved) return absl::OkStatus();
  return PutReservation(transaction, keys_, session.alias, {recovered_.epoch, spec.intent});
}

// Unused by construction, and checked all the same: a row of meta carries no seal.
absl::StatusOr<Alias> SessionStore::TakeAlias(Transaction& transaction, absl::Time now) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, GetMetaNumber(transaction, meta::kLastAlias));
  const Alias alias = Alias::Next(now, Alias(last));
  BATONSTORE_ASSIGN_OR_RETURN(const auto taken, transaction.Get(Table::kSessions, alias.ToKey()));
  if (taken.has_value() || alias.value() <= last) {
    return Refuse(Verdict::kCorrupt, absl::StrCat("the last alias given cannot be ",
                                                  Alias(last).ToString(), "; restore a backup"));
  }
  BATONSTORE_RETURN_IF_ERROR(PutMetaNumber(transaction, meta::kLastAlias, alias.value()));
  return alias;
}

// All other sessions of the group must be terminal. Each was when the next one joined, and terminal
// is for ever: so the last one speaks for all.
absl::Status SessionStore::CheckGroup(Snapshot& snapshot, Alias group, absl::Time now) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<SessionRecord> first,
                              GetSession(snapshot, keys_, group));
  if (!first.has_value() || first->session.group != group) {
    return Refuse(Verdict::kUnknownGroup,
                  absl::StrCat(group.ToString(), " is not the first session of a group",
                               first.has_value() ? absl::StrCat("; its group is ",
                                                                first->session.group.ToString())
                                                 : ""));
  }
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> linked,
                              indexes_.LastLinked(snapshot, group));
  BATONSTORE_ASSIGN_OR_RETURN(const SessionRecord last,
                              LoadIndexed(snapshot, linked.value_or(group)));
  if (last.session.group != group) {
    return Refuse(Verdict::kCorrupt,
                  absl::StrCat("the rows of group ", group.ToString(), " name session ",
                               last.session.alias.ToString(), ", which is not of it"));
  }
  // A first session that was never created goes with its reservation, and the group with it.
  const Session blocking =
      first->session.state == State::kReserved ? first->session : AsOf(now, last.session);
  if (IsTerminal(blocking.state)) return absl::OkStatus();
  return Refuse(
      Verdict::kGroupActive,
      absl::StrCat("session ", blocking.alias.ToString(), " of the group is ",
                   StateName(blocking.state), "; revoke or abandon it before linking another"));
}

absl::Status SessionStore::Create(Alias alias) { return Shift(alias, State::kCreated).status(); }

absl::Status SessionStore::Revoke(Alias alias) { return Shift(alias, State::kRevoked).status(); }

absl::StatusOr<Session> SessionStore::Shift(Alias alias, State to) {
  absl::StatusOr<Session> shifted;
  BATONSTORE_RETURN_IF_ERROR(committer_->Run([&](Transaction& transaction) {
    shifted = ShiftIn(transaction, alias, to);
    return shifted.status();
  }));
  return shifted;
}

absl::StatusOr<Session> SessionStore::ShiftIn(Transaction& transaction, Alias alias,
                                              State to) const {
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(SessionRecord record, Load(transaction, alias));
  Session& session = record.session;
  const Session seen = AsOf(now, session);
  // Past its deadline it counts as Expired already; that is written down when somebody asks for it.
  const bool to_be_noted = seen.state != session.state && session.state != State::kReserved;
  if (seen.state == to && !to_be_noted) return seen;
  if (to == State::kCreated && session.state == State::kReserved && seen.state == State::kExpired) {
    return Refuse(Verdict::kExpired, "the reservation is past the session's deadline");
  }
  if (seen.state != to && !IsLegalShift(seen.state, to)) return IllegalShift(seen, to);
  if (session.state == State::kReserved) {
    BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kReservations, alias.ToKey()).status());
  }
  session.state = to;
  if (to == State::kRevoked) session.revoked_at = DecodeTime(EncodeTime(now));
  if (IsTerminal(to)) record.sealed_private_key.clear();
  BATONSTORE_RETURN_IF_ERROR(PutSession(transaction, keys_, record));
  return session;
}

absl::Status SessionStore::Abandon(Alias alias) {
  return committer_->Run([&](Transaction& transaction) -> absl::Status {
    BATONSTORE_ASSIGN_OR_RETURN(const SessionRecord record, Load(transaction, alias));
    if (record.session.state != State::kReserved) {
      return Refuse(
          Verdict::kIllegalShift,
          absl::StrCat("session ", alias.ToString(), " is ", StateName(record.session.state),
                       "; only a reservation can be abandoned, revoke it instead"));
    }
    return RemoveReserved(transaction, indexes_, record.session);
  });
}

absl::Status SessionStore::SetRemotePublicKey(Alias alias, absl::string_view public_key) {
  BATONSTORE_RETURN_IF_ERROR(
      CheckLength("remote public key", public_key, kMaxRemotePublicKeyBytes));
  if (public_key.empty()) return Refuse(Verdict::kInvalid, "the remote public key is empty");
  return committer_->Run([&](Transaction& transaction) -> absl::Status {
    BATONSTORE_ASSIGN_OR_RETURN(SessionRecord record, Load(transaction, alias));
    const Session seen = AsOf(time_.Now(), record.session);
    if (IsTerminal(seen.state)) return CheckLive(seen);
    if (seen.remote_public_key == public_key) return absl::OkStatus();
    record.session.remote_public_key = std::string(public_key);
    return PutSession(transaction, keys_, record);
  });
}

absl::StatusOr<SecretBytes> SessionStore::PrivateKey(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  BATONSTORE_ASSIGN_OR_RETURN(const SessionRecord record, Load(*snapshot, alias));
  const Session seen = AsOf(time_.Now(), record.session);
  if (IsTerminal(seen.state)) return CheckLive(seen);
  return keys_.OpenPrivateKey(seen.key_type, seen.public_key, record.sealed_private_key);
}

absl::StatusOr<std::string> SessionStore::Issue(Alias alias) const {
  BATONSTORE_ASSIGN_OR_RETURN(const Session session, Find(alias));
  BATONSTORE_RETURN_IF_ERROR(CheckLive(session));
  return keyring_.load(std::memory_order_acquire)
      ->Mint({BatonKind::kSession, alias.value(), /*generation=*/0, recovered_.epoch});
}

absl::StatusOr<Session> SessionStore::Verify(absl::string_view baton, absl::string_view principal,
                                             absl::string_view database) const {
  BATONSTORE_ASSIGN_OR_RETURN(const BatonClaims claims,
                              keyring_.load(std::memory_order_acquire)->Verify(baton));
  if (claims.kind != BatonKind::kSession) {
    return Refuse(Verdict::kForged, "the baton is not one of a session");
  }
  BATONSTORE_ASSIGN_OR_RETURN(Session session, Find(Alias(claims.id)));
  if (session.database != database) {
    return Refuse(Verdict::kWrongDatabase, "the baton is bound to another database");
  }
  if (session.principal != principal) {
    return Refuse(Verdict::kWrongPrincipal, "the baton is bound to another principal");
  }
  BATONSTORE_RETURN_IF_ERROR(CheckLive(session));
  return session;
}

absl::StatusOr<uint32_t> SessionStore::RotateSigningKey() {
  uint32_t key_id = 0;
  BATONSTORE_RETURN_IF_ERROR(ReplaceKeyring([&](const Keyring& ring) -> absl::StatusOr<Keyring> {
    Keyring rotated = ring.Rotated(*recovered_.random, recovered_.incarnation);
    key_id = rotated.primary_key_id();
    return rotated;
  }));
  return key_id;
}

absl::Status SessionStore::RetireSigningKey(uint32_t key_id) {
  return ReplaceKeyring([key_id](const Keyring& ring) { return ring.Retired(key_id); });
}

absl::Status SessionStore::ReplaceKeyring(
    absl::FunctionRef<absl::StatusOr<Keyring>(const Keyring&)> change) {
  BATONSTORE_RETURN_IF_ERROR(engine_.Usable());
  MutexLock lock(keyring_mu_);
  BATONSTORE_ASSIGN_OR_RETURN(Keyring changed, change(*keyring_.load()));
  const std::string sealed =
      SealUnderKeyEncryptionKey(recovered_.key_encryption_key, recovered_.store_id, meta::kKeyring,
                                changed.Serialize(), *recovered_.random);
  rings_.push_back(std::make_unique<const Keyring>(std::move(changed)));
  // On the disk before anything is signed with it.
  BATONSTORE_RETURN_IF_ERROR(committer_->Run([&](Transaction& transaction) {
    return transaction.Put(Table::kMeta, meta::kKeyring, sealed);
  }));
  keyring_.store(rings_.back().get(), std::memory_order_release);
  return absl::OkStatus();
}

std::vector<Keyring::KeyInfo> SessionStore::SigningKeys() const {
  return keyring_.load(std::memory_order_acquire)->Keys();
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

// Records the time, so that a clock set back while nothing runs does not take the store back.
absl::Status SessionStore::EndOfBatch(Transaction& transaction) const {
  return PutMetaNumber(transaction, meta::kTime, EncodeTime(time_.Now()));
}

absl::Status SessionStore::Close() {
  if (getpid() != pid_) return absl::OkStatus();  // a forked child's copy: it must not even lock
  MutexLock lock(close_mu_);
  if (VerdictOf(engine_.Usable()) == Verdict::kClosed) return absl::OkStatus();
  absl::Status noted = committer_->Run([&](Transaction& transaction) {
    return PutMetaNumber(transaction, meta::kClosed, recovered_.epoch);
  });
  engine_.Shut(Verdict::kClosed);
  committer_->Drain();
  engine_.Close();
  return noted;
}

}  // namespace batonstore
