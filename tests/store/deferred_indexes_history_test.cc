// Histories of sessions while their index entries are merged a few at a time: after every call the
// tables must hold exactly what the mark says, each session must be found by all that it is found
// by, and limits must be exact; and the same in a store that is opened on what a crash would leave
// there. Some of the calls meet a disk that is full, or no memory.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/recovery_pass.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/number.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/population.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_reader.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/index_rules.h"
#include "tests/support/memory_store.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::AnyIndexRules;
using testing::HastyIndexes;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStore;
using testing::ScriptedKeys;

// What the test knows of a session that has a record.
struct Known {
  Session session;
  std::string idempotency_key = {};
  bool is_live = true;
};
using Everybody = std::map<Alias, Known>;

using Keys = std::set<std::pair<Table, std::string>>;

// ---- What the tables must hold ----

// The entries that the mark covers, and the populations that count them.
void CheckTables(MemoryStore& store) {
  const recovery::Identity identity = store.Identity();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Snapshot> snapshot, store.engine().Read());
  ASSERT_OK_AND_ASSIGN(const IndexMark mark, GetIndexMark(*snapshot));
  Keys expected;
  std::map<std::pair<Table, std::string>, uint64_t> live;
  ASSERT_THAT(ScanSessions(*snapshot, *identity.keys, Alias(),
                           [&](SessionRecord record) {
                             for (const IndexEntry& entry : EntriesOf(*identity.keys, record)) {
                               if (!mark.Covers(entry)) continue;
                               expected.emplace(entry.table, entry.Key());
                               const bool counts =
                                   CountsLive(entry.table) && !IsTerminal(record.session.state);
                               const Scope scope{entry.table, entry.hash};
                               if (counts) ++live[{entry.table, scope.Key()}];
                             }
                             return true;
                           }),
              IsOk());
  for (const auto& [scope, count] : live) expected.insert(scope);
  Keys found;
  const MemoryEngine::Rows rows = store.engine().Committed();
  for (const Table table : kAllTables) {
    if (!IsDeferred(table)) continue;
    for (const auto& [key, value] : rows[TableIndex(table)]) {
      found.emplace(table, key);
      const auto population = live.find({table, key});
      if (population == live.end()) continue;
      EXPECT_EQ(DecodeNumber(value.substr(0, 8)), population->second) << TableName(table);
    }
  }
  EXPECT_TRUE(found == expected) << "the tables do not hold what the mark covers";
}

// ---- What the store must answer ----

std::vector<Alias> AliasesOf(const std::vector<Session>& sessions) {
  std::vector<Alias> aliases;
  for (const Session& session : sessions) aliases.push_back(session.alias);
  return aliases;
}

std::vector<Alias> List(SessionStore& store, const ListFilter& filter) {
  std::vector<Alias> all;
  std::optional<Alias> after;
  do {
    const absl::StatusOr<ListPage> page = store.List(filter, 3, after);
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) return all;
    const std::vector<Alias> aliases = AliasesOf(page->sessions);
    all.insert(all.end(), aliases.begin(), aliases.end());
    after = page->next;
  } while (after.has_value());
  return all;
}

void CheckLookUps(SessionStore& store, const Everybody& everybody) {
  std::map<std::string, std::vector<Alias>> principals;
  std::map<std::string, std::vector<Alias>> databases;
  for (const auto& [alias, known] : everybody) {
    principals[known.session.principal].push_back(alias);
    databases[known.session.database].push_back(alias);
    const absl::StatusOr<Session> by_key = store.FindByPublicKey(known.session.public_key);
    if (VerdictOf(by_key.status()) == Verdict::kMoved) continue;
    ASSERT_THAT(by_key, IsOk()) << alias.ToString();
    EXPECT_EQ(by_key->alias, alias);
  }
  for (const auto& [principal, aliases] : principals) {
    EXPECT_EQ(List(store, {.principal = principal}), aliases);
    EXPECT_EQ(*store.Count({.principal = principal}), aliases.size());
  }
  for (const auto& [database, aliases] : databases) {
    EXPECT_EQ(List(store, {.database = database}), aliases);
  }
}

SessionSpec SpecFor(const Known& known) {
  SessionSpec spec = LastingSpec();
  spec.principal = known.session.principal;
  spec.database = known.session.database;
  spec.idempotency_key = known.idempotency_key;
  return spec;
}

