// The session store. Obtain one from recovery/open.h: that is the only way.
//
//   auto store = recovery::Open({.directory = "/var/lib/service/sessions"});
//   SessionStore& sessions = (*store)->sessions();
//   SessionSpec spec{.label = "phone", .principal = "alice", .database = "main",
//                    .expires_at = absl::Now() + absl::Hours(24)};
//   absl::StatusOr<Session> session = sessions.Reserve(spec);  // durable, Reserved
//   ...                                                        // register it elsewhere
//   sessions.Create(session->alias);                           // durable, Created
//   absl::StatusOr<std::string> baton = sessions.Issue(session->alias);
//   sessions.Merge(session->alias, {{"theme", Change::Set("dark")}});

#ifndef BATONSTORE_STORE_SESSION_STORE_H_
#define BATONSTORE_STORE_SESSION_STORE_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/mutex.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/busy_sessions.h"
#include "batonstore/store/event_log.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/index_merge.h"
#include "batonstore/store/key_pair_stock.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/recovered.h"
#include "batonstore/store/refusals.h"
#include "batonstore/store/reseal.h"
#include "batonstore/store/session_reader.h"
#include "batonstore/store/session_turn.h"
#include "batonstore/store/stream_host.h"
#include "batonstore/store/sweep.h"
#include "batonstore/store/turns.h"

namespace batonstore {

namespace recovery {
class Store;
}  // namespace recovery

// How to give a session a new identity.
struct CycleOptions {
  // For how long the old alias answers MOVED, with the new one, so that requests under way find it.
  // Afterwards it is REVOKED.
  absl::Duration redirect_for = absl::Seconds(30);

  // The principal has logged in or gained rights: the old alias answers REVOKED at once, and tells
  // nobody the new one. Who planted the old one (session fixation) is left with nothing.
  bool privilege_change = false;
};

// What SaveOrCreate made or found.
struct Saved {
  Session session;
  uint64_t version = 0;  // of its attributes: for SaveIf
  bool created = false;  // false if an earlier request with this idempotency key had made it
};

// Thread-safe: call it from any number of threads; those that write share one commit.
//
// A call that writes returns OK only once its change is on the disk, and otherwise has changed
// nothing, with one exception: POISONED says that the outcome is unknown and the store must be
// opened again. Besides the verdicts that each call names, any of them may return those of
// SessionReader, FULL (no space left; see recovery/open.h) and TOO_MANY (no memory left).
//
// Whatever an alias is given to, one whose session has got a new identity answers MOVED for as long
// as it tells that.
class SessionStore : public SessionReader, private StreamHost {
 public:
  // `key_pairs` must outlive the store.
  SessionStore(Recovered recovered, KeyPairSource& key_pairs, const Policy& policy = {});
  ~SessionStore();

  // How many key pairs Reserve draws before it gives up.
  static constexpr int kKeyPairDraws = 8;

  // ---- A session's life ----

  // Takes an unused alias and an unused key pair and inserts the session as Reserved, in one
  // transaction: nobody ever sees an alias or key pair that is not on the disk. Follow with Create
  // once the session is registered elsewhere, or with Abandon; a reservation that is open at its
  // deadline, or when the process ends, is taken away.
  //   INVALID        a field is over its limit, or the expiry is unset or past
  //   EXISTS         the idempotency key has been used for another request
  //   UNKNOWN_GROUP  spec.group is not the alias of a group's first session
  //   GROUP_ACTIVE   another session of the group is not terminal, or its first was never created
  //   TOO_MANY       a limit of the store's policy stands in the way; what had run out was noted
  //   KEYS_EXHAUSTED the key source gave kKeyPairDraws pairs that are all in use
  absl::StatusOr<Session> Reserve(const SessionSpec& spec);

  // Reserved -> Created. Again on a Created session: succeeds, changes nothing.
  //   NOT_FOUND      no such session: never reserved, abandoned, or removed by recovery
  //   EXPIRED        reserved, but past its deadline
  //   REVOKED        reserved, but a RevokeAll came first
  //   ILLEGAL_SHIFT  terminal
  absl::Status Create(Alias alias);

  // Removes a reservation as if it had never been; its alias is not given again. Its intent is the
  // caller's to undo: no compensation is kept.
  //   NOT_FOUND, ILLEGAL_SHIFT (any state but Reserved), REVOKED
  absl::Status Abandon(Alias alias);

  // Reserve and Create in one transaction, for when there is nobody else to register with.
  absl::StatusOr<Session> ReserveAndCreate(const SessionSpec& spec);

  // Moves a session along the table in session.h and returns it as it is then. Entering a terminal
  // state shreds the private key and the attributes. A session that counts as Expired, because it
  // is past its deadline, keeps them, sealed, until a sweep or a shift to Expired notes it; they
  // are given to nobody.
  //   NOT_FOUND, ILLEGAL_SHIFT, EXPIRED and REVOKED (to Created: as Create)
  absl::StatusOr<Session> Shift(Alias alias, State to);

