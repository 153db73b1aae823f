// Many threads on one store, in a real file.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

using testing::Describe;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::ScriptedKeys;
using testing::SpecInGroup;
using testing::TempDir;

constexpr int kThreads = 16;

// Runs `body(thread)` on all threads, let go at the same moment.
void OnAllThreads(const std::function<void(int)>& body) {
  std::atomic<int> not_ready = kThreads;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      --not_ready;
      while (not_ready > 0) std::this_thread::yield();
      body(thread);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class SessionStoreConcurrencyTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(SystemKeyPairs()); }

  void Open(KeyPairSource& keys) {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(store_, recovery::Open({.directory = dir_ / "store",
                                                 .map_bytes = uint64_t{64} << 20,
                                                 .key_pairs = &keys}));
  }

  SessionStore& store() { return store_->sessions(); }

  std::vector<Session> ListAll() {
    std::vector<Session> all;
    std::optional<Alias> after;
    do {
      absl::StatusOr<ListPage> page = store().List({}, 50, after);
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) break;
      std::move(page->sessions.begin(), page->sessions.end(), std::back_inserter(all));
      after = page->next;
    } while (after.has_value());
    return all;
  }

  TempDir dir_;
  std::unique_ptr<recovery::Store> store_;
};

TEST_F(SessionStoreConcurrencyTest, EveryCreatedSessionIsThereOnceWithItsOwnAliasAndKeys) {
  constexpr int kEach = 40;
  std::vector<std::vector<Session>> created(kThreads);
  OnAllThreads([&](int thread) {
    for (int i = 0; i < kEach; ++i) {
      const absl::StatusOr<Session> session =
          i % 2 == 0 ? store().ReserveAndCreate(LastingSpec()) : store().Reserve(LastingSpec());
      ASSERT_THAT(session, IsOk());
      if (i % 2 == 1) {
        ASSERT_THAT(store().Create(session->alias), IsOk());
      }
      ASSERT_OK_AND_ASSIGN(Session found, store().Find(session->alias));
      EXPECT_EQ(found.state, State::kCreated);
      created[thread].push_back(std::move(found));
    }
  });

  std::set<Alias> aliases;
  std::set<std::string> public_keys;
  for (const std::vector<Session>& of_thread : created) {
    for (size_t i = 0; i < of_thread.size(); ++i) {
      aliases.insert(of_thread[i].alias);
      public_keys.insert(of_thread[i].public_key);
      if (i > 0) {
        EXPECT_GT(of_thread[i].alias, of_thread[i - 1].alias) << "aliases must rise";
      }
    }
  }
  EXPECT_EQ(aliases.size(), size_t{kThreads} * kEach);
  EXPECT_EQ(public_keys.size(), size_t{kThreads} * kEach);

  ASSERT_THAT(store_->Close(), IsOk());
  Open(SystemKeyPairs());
  const std::vector<Session> all = ListAll();
  EXPECT_EQ(all.size(), size_t{kThreads} * kEach);
  for (const Session& session : all) EXPECT_TRUE(aliases.contains(session.alias));
}

TEST_F(SessionStoreConcurrencyTest, ExactlyOneOfManyJoinsAGroup) {
  ASSERT_OK_AND_ASSIGN(const Session first, store().ReserveAndCreate(LastingSpec()));
  ASSERT_THAT(store().Revoke(first.alias), IsOk());
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::optional<Alias>> joined(kThreads);
    OnAllThreads([&](int thread) {
      const absl::StatusOr<Session> session =
          thread % 2 == 0 ? store().Reserve(SpecInGroup(first.alias))
                          : store().ReserveAndCreate(SpecInGroup(first.alias));
      if (session.ok()) {
        joined[thread] = session->alias;
      } else {
        EXPECT_THAT(session, HasVerdict(Verdict::kGroupActive));
      }
    });
    std::optional<Alias> winner;
    for (const std::optional<Alias>& alias : joined) {
      if (!alias.has_value()) continue;
      EXPECT_EQ(winner, std::nullopt) << "two sessions joined the group";
      winner = alias;
    }
    ASSERT_NE(winner, std::nullopt) << "nobody joined the group";
    ASSERT_THAT(store().Create(*winner), IsOk());
    ASSERT_THAT(store().Revoke(*winner), IsOk());
  }
  EXPECT_EQ(store().GroupMembers(first.alias)->size(), 1u + kRounds);
}

