// Key pairs that callers make while they wait for a commit, for those who come next: so the
// processor works while the disk syncs, and the next batch is there when it is done.

#ifndef BATONSTORE_STORE_KEY_PAIR_STOCK_H_
#define BATONSTORE_STORE_KEY_PAIR_STOCK_H_

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "batonstore/base/mutex.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// A key pair as it is stored. What is in stock is sealed, so that no secret lies around in memory.
struct SealedKeyPair {
  std::string public_key;
  std::string sealed_private_key;
};

// Thread-safe, but not for a forked child, whose copies of the pairs are the parent's to give out:
// it may not even lock. A store asks whether it is usable before it comes here.
class KeyPairStock {
 public:
  // Keeps up to `most` pairs of a type. `source` and `keys` must outlive the stock.
  KeyPairStock(KeyPairSource& source, const StoreKeys& keys, size_t most);

  // One from stock, which nobody else gets, or else a fresh one; sealed under the data key that is
  // current at that moment. TOO_MANY when memory runs out.
  absl::StatusOr<SealedKeyPair> Take(KeyType type);

  // Makes one for the stock. False if that is full, or another caller is at it (whoever commits
  // needs a processor, too), or it could not be made.
  bool Refill(KeyType type) noexcept;

 private:
  static constexpr size_t kTypes = static_cast<size_t>(KeyType::kP256) + 1;

  absl::StatusOr<SealedKeyPair> Make(KeyType type);
  std::vector<SealedKeyPair>& Of(KeyType type) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return pairs_[static_cast<size_t>(type)];
  }

  KeyPairSource& source_;
  const StoreKeys& keys_;
  const size_t most_;

  Mutex mu_;
  bool making_ ABSL_GUARDED_BY(mu_) = false;
  std::array<std::vector<SealedKeyPair>, kTypes> pairs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_KEY_PAIR_STOCK_H_
