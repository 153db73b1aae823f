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

#ifndef BATONSTORE_STORE_SESSION_STORE_H_
#define BATONSTORE_STORE_SESSION_STORE_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/mutex.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/recovered.h"
#include "batonstore/store/session_reader.h"

namespace batonstore {

// Thread-safe: call it from any number of threads; those that write share one commit.
//
// A call that writes returns OK only once its change is on the disk, and otherwise has changed
// nothing, with one exception: POISONED says that the outcome is unknown and the store must be
// opened again. Besides the verdicts that each call names, any of them may return those of
// SessionReader and FULL (no space left; see recovery/open.h).
class SessionStore : public SessionReader {
 public:
  // `key_pairs` must outlive the store.
  SessionStore(Recovered recovered, KeyPairSource& key_pairs);
  ~SessionStore();

  // How many key pairs Reserve draws before it gives up.
  static constexpr int kKeyPairDraws = 8;

  // Takes an unused alias and an unused key pair and inserts the session as Reserved, in one
  // transaction: nobody ever sees an alias or key pair that is not on the disk. Follow with Create
  // once the session is registered elsewhere, or with Abandon; a reservation that is open when the
  // process ends is removed at the next opening.
  //   INVALID        a field is over its limit, or the expiry is unset or past
  //   UNKNOWN_GROUP  spec.group is not the alias of a group's first session
  //   GROUP_ACTIVE   another session of the group is not terminal, or its first was never created
  //   KEYS_EXHAUSTED the key source gave kKeyPairDraws pairs that are all in use
  absl::StatusOr<Session> Reserve(const SessionSpec& spec);

  // Reserved -> Created. Again on a Created session: succeeds, changes nothing.
  //   NOT_FOUND      no such session: never reserved, abandoned, or removed by recovery
  //   EXPIRED        reserved, but past its deadline
  //   ILLEGAL_SHIFT  terminal
  absl::Status Create(Alias alias);

  // Removes a reservation as if it had never been; its alias is not given again.
  //   NOT_FOUND, ILLEGAL_SHIFT (any state but Reserved)
  absl::Status Abandon(Alias alias);

  // Reserve and Create in one transaction, for when there is nobody else to register with.
  absl::StatusOr<Session> ReserveAndCreate(const SessionSpec& spec);

  // Moves a session along the table in session.h and returns it as it is then. Entering a terminal
  // state shreds the private key. A session that counts as Expired, because it is past its
  // deadline, keeps its sealed key until somebody shifts it to Expired; PrivateKey gives it to
  // nobody.
  //   NOT_FOUND, ILLEGAL_SHIFT, EXPIRED (to Created: as Create)
  absl::StatusOr<Session> Shift(Alias alias, State to);

  // Shift to Revoked.
  absl::Status Revoke(Alias alias);

  // Notes the public key of the other side; the last one stays. Up to kMaxRemotePublicKeyBytes.
  //   INVALID (empty or too long), NOT_FOUND, REVOKED, EXPIRED
  absl::Status SetRemotePublicKey(Alias alias, absl::string_view public_key);

  // The session's private key, at the time of the call the only copy outside the store.
  //   NOT_FOUND; REVOKED, EXPIRED (shredded, or past the deadline)
  absl::StatusOr<SecretBytes> PrivateKey(Alias alias) const;

  // A baton for a Created session, signed by the primary key. Writes nothing.
  //   NOT_FOUND, RESERVED, REVOKED, EXPIRED
  absl::StatusOr<std::string> Issue(Alias alias) const;

  // The session that a baton names, if it is this principal's and on this database. Checked in this
  // order, so that a stolen baton tells a thief nothing and costs its owner nothing:
  //   FORGED           the form, the key id, the tag or the kind is wrong
  //   LOST             authentic, but the key that signed it is retired
  //   NOT_FOUND        the session is gone
  //   WRONG_DATABASE, WRONG_PRINCIPAL
  //   RESERVED, REVOKED, EXPIRED
  // To a client, answer with WireStatus() of what comes back.
  absl::StatusOr<Session> Verify(absl::string_view baton, absl::string_view principal,
                                 absl::string_view database) const;

  // Signing keys. After a rotation new batons come from the new key and old ones verify until their
  // key is retired; then they are LOST.
  absl::StatusOr<uint32_t> RotateSigningKey();     // the new key's id
  absl::Status RetireSigningKey(uint32_t key_id);  // NOT_FOUND, INVALID (the primary key)
  std::vector<Keyring::KeyInfo> SigningKeys() const;

  // Takes over the wall clock (base/clock.h): sessions expire by it from here on. One that stands
  // behind the store's last recorded time is refused with INVALID: it would bring back what
  // expired.
  absl::Status AdoptWallClock();

  // Notes that the store was closed in order, waits for calls under way, and closes it: every later
  // call is CLOSED. Closing twice is the same as once. The destructor does it too. Returns why the
  // note could not be written; the store is closed all the same.
  absl::Status Close();

 private:
  struct Draft;

  absl::StatusOr<Session> Insert(const SessionSpec& spec, State state);
  absl::Status InsertDraft(Transaction& transaction, const SessionSpec& spec, Draft& draft) const;
  static absl::StatusOr<Alias> TakeAlias(Transaction& transaction, absl::Time now);
  absl::Status CheckGroup(Snapshot& snapshot, Alias group, absl::Time now) const;
  absl::StatusOr<Session> ShiftIn(Transaction& transaction, Alias alias, State to) const;
  absl::Status ReplaceKeyring(absl::FunctionRef<absl::StatusOr<Keyring>(const Keyring&)> change);
  absl::Status EndOfBatch(Transaction& transaction) const;

  // Constant after construction.
  const Recovered recovered_;
  KeyPairSource& key_pairs_;
  const pid_t pid_;

  std::unique_ptr<GroupCommitter> committer_;

  Mutex close_mu_;  // held while closing, so that whoever closes second finds it done

  // Readers take the current ring without a lock; rings that were replaced stay, since somebody may
  // still be verifying with them. Rotations are rare and rings small.
  std::atomic<const Keyring*> keyring_;
  Mutex keyring_mu_;
  std::vector<std::unique_ptr<const Keyring>> rings_ ABSL_GUARDED_BY(keyring_mu_);
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SESSION_STORE_H_
