// A session has a half outside the store. Its owner dies between the two, and the next one is told
// what to undo until it says that it has.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/forked_child.h"
#include "tests/support/killed_at.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::Channel;
using ::batonstore::testing::FakeClock;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::RunUntilKilledAt;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WriteFile;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SessionSpec SpecWithIntent(const std::string& intent) {
  SessionSpec spec = LastingSpec();
  spec.intent = intent;
  return spec;
}

class CompensationTest : public ::testing::Test {
 protected:
  // An owner in another process that runs `use` and is killed afterwards, with all that is open.
  void LiveAndDie(const std::function<absl::Status(SessionStore&)>& use) {
    ForkedChild owner([&](Channel& parent) -> std::string {
      const absl::StatusOr<std::unique_ptr<Store>> store = Open(options_);
      if (!store.ok()) return store.status().ToString();
      const absl::Status used = use((*store)->sessions());
      if (!used.ok()) return used.ToString();
      parent.Send("ready");
      parent.Receive();
      return "";
    });
    ASSERT_EQ(owner.channel().Receive(), "ready");
    owner.Kill();
  }

  // The owner reserves, registers the session outside, and dies before it can create it.
  void DieAfterRegistering(const std::string& intent = "register alice") {
    LiveAndDie([&](SessionStore& sessions) {
      const absl::StatusOr<Session> session = sessions.Reserve(SpecWithIntent(intent));
      if (session.ok()) RegisterOutside(session->alias);
      return session.status();
    });
  }

  void OpenStore() {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(store_, Open(options_));
  }
  SessionStore& sessions() { return store_->sessions(); }

  std::vector<Compensation> Pending() {
    const absl::StatusOr<std::vector<Compensation>> pending = sessions().PendingCompensations();
    EXPECT_THAT(pending, IsOk());
    return pending.ok() ? *pending : std::vector<Compensation>();
  }

  // ---- The outside half ----

  void RegisterOutside(Alias alias) { WriteFile(outside_, alias.ToString()); }
  void UndoOutside() { WriteFile(outside_, ""); }
  std::string Outside() { return ReadFile(outside_); }

  TempDir folder_;
  const std::string outside_ = folder_ / "outside";
  Options options_ = {.directory = folder_ / "store",
                      .map_bytes = uint64_t{16} << 20,
                      .sweep_every = absl::InfiniteDuration()};
  std::unique_ptr<Store> store_;
};

