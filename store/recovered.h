// What recovery hands to the store.

#ifndef BATONSTORE_STORE_RECOVERED_H_
#define BATONSTORE_STORE_RECOVERED_H_

#include <cstdint>
#include <memory>
#include <string>

#include "batonstore/base/clock.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/data_keys.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

namespace recovery {
class RecoveryPass;
}  // namespace recovery

// A store's engine in which nothing of an earlier epoch is Reserved any more, and what is needed to
// serve from it. Only the recovery pass can make one, and a SessionStore cannot be had without one.
class Recovered {
 public:
  Recovered(Recovered&&) = default;
  Recovered& operator=(Recovered&&) = default;

 private:
  friend class recovery::RecoveryPass;
  friend class SessionStore;

  Recovered() = default;

  std::unique_ptr<Engine> engine;
  std::unique_ptr<StoreKeys> keys;
  std::unique_ptr<IndexTail> tail;  // complete
  std::unique_ptr<Keyring> keyring;
  std::unique_ptr<DataKeys> data_keys;
  std::unique_ptr<StoreTime> time;
  SecretBytes key_encryption_key;
  std::string store_id;
  std::string incarnation;
  uint64_t epoch = 0;
  RandomSource* random = nullptr;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_RECOVERED_H_
