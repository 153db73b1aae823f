// Limits under many threads, in a real file.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/policy.h"
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

constexpr int kThreads = 32;

class LimitsConcurrencyTest : public FileStoreFixture {
 protected:
  void OpenWith(const Limits& limits) {
    options_.policy.limits = limits;
    Open();
  }

  uint64_t Live() { return store().Count({.state = State::kCreated}).value_or(UINT64_MAX); }
};

TEST_F(LimitsConcurrencyTest, ExactlyAsManySucceedAsThereArePlaces) {
  constexpr int kRounds = 10;
  constexpr int kLimit = 10;
  for (uint64_t Limits::*scope :
       {&Limits::per_principal, &Limits::per_database, &Limits::per_store}) {
    Limits limits;
    limits.*scope = kLimit;
    ASSERT_NO_FATAL_FAILURE(OpenWith(limits));
    for (int round = 0; round < kRounds; ++round) {
      std::atomic<int> succeeded = 0;
      OnThreads(kThreads, [&](int) {
        const absl::StatusOr<Session> session = store().ReserveAndCreate(LastingSpec());
        if (session.ok()) {
          ++succeeded;
        } else {
          EXPECT_THAT(session, HasVerdict(Verdict::kTooMany));
        }
      });
      EXPECT_EQ(succeeded, kLimit);
      EXPECT_EQ(Live(), uint64_t{kLimit});
      if (round % 3 == 2) {
        ASSERT_NO_FATAL_FAILURE(Open());
      }
      EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), HasVerdict(Verdict::kTooMany));
      ASSERT_THAT(store().RevokeAll("alice"), IsOk());  // not swept: that is the next login's part
    }
  }
}

TEST_F(LimitsConcurrencyTest, EachPrincipalHasItsOwnPlaces) {
  constexpr int kPrincipals = 4;
  constexpr int kLimit = 3;
  OpenWith({.per_principal = kLimit});
  std::vector<std::atomic<int>> succeeded(kPrincipals);
  OnThreads(kThreads, [&](int thread) {
    SessionSpec spec = LastingSpec();
    spec.principal = absl::StrCat(thread % kPrincipals);
    succeeded[thread % kPrincipals] += store().ReserveAndCreate(spec).ok();
  });
  for (const std::atomic<int>& of_principal : succeeded) EXPECT_EQ(of_principal, kLimit);
}

TEST_F(LimitsConcurrencyTest, RevokingTheOldestNeverLetsMoreLiveThanTheLimitAllows) {
  constexpr uint64_t kLimit = 5;
  constexpr int kEach = 8;
  OpenWith({.per_principal = kLimit, .at_limit = Limits::AtLimit::kRevokeOldest});
  std::atomic<int> working = kThreads;
  std::thread watcher([&] {
    while (working > 0) EXPECT_LE(Live(), kLimit);
  });
  OnThreads(kThreads, [&](int) {
    for (int i = 0; i < kEach; ++i) Create();
    --working;
  });
  watcher.join();
  const std::vector<Session> all = ListAll();
  ASSERT_EQ(all.size(), size_t{kThreads} * kEach);
  for (size_t i = 0; i < all.size(); ++i) {
    const bool is_young = i + kLimit >= all.size();
    EXPECT_EQ(all[i].state, is_young ? State::kCreated : State::kRevoked) << i;
  }
}

TEST_F(LimitsConcurrencyTest, PlacesThatComeAndGoAreNeverMiscounted) {
  constexpr uint64_t kLimit = 12;
  OpenWith({.per_store = kLimit});
  OnThreads(kThreads, [&](int thread) {
    for (int i = 0; i < 10; ++i) {
      const absl::StatusOr<Session> session = store().Reserve(LastingSpec());
      if (!session.ok()) {
        EXPECT_THAT(session, HasVerdict(Verdict::kTooMany));
        continue;
      }
      switch ((thread + i) % 4) {
        case 0:
          EXPECT_THAT(store().Abandon(session->alias), IsOk());
          break;
        case 1:
          EXPECT_THAT(store().Create(session->alias), IsOk());
          EXPECT_THAT(store().Revoke(session->alias), IsOk());
          break;
        case 2: {
          EXPECT_THAT(store().Create(session->alias), IsOk());
          const absl::StatusOr<Session> fresh = store().CycleKey(session->alias);
          ASSERT_THAT(fresh, IsOk());
          EXPECT_THAT(store().Shift(fresh->alias, State::kExpired), IsOk());
          break;
        }
        default:
          EXPECT_THAT(store().RevokeGroup(session->alias), IsOk());
      }
      EXPECT_LE(Live(), kLimit);
    }
  });
  EXPECT_EQ(store().Stats()->live, 0u);
  for (uint64_t i = 0; i < kLimit; ++i) Create();
  EXPECT_THAT(store().Reserve(LastingSpec()), HasVerdict(Verdict::kTooMany));
}

}  // namespace
}  // namespace batonstore
