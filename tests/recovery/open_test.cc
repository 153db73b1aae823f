#include "batonstore/recovery/open.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/forked_child.h"
#include "tests/support/io_faults.h"
#include "tests/support/killed_at.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::Channel;
using ::batonstore::testing::DataFilePages;
using ::batonstore::testing::FakeClock;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IoCall;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::ReadPages;
using ::batonstore::testing::RunUntilKilledAt;
using ::batonstore::testing::ScopedIoFaults;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WriteFile;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class OpenTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Store>> OpenStore() { return Open(options_); }
  absl::StatusOr<std::unique_ptr<Observer>> Observe() { return OpenReadOnly(options_); }

  // An owner in another process, which has run `use` and lives until it is told anything.
  std::unique_ptr<ForkedChild> OwnerElsewhere(
      const std::function<absl::Status(SessionStore&)>& use = [](SessionStore&) {
        return absl::OkStatus();
      }) {
    auto child = std::make_unique<ForkedChild>([this, use](Channel& parent) -> std::string {
      const absl::StatusOr<std::unique_ptr<Store>> store = OpenStore();
      if (!store.ok()) return store.status().ToString();
      const absl::Status used = use((*store)->sessions());
      if (!used.ok()) return used.ToString();
      parent.Send("ready");
      parent.Receive();
      return "";
    });
    EXPECT_EQ(child->channel().Receive(), "ready");
    return child;
  }

  // A store that is not open, with these sessions in it: some created, then some reserved.
  void MakeStore(int created, int reserved = 0) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
    for (int i = 0; i < created; ++i) {
      ASSERT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
    }
    SessionSpec spec = LastingSpec();
    for (int i = 0; i < reserved; ++i) {
      spec.intent = absl::StrCat("intent ", i);
      ASSERT_THAT(store->sessions().Reserve(spec), IsOk());
    }
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const std::string data_file_ = directory_ + "/data.mdb";
  Options options_{.directory = directory_};
};

// ---- On a full disk.

TEST_F(OpenTest, OnAFullDiskWhatEndsSessionsIsServedFromTheReserve) {
  options_.sweep_every = absl::InfiniteDuration();
  options_.reserved_bytes = 4 << 20;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  SessionStore& sessions = store->sessions();
  std::vector<Alias> reserved;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Session session, sessions.Reserve(LastingSpec()));
    reserved.push_back(session.alias);
  }
  const ScopedIoFaults full({.call = IoCall::kAllocate, .error = ENOSPC, .for_good = true});
  std::vector<Alias> live;  // and what fits into the last step in which the file has grown
  for (const size_t bytes : {30'000, 0}) {
    const Fields fields = {{"field", std::string(bytes, 'x')}};
    absl::StatusOr<Saved> saved;
    while ((saved = sessions.SaveOrCreate(LastingSpec(), fields)).ok()) {
      live.push_back(saved->session.alias);
      ASSERT_LT(live.size(), 1000u);
    }
    ASSERT_THAT(saved, HasVerdict(Verdict::kFull));
  }
  ASSERT_GT(live.size(), 10u);
  // And what writes less than any of the calls below.
  int consumers = 0;
  while (sessions.events().AddConsumer(absl::StrCat(std::string(250, 'n'), consumers)).ok()) {
    ASSERT_LT(++consumers, 2000);
  }
  EXPECT_THAT(sessions.Create(reserved[0]), IsOk());
  EXPECT_THAT(sessions.Abandon(reserved[1]), IsOk());
  for (int i = 0; i < 4; ++i) EXPECT_THAT(sessions.Revoke(live[i]), IsOk());
  EXPECT_THAT(sessions.RevokeGroup(live[4]), IsOk());
  EXPECT_THAT(sessions.RevokeAllExcept("alice", live[5]), IsOk());
  EXPECT_THAT(sessions.RotateSigningKey(), IsOk());
  EXPECT_THAT(sessions.Sweep(), IsOk());
  EXPECT_THAT(sessions.Reserve(LastingSpec()), HasVerdict(Verdict::kFull));
  EXPECT_THAT(sessions.CycleKey(live[5]), HasVerdict(Verdict::kFull));
}

// ---- What the report says.

