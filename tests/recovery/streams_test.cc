// The streams of a store: what signs for them, and what becomes of them when it is closed, dies, is
// poisoned, or forks.

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_streams.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/forked_child.h"
#include "tests/support/io_faults.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::Channel;
using ::batonstore::testing::FakeConnection;
using ::batonstore::testing::FileStoreFixture;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IoCall;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::Journal;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ScopedIoFaults;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StoreStreamsTest : public FileStoreFixture {
 protected:
  ~StoreStreamsTest() override { Close(); }  // while there is a journal

  StreamTurn OpenStreamOrDie() {
    absl::StatusOr<StreamTurn> turn =
        opened().streams().Open({.database = "accounts",
                                 .principal = "alice",
                                 .connection = std::make_unique<FakeConnection>(journal_)});
    EXPECT_THAT(turn, IsOk());
    return *std::move(turn);
  }

  absl::StatusOr<StreamTurn> Resume(const std::string& baton) {
    return opened().streams().Resume(baton, "accounts", "alice");
  }

  Journal journal_;
};

TEST_F(StoreStreamsTest, ARestartRollsStreamsBackAndTheirBatonsAreLost) {
  const std::string baton = *OpenStreamOrDie().Finish();
  EXPECT_THAT(Resume(baton)->Finish(), IsOk());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_THAT(journal_.Notes(), ElementsAre("rollback", "return", "destroy"));
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kLost));
  std::string forged = baton;
  forged[50] = forged[50] == 'A' ? 'B' : 'A';
  EXPECT_THAT(Resume(forged), HasVerdict(Verdict::kForged));
  EXPECT_NE(WireStatus(Resume(baton).status()), WireStatus(Resume(forged).status()));
}

TEST_F(StoreStreamsTest, SessionsAndStreamsDoNotTakeEachOthersBatons) {
  const Session session = Create();
  ASSERT_OK_AND_ASSIGN(const std::string of_session, store().Issue(session.alias));
  ASSERT_OK_AND_ASSIGN(const std::string of_stream, OpenStreamOrDie().Finish());
  EXPECT_THAT(Resume(of_session), HasVerdict(Verdict::kForged));
  EXPECT_THAT(store().Verify(of_stream, "accounts", "alice"), HasVerdict(Verdict::kForged));
}

TEST_F(StoreStreamsTest, SigningKeysRotateUnderStreams) {
  ASSERT_OK_AND_ASSIGN(const std::string first, OpenStreamOrDie().Finish());
  ASSERT_THAT(store().RotateSigningKey(), IsOk());
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(first));
  ASSERT_OK_AND_ASSIGN(const std::string second, turn.Finish());
  ASSERT_THAT(store().RetireSigningKey(1), IsOk());
  EXPECT_THAT(Resume(first), HasVerdict(Verdict::kLost));
  EXPECT_THAT(Resume(second), IsOk());
}

TEST_F(StoreStreamsTest, CloseLeavesATurnUnderWayUntilItEnds) {
  StreamTurn turn = OpenStreamOrDie();
  EXPECT_THAT(opened().Close(), IsOk());
  EXPECT_THAT(journal_.Notes(), IsEmpty());
  EXPECT_THAT(opened().streams().Open({.database = "accounts"}), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(turn.Finish(), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(journal_.Notes(), ElementsAre("rollback", "return", "destroy"));
}

TEST_F(StoreStreamsTest, APoisonedStoreLosesItsStreams) {
  options_.streams.reap_every = absl::Milliseconds(1);
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_OK_AND_ASSIGN(const std::string baton, OpenStreamOrDie().Finish());
  {
    const ScopedIoFaults faults({.call = IoCall::kSync, .error = EIO});
    EXPECT_THAT(store().Reserve(LastingSpec()), HasVerdict(Verdict::kPoisoned));
  }
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kPoisoned));
  while (opened().streams().Count() > 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_THAT(journal_.Notes(), ElementsAre("rollback", "return", "destroy"));
  EXPECT_THAT(opened().Close(), HasVerdict(Verdict::kPoisoned));
}

TEST_F(StoreStreamsTest, AForkedChildNeitherUsesNorHarmsThem) {
  ASSERT_OK_AND_ASSIGN(const std::string baton, OpenStreamOrDie().Finish());
  StreamTurn turn = OpenStreamOrDie();
  ForkedChild child([&](Channel&) -> std::string {
    if (VerdictOf(Resume(baton).status()) != Verdict::kClosed) return "the child resumed";
    if (VerdictOf(turn.Finish().status()) != Verdict::kClosed) return "the child finished";
    opened().Close().IgnoreError();
    return journal_.Notes().empty() ? "" : "the child rolled back";
  });
  EXPECT_EQ(child.Join(), "");
  EXPECT_THAT(turn.Finish(), IsOk());
  EXPECT_THAT(Resume(baton), IsOk());
}

}  // namespace
}  // namespace batonstore::recovery
