#include "batonstore/recovery/key_source.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstdint>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_memory.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {
namespace {

constexpr uint64_t kCost = uint64_t{1} << 17;
constexpr uint64_t kBlockSize = 8;
constexpr uint64_t kParallel = 1;
constexpr size_t kMostMemory = size_t{256} << 20;

absl::StatusOr<SecretBytes> Derive(const SecretBytes& passphrase, absl::string_view store_id) {
  if (passphrase.size() < kMinPassphraseBytes) {
    return Refuse(Verdict::kInvalid, absl::StrCat("a passphrase has at least ", kMinPassphraseBytes,
                                                  " bytes; this one has ", passphrase.size()));
  }
  SecretBytes key = SecretBytes::OfSize(kKeyEncryptionKeyBytes);
  const absl::Cleanup wiping = [] { WipeStack(); };  // BoringSSL computes on copies there
  if (EVP_PBE_scrypt(passphrase.Reveal().data(), passphrase.size(),
                     reinterpret_cast<const uint8_t*>(store_id.data()), store_id.size(), kCost,
                     kBlockSize, kParallel, kMostMemory,
                     reinterpret_cast<uint8_t*>(key.MutableData()), key.size()) != 1) {
    ERR_clear_error();
    return NoMemory();
  }
  return key;
}

}  // namespace

KeySource::KeySource(const SecretBytes& key)
    : plain_([shared = std::make_shared<const SecretBytes>(key.Clone())] {
        return shared->Clone();
      }) {}

KeySource KeySource::Remembered() const {
  auto answer = std::make_shared<SecretBytes>();
  return [source = *this, answer](absl::string_view store_id) -> absl::StatusOr<SecretBytes> {
    if (answer->empty()) {
      BATONSTORE_ASSIGN_OR_RETURN(*answer, source(store_id));
    }
    return answer->Clone();
  };
}

absl::StatusOr<SecretBytes> KeySource::operator()(absl::string_view store_id) const {
  BATONSTORE_ASSIGN_OR_RETURN(SecretBytes key, of_store_ ? of_store_(store_id) : plain_());
  if (key.size() == kKeyEncryptionKeyBytes) return key;
  return Refuse(Verdict::kInvalid,
                absl::StrCat("a key-encryption key has ", kKeyEncryptionKeyBytes, " bytes"));
}

KeySource KeyFromPassphrase(SecretBytes passphrase) {
  auto shared = std::make_shared<const SecretBytes>(std::move(passphrase));
  return [shared](absl::string_view store_id) { return Derive(*shared, store_id); };
}

}  // namespace batonstore::recovery
