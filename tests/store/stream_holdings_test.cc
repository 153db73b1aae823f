#include "batonstore/store/stream_holdings.h"

#include <memory>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_streams.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::ElementsAre;
using testing::FakeClock;
using testing::FakeConnection;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::Journal;

TEST(StreamHoldingsTest, EverythingGoesBackOnceAndInOrder) {
  FakeClock clock;
  Journal journal;
  StreamHoldings holdings{.connection = std::make_unique<FakeConnection>(journal),
                          .on_release = [&] { journal.Note("release"); }};
  EXPECT_THAT(holdings.GiveBack(clock, absl::Seconds(1)), IsOk());
  EXPECT_THAT(journal.Take(), ElementsAre("rollback", "return", "destroy", "release"));
  EXPECT_THAT(holdings.GiveBack(clock, absl::Seconds(1)), IsOk());
  EXPECT_THAT(journal.Take(), IsEmpty());
}

TEST(StreamHoldingsTest, AnyOfThemMayBeMissing) {
  FakeClock clock;
  Journal journal;
  EXPECT_THAT(StreamHoldings().GiveBack(clock, absl::Seconds(1)), IsOk());
  StreamHoldings connection{.connection = std::make_unique<FakeConnection>(journal)};
  EXPECT_THAT(connection.GiveBack(clock, absl::Seconds(1)), IsOk());
  EXPECT_THAT(journal.Take(), ElementsAre("rollback", "return", "destroy"));
  StreamHoldings hold{.on_release = [&] { journal.Note("release"); }};
  EXPECT_THAT(hold.GiveBack(clock, absl::Seconds(1)), IsOk());
  EXPECT_THAT(journal.Take(), ElementsAre("release"));
}

}  // namespace
}  // namespace batonstore