TEST_F(SessionStoreConcurrencyTest, ShiftsOfOneSessionHaveOneWinner) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_OK_AND_ASSIGN(const Session session, store().ReserveAndCreate(LastingSpec()));
    std::vector<std::string> answers(kThreads);
    OnAllThreads([&](int thread) {
      const State to = thread % 2 == 0 ? State::kRevoked : State::kExpired;
      const absl::StatusOr<Session> shifted = store().Shift(session.alias, to);
      if (shifted.ok()) {
        EXPECT_EQ(shifted->state, to);
        answers[thread] = Describe(*shifted);
      } else {
        EXPECT_THAT(shifted, HasVerdict(Verdict::kIllegalShift));
      }
    });
    ASSERT_OK_AND_ASSIGN(const Session last, store().Find(session.alias));
    EXPECT_TRUE(IsTerminal(last.state));
    for (int thread = 0; thread < kThreads; ++thread) {
      const bool won = (thread % 2 == 0) == (last.state == State::kRevoked);
      EXPECT_EQ(answers[thread], won ? Describe(last) : "") << "thread " << thread;
    }
  }
}

TEST_F(SessionStoreConcurrencyTest, AReservationIsEitherCreatedOrAbandoned) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_OK_AND_ASSIGN(const Session session, store().Reserve(LastingSpec()));
    std::atomic<int> created = 0;
    std::atomic<int> abandoned = 0;
    OnAllThreads([&](int thread) {
      const absl::Status done =
          thread % 2 == 0 ? store().Create(session.alias) : store().Abandon(session.alias);
      if (done.ok()) ++(thread % 2 == 0 ? created : abandoned);
    });
    const bool there = store().Find(session.alias).ok();
    EXPECT_EQ(created, there ? kThreads / 2 : 0);
    EXPECT_EQ(abandoned, there ? 0 : 1);
  }
}

TEST_F(SessionStoreConcurrencyTest, ListingMeanwhileMissesNothingThatWasThereBefore) {
  std::set<Alias> before;
  for (int i = 0; i < 120; ++i) {
    ASSERT_OK_AND_ASSIGN(const Session session, store().ReserveAndCreate(LastingSpec()));
    before.insert(session.alias);
  }
  OnAllThreads([&](int thread) {
    for (int i = 0; i < 5; ++i) {
      if (thread % 2 == 0) {
        ASSERT_THAT(store().ReserveAndCreate(LastingSpec()), IsOk());
        continue;
      }
      size_t seen = 0;
      Alias last;
      for (const Session& session : ListAll()) {
        EXPECT_GT(session.alias, last) << "listed twice or out of order";
        last = session.alias;
        seen += before.contains(session.alias);
      }
      EXPECT_EQ(seen, before.size());
    }
  });
}

TEST_F(SessionStoreConcurrencyTest, CallersThatDrawTheSameKeyPairFirstAllSucceed) {
  ScriptedKeys keys([](uint64_t draw) {
    thread_local bool first = true;
    return std::exchange(first, false) ? 0 : draw + 1;
  });
  Open(keys);
  OnAllThreads([&](int) { EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), IsOk()); });
  EXPECT_EQ(keys.draws(), 2u * kThreads - 1) << "all but one had to draw again";
  std::set<std::string> public_keys;
  for (const Session& session : ListAll()) public_keys.insert(session.public_key);
  EXPECT_EQ(public_keys.size(), size_t{kThreads});
  store_.reset();  // before its keys
}

TEST_F(SessionStoreConcurrencyTest, BatonsVerifyWhileKeysRotate) {
  ASSERT_OK_AND_ASSIGN(const Session session, store().ReserveAndCreate(LastingSpec()));
  OnAllThreads([&](int thread) {
    for (int i = 0; i < 10; ++i) {
      if (thread == 0) {
        EXPECT_THAT(store().RotateSigningKey(), IsOk());
        continue;
      }
      ASSERT_OK_AND_ASSIGN(const std::string baton, store().Issue(session.alias));
      EXPECT_THAT(store().Verify(baton, "main", "alice"), IsOk());
    }
  });
  EXPECT_EQ(store().SigningKeys().size(), 11u);
}

TEST_F(SessionStoreConcurrencyTest, ClosingAnswersEveryCallThatIsUnderWay) {
  std::vector<std::vector<Alias>> acknowledged(kThreads);
  OnAllThreads([&](int thread) {
    if (thread == 0) {
      while (store().Stats().value_or(StoreStats()).sessions < 20) std::this_thread::yield();
      EXPECT_THAT(store_->Close(), IsOk());
      return;
    }
    for (;;) {
      const absl::StatusOr<Session> session = store().ReserveAndCreate(LastingSpec());
      if (!session.ok()) {
        EXPECT_THAT(session, HasVerdict(Verdict::kClosed));
        return;
      }
      acknowledged[thread].push_back(session->alias);
    }
  });
  Open(SystemKeyPairs());
  for (const std::vector<Alias>& aliases : acknowledged) {
    for (const Alias alias : aliases) EXPECT_THAT(store().Find(alias), IsOk());
  }
}

}  // namespace
}  // namespace batonstore
