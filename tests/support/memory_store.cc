#include "tests/support/memory_store.h"

#include <cstdlib>
#include <string>
#include <utility>

namespace batonstore::testing {
namespace {

SecretBytes Key() { return SecretBytes(std::string(kKeyEncryptionKeyBytes, 'k')); }

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) std::abort();
  return *std::move(value);
}

}  // namespace

MemoryStore::MemoryStore(KeyPairSource& keys, const Policy& policy) {
  auto engine = std::make_unique<MemoryEngine>();
  if (!recovery::WriteIdentity(*engine, recovery::RandomStoreId(SystemRandom()), Key(),
                               SystemRandom())
           .ok())
    std::abort();
  Open(std::move(engine), keys, policy);
}

MemoryStore::MemoryStore(Disk disk, KeyPairSource& keys, const Policy& policy) : clock(disk.wall) {
  Open(std::make_unique<MemoryEngine>(std::move(disk.rows)), keys, policy);
}

void MemoryStore::Open(std::unique_ptr<MemoryEngine> engine, KeyPairSource& keys,
                       const Policy& policy) {
  engine_ = engine.get();
  recovery::Identity identity = Identity();
  recovery::RecoveryPass::Result result = OrDie(recovery::RecoveryPass::Run(
      {std::move(engine), std::move(identity), Key(), &clock, &SystemRandom()}));
  report_ = std::move(result.report);
  sessions_ = std::make_unique<SessionStore>(std::move(result.recovered), keys, policy);
}

MemoryStore::Disk MemoryStore::Crash() { return {engine_->Committed(), clock.Wall()}; }

recovery::Identity MemoryStore::Identity() {
  return OrDie(recovery::ReadIdentity(*engine_, Key(), SystemRandom()));
}

void MemoryStore::Tamper(absl::FunctionRef<absl::Status(Transaction&)> change) {
  const Engine::Outcome outcome = engine_->Write([&](Transaction& transaction) {
    if (!change(transaction).ok()) std::abort();
    return Engine::Decision::kCommit;
  });
  if (!outcome.status.ok()) std::abort();
}

}  // namespace batonstore::testing