TEST_F(OpenTest, ANewStoreIsEpochOneAndClean) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  EXPECT_EQ(store->report().epoch, 1u);
  EXPECT_FALSE(store->report().crashed);
  EXPECT_FALSE(store->report().extended);
  EXPECT_EQ(store->report().readers_cleared, 0);
  EXPECT_THAT(store->report().removed, IsEmpty());
}

TEST_F(OpenTest, AnOrderlyEndIsCleanAndADeathIsACrash) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenStore());
  EXPECT_THAT(store->Close(), IsOk());
  ASSERT_OK_AND_ASSIGN(store, OpenStore());
  EXPECT_EQ(store->report().epoch, 2u);
  EXPECT_FALSE(store->report().crashed);
  store.reset();  // as orderly as Close

  OwnerElsewhere()->Kill();
  ASSERT_OK_AND_ASSIGN(store, OpenStore());
  EXPECT_EQ(store->report().epoch, 4u);
  EXPECT_TRUE(store->report().crashed);
}

TEST_F(OpenTest, WhatADeadOwnerReservedIsReportedWithItsIntent) {
  OwnerElsewhere([](SessionStore& sessions) {
    SessionSpec spec = LastingSpec();
    spec.intent = "register at the exchange";
    return sessions.Reserve(spec).status();
  })->Kill();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  ASSERT_THAT(store->report().removed, SizeIs(1));
  const RemovedReservation& removed = store->report().removed[0];
  EXPECT_EQ(removed.intent, "register at the exchange");
  EXPECT_EQ(removed.epoch, 1u);
  EXPECT_THAT(store->sessions().Find(removed.alias), HasVerdict(Verdict::kNotFound));
}

TEST_F(OpenTest, TheDurationIsThatOfTheInjectedClock) {
  FakeClock clock;
  options_.clock = &clock;
  options_.key_encryption_key = [&clock] {
    clock.Advance(absl::Seconds(3));
    return SecretBytes(std::string(32, 'k'));
  };
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenStore());
  EXPECT_EQ(store->report().duration, absl::Seconds(6)) << "asked at creation and at opening";
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenStore());
  EXPECT_EQ(store->report().duration, absl::Seconds(3));
}

TEST_F(OpenTest, SlotsOfDeadReadersAreClearedAndCounted) {
  MakeStore(1);
  // One observer lives, so that the lock file is not started anew; the other dies with a slot.
  const auto observe = [this](Channel& parent) -> std::string {
    const absl::StatusOr<std::unique_ptr<Observer>> observer = Observe();
    if (!observer.ok()) return observer.status().ToString();
    if (!(*observer)->sessions().Stats().ok()) return "cannot read";
    parent.Send("ready");
    parent.Receive();
    return "";
  };
  ForkedChild living(observe);
  ForkedChild dying(observe);
  ASSERT_EQ(living.channel().Receive(), "ready");
  ASSERT_EQ(dying.channel().Receive(), "ready");
  dying.Kill();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  EXPECT_EQ(store->report().readers_cleared, 1);
  living.channel().Send("end");
  EXPECT_EQ(living.Join(), "");
}

TEST_F(OpenTest, OpeningAgainChangesNothingButTheEpoch) {
  MakeStore(/*created=*/5, /*reserved=*/3);
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenStore());
  ASSERT_THAT(store->report().removed, SizeIs(3));
  ASSERT_OK_AND_ASSIGN(const ListPage before, store->sessions().List({}, 100));
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenStore());
  EXPECT_THAT(store->report().removed, IsEmpty());
  ASSERT_OK_AND_ASSIGN(const ListPage after, store->sessions().List({}, 100));
  ASSERT_EQ(after.sessions.size(), before.sessions.size());
  for (size_t i = 0; i < after.sessions.size(); ++i) {
    EXPECT_EQ(testing::Describe(after.sessions[i]), testing::Describe(before.sessions[i]));
  }
}

// ---- One owner.

TEST_F(OpenTest, ASecondOwnerIsRefusedWithThePidOfTheFirst) {
  const std::unique_ptr<ForkedChild> owner = OwnerElsewhere();
  const absl::Status refused = OpenStore().status();
  EXPECT_THAT(refused, HasVerdict(Verdict::kNotOwner));
  EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat("pid ", owner->pid())));
  owner->Kill();
  EXPECT_THAT(OpenStore(), IsOk()) << "the lock dies with its owner";
}

