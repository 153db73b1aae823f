// A fixture for tests of sessions on the in-memory engine: a store, a clock that a test moves by
// hand, and shorthands for what a test does on the way to what it is about.

#ifndef BATONSTORE_TESTS_SUPPORT_MEMORY_STORE_FIXTURE_H_
#define BATONSTORE_TESTS_SUPPORT_MEMORY_STORE_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore::testing {

class MemoryStoreFixture : public ::testing::Test {
 protected:
  explicit MemoryStoreFixture(const Policy& policy = {}, KeyPairSource& keys = SystemKeyPairs())
      : keys_(&keys), store_(std::make_unique<MemoryStore>(keys, policy)) {}

  SessionStore& store() { return **store_; }
  FakeClock& clock() { return store_->clock; }
  MemoryEngine& engine() { return store_->engine(); }
  const recovery::RecoveryReport& report() const { return store_->report(); }
  MemoryStore& memory() { return *store_; }

  absl::Time Now() { return store().clock().Now(); }
  void Advance(absl::Duration duration) { clock().Advance(duration); }

  // A new store, with these rules and keys.
  void StartAnew(const Policy& policy, KeyPairSource& keys = SystemKeyPairs()) {
    keys_ = &keys;
    store_ = std::make_unique<MemoryStore>(keys, policy);
  }

  // The process dies, and another opens what it left behind.
  void Restart(const Policy& policy = {}) {
    store_ = std::make_unique<MemoryStore>(store_->Crash(), *keys_, policy);
  }

  Session Reserve(const SessionSpec& spec = LastingSpec()) { return OrNone(store().Reserve(spec)); }
  Session Create(const SessionSpec& spec = LastingSpec()) {
    return OrNone(store().ReserveAndCreate(spec));
  }
  Session Find(Alias alias) { return OrNone(store().Find(alias)); }

  // One that has these fields.
  Session CreateWith(const Fields& fields, const SessionSpec& spec = LastingSpec()) {
    const absl::StatusOr<Saved> saved = store().SaveOrCreate(spec, fields);
    EXPECT_THAT(saved, IsOk());
    return saved.ok() ? saved->session : Session();
  }
  Fields LoadFields(Alias alias) {
    const absl::StatusOr<Attributes> attributes = store().Load(alias);
    EXPECT_THAT(attributes, IsOk());
    return attributes.ok() ? attributes->fields : Fields();
  }

  // Sweeps until nothing is left; the sum.
  Swept SweepAll() {
    Swept sum;
    absl::StatusOr<Swept> piece;
    do {
      piece = store().Sweep();
      EXPECT_THAT(piece, IsOk());
      if (!piece.ok()) break;
      sum.expired += piece->expired;
      sum.revoked += piece->revoked;
      sum.removed += piece->removed;
      sum.trimmed += piece->trimmed;
    } while (piece->more);
    return sum;
  }

  // ---- What is on the "disk" ----

  size_t RowsIn(Table table, absl::string_view prefix = "") {
    const MemoryEngine::Rows committed = engine().Committed();
    size_t rows = 0;
    for (const auto& [key, value] : committed[TableIndex(table)]) {
      rows += absl::StartsWith(key, prefix);
    }
    return rows;
  }
  size_t AttributeRowsOf(Alias alias) { return RowsIn(Table::kAttributes, alias.ToKey()); }

  // Runs `call`, which must be refused with `verdict` and change no row.
  template <typename Call>
  void ExpectRefused(Verdict verdict, const Call& call) {
    const MemoryEngine::Rows before = engine().Committed();
    EXPECT_THAT(call(), HasVerdict(verdict));
    EXPECT_TRUE(engine().Committed() == before) << "a refusal has written";
  }

  // Runs `call`, which must succeed and change no row.
  template <typename Call>
  void ExpectNoChange(const Call& call) {
    const MemoryEngine::Rows before = engine().Committed();
    EXPECT_THAT(call(), IsOk());
    EXPECT_TRUE(engine().Committed() == before) << "something was written";
  }

  // How many transactions `call` commits.
  template <typename Call>
  uint64_t CommitsOf(const Call& call) {
    uint64_t commits = 0;
    engine().InjectFaults([&commits](MemoryEngine::Step step) {
      commits += step == MemoryEngine::Step::kCommit;
      return Fault::kNone;
    });
    call();
    engine().InjectFaults(nullptr);
    return commits;
  }

 private:
  static Session OrNone(absl::StatusOr<Session> session) {
    EXPECT_THAT(session, IsOk());
    return session.ok() ? *std::move(session) : Session();
  }

  KeyPairSource* keys_;
  std::unique_ptr<MemoryStore> store_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_MEMORY_STORE_FIXTURE_H_
