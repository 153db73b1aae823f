#include "batonstore/crypto/sealer.h"

#include <openssl/aead.h>
#include <openssl/err.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_memory.h"

namespace batonstore {
namespace {

constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;
static_assert(Sealer::kOverhead == kNonceSize + kTagSize);

uint8_t* Bytes(char* data) { return reinterpret_cast<uint8_t*>(data); }
const uint8_t* Bytes(absl::string_view view) {
  return reinterpret_cast<const uint8_t*>(view.data());
}

absl::Status SealBroken() {
  static const absl::Status* const kBroken = new absl::Status(
      Refuse(Verdict::kCorrupt, "the seal is broken: changed, moved, or sealed under another key"));
  return *kBroken;
}

}  // namespace

// As large as it is since BoringSSL keeps the expanded key right in it, and nothing elsewhere.
struct Sealer::Aead : NotDumped {
  bssl::ScopedEVP_AEAD_CTX context;
};

Sealer::Sealer(const SecretBytes& key, RandomSource& random)
    : aead_(std::make_unique<Aead>()), random_(random) {
  if (key.size() != kKeySize) std::abort();  // a programmer's error, never data
  if (EVP_AEAD_CTX_init(aead_->context.get(), EVP_aead_aes_256_gcm_siv(), Bytes(key.Reveal()),
                        key.size(), kTagSize, nullptr) != 1) {
    throw std::bad_alloc();  // with a key of the right size, nothing else can fail
  }
}

Sealer::~Sealer() = default;

std::string Sealer::Seal(absl::string_view context, absl::string_view plaintext) const {
  std::string sealed(plaintext.size() + kOverhead, '\0');
  uint8_t* const nonce = Bytes(sealed.data());
  random_.Fill(absl::MakeSpan(nonce, kNonceSize));
  size_t written = 0;
  if (EVP_AEAD_CTX_seal(aead_->context.get(), nonce + kNonceSize, &written,
                        sealed.size() - kNonceSize, nonce, kNonceSize, Bytes(plaintext),
                        plaintext.size(), Bytes(context), context.size()) != 1) {
    std::abort();  // only a plaintext of 64 GiB is too long
  }
  return sealed;
}

bool Sealer::OpenInto(absl::string_view context, absl::string_view sealed, char* out) const {
  const absl::string_view nonce = sealed.substr(0, kNonceSize);
  const absl::string_view body = sealed.substr(kNonceSize);
  size_t written = 0;
  const bool opened =
      EVP_AEAD_CTX_open(aead_->context.get(), Bytes(out), &written, sealed.size() - kOverhead,
                        Bytes(nonce), nonce.size(), Bytes(body), body.size(), Bytes(context),
                        context.size()) == 1;
  if (!opened) ERR_clear_error();
  return opened;
}

absl::StatusOr<std::string> Sealer::Open(absl::string_view context,
                                         absl::string_view sealed) const {
  if (sealed.size() < kOverhead) return SealBroken();
  std::string plaintext(sealed.size() - kOverhead, '\0');
  if (!OpenInto(context, sealed, plaintext.data())) return SealBroken();
  return plaintext;
}

absl::StatusOr<SecretBytes> Sealer::OpenSecret(absl::string_view context,
                                               absl::string_view sealed) const {
  if (sealed.size() < kOverhead) return SealBroken();
  SecretBytes plaintext = SecretBytes::OfSize(sealed.size() - kOverhead);
  const bool opened = OpenInto(context, sealed, plaintext.MutableData());
  WipeStack();  // BoringSSL leaves the key of this very value there
  if (!opened) return SealBroken();
  return plaintext;
}

}  // namespace batonstore
