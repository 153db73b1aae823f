// Key pairs and random bytes that cost next to nothing and are the same in every run: what a store
// does is measured with them, not what drawing them costs.

#ifndef BATONSTORE_BENCHMARKS_COUNTED_KEYS_H_
#define BATONSTORE_BENCHMARKS_COUNTED_KEYS_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"

namespace batonstore::benchmarks {

// The numbers 1, 2, 3, ..., each mixed so that it looks random (SplitMix64). No secret.
// Thread-safe.
class CountedRandom final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    for (size_t at = 0; at < out.size(); at += sizeof(uint64_t)) {
      const uint64_t mixed = Next();
      std::memcpy(out.data() + at, &mixed, std::min(sizeof(mixed), out.size() - at));
    }
  }

  uint64_t Next() {
    uint64_t mixed = kStep * ++count_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  std::atomic<uint64_t> count_{0};
};

// Pairs that belong to no curve, no two with one public key: a store does not look. Thread-safe.
class CountedKeys final : public KeyPairSource {
 public:
  absl::StatusOr<KeyPair> Generate(KeyType type) override {
    constexpr size_t kKeyBytes = 32;
    std::string public_key(kKeyBytes, '\0');
    random_.Fill({reinterpret_cast<uint8_t*>(public_key.data()), public_key.size()});
    return KeyPair{type, std::move(public_key), SecretBytes(std::string(kKeyBytes, 'k'))};
  }

 private:
  CountedRandom random_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_COUNTED_KEYS_H_
