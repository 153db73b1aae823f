#include "batonstore/store/busy_sessions.h"

#include <utility>

#include "gtest/gtest.h"

namespace batonstore {
namespace {

using Lease = BusySessions::Lease;

TEST(BusySessionsTest, SessionIsHeldOnceUntilItIsReleased) {
  BusySessions busy;
  Lease lease = busy.Take(Alias(1));
  EXPECT_TRUE(lease.held());
  EXPECT_FALSE(busy.Take(Alias(1)).held());
  EXPECT_TRUE(busy.Take(Alias(2)).held()) << "another session is not concerned";
  lease.Release();
  EXPECT_FALSE(lease.held());
  lease.Release();  // again: nothing
  EXPECT_TRUE(busy.Take(Alias(1)).held());
  EXPECT_TRUE(busy.Take(Alias(1)).held()) << "the lease before has been destroyed";
}

TEST(BusySessionsTest, EmptyLeaseHoldsAndReleasesNothing) {
  BusySessions busy;
  const Lease held = busy.Take(Alias(1));
  {
    Lease empty;
    EXPECT_FALSE(empty.held());
    Lease refused = busy.Take(Alias(1));
    EXPECT_FALSE(refused.held());
  }
  EXPECT_FALSE(busy.Take(Alias(1)).held());
}

TEST(BusySessionsTest, LeaseMoves) {
  BusySessions busy;
  Lease first = busy.Take(Alias(1));
  Lease second = std::move(first);
  EXPECT_FALSE(first.held());  // NOLINT: it is what is tested
  EXPECT_TRUE(second.held());
  EXPECT_FALSE(busy.Take(Alias(1)).held());
  second = busy.Take(Alias(2));  // gives up the first session
  EXPECT_TRUE(busy.Take(Alias(1)).held());
  EXPECT_FALSE(busy.Take(Alias(2)).held());
  Lease& same = second;
  second = std::move(same);
  EXPECT_TRUE(second.held());
}

}  // namespace
}  // namespace batonstore