  // Starts the idle clock anew; the session as it is then. Writes only when that moves the deadline
  // by enough (SessionSpec::idle_timeout), so that steady use costs next to nothing.
  //   NOT_FOUND, RESERVED, REVOKED, EXPIRED
  absl::StatusOr<Session> Touch(Alias alias);

  // A new alias and key pair for a Created session; everything else it is and has moves over, in
  // one transaction: fields, attributes, group, limits. The old record stays as a tombstone. Do
  // this when a principal logs in (session fixation: OWASP ASVS 5.0, 7.2.4).
  //   NOT_FOUND, RESERVED, REVOKED, EXPIRED, INVALID (redirect_for is negative), KEYS_EXHAUSTED
  absl::StatusOr<Session> CycleKey(Alias alias, const CycleOptions& options = {});

  // ---- Revoking, for good ----

  // Shift to Revoked.
  absl::Status Revoke(Alias alias);

  // Every session of the group that is not terminal; how many that were. A Reserved one becomes
  // Revoked too, and its intent a compensation.
  //   UNKNOWN_GROUP
  absl::StatusOr<uint64_t> RevokeGroup(Alias group);

  // Every session of the store that was given its alias before, whoever's it is; how many that
  // were. In pieces, each a transaction: if it fails, those that it came to stay revoked.
  absl::StatusOr<uint64_t> RevokeEverybody();

  // Every session of the principal that was given its alias before: a login that races is either
  // covered or has a later alias. Costs the same for one session as for a million: it writes one
  // row, which every read honours from then on, and sweeps shred what it covers. Reserved ones are
  // covered too: a late Create gets REVOKED, and the intent becomes a compensation.
  //   INVALID        no principal has so long a name
  absl::Status RevokeAll(absl::string_view principal);

  // The same, but for this one of the principal's sessions ("log out everywhere else").
  //   NOT_FOUND, WRONG_PRINCIPAL, REVOKED, EXPIRED: nobody is revoked then
  absl::Status RevokeAllExcept(absl::string_view principal, Alias keep);

  // ---- Attributes: see attributes.h for the limits ----
  //
  // Each is one transaction on a session that has not ended; a Reserved one may have attributes.
  // A save that was under way when the session ended or moved is refused and brings nothing back:
  //   INVALID, NOT_FOUND, MOVED, REVOKED, EXPIRED

  // Makes the session's fields these and no others, if nobody has changed them since they were
  // loaded with this version; the new version. A withheld secret stays as it is.
  //   CONFLICT       the version is another by now
  absl::StatusOr<uint64_t> SaveIf(Alias alias, uint64_t version, const Fields& fields);

  // Does all of the changes, or none; the new version. Two of different fields never disturb each
  // other.
  //   CONFLICT       a compare-and-set found something else
  absl::StatusOr<uint64_t> Merge(Alias alias, const Changes& changes);

  // Creates a session with these fields, in one transaction, for whoever has an unsaved one at
  // hand. There is nothing to choose beforehand, so nothing to race for. With an idempotency key,
  // asking again gives what the first time made, and overwrites nothing.
  //   as ReserveAndCreate
  absl::StatusOr<Saved> SaveOrCreate(const SessionSpec& spec, const Fields& fields);

  // The value of a secret field, or of any other.
  //   NOT_FOUND (also: no such field), MOVED, REVOKED, EXPIRED
  absl::StatusOr<SecretBytes> Secret(Alias alias, absl::string_view field) const;

  // ---- Keys ----

  // Notes the public key of the other side; the last one stays. Up to kMaxRemotePublicKeyBytes.
  //   INVALID (empty or too long), NOT_FOUND, REVOKED, EXPIRED
  absl::Status SetRemotePublicKey(Alias alias, absl::string_view public_key);

  // The session's private key, at the time of the call the only copy outside the store.
  //   NOT_FOUND; REVOKED, EXPIRED (shredded, or past the deadline)
  absl::StatusOr<SecretBytes> PrivateKey(Alias alias) const;

  // ---- Batons ----

  // A baton for a Created session, of the generation that is current: once turns have rotated it,
  // the one that the last of them handed on, byte for byte; until then, or when the key of that one
  // is retired, one signed by the primary key. Rotates nothing and writes nothing, so it neither
  // ends what others hold nor is ended by it: the next turn makes a predecessor of it all the same,
  // a turn that is under way included. One session is for one holder.
  //   NOT_FOUND, RESERVED, REVOKED, EXPIRED
  absl::StatusOr<std::string> Issue(Alias alias) const;

