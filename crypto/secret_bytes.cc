#include "batonstore/crypto/secret_bytes.h"

#include <cstdint>
#include <cstring>
#include <ostream>
#include <utility>

namespace batonstore {

SecretBytes::SecretBytes(absl::string_view bytes) : SecretBytes(OfSize(bytes.size())) {
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

SecretBytes SecretBytes::OfSize(size_t size) {
  SecretBytes secret;
  if (size > 0) secret.data_ = static_cast<char*>(AllocateSecret(size));
  secret.size_ = size;
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    FreeSecret(data_, size_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() { FreeSecret(data_, size_); }

SecretBytes SecretBytes::Clone() const { return SecretBytes(Reveal()); }

bool operator==(const SecretBytes& a, const SecretBytes& b) {
  return EqualInConstantTime(a.Reveal(), b.Reveal());
}

// Word by word: CRYPTO_memcmp goes byte by byte, which shows in what resuming a stream costs.
bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) return false;
  uint64_t difference = 0;
  const auto compare = [&](size_t at, size_t size) {
    uint64_t of_a = 0;
    uint64_t of_b = 0;
    std::memcpy(&of_a, a.data() + at, size);
    std::memcpy(&of_b, b.data() + at, size);
    difference |= of_a ^ of_b;
    // The compiler may not look at it before the end, and so not stop early.
    asm volatile("" : "+r"(difference));  // NOLINT
  };
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= a.size(); at += sizeof(uint64_t)) compare(at, sizeof(uint64_t));
  for (; at < a.size(); ++at) compare(at, 1);
  return difference == 0;
}

void PrintTo(const SecretBytes& secret, std::ostream* out) {
  *out << "[secret of " << secret.size() << " bytes]";
}

}  // namespace batonstore