TEST_F(OpenTest, ASecondOwnerInTheSameProcessIsRefusedUnderAnyPath) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  fs::create_directory_symlink(directory_, folder_ / "alias");
  for (const std::string& path : {directory_, directory_ + "/.", folder_ / "alias"}) {
    const absl::Status refused = Open({.directory = path}).status();
    EXPECT_THAT(refused, HasVerdict(Verdict::kNotOwner)) << path;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat("pid ", getpid())));
    EXPECT_THAT(OpenReadOnly({.directory = path}), HasVerdict(Verdict::kNotOwner)) << path;
  }
  EXPECT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk()) << "the first is unharmed";
}

TEST_F(OpenTest, ARefusedOpeningDoesNotLetGoOfTheFirst) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  ASSERT_THAT(OpenStore(), HasVerdict(Verdict::kNotOwner));
  // Another process still finds it owned: closing a second descriptor has dropped no lock.
  ForkedChild other([this](Channel&) -> std::string {
    const absl::Status refused = OpenStore().status();
    return VerdictOf(refused) == Verdict::kNotOwner ? "" : refused.ToString();
  });
  EXPECT_EQ(other.Join(), "");
}

TEST_F(OpenTest, OfManyThatRaceToCreateAndOpenExactlyOneOwnsTheOneStore) {
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(round);
    const TempDir folder;
    const Options options{.directory = folder / "store"};
    std::vector<std::unique_ptr<ForkedChild>> racers;
    for (int i = 0; i < 4; ++i) {
      racers.push_back(std::make_unique<ForkedChild>([&](Channel& parent) -> std::string {
        parent.Receive();  // all start at once
        const absl::StatusOr<std::unique_ptr<Store>> store = Open(options);
        parent.Send(store.ok() ? "owner" : std::string(VerdictName(*VerdictOf(store.status()))));
        parent.Receive();  // an owner stays one until all have tried
        return "";
      }));
    }
    for (const auto& racer : racers) racer->channel().Send("go");
    int owners = 0;
    for (const auto& racer : racers) {
      const std::string answer = racer->channel().Receive();
      owners += answer == "owner";
      EXPECT_TRUE(answer == "owner" || answer == "NOT_OWNER") << answer;
    }
    EXPECT_EQ(owners, 1);
    for (const auto& racer : racers) racer->channel().Send("end");
    for (const auto& racer : racers) EXPECT_EQ(racer->Join(), "");
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1)
        << "one store, no litter";
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Open(options));
    EXPECT_EQ(store->report().epoch, 2u);
  }
}

TEST_F(OpenTest, AfterCloseEveryCallIsClosedAndTheFolderIsFree) {
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  ASSERT_OK_AND_ASSIGN(const Session session, store->sessions().ReserveAndCreate(LastingSpec()));
  EXPECT_THAT(store->Close(), IsOk());
  EXPECT_THAT(store->Close(), IsOk());
  EXPECT_THAT(store->sessions().Find(session.alias), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(store->sessions().Reserve(LastingSpec()), HasVerdict(Verdict::kClosed));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> again, OpenStore());
  EXPECT_THAT(again->sessions().Find(session.alias), IsOk());
}

TEST_F(OpenTest, WhoeverClosesSecondFindsItDone) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
    std::atomic<bool> stop{false};
    std::thread busy([&] {
      while (!stop) (void)store->sessions().ReserveAndCreate(LastingSpec());
    });
    std::thread other([&] { EXPECT_THAT(store->Close(), IsOk()); });
    EXPECT_THAT(store->Close(), IsOk());
    EXPECT_THAT(OpenStore(), IsOk()) << "the folder is free once Close has returned";
    other.join();
    stop = true;
    busy.join();
  }
}

// ---- Observers.

TEST_F(OpenTest, AnObserverReadsWhatAnOwnerElsewhereCommits) {
  ForkedChild owner([this](Channel& parent) -> std::string {
    const absl::StatusOr<std::unique_ptr<Store>> store = OpenStore();
    if (!store.ok()) return store.status().ToString();
    for (parent.Send("ready"); parent.Receive() == "create";) {
      const absl::StatusOr<Session> session = (*store)->sessions().ReserveAndCreate(LastingSpec());
      if (!session.ok()) return session.status().ToString();
      parent.Send(session->alias.ToString());
    }
    return "";
  });
  ASSERT_EQ(owner.channel().Receive(), "ready");
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Observer> observer, Observe());
  for (int i = 0; i < 3; ++i) {
    owner.channel().Send("create");
    const Alias alias = Alias::Parse(owner.channel().Receive()).value();
    ASSERT_OK_AND_ASSIGN(const Session session, observer->sessions().Find(alias));
    EXPECT_EQ(session.state, State::kCreated);
  }
  owner.channel().Send("end");
  EXPECT_EQ(owner.Join(), "");
  ASSERT_OK_AND_ASSIGN(const StoreStats stats, observer->sessions().Stats());
  EXPECT_EQ(stats.sessions, 3u) << "it also reads on when the owner has gone";
}

