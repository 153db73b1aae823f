#include "batonstore/crypto/hash.h"

#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/sha.h>
#include <openssl/siphash.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace batonstore {
namespace {

const uint8_t* Bytes(absl::string_view view) {
  return reinterpret_cast<const uint8_t*>(view.data());
}

}  // namespace

std::string Sha256(absl::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(Bytes(bytes), bytes.size(), reinterpret_cast<uint8_t*>(digest.data()));
  return digest;
}

SecretBytes DeriveKey(const SecretBytes& secret, absl::string_view salt, absl::string_view info,
                      size_t size) {
  SecretBytes derived = SecretBytes::OfSize(size);
  const bool fits = HKDF(reinterpret_cast<uint8_t*>(derived.MutableData()), size, EVP_sha256(),
                         Bytes(secret.Reveal()), secret.size(), Bytes(salt), salt.size(),
                         Bytes(info), info.size()) == 1;
  WipeStack();                        // BoringSSL leaves what it derives there
  if (!fits) throw std::bad_alloc();  // with a size within the bound, nothing else can fail
  return derived;
}

KeyedHash::KeyedHash(const SecretBytes& key) {
  static_assert(sizeof(Key::words) == kKeySize);
  if (key.size() != kKeySize) std::abort();
  auto copy = std::make_unique<Key>();
  std::memcpy(copy->words, key.Reveal().data(), kKeySize);
  key_ = std::move(copy);
}

uint64_t KeyedHash::operator()(absl::string_view bytes) const {
  return SIPHASH_24(key_->words, Bytes(bytes), bytes.size());
}

}  // namespace batonstore