// Requests that are made again, and creations until there is no more room.
void CheckByWriting(SessionStore& store, const Everybody& everybody, const Limits& limits) {
  std::map<std::string, uint64_t> principals = {{"p0", 0}, {"p1", 0}, {"p2", 0}};
  std::map<std::string, uint64_t> databases;
  for (const auto& [alias, known] : everybody) {
    principals[known.session.principal] += known.is_live;
    databases[known.session.database] += known.is_live;
    if (known.idempotency_key.empty()) continue;
    ASSERT_OK_AND_ASSIGN(const Session again, store.ReserveAndCreate(SpecFor(known)));
    EXPECT_EQ(again.alias, alias);
  }
  for (auto& [principal, live] : principals) {
    for (bool is_let_in = true; is_let_in;) {
      SessionSpec spec = LastingSpec();
      spec.principal = principal;
      spec.database = absl::StrCat("d", live % 2);
      is_let_in = live < limits.per_principal && databases[spec.database] < limits.per_database;
      const absl::StatusOr<Session> made = store.ReserveAndCreate(spec);
      if (is_let_in) {
        ASSERT_THAT(made, IsOk());
      } else {
        ASSERT_THAT(made, HasVerdict(Verdict::kTooMany));
      }
      live += is_let_in;
      databases[spec.database] += is_let_in;
    }
  }
}

// ---- One history ----

class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {
    policy_.limits = {.per_principal = 6, .per_database = 9};
    policy_.retention = absl::Seconds(5);
    policy_.indexes = HastyIndexes(1 + random_() % 5, 1 + random_() % 7);
    store_ = std::make_unique<MemoryStore>(keys_, policy_);
  }

  void Run(int calls) {
    for (int call = 0; call < calls; ++call) {
      Call();
      ForgetWhoIsGone();
      if (::testing::Test::HasFatalFailure()) return;
      Check();
      if (::testing::Test::HasFailure()) return;
    }
  }

 private:
  SessionStore& store() { return **store_; }

  void Check() {
    CheckTables(*store_);
    CheckLookUps(store(), everybody_);
    if (random_() % 4 == 0) CheckAfterACrash();
  }

  void CheckAfterACrash() {
    Policy policy = policy_;
    if (random_() % 2 == 0) policy.indexes = AnyIndexRules(random_());
    MemoryStore opened(store_->Crash(), more_keys_, policy);
    Everybody left = everybody_;
    for (const recovery::RemovedReservation& removed : opened.report().removed) {
      left.erase(removed.alias);
    }
    CheckTables(opened);
    CheckLookUps(*opened, left);
    CheckByWriting(*opened, left, policy_.limits);
    CheckTables(opened);
  }

  void Call() {
    const bool is_short = random_() % 6 == 0;
    if (is_short) BeShort();
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        Create(/*reserve=*/false);
        break;
      case 5:
        Create(/*reserve=*/true);
        break;
      case 6:
      case 7:
        Revoke();
        break;
      case 8:
        CycleKey();
        break;
      case 9:
        store_->clock.Advance(absl::Seconds(1));
        if (!is_short) Sweep();
        break;
      case 10:
        Abandon();
        break;
      default:
        if (!is_short && random_() % 3 == 0) Restart();
    }
    store_->engine().InjectFaults(nullptr);
  }

  // One of the next writes fails: of the slice, of the call, or the commit itself. Some faults are
  // gone when it is tried again.
  void BeShort() {
    const Fault fault = random_() % 2 == 0 ? Fault::kDiskFull : Fault::kNoMemory;
    store_->engine().InjectFaults(
        [fault, left = random_() % 30, times = 1 + random_() % 3](MemoryEngine::Step step) mutable {
          if (left > 0 && step != MemoryEngine::Step::kCommit) return --left, Fault::kNone;
          if (times == 0) return Fault::kNone;
          --times;
          return fault;
        });
  }

  // Whether a call may have been refused because of a fault.
  static bool IsShort(const absl::Status& status) {
    return VerdictOf(status) == Verdict::kFull || VerdictOf(status) == Verdict::kIo ||
           (VerdictOf(status) == Verdict::kTooMany &&
            status.message().find("memory") != std::string::npos);
  }

  void Create(bool reserve) {
    SessionSpec spec = LastingSpec();
    spec.principal = absl::StrCat("p", random_() % 3);
    spec.database = absl::StrCat("d", random_() % 2);
    spec.reserve_for = absl::Hours(1);
    if (random_() % 3 == 0) spec.idempotency_key = absl::StrCat("request ", ++requests_);
    uint64_t of_principal = 0;
    uint64_t of_database = 0;
    for (const auto& [alias, known] : everybody_) {
      of_principal += known.is_live && known.session.principal == spec.principal;
      of_database += known.is_live && known.session.database == spec.database;
    }
    const absl::StatusOr<Session> made =
        reserve ? store().Reserve(spec) : store().ReserveAndCreate(spec);
    if (IsShort(made.status())) return;
    if (of_principal >= policy_.limits.per_principal ||
        of_database >= policy_.limits.per_database) {
      ASSERT_THAT(made, HasVerdict(Verdict::kTooMany));
      return;
    }
    ASSERT_THAT(made, IsOk());
    everybody_[made->alias] = {*made, spec.idempotency_key};
  }

  // One of the sessions for which that is true; null: none.
  Known* Any(const std::function<bool(const Known&)>& fits) {
    std::vector<Known*> fitting;
    for (auto& [alias, known] : everybody_) {
      if (fits(known)) fitting.push_back(&known);
    }
    return fitting.empty() ? nullptr : fitting[random_() % fitting.size()];
  }

  void Revoke() {
    Known* const known =
        Any([](const Known& any) { return any.is_live && any.session.state == State::kCreated; });
    if (known == nullptr) return;
    const absl::Status revoked = store().Revoke(known->session.alias);
    if (IsShort(revoked)) return;
    ASSERT_THAT(revoked, IsOk());
    known->is_live = false;
  }

  void CycleKey() {
    Known* const old = Any(
        [](const Known& known) { return known.is_live && known.session.state == State::kCreated; });
    if (old == nullptr) return;
    const absl::StatusOr<Session> fresh = store().CycleKey(old->session.alias);
    if (IsShort(fresh.status())) return;
    ASSERT_THAT(fresh, IsOk());
    old->is_live = false;
    everybody_[fresh->alias] = {*fresh, std::exchange(old->idempotency_key, "")};
  }

  void Abandon() {
    Known* const known =
        Any([](const Known& any) { return any.is_live && any.session.state == State::kReserved; });
    if (known == nullptr) return;
    const absl::Status abandoned = store().Abandon(known->session.alias);
    if (IsShort(abandoned)) return;
    ASSERT_THAT(abandoned, IsOk());
    everybody_.erase(known->session.alias);
  }

  void Sweep() {
    absl::StatusOr<Swept> swept;
    do {
      swept = store().Sweep();
      ASSERT_THAT(swept, IsOk());
    } while (swept->more);
  }

  // Those whose retention has passed: whoever comes to a limit sweeps, too.
  void ForgetWhoIsGone() {
    std::erase_if(everybody_, [this](const auto& entry) {
      return !entry.second.is_live &&
             VerdictOf(store().Find(entry.first).status()) == Verdict::kNotFound;
    });
  }

  void Restart() {
    store_ = std::make_unique<MemoryStore>(store_->Crash(), keys_, policy_);
    for (const recovery::RemovedReservation& removed : store_->report().removed) {
      everybody_.erase(removed.alias);
    }
  }

  std::mt19937_64 random_;
  ScriptedKeys keys_{[](uint64_t draw) { return draw; }};
  ScriptedKeys more_keys_{[](uint64_t draw) { return 1'000'000 + draw; }};
  Policy policy_;
  std::unique_ptr<MemoryStore> store_;
  Everybody everybody_;
  uint64_t requests_ = 0;
};

