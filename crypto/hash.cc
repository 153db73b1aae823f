#include "batonstore/crypto/hash.h"

#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/sha.h>
#include <openssl/siphash.h>

#include <cstdlib>
#include <cstring>
#include <new>

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
  if (HKDF(reinterpret_cast<uint8_t*>(derived.MutableData()), size, EVP_sha256(),
           Bytes(secret.Reveal()), secret.size(), Bytes(salt), salt.size(), Bytes(info),
           info.size()) != 1) {
    throw std::bad_alloc();  // with a size within the bound, nothing else can fail
  }
  return derived;
}

KeyedHash::KeyedHash(const SecretBytes& key) {
  static_assert(sizeof(key_) == kKeySize);
  if (key.size() != kKeySize) std::abort();
  std::memcpy(key_, key.Reveal().data(), kKeySize);
}

KeyedHash::~KeyedHash() { WipeMemory(key_, sizeof(key_)); }

uint64_t KeyedHash::operator()(absl::string_view bytes) const {
  return SIPHASH_24(key_, Bytes(bytes), bytes.size());
}

}  // namespace batonstore