TEST_F(OpenTest, AnObserverWritesNoRow) {
  MakeStore(/*created=*/3, /*reserved=*/2);
  const std::string before = ReadFile(data_file_);
  {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Observer> observer, Observe());
    ASSERT_OK_AND_ASSIGN(const ListPage page, observer->sessions().List({}, 10));
    EXPECT_THAT(page.sessions, SizeIs(5)) << "what recovery would remove is still to be seen";
    ASSERT_OK_AND_ASSIGN(const StoreStats stats, observer->sessions().Stats());
    EXPECT_EQ(stats.reservations, 2u);
    EXPECT_EQ(stats.epoch, 1u);
  }
  EXPECT_EQ(ReadFile(data_file_), before);
}

TEST_F(OpenTest, AnObserverMakesNoStore) {
  EXPECT_THAT(Observe(), HasVerdict(Verdict::kNotFound));
  EXPECT_FALSE(fs::exists(directory_));
  fs::create_directory(directory_);
  EXPECT_THAT(Observe(), HasVerdict(Verdict::kNotFound));
  EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(OpenTest, AnObserverDoesNotKeepAnOwnerOut) {
  MakeStore(1);
  const std::unique_ptr<ForkedChild> observer =
      std::make_unique<ForkedChild>([this](Channel& parent) -> std::string {
        const absl::StatusOr<std::unique_ptr<Observer>> opened = Observe();
        parent.Send(opened.ok() ? "ready" : opened.status().ToString());
        parent.Receive();
        return "";
      });
  ASSERT_EQ(observer->channel().Receive(), "ready");
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  EXPECT_FALSE(store->report().crashed);
  EXPECT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
}

TEST_F(OpenTest, OneReaderSlotIsEnoughToOpen) {
  options_.max_readers = 1;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  EXPECT_THAT(store->sessions().Stats(), IsOk());
}

// ---- The order of things at opening.

TEST_F(OpenTest, EverythingIsForcedToTheDiskBeforeTheFirstWrite) {
  MakeStore(/*created=*/1, /*reserved=*/1);
  const ScopedIoFaults faults;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  std::vector<IoCall> calls = faults.Calls();
  std::erase(calls, IoCall::kAllocate);  // writes nothing
  // The lock writes down who holds it, pid and namespace, in a file of its own.
  ASSERT_THAT(calls, SizeIs(::testing::Gt(5)));
  EXPECT_EQ(calls[0], IoCall::kWrite);
  EXPECT_EQ(calls[1], IoCall::kWrite);
  EXPECT_EQ(calls[2], IoCall::kSync) << "what an earlier owner wrote must be settled first";
  EXPECT_EQ(calls[3], IoCall::kSync) << "the folder's entries";
  EXPECT_EQ(calls[4], IoCall::kSync)
      << "and its own in its parent: whoever renamed it may have died";
  EXPECT_EQ(calls[5], IoCall::kWrite) << "then recovery writes";
}

TEST_F(OpenTest, KilledAtAnySystemCallOfAnOpeningTheNextOneRecovers) {
  MakeStore(/*created=*/2, /*reserved=*/2);
  const std::string store_before = ReadFile(data_file_);
  int call = 0;
  for (std::optional<bool> killed = true; killed.value(); ++call) {
    SCOPED_TRACE(absl::StrCat("killed at system call ", call));
    WriteFile(data_file_, store_before);
    killed = RunUntilKilledAt(call, [&] { (void)OpenStore(); });
    if (!killed.has_value()) GTEST_SKIP() << "this process may not trace its children";
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
    ASSERT_OK_AND_ASSIGN(const StoreStats stats, store->sessions().Stats());
    EXPECT_EQ(stats.reservations, 0u);
    EXPECT_EQ(stats.sessions, 2u);
    EXPECT_TRUE(store->report().removed.size() == 2 || store->report().epoch == 3)
        << "either this opening removed the reservations or the killed one did";
  }
  EXPECT_GT(call, 20);
}

// ---- A short file.

class ShortFileTest : public OpenTest {
 protected:
  // A store whose file ends in free pages that can be cut off.
  void SetUp() override {
    // Recovery removes what was reserved, which frees pages; where they lie is LMDB's affair.
    for (int reserved = 60; reserved < 90; ++reserved) {
      std::filesystem::remove_all(directory_);
      MakeStore(/*created=*/3, reserved);
      ASSERT_THAT(OpenStore(), IsOk());
      pages_ = ReadPages(directory_);
      if (pages_.last_in_use() < pages_.last) break;
    }
    ASSERT_LT(pages_.last_in_use(), pages_.last) << "no free pages at the end";
    bytes_ = ReadFile(data_file_);
  }

  void CutTo(uint64_t size) { WriteFile(data_file_, bytes_.substr(0, size)); }
  uint64_t SizeNeeded() const { return (pages_.last_in_use() + 1) * pages_.page_size; }

  DataFilePages pages_;
  std::string bytes_;
};

TEST_F(ShortFileTest, ASoundOneOpensAndIsMadeLongAgain) {
  for (uint64_t size = SizeNeeded(); size <= pages_.last * pages_.page_size;
       size += pages_.page_size) {
    CutTo(size);
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
    EXPECT_TRUE(store->report().extended);
    EXPECT_GE(fs::file_size(data_file_), (pages_.last + 1) * pages_.page_size);
    ASSERT_OK_AND_ASSIGN(const ListPage page, store->sessions().List({}, 100));
    EXPECT_THAT(page.sessions, SizeIs(3));
    EXPECT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
  }
}

TEST_F(ShortFileTest, AnObserverReadsASoundOneAndLeavesItShort) {
  CutTo(SizeNeeded());
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Observer> observer, Observe());
  ASSERT_OK_AND_ASSIGN(const ListPage page, observer->sessions().List({}, 100));
  EXPECT_THAT(page.sessions, SizeIs(3));
  EXPECT_EQ(ReadFile(data_file_), bytes_.substr(0, SizeNeeded()));
}

