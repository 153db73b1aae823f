// RevokeAll beside logins, saves and sweeps, in a real file.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::FileStoreFixture;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::OnThreads;

constexpr int kThreads = 16;

class RevokeAllConcurrencyTest : public FileStoreFixture {};

TEST_F(RevokeAllConcurrencyTest, ALoginThatRacesIsCoveredOrHasALaterAlias) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    SessionSpec spec = LastingSpec();
    spec.principal = absl::StrCat("alice ", round);
    std::vector<std::vector<Alias>> before(kThreads);  // acknowledged before RevokeAll was called
    std::vector<std::vector<Alias>> after(kThreads);   // asked for after it was acknowledged
    std::atomic<bool> calling = false;
    std::atomic<bool> acknowledged = false;
    OnThreads(kThreads, [&](int thread) {
      if (thread == 0) {
        while (store().Count({.principal = spec.principal}).value_or(0) == 0)
          std::this_thread::yield();
        calling = true;
        EXPECT_THAT(store().RevokeAll(spec.principal), IsOk());
        acknowledged = true;
        return;
      }
      for (int i = 0; i < 3 || !acknowledged; ++i) {
        const bool is_after = acknowledged;
        const absl::StatusOr<Session> session =
            thread % 2 == 0 ? store().ReserveAndCreate(spec) : store().Reserve(spec);
        ASSERT_THAT(session, IsOk());
        if (!calling) before[thread].push_back(session->alias);
        if (is_after) after[thread].push_back(session->alias);
      }
    });
    for (const auto& aliases : before) {
      for (const Alias alias : aliases) {
        EXPECT_EQ(store().Find(alias)->state, State::kRevoked) << "a login survived";
      }
    }
    for (const auto& aliases : after) {
      for (const Alias alias : aliases) {
        EXPECT_FALSE(IsTerminal(store().Find(alias)->state)) << "a later login was revoked";
      }
    }
    std::vector<bool> revoked;  // in the order of the aliases
    for (const Session& session : ListAll({.principal = spec.principal})) {
      revoked.push_back(session.state == State::kRevoked);
    }
    EXPECT_TRUE(std::is_sorted(revoked.rbegin(), revoked.rend()))
        << "one that was not covered has an earlier alias than one that was";
    while (round % 4 == 3 && store().Sweep()->more) {
    }
  }
}

TEST_F(RevokeAllConcurrencyTest, NobodySeesASessionComeBackWhileItIsSwept) {
  constexpr int kSessions = 600;
  OnThreads(kThreads, [&](int thread) {
    for (int i = thread; i < kSessions; i += kThreads) Create();
  });
  std::vector<Alias> aliases;
  for (const Session& session : ListAll()) aliases.push_back(session.alias);
  ASSERT_EQ(aliases.size(), size_t{kSessions});
  ASSERT_THAT(store().RevokeAll("alice"), IsOk());
  std::atomic<bool> more = true;
  OnThreads(kThreads, [&](int thread) {
    if (thread == 0) {
      while (more) more = store().Sweep()->more;
      return;
    }
    for (size_t i = 0; more || i < 100; ++i) {
      const Alias alias = aliases[(i * 7 + static_cast<size_t>(thread)) % aliases.size()];
      EXPECT_EQ(store().Find(alias)->state, State::kRevoked);
      EXPECT_THAT(store().Issue(alias), HasVerdict(Verdict::kRevoked));
      if (i % 16 != 0) continue;
      EXPECT_EQ(store().Count({.state = State::kCreated}).value(), 0u);
    }
  });
}

TEST_F(RevokeAllConcurrencyTest, ExceptsThatRaceKeepOneSessionAtTheMost) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Alias> aliases(kThreads);
    for (Alias& alias : aliases) alias = Create().alias;
    std::atomic<int> succeeded = 0;
    OnThreads(kThreads, [&](int thread) {
      const absl::Status done = store().RevokeAllExcept("alice", aliases[thread]);
      if (done.ok()) {
        ++succeeded;
      } else {
        EXPECT_THAT(done, HasVerdict(Verdict::kRevoked));
      }
    });
    EXPECT_EQ(succeeded, 1) << "whoever came second was revoked by the first";
    EXPECT_EQ(store().Count({.state = State::kCreated, .principal = "alice"}).value(), 1u);
    ASSERT_THAT(store().RevokeAll("alice"), IsOk());
    EXPECT_EQ(store().Count({.state = State::kCreated, .principal = "alice"}).value(), 0u);
  }
}

}  // namespace
}  // namespace batonstore
