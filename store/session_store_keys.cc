// The part of the session store that rotates its keys.

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_store.h"

namespace batonstore {
namespace {

// Rows that are sealed again in one transaction: about a millisecond's work.
constexpr uint64_t kRowsOfPiece = 256;

}  // namespace

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
    absl::FunctionRef<absl::StatusOr<Keyring>(const Keyring&)> change) try {
  BATONSTORE_RETURN_IF_ERROR(engine_.Usable());
  MutexLock lock(keys_mu_);
  BATONSTORE_ASSIGN_OR_RETURN(Keyring changed, change(*keyring_.load()));
  const std::string sealed = SealKeyRow(meta::kKeyring, changed.Serialize());
  rings_.push_back(std::make_unique<const Keyring>(std::move(changed)));
  // On the disk before anything is signed with it.
  BATONSTORE_RETURN_IF_ERROR(committer_->Run(
      [&](Transaction& transaction) {
        return transaction.Put(Table::kMeta, meta::kKeyring, sealed);
      },
      Room::kFrees));
  keyring_.store(rings_.back().get(), std::memory_order_release);
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return NoMemory();
}

std::vector<Keyring::KeyInfo> SessionStore::SigningKeys() const { return Ring().Keys(); }

std::string SessionStore::SealKeyRow(absl::string_view name, const SecretBytes& secret) const {
  return SealUnderKeyEncryptionKey(key_encryption_key_, recovered_.store_id, name, secret,
                                   *recovered_.random);
}

absl::Status SessionStore::RotateDataKey() try {
  BATONSTORE_RETURN_IF_ERROR(engine_.Usable());
  MutexLock lock(keys_mu_);
  if (data_keys_.former().has_value()) {
    return Refuse(Verdict::kBusy, "rows are still being sealed under the current data key");
  }
  DataKeys rotated = data_keys_.Rotated(*recovered_.random);
  const std::string sealed = SealKeyRow(meta::kDataKeys, rotated.Serialize());
  const std::string mark = EncodeResealMark({});
  recovered_.keys->Add(rotated.current());
  // On the disk before anything is sealed with it.
  BATONSTORE_RETURN_IF_ERROR(committer_->Run(
      [&](Transaction& transaction) -> absl::Status {
        BATONSTORE_RETURN_IF_ERROR(transaction.Put(Table::kMeta, meta::kDataKeys, sealed));
        return transaction.Put(Table::kMeta, meta::kReseal, mark);
      },
      Room::kFrees));
  recovered_.keys->Use(rotated.current().number);
  data_keys_ = std::move(rotated);
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::StatusOr<ResealProgress> SessionStore::Reseal() try {
  BATONSTORE_RETURN_IF_ERROR(engine_.Usable());
  {
    MutexLock lock(keys_mu_);
    if (data_keys_.former().has_value()) {
      DataKeys finished = data_keys_.Finished();
      const std::string sealed = SealKeyRow(meta::kDataKeys, finished.Serialize());
      BATONSTORE_ASSIGN_OR_RETURN(const bool is_done, CommitPiece(kRowsOfPiece, sealed));
      if (is_done) data_keys_ = std::move(finished);
    }
  }
  return DataKeyRotation();
} catch (const std::bad_alloc&) {
  return NoMemory();
}

// A piece; when that was the last, the former key goes in the same transaction.
absl::StatusOr<bool> SessionStore::CommitPiece(uint64_t most, absl::string_view finished) {
  // On a full disk a whole piece might not find its room in what is kept back: a smaller one may.
  for (;; most = std::max<uint64_t>(most / 4, 1)) {
    absl::StatusOr<bool> is_done = false;
    const absl::Status committed = committer_->Run(
        [&](Transaction& transaction) -> absl::Status {
          is_done = ResealPiece(transaction, keys_, most);
          BATONSTORE_RETURN_IF_ERROR(is_done.status());
          if (!*is_done) return absl::OkStatus();
          BATONSTORE_RETURN_IF_ERROR(transaction.Delete(Table::kMeta, meta::kReseal).status());
          return transaction.Put(Table::kMeta, meta::kDataKeys, finished);
        },
        Room::kFrees);
    if (committed.ok()) return is_done;
    if (VerdictOf(committed) != Verdict::kFull || most == 1) return committed;
  }
}

absl::StatusOr<ResealProgress> SessionStore::DataKeyRotation() const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  return GetResealProgress(*snapshot);
}

absl::Status SessionStore::ChangeKeyEncryptionKey(SecretBytes key) try {
  if (key.size() != kKeyEncryptionKeyBytes) {
    return Refuse(Verdict::kInvalid,
                  absl::StrCat("a key-encryption key has ", kKeyEncryptionKeyBytes, " bytes"));
  }
  BATONSTORE_RETURN_IF_ERROR(engine_.Usable());
  MutexLock lock(keys_mu_);
  const auto seal = [&](absl::string_view name, const SecretBytes& secret) {
    return SealUnderKeyEncryptionKey(key, recovered_.store_id, name, secret, *recovered_.random);
  };
  const std::string data_keys = seal(meta::kDataKeys, data_keys_.Serialize());
  const std::string keyring = seal(meta::kKeyring, Ring().Serialize());
  BATONSTORE_RETURN_IF_ERROR(committer_->Run(
      [&](Transaction& transaction) -> absl::Status {
        BATONSTORE_RETURN_IF_ERROR(transaction.Put(Table::kMeta, meta::kDataKeys, data_keys));
        return transaction.Put(Table::kMeta, meta::kKeyring, keyring);
      },
      Room::kFrees));
  key_encryption_key_ = std::move(key);
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return NoMemory();
}

}  // namespace batonstore
