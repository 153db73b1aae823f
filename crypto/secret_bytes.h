// A byte string that must not leak: left out of core dumps, wiped before its memory is freed,
// compared in constant time, moved but never copied by accident, and without any way to print it.

#ifndef BATONSTORE_CRYPTO_SECRET_BYTES_H_
#define BATONSTORE_CRYPTO_SECRET_BYTES_H_

#include <cstddef>
#include <iosfwd>

#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_memory.h"

namespace batonstore {

// Not thread-safe for writing; any number of threads may read.
class SecretBytes {
 public:
  SecretBytes() = default;

  // Copies `bytes`. Wiping the original is the caller's part.
  explicit SecretBytes(absl::string_view bytes);

  // `size` zero bytes, to be filled through MutableData().
  static SecretBytes OfSize(size_t size);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  // A second copy, wiped on its own.
  SecretBytes Clone() const;

  // The one way to the bytes, named so that a reviewer can search for it. The view lives as long as
  // this object is neither moved from, assigned to nor destroyed.
  absl::string_view Reveal() const { return absl::string_view(data_, size_); }

  char* MutableData() { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The time taken depends on the lengths alone.
  friend bool operator==(const SecretBytes& a, const SecretBytes& b);

 private:
  char* data_ = nullptr;  // secret memory
  size_t size_ = 0;
};

// True if both are the same bytes; the time taken depends on the lengths alone.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

// Deleted, so that printing a secret does not compile.
std::ostream& operator<<(std::ostream&, const SecretBytes&) = delete;

// What GoogleTest shows in place of a secret.
void PrintTo(const SecretBytes& secret, std::ostream* out);

}  // namespace batonstore

#endif  // BATONSTORE_CRYPTO_SECRET_BYTES_H_