  // The session that a baton names, if it is this principal's and on this database, and the baton
  // is the current one. Checked in this order, so that a stolen baton tells a thief nothing and
  // costs its owner nothing:
  //   FORGED           the form, the key id, the tag or the kind is wrong
  //   LOST             authentic, but the key that signed it is retired
  //   NOT_FOUND        the session is gone
  //   WRONG_DATABASE, WRONG_PRINCIPAL
  //   RESERVED, MOVED, REVOKED, EXPIRED
  //   REPLAYED         of an old generation; the last one included, which Resume may still answer
  //   CORRUPT          of a generation that this store has never handed out: the file is an older
  //                    copy of itself
  // To a client, answer with WireStatus() of what comes back. Consumes nothing and rotates nothing:
  // what was verified can be verified again, also while a turn is under way. Writes nothing, except
  // that a baton of an old generation, or of an identity that the session has given up, and tells
  // no more, is an event (EventType::kReplaySeen).
  absl::StatusOr<Session> Verify(absl::string_view baton, absl::string_view database,
                                 absl::string_view principal);

  // Takes a turn on the session that a baton names, or answers again what it has answered before:
  // session_turn.h. `digest` is the request's. The checks and their order are those of Verify but
  // for the last ones:
  //   INVALID          the digest is empty or longer than kMaxDigestBytes; nothing else was checked
  //   ...              as Verify, up to EXPIRED
  //   REUSED           the baton has been used, and for another request
  //   REPLAYED         of an older generation
  //   CORRUPT          as Verify
  //   EXPIRED          the baton has rotated 2^64 - 1 times: log in again
  //   BUSY             it is current, and a turn is under way; or its turn was cut off, and another
  //                    retry is being answered at this moment
  // Nothing is consumed or answered by a baton that is refused, nor told or revoked before database
  // and principal have passed. Then REUSED and REPLAYED are events (EventType::kReplaySeen), and
  // revoke what the store's policy says (TurnRules::on_replay); if that cannot be written down, the
  // refusal is the reason why.
  absl::StatusOr<Resumed> Resume(absl::string_view baton, absl::string_view digest,
                                 absl::string_view database, absl::string_view principal,
                                 CutOff cut_off = CutOff::kRunAgain);

  // How often Verify, Resume and the streams have refused a baton, by who presented it. Counting
  // writes no row and changes no answer. A store that is CLOSED or POISONED counts nothing more.
  const Refusals& refusals() const { return refusals_; }

  // ---- The store's keys; docs/architecture.md, "Keys" ----

  // Signing keys. After a rotation new batons come from the new key and old ones verify until their
  // key is retired; then they are LOST, and it takes Issue to go on. What turns have handed on is
  // stored, so a replay answers with the baton of then, by whichever key.
  absl::StatusOr<uint32_t> RotateSigningKey();     // the new key's id
  absl::Status RetireSigningKey(uint32_t key_id);  // NOT_FOUND, INVALID (the primary key)
  std::vector<Keyring::KeyInfo> SigningKeys() const;

  // Takes a new data key into use, in one transaction: what is written from now on is sealed under
  // it. What lies there already is sealed again by and by, by Reseal; then the former key is gone.
  //   BUSY           not all is sealed again since the last time
  absl::Status RotateDataKey();

  // Seals a bounded piece again, if there is a rotation under way, and says how far that is. An
  // open store does it by itself (recovery/open.h), also one that is opened again in the middle.
  absl::StatusOr<ResealProgress> Reseal();
  absl::StatusOr<ResealProgress> DataKeyRotation() const;

  // ---- Housekeeping ----

  // Does one bounded piece of what has fallen due (sweep.h), and says whether there is more. Nobody
  // has to: the store answers by its deadlines, swept or not. An open store sweeps by itself, see
  // recovery/open.h.
  absl::StatusOr<Swept> Sweep();

  // The outside half of a reservation that was taken away has been undone.
  //   NOT_FOUND      nothing is pending for that alias
  absl::Status Acknowledge(Alias alias);

  // What has happened, for those who follow it.
  EventLog& events() { return events_; }

  // The one that signs for streams (stream_registry.h); recovery/open.h keeps them.
  const StreamHost& stream_host() const { return *this; }

  // Takes over the wall clock (base/clock.h): sessions expire by it from here on. One that stands
  // behind the store's last recorded time is refused with INVALID: it would bring back what
  // expired.
  absl::Status AdoptWallClock();

  // Notes that the store was closed in order, waits for calls under way, and closes it: every later
  // call is CLOSED. Closing twice is the same as once. The destructor does it too. Returns why the
  // note could not be written; the store is closed all the same.
  absl::Status Close();

 private:
  // Runs an operation and waits until it is durable.
  using Room = GroupCommitter::Room;
  absl::Status Commit(GroupCommitter::Operation operation, Room room = Room::kTakes,
                      std::optional<GroupCommitter::Meanwhile> meanwhile = std::nullopt);