TEST_F(CompensationTest, TheNextOwnerIsToldWhatToUndo) {
  DieAfterRegistering();
  ASSERT_NE(Outside(), "");
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  EXPECT_TRUE(store_->report().crashed);
  const std::vector<Compensation> pending = Pending();
  ASSERT_THAT(pending, SizeIs(1));
  EXPECT_EQ(pending[0].alias.ToString(), Outside());
  EXPECT_EQ(pending[0].intent, "register alice");
  EXPECT_EQ(pending[0].principal, "alice");
  EXPECT_EQ(pending[0].database, "main");
  EXPECT_EQ(pending[0].epoch, store_->report().epoch - 1);
  EXPECT_THAT(sessions().Find(pending[0].alias), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(sessions().Create(pending[0].alias), HasVerdict(Verdict::kNotFound));
  EXPECT_EQ(sessions().Stats()->compensations, 1u);
  EXPECT_EQ(sessions().Stats()->reservations, 0u);

  UndoOutside();
  EXPECT_THAT(sessions().Acknowledge(pending[0].alias), IsOk());
  EXPECT_THAT(Pending(), IsEmpty());
  EXPECT_EQ(sessions().Stats()->compensations, 0u);
}

TEST_F(CompensationTest, ItIsToldAgainByEveryOpeningUntilItIsAcknowledged) {
  DieAfterRegistering();
  std::optional<absl::Time> at;
  for (int opening = 0; opening < 3; ++opening) {
    ASSERT_NO_FATAL_FAILURE(OpenStore());
    ASSERT_THAT(Pending(), SizeIs(1));
    EXPECT_EQ(Pending()[0].at, at.value_or(Pending()[0].at));
    at = Pending()[0].at;
    EXPECT_THAT(store_->report().removed, SizeIs(opening == 0 ? 1 : 0));
    store_.reset();
    ASSERT_NO_FATAL_FAILURE(LiveAndDie([](SessionStore&) { return absl::OkStatus(); }));
  }
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  ASSERT_THAT(sessions().Acknowledge(Pending()[0].alias), IsOk());
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  EXPECT_THAT(Pending(), IsEmpty());
}

TEST_F(CompensationTest, AnAcknowledgementOutlivesACrashRightAfterIt) {
  DieAfterRegistering();
  ASSERT_NO_FATAL_FAILURE(LiveAndDie([](SessionStore& sessions) {
    return sessions.Acknowledge(sessions.PendingCompensations()->front().alias);
  }));
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  EXPECT_THAT(Pending(), IsEmpty());
}

TEST_F(CompensationTest, ItIsAcknowledgedOnce) {
  DieAfterRegistering();
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  const Alias alias = Pending()[0].alias;
  EXPECT_THAT(sessions().Acknowledge(Alias(alias.value() + 1)), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(sessions().Acknowledge(Alias()), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(sessions().Acknowledge(alias), IsOk());
  EXPECT_THAT(sessions().Acknowledge(alias), HasVerdict(Verdict::kNotFound));
}

TEST_F(CompensationTest, WhatHasNothingToUndoLeavesNone) {
  ASSERT_NO_FATAL_FAILURE(LiveAndDie([](SessionStore& sessions) -> absl::Status {
    const absl::StatusOr<Session> without_intent = sessions.Reserve(LastingSpec());
    if (!without_intent.ok()) return without_intent.status();
    const absl::StatusOr<Session> abandoned = sessions.Reserve(SpecWithIntent("abandoned"));
    if (!abandoned.ok()) return abandoned.status();
    absl::Status done = sessions.Abandon(abandoned->alias);
    const absl::StatusOr<Session> created = sessions.Reserve(SpecWithIntent("created"));
    if (!created.ok()) return created.status();
    done.Update(sessions.Create(created->alias));
    const absl::StatusOr<Session> revoked = sessions.Reserve(SpecWithIntent("revoked"));
    if (!revoked.ok()) return revoked.status();
    done.Update(sessions.Create(revoked->alias));
    done.Update(sessions.Revoke(revoked->alias));
    done.Update(sessions.ReserveAndCreate(SpecWithIntent("at once")).status());
    return done;
  }));
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  EXPECT_THAT(Pending(), IsEmpty());
  ASSERT_THAT(store_->report().removed, SizeIs(1));
  EXPECT_EQ(store_->report().removed[0].intent, "");
  EXPECT_EQ(sessions().Count({.state = State::kCreated}).value(), 2u);
}

TEST_F(CompensationTest, AnOrderlyEndLeavesOneToo) {
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  ASSERT_OK_AND_ASSIGN(const Session session, sessions().Reserve(SpecWithIntent("intent")));
  ASSERT_THAT(store_->Close(), IsOk());
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  EXPECT_FALSE(store_->report().crashed);
  ASSERT_THAT(Pending(), SizeIs(1));
  EXPECT_EQ(Pending()[0].alias, session.alias);
}

TEST_F(CompensationTest, EachOwnerThatDiesAddsItsOwn) {
  for (const std::string intent : {"first", "second", "third"}) DieAfterRegistering(intent);
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  const std::vector<Compensation> pending = Pending();
  ASSERT_THAT(pending, SizeIs(3));
  EXPECT_EQ(pending[0].intent, "first");
  EXPECT_EQ(pending[1].intent, "second");
  EXPECT_EQ(pending[2].intent, "third");
  EXPECT_LT(pending[0].epoch, pending[1].epoch);
  EXPECT_LT(pending[1].epoch, pending[2].epoch);
  EXPECT_LT(pending[0].alias, pending[1].alias);
  ASSERT_THAT(sessions().Acknowledge(pending[1].alias), IsOk());
  ASSERT_THAT(Pending(), SizeIs(2));
  EXPECT_EQ(Pending()[1].intent, "third");
}

TEST_F(CompensationTest, ManyAreReadInPagesInTheOrderOfTheirCreation) {
  constexpr int kNumber = 25;
  ASSERT_NO_FATAL_FAILURE(LiveAndDie([](SessionStore& sessions) {
    absl::Status done;
    for (int i = 0; i < kNumber; ++i) {
      done.Update(sessions.Reserve(SpecWithIntent(absl::StrCat(i))).status());
    }
    return done;
  }));
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  ASSERT_THAT(Pending(), SizeIs(kNumber));
  std::vector<std::string> intents;
  std::optional<Alias> after;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const std::vector<Compensation> page,
                         sessions().PendingCompensations(10, after));
    EXPECT_LE(page.size(), 10u);
    if (page.empty()) break;
    for (const Compensation& compensation : page) intents.push_back(compensation.intent);
    after = page.back().alias;
  }
  ASSERT_THAT(intents, SizeIs(kNumber));
  for (int i = 0; i < kNumber; ++i) EXPECT_EQ(intents[i], absl::StrCat(i));
  EXPECT_THAT(*sessions().PendingCompensations(0), IsEmpty());
  EXPECT_THAT(*sessions().PendingCompensations(10, Alias(UINT64_MAX)), IsEmpty());
}

TEST_F(CompensationTest, TheIntentComesBackByteForByte) {
  std::string intent;
  while (intent.size() < kMaxIntentBytes) intent += static_cast<char>(intent.size() % 256);
  DieAfterRegistering(intent);
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  ASSERT_THAT(Pending(), SizeIs(1));
  EXPECT_EQ(Pending()[0].intent, intent);
}

TEST_F(CompensationTest, AnObserverSeesWhatIsPendingAndCannotCauseIt) {
  DieAfterRegistering();
  {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Observer> observer, OpenReadOnly(options_));
    EXPECT_THAT(*observer->sessions().PendingCompensations(), IsEmpty())
        << "the next owner recovers";
    EXPECT_EQ(observer->sessions().Stats()->reservations, 1u);
  }
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  store_.reset();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Observer> observer, OpenReadOnly(options_));
  EXPECT_THAT(*observer->sessions().PendingCompensations(), SizeIs(1));
}

