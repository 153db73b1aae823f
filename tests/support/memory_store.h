// A session store on the in-memory engine, made by the real recovery pass.
//
//   MemoryStore store;                     // a new store, its clock in store.clock
//   store->Reserve(...);
//   MemoryStore again(store.Crash());      // what a process finds that opens after a crash

#ifndef BATONSTORE_TESTS_SUPPORT_MEMORY_STORE_H_
#define BATONSTORE_TESTS_SUPPORT_MEMORY_STORE_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/recovery_pass.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_store.h"
#include "tests/support/fake_clock.h"

namespace batonstore::testing {

class MemoryStore {
 public:
  // What is on the "disk" when the store is opened: nothing for a new store.
  struct Disk {
    MemoryEngine::Rows rows;
    absl::Time wall = absl::FromUnixSeconds(1'800'000'000);
  };

  explicit MemoryStore(KeyPairSource& keys = SystemKeyPairs(), const Policy& policy = {});
  explicit MemoryStore(Disk disk, KeyPairSource& keys = SystemKeyPairs(),
                       const Policy& policy = {});

  SessionStore* operator->() { return sessions_.get(); }
  SessionStore& operator*() { return *sessions_; }
  MemoryEngine& engine() { return *engine_; }
  const recovery::RecoveryReport& report() const { return report_; }

  // What is committed now, without the note of an orderly end.
  Disk Crash();

  // The keys of the rows, for who reads and writes rows behind the store's back.
  recovery::Identity Identity();

  // Changes rows behind the store's back.
  void Tamper(absl::FunctionRef<absl::Status(Transaction&)> change);

  FakeClock clock;

 private:
  void Open(std::unique_ptr<MemoryEngine> engine, KeyPairSource& keys, const Policy& policy);

  MemoryEngine* engine_ = nullptr;  // the store's
  recovery::RecoveryReport report_;
  std::unique_ptr<SessionStore> sessions_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_MEMORY_STORE_H_