// Reading through the map what the file does not have would end this test with a SIGBUS.
TEST_F(ShortFileTest, ACutIntoPagesInUseIsCorruptForEveryoneAndLeftAsItIs) {
  for (uint64_t page = 0; page <= pages_.last_in_use(); ++page) {
    for (const uint64_t more : {uint64_t{0}, uint64_t{1}, pages_.page_size / 2}) {
      const uint64_t size = page * pages_.page_size + more;
      SCOPED_TRACE(absl::StrCat("cut to ", size, " bytes"));
      CutTo(size);
      EXPECT_THAT(OpenStore(), HasVerdict(Verdict::kCorrupt));
      EXPECT_THAT(Observe(), HasVerdict(Verdict::kCorrupt));
      EXPECT_EQ(ReadFile(data_file_), bytes_.substr(0, size));
    }
  }
}

TEST_F(ShortFileTest, WhatWasCutOffCanBePutBack) {
  CutTo(SizeNeeded() - pages_.page_size);
  ASSERT_THAT(OpenStore(), HasVerdict(Verdict::kCorrupt));
  CutTo(bytes_.size());
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  EXPECT_FALSE(store->report().extended);
}

// ---- Poisoned.

class PoisonedTest : public OpenTest, public ::testing::WithParamInterface<bool> {
 protected:
  // Whether the sync that reports an error has in fact done its work.
  bool sync_takes_effect() const { return GetParam(); }
};

