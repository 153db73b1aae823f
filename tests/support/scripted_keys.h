// A key source whose draws a test decides.

#ifndef BATONSTORE_TESTS_SUPPORT_SCRIPTED_KEYS_H_
#define BATONSTORE_TESTS_SUPPORT_SCRIPTED_KEYS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/mutex.h"
#include "batonstore/crypto/key_pair.h"

namespace batonstore::testing {

// The n-th draw (from 0) gives key pair number `script(n)`: the same number, the same pair. The
// pairs are not real ones but look like it. Thread-safe.
class ScriptedKeys final : public KeyPairSource {
 public:
  explicit ScriptedKeys(std::function<uint64_t(uint64_t)> script) : script_(std::move(script)) {}

  absl::StatusOr<KeyPair> Generate(KeyType type) override {
    MutexLock lock(mu_);
    const uint64_t number = script_(draws_++);
    KeyPair pair;
    pair.type = type;
    pair.public_key = Bytes("public", number);
    pair.private_key = SecretBytes(Bytes("private", number));
    return pair;
  }

  uint64_t draws() {
    MutexLock lock(mu_);
    return draws_;
  }

 private:
  static std::string Bytes(const char* what, uint64_t number) {
    std::string bytes = absl::StrCat(what, " ", number);
    bytes.resize(32, '.');
    return bytes;
  }

  Mutex mu_;
  std::function<uint64_t(uint64_t)> script_ ABSL_GUARDED_BY(mu_);
  uint64_t draws_ ABSL_GUARDED_BY(mu_) = 0;
};

// A script by which the first `same` draws of every thread give the same pairs to all, and every
// later one a pair of its own.
inline std::function<uint64_t(uint64_t)> SameFirstDraws(uint64_t same) {
  return [same, draws = std::map<std::thread::id, uint64_t>()](uint64_t draw) mutable {
    const uint64_t of_thread = draws[std::this_thread::get_id()]++;
    return of_thread < same ? of_thread : same + draw;
  };
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_SCRIPTED_KEYS_H_