TEST(DeferredIndexesHistoryTest, TablesHoldWhatTheMarkSaysAndTheStoreAnswersAsOne) {
  const uint64_t seed = std::random_device()();
  for (uint64_t history = 0; history < 40; ++history) {
    SCOPED_TRACE(absl::StrCat("seed ", seed + history));
    History(seed + history).Run(120);
    if (HasFailure()) return;
  }
}

// ---- A disk without room ----

Policy Merging(uint64_t min_tail, uint64_t slice) {
  return {.indexes = HastyIndexes(min_tail, slice)};
}

IndexMark MarkOf(MemoryStore& store) {
  const std::unique_ptr<Snapshot> snapshot = *store.engine().Read();
  return *GetIndexMark(*snapshot);
}

TEST(DeferredIndexesHistoryTest, WithoutRoomForASliceTheWorkIsDoneWithoutIt) {
  for (const Fault fault : {Fault::kDiskFull, Fault::kNoMemory, Fault::kTooBig, Fault::kFailed}) {
    uint64_t nth = 0;  // of the writes: those of the slice, those of the call, the commit
    for (bool struck = true; struck; ++nth) {
      SCOPED_TRACE(absl::StrCat("fault ", static_cast<int>(fault), " at write ", nth));
      MemoryStore store(SystemKeyPairs(), Merging(2, 4));
      Everybody everybody;
      const auto create = [&] {
        ASSERT_OK_AND_ASSIGN(const Session made, store->ReserveAndCreate(LastingSpec()));
        everybody[made.alias] = {made};
      };
      for (int i = 0; i < 2; ++i) create();
      const IndexMark before = MarkOf(store);
      struck = false;
      store.engine().InjectFaults([&, left = nth](MemoryEngine::Step) mutable {
        if (struck || left-- > 0) return Fault::kNone;
        struck = true;
        return fault;
      });
      create();
      store.engine().InjectFaults(nullptr);
      EXPECT_EQ(MarkOf(store) == before, struck) << "the slice is kept that could not be written";
      CheckTables(store);
      CheckLookUps(*store, everybody);
      for (int i = 0; i < 6; ++i) create();
      EXPECT_NE(MarkOf(store), before) << "it is never tried again";
      CheckTables(store);
      CheckLookUps(*store, everybody);
      if (HasFailure()) return;
    }
    EXPECT_GT(nth, 10u);
  }
}