TEST_F(CompensationTest, TheTimeIsThatOfTheRemoval) {
  FakeClock clock;
  options_.clock = &clock;
  DieAfterRegistering();
  clock.Advance(absl::Minutes(5));
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  ASSERT_THAT(Pending(), SizeIs(1));
  EXPECT_EQ(Pending()[0].at, clock.Wall());
  store_.reset();  // before its clock
}

// Wherever the owner dies, what stands outside is either a session's or is told of.
TEST_F(CompensationTest, KilledAtAnySystemCallNothingOutsideIsForgotten) {
  ASSERT_NO_FATAL_FAILURE(OpenStore());
  store_.reset();
  int call = 0;
  int told = 0;
  int created = 0;
  for (std::optional<bool> killed = true; killed.value(); ++call) {
    SCOPED_TRACE(absl::StrCat("killed at system call ", call));
    UndoOutside();
    killed = RunUntilKilledAt(call, [&] {
      const absl::StatusOr<std::unique_ptr<Store>> store = Open(options_);
      if (!store.ok()) return;
      const absl::StatusOr<Session> session =
          (*store)->sessions().Reserve(SpecWithIntent("register"));
      if (!session.ok()) return;
      RegisterOutside(session->alias);
      (void)(*store)->sessions().Create(session->alias);
    });
    if (!killed.has_value()) GTEST_SKIP() << "this process may not trace its children";
    ASSERT_NO_FATAL_FAILURE(OpenStore());
    const std::vector<Compensation> pending = Pending();
    const std::optional<Alias> outside = Alias::Parse(Outside());
    if (outside.has_value()) {
      const absl::StatusOr<Session> session = sessions().Find(*outside);
      const bool is_created = session.ok() && session->state == State::kCreated;
      const bool is_told = pending.size() == 1 && pending[0].alias == *outside;
      EXPECT_NE(is_created, is_told);
      created += is_created;
      told += is_told;
    }
    for (const Compensation& compensation : pending) {
      ASSERT_THAT(sessions().Acknowledge(compensation.alias), IsOk());
    }
    ASSERT_THAT(store_->Close(), IsOk());
    store_.reset();
  }
  EXPECT_GT(told, 0) << "no kill has met a session that was half registered";
  EXPECT_GT(created, 0);
}

// Wherever the one who undoes dies, it is told again or has said that it is done.
TEST_F(CompensationTest, KilledAtAnySystemCallWhatWasNotAcknowledgedIsToldAgain) {
  DieAfterRegistering();
  const std::string data_file = options_.directory + "/data.mdb";
  const std::string before = ReadFile(data_file);
  int call = 0;
  int told = 0;
  for (std::optional<bool> killed = true; killed.value(); ++call) {
    SCOPED_TRACE(absl::StrCat("killed at system call ", call));
    WriteFile(data_file, before);
    WriteFile(outside_, "registered");
    killed = RunUntilKilledAt(call, [&] {
      const absl::StatusOr<std::unique_ptr<Store>> store = Open(options_);
      if (!store.ok()) return;
      SessionStore& sessions = (*store)->sessions();
      const absl::StatusOr<std::vector<Compensation>> pending = sessions.PendingCompensations();
      if (!pending.ok()) return;
      for (const Compensation& compensation : *pending) {
        UndoOutside();
        (void)sessions.Acknowledge(compensation.alias);
      }
    });
    if (!killed.has_value()) GTEST_SKIP() << "this process may not trace its children";
    ASSERT_NO_FATAL_FAILURE(OpenStore());
    const bool is_told = !Pending().empty();
    EXPECT_TRUE(is_told || Outside().empty()) << "it is forgotten and not undone";
    told += is_told;
    store_.reset();
  }
  EXPECT_LT(told, call);
  EXPECT_GT(told, 0);
}

}  // namespace
}  // namespace batonstore::recovery
