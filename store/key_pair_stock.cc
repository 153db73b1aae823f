#include "batonstore/store/key_pair_stock.h"

#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "batonstore/base/status_macros.h"

namespace batonstore {

KeyPairStock::KeyPairStock(KeyPairSource& source, const StoreKeys& keys, size_t most)
    : source_(source), keys_(keys), most_(most) {}

absl::StatusOr<SealedKeyPair> KeyPairStock::Take(KeyType type) {
  {
    MutexLock lock(mu_);
    std::vector<SealedKeyPair>& pairs = Of(type);
    while (!pairs.empty()) {
      SealedKeyPair taken = std::move(pairs.back());
      pairs.pop_back();
      if (keys_.IsCurrentPrivateKey(taken.sealed_private_key)) return taken;
    }
  }
  return Make(type);
}

bool KeyPairStock::Refill(KeyType type) noexcept try {
  {
    MutexLock lock(mu_);
    if (making_ || Of(type).size() >= most_) return false;
    making_ = true;
  }
  const absl::Cleanup done = [this] {
    MutexLock lock(mu_);
    making_ = false;
  };
  absl::StatusOr<SealedKeyPair> made = Make(type);  // without the lock: others take meanwhile
  if (!made.ok()) return false;
  MutexLock lock(mu_);
  Of(type).push_back(*std::move(made));
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

absl::StatusOr<SealedKeyPair> KeyPairStock::Make(KeyType type) {
  BATONSTORE_ASSIGN_OR_RETURN(KeyPair pair, source_.Generate(type));
  std::string sealed = keys_.SealPrivateKey(pair);
  return SealedKeyPair{std::move(pair.public_key), std::move(sealed)};
}

}  // namespace batonstore
