// Where the key-encryption key comes from.

#ifndef BATONSTORE_RECOVERY_KEY_SOURCE_H_
#define BATONSTORE_RECOVERY_KEY_SOURCE_H_

#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore::recovery {

// Gives the key-encryption key, 32 bytes; asked once at each opening. Either a function without
// arguments, or one of the store's id: 16 random bytes, the same for the store's whole life, by
// which a key-management service may know what it is asked for, and by which passphrases are
// salted. A copy of a source gives the same. As thread-safe as the function.
class KeySource {
 public:
  using Function = std::function<absl::StatusOr<SecretBytes>()>;
  using OfStore = std::function<absl::StatusOr<SecretBytes>(absl::string_view store_id)>;

  KeySource() = default;
  KeySource(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): as std::function

  template <typename Callable>
  requires(std::convertible_to<Callable, Function> &&
           !std::same_as<std::remove_cvref_t<Callable>, KeySource>)
      KeySource(Callable callable)  // NOLINT(google-explicit-constructor): as std::function
      : plain_(std::move(callable)) {}

  template <typename Callable>
  requires(std::convertible_to<Callable, OfStore> &&
           !std::same_as<std::remove_cvref_t<Callable>, KeySource>)
      KeySource(Callable callable)  // NOLINT(google-explicit-constructor): as std::function
      : of_store_(std::move(callable)) {}

  // This very key.
  KeySource(const SecretBytes& key);  // NOLINT(google-explicit-constructor)

  // One that asks this one once, and then gives the same; not thread-safe.
  KeySource Remembered() const;

  explicit operator bool() const { return plain_ != nullptr || of_store_ != nullptr; }
  bool AsksForStoreId() const { return of_store_ != nullptr; }

  // INVALID unless the key has 32 bytes; else what the function says. REQUIRES: there is one.
  absl::StatusOr<SecretBytes> operator()(absl::string_view store_id = "") const;

 private:
  Function plain_;
  OfStore of_store_;
};

// Passphrases shorter than this are refused: NIST SP 800-63B-4, 3.1.1.2, asks for 15 characters
// where nothing else protects what is behind them.
inline constexpr size_t kMinPassphraseBytes = 15;

// Derives the key from a passphrase by scrypt (RFC 7914) with N = 2^17, r = 8, p = 1, and the
// store's id as salt; takes some 128 MiB and a third of a second at each opening. A wrong one is
// WRONG_KEY, like any other wrong key.
//   INVALID   the passphrase has less than kMinPassphraseBytes
//   TOO_MANY  there is no memory for it
KeySource KeyFromPassphrase(SecretBytes passphrase);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_KEY_SOURCE_H_
