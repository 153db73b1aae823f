// The part of the session store that issues and verifies batons, and rotates the keys that sign
// them.

#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/session_store.h"

namespace batonstore {

absl::StatusOr<std::string> SessionStore::Issue(Alias alias) const {
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(const StoredSession session, FindStored(alias));
  BATONSTORE_RETURN_IF_ERROR(CheckUsable(session, now));
  return Ring().Mint({BatonKind::kSession, alias.value(), /*generation=*/0, recovered_.epoch});
}

absl::StatusOr<Session> SessionStore::Verify(absl::string_view baton, absl::string_view principal,
                                             absl::string_view database) {
  BATONSTORE_ASSIGN_OR_RETURN(const BatonClaims claims, Ring().Verify(baton));
  if (claims.kind != BatonKind::kSession) {
    return Refuse(Verdict::kForged, "the baton is not one of a session");
  }
  const absl::Time now = time_.Now();
  BATONSTORE_ASSIGN_OR_RETURN(StoredSession session, FindStored(Alias(claims.id)));
  if (session.record.session.database != database) {
    return Refuse(Verdict::kWrongDatabase, "the baton is bound to another database");
  }
  if (session.record.session.principal != principal) {
    return Refuse(Verdict::kWrongPrincipal, "the baton is bound to another principal");
  }
  absl::Status usable = CheckUsable(session, now);
  if (usable.ok()) return std::move(session).Seen();
  const bool is_given_up = session.record.moved_to != Alias();
  if (is_given_up && VerdictOf(usable) == Verdict::kRevoked) TellOfReplay(session, now);
  return usable;
}

// Whoever is refused is not to wait for the writer when nobody listens. That the event could not be
// written does not change the refusal.
void SessionStore::TellOfReplay(const StoredSession& session, absl::Time now) {
  const absl::StatusOr<std::vector<Consumer>> listening = events_.Consumers();
  if (!listening.ok() || listening->empty()) return;
  Commit([&](Transaction& transaction) {
    return table_.Tell(transaction, EventType::kReplaySeen, session.record.session, now,
                       session.record.moved_to);
  }).IgnoreError();
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

std::vector<Keyring::KeyInfo> SessionStore::SigningKeys() const { return Ring().Keys(); }

}  // namespace batonstore
