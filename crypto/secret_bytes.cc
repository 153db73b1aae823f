#include "batonstore/crypto/secret_bytes.h"

#include <openssl/mem.h>

#include <cstring>
#include <ostream>
#include <utility>

namespace batonstore {

SecretBytes::SecretBytes(absl::string_view bytes) : SecretBytes(OfSize(bytes.size())) {
  if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
}

SecretBytes SecretBytes::OfSize(size_t size) {
  SecretBytes secret;
  secret.data_ = std::make_unique<char[]>(size);
  secret.size_ = size;
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    Wipe();
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() { Wipe(); }

SecretBytes SecretBytes::Clone() const { return SecretBytes(Reveal()); }

void SecretBytes::Wipe() {
  if (data_ != nullptr) WipeMemory(data_.get(), size_);
}

bool operator==(const SecretBytes& a, const SecretBytes& b) {
  return EqualInConstantTime(a.Reveal(), b.Reveal());
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void WipeMemory(void* data, size_t size) { OPENSSL_cleanse(data, size); }

void PrintTo(const SecretBytes& secret, std::ostream* out) {
  *out << "[secret of " << secret.size() << " bytes]";
}

}  // namespace batonstore