  // The same for one that takes a key pair: may make some for other callers meanwhile.
  absl::Status CommitWithKeyPair(KeyType type, GroupCommitter::Operation operation);

  // Has `use` try key pairs until it says true; KEYS_EXHAUSTED after kKeyPairDraws.
  using KeyPairUse = absl::FunctionRef<absl::StatusOr<bool>(SealedKeyPair)>;
  absl::Status DrawKeyPairs(KeyType type, KeyPairUse use);

  absl::StatusOr<Saved> Insert(const SessionSpec& spec, State state, const Fields& fields);
  struct RevokedPiece;
  absl::Status RevokePiece(Transaction& transaction, Alias last, RevokedPiece& piece) const;
  absl::StatusOr<uint64_t> RevokeGroupIn(Transaction& transaction, Alias group,
                                         absl::Time now) const;
  absl::StatusOr<Session> ShiftIn(Transaction& transaction, Alias alias, State to) const;
  absl::StatusOr<std::optional<Session>> CycleIn(Transaction& transaction, SessionRecord& fresh,
                                                 Alias alias, const CycleOptions& options) const;
  absl::Status RevokeAll(absl::string_view principal, std::optional<Alias> keep);
  absl::Status RevokeAllIn(Transaction& transaction, absl::string_view principal,
                           std::optional<Alias> keep) const;
  absl::StatusOr<uint64_t> ChangeFields(
      Alias alias, absl::FunctionRef<absl::StatusOr<uint64_t>(Transaction&)> change);

  absl::StatusOr<BatonClaims> ClaimsOf(absl::string_view baton) const;
  std::string Mint(Alias alias, uint64_t generation) const;
  absl::StatusOr<Session> Check(absl::string_view baton, absl::string_view database,
                                absl::string_view principal);
  absl::StatusOr<Resumed> TakeTurn(absl::string_view baton, absl::string_view digest,
                                   absl::string_view database, absl::string_view principal,
                                   CutOff cut_off);
  absl::StatusOr<Judged> JudgeNow(const Presented& presented) const;
  absl::StatusOr<Judged> BeginIfCurrent(const Presented& presented);
  friend class SessionTurn;
  absl::StatusOr<std::string> FinishTurn(const SessionTurn& turn, absl::string_view reply);
  absl::Status RefuseAndTell(const Presented& presented, const Judged& judged,
                             TurnRules::OnReplay rule);
  absl::Status RevokeIn(Transaction& transaction, StoredSession& session, TurnRules::OnReplay rule,
                        absl::Time now) const;
  absl::Status TellOfReplayIn(Transaction& transaction, const Judged& judged, absl::Time now) const;

  // Seals the data keys and the signing keys under another key-encryption key, in one transaction.
  // Store::RotateKeyEncryptionKey is for everybody else.
  //   INVALID        it does not have kKeyEncryptionKeyBytes
  friend class recovery::Store;
  absl::Status ChangeKeyEncryptionKey(SecretBytes key);

  absl::Status ReplaceKeyring(absl::FunctionRef<absl::StatusOr<Keyring>(const Keyring&)> change);
  std::string SealKeyRow(absl::string_view name, const SecretBytes& secret) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(keys_mu_);
  absl::StatusOr<bool> CommitPiece(uint64_t most, absl::string_view finished)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(keys_mu_);
  absl::Status EndOfBatch(Transaction& transaction) const;

  uint64_t Epoch() const override { return recovered_.epoch; }
  const Keyring& Ring() const override { return *keyring_.load(std::memory_order_acquire); }
  absl::Status Usable() const override { return engine_.Usable(); }
  void NoteRefusal(const absl::Status& answer,
                   const PresentedBaton& presented) const noexcept override;

  // Constant after construction.
  Recovered recovered_;
  const pid_t pid_;

  KeyPairStock key_pairs_;
  IndexMerge index_merge_;  // the committer's
  std::unique_ptr<GroupCommitter> committer_;
  EventLog events_;
  BusySessions busy_;
  mutable Refusals refusals_;  // also of the streams, which have a const host

  Mutex close_mu_;  // held while closing, so that whoever closes second finds it done

  // Readers take the current ring without a lock; rings that were replaced stay, since somebody may
  // still be verifying with them. Rotations are rare and rings small.
  std::atomic<const Keyring*> keyring_;

  // Held while keys change, so across commits. Never taken by an operation of another.
  Mutex keys_mu_;
  std::vector<std::unique_ptr<const Keyring>> rings_ ABSL_GUARDED_BY(keys_mu_);
  SecretBytes key_encryption_key_ ABSL_GUARDED_BY(keys_mu_);
  DataKeys data_keys_ ABSL_GUARDED_BY(keys_mu_);
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SESSION_STORE_H_