TEST(DeferredIndexesHistoryTest, ASliceThatIsCommittedWithACallThatIsRefusedIsWhole) {
  Policy policy = Merging(1, 3);
  policy.limits = {.per_principal = 3};
  MemoryStore store(SystemKeyPairs(), policy);
  for (int i = 0; i < 3; ++i) ASSERT_THAT(store->ReserveAndCreate(LastingSpec()), IsOk());
  for (int i = 0; i < 8; ++i) {
    EXPECT_THAT(store->ReserveAndCreate(LastingSpec()), HasVerdict(Verdict::kTooMany));
    CheckTables(store);
  }
}

// ---- Look-ups while something is merged ----

// Calls back before and after each snapshot begins.
class HookedEngine final : public Engine {
 public:
  using Hook = std::function<void()>;

  absl::Status Grow() override { return inner_.Grow(); }
  absl::StatusOr<int> ClearStaleReaders() override { return inner_.ClearStaleReaders(); }
  void Close() override { inner_.Close(); }
  absl::StatusOr<Space> MeasureSpace() override { return inner_.MeasureSpace(); }

  // For the next snapshot alone.
  void HookBefore(Hook hook) { before_ = std::move(hook); }
  void HookAfter(Hook hook) { after_ = std::move(hook); }

 private:
  absl::StatusOr<std::unique_ptr<Snapshot>> DoRead() override {
    if (const Hook hook = std::exchange(before_, nullptr)) hook();
    absl::StatusOr<std::unique_ptr<Snapshot>> snapshot = inner_.Read();
    if (const Hook hook = std::exchange(after_, nullptr)) hook();
    return snapshot;
  }
  void DoWrite(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) override {
    outcome = inner_.Write(body);
  }

  MemoryEngine inner_;
  Hook before_;
  Hook after_;
};

class LookUpTest : public ::testing::Test {
 protected:
  explicit LookUpTest(const IndexRules& rules = HastyIndexes(1, 12)) {
    auto engine = std::make_unique<HookedEngine>();
    engine_ = engine.get();
    const SecretBytes key(std::string(kKeyEncryptionKeyBytes, 'k'));
    EXPECT_THAT(recovery::WriteIdentity(*engine, recovery::RandomStoreId(SystemRandom()), key,
                                        SystemRandom()),
                IsOk());
    auto identity = recovery::ReadIdentity(*engine, key, SystemRandom());
    EXPECT_THAT(identity, IsOk());
    auto result =
        recovery::RecoveryPass::Run({std::move(engine), *std::move(identity),
                                     SecretBytes(std::string(32, 'k')), &clock_, &SystemRandom()});
    EXPECT_THAT(result, IsOk());
    store_ = std::make_unique<SessionStore>(std::move(result->recovered), keys_,
                                            Policy{.indexes = rules});
  }

  Session Create(const std::string& principal = "alice") {
    SessionSpec spec = LastingSpec();
    spec.principal = principal;
    const absl::StatusOr<Session> made = store_->ReserveAndCreate(spec);
    EXPECT_THAT(made, IsOk());
    return made.ok() ? *made : Session();
  }

  // Enough creations for all that there is now to be merged.
  HookedEngine::Hook MergeAll() {
    return [this] {
      for (int i = 0; i < 12; ++i) Create("bob");
    };
  }

  testing::FakeClock clock_;
  ScriptedKeys keys_{[](uint64_t draw) { return draw; }};
  HookedEngine* engine_ = nullptr;  // the store's
  std::unique_ptr<SessionStore> store_;
};