TEST_P(PoisonedTest, ReopeningInTheSameProcessSettlesTheOutcome) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenStore());
  ASSERT_OK_AND_ASSIGN(const Session before, store->sessions().ReserveAndCreate(LastingSpec()));
  {
    const ScopedIoFaults faults(
        {.call = IoCall::kSync, .error = EIO, .takes_effect = sync_takes_effect()});
    EXPECT_THAT(store->sessions().Revoke(before.alias), HasVerdict(Verdict::kPoisoned));
    ASSERT_TRUE(faults.Struck());
  }
  EXPECT_THAT(store->sessions().Find(before.alias), HasVerdict(Verdict::kPoisoned));
  EXPECT_THAT(store->sessions().Reserve(LastingSpec()), HasVerdict(Verdict::kPoisoned));
  EXPECT_THAT(store->Close(), HasVerdict(Verdict::kPoisoned)) << "no orderly end to note";

  ASSERT_OK_AND_ASSIGN(store, OpenStore());
  EXPECT_TRUE(store->report().crashed);
  ASSERT_OK_AND_ASSIGN(const Session settled, store->sessions().Find(before.alias));
  EXPECT_TRUE(settled.state == State::kCreated || settled.state == State::kRevoked);
  EXPECT_THAT(store->sessions().Revoke(before.alias), IsOk());
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenStore());
  ASSERT_OK_AND_ASSIGN(const Session after, store->sessions().Find(before.alias));
  EXPECT_EQ(after.state, State::kRevoked);
}

TEST_P(PoisonedTest, AnOpeningThatCannotSyncFailsAndTheNextOneWorks) {
  MakeStore(/*created=*/1, /*reserved=*/1);
  size_t nth = 0;
  for (bool struck = true; struck; ++nth) {
    SCOPED_TRACE(absl::StrCat("sync ", nth));
    {
      const ScopedIoFaults faults(
          {.call = IoCall::kSync, .nth = nth, .error = EIO, .takes_effect = sync_takes_effect()});
      const absl::StatusOr<std::unique_ptr<Store>> store = OpenStore();
      struck = faults.Struck();
      EXPECT_TRUE(store.ok() || struck) << store.status();
    }
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
    ASSERT_OK_AND_ASSIGN(const StoreStats stats, store->sessions().Stats());
    EXPECT_EQ(stats.sessions, 1u);
    EXPECT_EQ(stats.reservations, 0u);
  }
  EXPECT_GT(nth, 2u) << "the forced sync and the commit's own";
}

INSTANTIATE_TEST_SUITE_P(SyncThatFails, PoisonedTest, ::testing::Bool(),
                         [](const auto& takes_effect) {
                           return takes_effect.param ? "ButPersists" : "AndDoesNot";
                         });

// ---- Time.

TEST_F(OpenTest, AWallClockSetBackBetweenRunsRevivesNobody) {
  FakeClock clock;
  options_.clock = &clock;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenStore());
  SessionSpec spec = LastingSpec();
  spec.expires_at = clock.Wall() + absl::Minutes(10);
  ASSERT_OK_AND_ASSIGN(const Session session, store->sessions().ReserveAndCreate(spec));
  clock.Advance(absl::Minutes(11));
  ASSERT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());  // records the time
  store.reset();

  clock.JumpWall(absl::Hours(-24));
  ASSERT_OK_AND_ASSIGN(store, OpenStore());
  ASSERT_OK_AND_ASSIGN(const Session found, store->sessions().Find(session.alias));
  EXPECT_EQ(found.state, State::kExpired);
  EXPECT_LT(store->sessions().clock().WallAhead(), absl::Hours(-23));
  store.reset();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Observer> observer, Observe());
  ASSERT_OK_AND_ASSIGN(const Session seen, observer->sessions().Find(session.alias));
  EXPECT_EQ(seen.state, State::kExpired) << "an observer goes by the same time";
}

TEST_F(OpenTest, AJumpOfTheWallClockWithinARunExpiresNobodyUnlessAdopted) {
  FakeClock clock;
  options_.clock = &clock;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, OpenStore());
  SessionSpec spec = LastingSpec();
  spec.expires_at = clock.Wall() + absl::Hours(1);
  ASSERT_OK_AND_ASSIGN(const Session session, store->sessions().ReserveAndCreate(spec));
  clock.JumpWall(absl::Hours(1000));
  ASSERT_OK_AND_ASSIGN(const Session unharmed, store->sessions().Find(session.alias));
  EXPECT_EQ(unharmed.state, State::kCreated);
  EXPECT_EQ(store->sessions().clock().WallAhead(), absl::Hours(1000));
  ASSERT_THAT(store->sessions().AdoptWallClock(), IsOk());
  ASSERT_OK_AND_ASSIGN(const Session expired, store->sessions().Find(session.alias));
  EXPECT_EQ(expired.state, State::kExpired);
}

}  // namespace
}  // namespace batonstore::recovery