TEST_F(LookUpTest, WhatIsMergedWhileALookUpBeginsIsFound) {
  for (const bool before : {true, false}) {
    SCOPED_TRACE(before ? "before its snapshot" : "after it");
    const auto hook = [&] {
      before ? engine_->HookBefore(MergeAll()) : engine_->HookAfter(MergeAll());
    };
    const Session made = Create();
    hook();
    ASSERT_OK_AND_ASSIGN(const Session found, store_->FindByPublicKey(made.public_key));
    EXPECT_EQ(found.alias, made.alias);
  }
  for (const bool before : {true, false}) {
    SCOPED_TRACE(before ? "before its snapshot" : "after it");
    const Session made = Create(absl::StrCat("carol ", before));
    before ? engine_->HookBefore(MergeAll()) : engine_->HookAfter(MergeAll());
    ASSERT_OK_AND_ASSIGN(const ListPage page, store_->List({.principal = made.principal}, 9));
    EXPECT_EQ(AliasesOf(page.sessions), std::vector{made.alias});
  }
}

TEST_F(LookUpTest, AnObserversTailForgetsWhatIsMerged) {
  const auto identity = recovery::ReadIdentity(
      *engine_, SecretBytes(std::string(kKeyEncryptionKeyBytes, 'k')), SystemRandom());
  ASSERT_THAT(identity, IsOk());
  const StoreTime time(clock_, clock_.Wall());
  IndexTail tail;
  const SessionReader observer(*engine_, *identity->keys, time, tail,
                               SessionReader::Tail::kLagsBehind);
  for (int i = 0; i < 60; ++i) {
    const Session made = Create();
    ASSERT_OK_AND_ASSIGN(const Session found, observer.FindByPublicKey(made.public_key));
    EXPECT_EQ(found.alias, made.alias);
    EXPECT_LE(tail.sessions(), 12u);
  }
}

// A page asks the tail for so many at most; then there are more of them in the table.
class LongTailTest : public LookUpTest {
 protected:
  LongTailTest() : LookUpTest(HastyIndexes(1'201, 100'000)) {}
};

// A page is of one moment, with nothing merged meanwhile: whoever sees what a call has ended sees
// what it has begun, too.
TEST_F(LongTailTest, WhoComesWhileAPageBeginsIsOnItWithWhatElseThatCallHasChanged) {
  const Session old = Create();
  absl::StatusOr<Session> fresh;
  engine_->HookBefore([&] { fresh = store_->CycleKey(old.alias); });
  ASSERT_OK_AND_ASSIGN(const ListPage page, store_->List({.principal = "alice"}, 9));
  ASSERT_THAT(fresh, IsOk());
  EXPECT_EQ(AliasesOf(page.sessions), (std::vector{old.alias, fresh->alias}));
}

TEST_F(LongTailTest, WhoGoesWhileAPageBeginsIsNotMissedAmongWhatWasBefore) {
  const Session stays = Create();
  ASSERT_OK_AND_ASSIGN(const Session goes, store_->Reserve(LastingSpec()));
  engine_->HookAfter([&] {
    ASSERT_THAT(store_->Revoke(stays.alias), IsOk());
    ASSERT_THAT(store_->Abandon(goes.alias), IsOk());
  });
  ASSERT_OK_AND_ASSIGN(const ListPage page, store_->List({.principal = "alice"}, 9));
  ASSERT_FALSE(page.sessions.empty());
  const bool is_before = page.sessions[0].state == State::kCreated;
  EXPECT_EQ(AliasesOf(page.sessions),
            is_before ? (std::vector{stays.alias, goes.alias}) : std::vector{stays.alias});
}

TEST_F(LongTailTest, WhoIsMergedBeyondWhatTheTailNamedIsListedOnce) {
  std::vector<Alias> reserved;
  for (int i = 0; i < 200; ++i) {
    ASSERT_OK_AND_ASSIGN(const Session session, store_->Reserve(LastingSpec()));
    reserved.push_back(session.alias);
  }
  for (int i = 0; i < 1'000; ++i) Create();
  engine_->HookBefore([&] {
    for (int i = 0; i < 3; ++i) Create();
    for (const Alias alias : reserved) ASSERT_THAT(store_->Abandon(alias), IsOk());
  });
  ASSERT_OK_AND_ASSIGN(const uint64_t count, store_->Count({.principal = "alice"}));
  EXPECT_EQ(count, 1'003u);
}

}  // namespace
}  // namespace batonstore
