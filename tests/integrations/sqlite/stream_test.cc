// Streams of a real store that pin connections of a real SQLite database: what they leave behind
// when they end, however they end.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/capture.h"
#include "batonstore/integrations/sqlite/connection.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/stream_registry.h"
#include "gtest/gtest.h"
#include "tests/integrations/sqlite/sqlite_fixture.h"
#include "tests/support/fake_clock.h"
#include "tests/support/forked_child.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::batonstore::testing::Ask;
using ::batonstore::testing::Channel;
using ::batonstore::testing::FakeClock;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::Must;
using ::batonstore::testing::Rows;
using ::batonstore::testing::Soon;
using ::batonstore::testing::SqliteFixture;

class SqliteStreamTest : public SqliteFixture {
 protected:
  SqliteStreamTest() {
    OpenPool();
    OpenStore();
  }
  ~SqliteStreamTest() override { store_.reset(); }  // before the pool

  // A pool whose deadlines are the registry's: both go by the same clock.
  void OpenPool() {
    options_.now = [this] { return clock_.Wall(); };
    pool_ = Must(SqlitePool::Open(options_));
  }
  void OpenStore() {
    store_.reset();
    store_ = Must(recovery::Open({.directory = dir_ / "store",
                                  .sweep_every = absl::InfiniteDuration(),
                                  .streams = {.reap_every = absl::InfiniteDuration()},
                                  .clock = &clock_}));
  }

  StreamRegistry& streams() { return store_->streams(); }

  absl::StatusOr<StreamTurn> OpenStream(bool read_only = false) {
    return streams().Open(
        {.database = "items",
         .principal = "alice",
         .read_only = read_only,
         .connect =
             [this, read_only](absl::Time deadline) { return pool_->Acquire(read_only, deadline); },
         .deadline = clock_.Wall() + absl::Seconds(30),
         .on_release = [this] { ++released_; }});
  }
  StreamTurn Resume(const std::string& baton) {
    return Must(streams().Resume(baton, "items", "alice"));
  }

  static SqliteConnection& ConnectionOf(const StreamTurn& turn) {
    return *turn.connection<SqliteConnection>();
  }

  // The baton of a stream that has inserted a row, over two requests, and has not committed.
  std::string InsertInVain() {
    StreamTurn first = Must(OpenStream());
    Must(ConnectionOf(first).Execute("BEGIN IMMEDIATE"));
    StreamTurn second = Resume(Must(first.Finish()));
    Must(ConnectionOf(second).Execute("INSERT INTO item VALUES (1, 'in vain')"));
    EXPECT_EQ(Rows(ConnectionOf(second)), "1=in vain");
    return Must(second.Finish());
  }

  // The stream is gone, its insert undone, its connection back as if new, the hold let go of.
  void ExpectGone(const std::string& baton, Verdict answer = Verdict::kNotFound) {
    EXPECT_THAT(streams().Resume(baton, "items", "alice"), HasVerdict(answer));
    EXPECT_EQ(streams().Count(), 0u);
    EXPECT_EQ(released_, 1);
    EXPECT_EQ(pool_->usage().in_use, 0);
    EXPECT_GE(pool_->usage().idle, 1) << "a sound connection was thrown away";
    EXPECT_EQ(Committed(), "");
    const Connection next = Acquire();  // nobody holds the file's locks
    EXPECT_THAT(next->Execute("INSERT INTO item VALUES (2, 'next')"), IsOk());
    next->ReturnToPool();
    EXPECT_EQ(Committed(), "2=next");
  }

  FakeClock clock_;
  std::unique_ptr<recovery::Store> store_;
  int released_ = 0;
};

TEST_F(SqliteStreamTest, ATransactionSpansRequestsAndStaysWhenItCommits) {
  const std::string baton = InsertInVain();
  StreamTurn turn = Resume(baton);
  EXPECT_EQ(Committed(), "") << "before the commit";
  ASSERT_THAT(ConnectionOf(turn).Execute("COMMIT"), IsOk());
  ASSERT_THAT(turn.Close(), IsOk());
  EXPECT_EQ(Committed(), "1=in vain");
}

TEST_F(SqliteStreamTest, AReapedStreamsInsertIsGone) {
  const std::string baton = InsertInVain();
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(streams().Reap(), 0u);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(streams().Reap(), 1u);
  ExpectGone(baton);
}

TEST_F(SqliteStreamTest, AKilledStreamsInsertIsGone) {
  const std::string baton = InsertInVain();
  EXPECT_EQ(streams().Kill(streams().List().front().id), Killed::kKilled);
  ExpectGone(baton);
}

TEST_F(SqliteStreamTest, AStreamKilledWhileBusyIsRolledBackWhenItsTurnEnds) {
  const std::string baton = InsertInVain();
  StreamTurn turn = Resume(baton);
  EXPECT_EQ(streams().Kill(turn.id()), Killed::kWhenReleased);
  EXPECT_EQ(Rows(ConnectionOf(turn)), "1=in vain") << "it goes on to its end";
  EXPECT_THAT(turn.Finish(), HasVerdict(Verdict::kLost));
  ExpectGone(baton);
}

TEST_F(SqliteStreamTest, ADroppedTurnsInsertIsGone) {
  const std::string baton = InsertInVain();
  { const StreamTurn dropped = Resume(baton); }
  ExpectGone(baton);
}

TEST_F(SqliteStreamTest, AfterCloseAllTheInsertIsGone) {
  const std::string baton = InsertInVain();
  EXPECT_EQ(streams().CloseAll(), 1u);
  ExpectGone(baton);
}

TEST_F(SqliteStreamTest, AfterARestartTheInsertIsGoneAndTheBatonLost) {
  const std::string baton = InsertInVain();
  OpenStore();
  ExpectGone(baton, Verdict::kLost);
}

TEST_F(SqliteStreamTest, AfterSigkillTheInsertIsGoneAndTheBatonLost) {
  store_.reset();
  ForkedChild child([this](Channel& parent) -> std::string {
    OpenPool();  // a pool does not go through a fork
    OpenStore();
    parent.Send(InsertInVain());
    parent.Receive();
    return "not killed";
  });
  const std::string baton = child.channel().Receive();
  ASSERT_NE(baton, "") << child.Join();
  child.Kill();
  OpenStore();
  EXPECT_THAT(streams().Resume(baton, "items", "alice"), HasVerdict(Verdict::kLost));
  EXPECT_EQ(Committed(), "");
}

TEST_F(SqliteStreamTest, AFailedRollbackDiscardsTheConnection) {
  const std::string baton = InsertInVain();
  StreamTurn turn = Resume(baton);
  ConnectionOf(turn).Discard();  // as a user who has lost faith in it
  EXPECT_THAT(turn.Close(), HasVerdict(Verdict::kClosed));
  EXPECT_EQ(pool_->usage().in_use, 0);
  EXPECT_EQ(released_, 1);
  EXPECT_EQ(Committed(), "");
}

TEST_F(SqliteStreamTest, ReadOnlyIsTheStreamsAndNotTheConnections) {
  {
    StreamTurn turn = Must(OpenStream(/*read_only=*/true));
    EXPECT_TRUE(turn.read_only());
    EXPECT_THAT(ConnectionOf(turn).Execute("INSERT INTO item VALUES (1, 'no')"),
                HasVerdict(Verdict::kInvalid));
    EXPECT_THAT(turn.Close(), IsOk());
  }
  EXPECT_EQ(pool_->usage().idle, 1);
  StreamTurn next = Must(OpenStream());  // on that same connection
  EXPECT_THAT(ConnectionOf(next).Execute("INSERT INTO item VALUES (1, 'yes')"), IsOk());
  EXPECT_THAT(next.Close(), IsOk());
  EXPECT_EQ(Committed(), "1=yes");
}

TEST_F(SqliteStreamTest, ThePoolsRefusalIsTheAnswerOfOpen) {
  options_.max_connections = 1;
  options_.now = nullptr;  // a clock that stands still would wait for ever
  pool_ = Must(SqlitePool::Open(options_));
  const Connection only = Acquire();
  clock_.JumpWall(absl::Now() - clock_.Wall());
  absl::StatusOr<StreamTurn> turn = streams().Open(
      {.database = "items",
       .principal = "alice",
       .connect = [this](absl::Time deadline) { return pool_->Acquire(false, deadline); },
       .deadline = clock_.Wall() + absl::Milliseconds(50),
       .on_release = [this] { ++released_; }});
  EXPECT_THAT(turn, HasVerdict(Verdict::kTooMany));
  EXPECT_EQ(released_, 1);
  EXPECT_EQ(streams().Count(), 0u) << "its place is free again";
}

// Captured in one request, changed in the next, taken in the third.
TEST_F(SqliteStreamTest, ACapturedChangesetAppliesToAnotherDatabase) {
  StreamTurn first = Must(OpenStream());
  ASSERT_THAT(first.SetCapture(Must(SqliteCapture::Start(ConnectionOf(first)))), IsOk());
  StreamTurn second = Resume(Must(first.Finish()));
  Must(ConnectionOf(second).Execute("BEGIN; INSERT INTO item VALUES (1, 'a'), (2, 'b')"));
  StreamTurn third = Resume(Must(second.Finish()));
  ASSERT_TRUE(third.HasCapture());
  std::unique_ptr<Capture> capture = third.TakeCapture();
  EXPECT_FALSE(third.HasCapture());
  EXPECT_EQ(third.TakeCapture(), nullptr) << "there is one taker";
  const std::string changes = Must(dynamic_cast<SqliteCapture&>(*capture).Changeset());
  capture.reset();
  Must(ConnectionOf(third).Execute("COMMIT"));
  ASSERT_THAT(third.Close(), IsOk());

  const auto replica = Must(SqlitePool::Open({.path = dir_ / "replica.db"}));
  const Connection other = Must(replica->Acquire(/*read_only=*/false, Soon()));
  Must(other->Execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"));
  EXPECT_THAT(ApplyChangeset(*other, changes, ConflictPolicy::kAbort), IsOk());
  EXPECT_EQ(Rows(*other), "1=a 2=b");
  EXPECT_EQ(Committed(), "1=a 2=b");
}

TEST_F(SqliteStreamTest, ACaptureThatNobodyTakesIsClosedBeforeItsConnection) {
  StreamTurn turn = Must(OpenStream());
  ASSERT_THAT(turn.SetCapture(Must(SqliteCapture::Start(ConnectionOf(turn)))), IsOk());
  Must(ConnectionOf(turn).Execute("BEGIN; INSERT INTO item VALUES (1, 'in vain')"));
  const std::string baton = Must(turn.Finish());
  EXPECT_EQ(streams().Kill(streams().List().front().id), Killed::kKilled);
  ExpectGone(baton);  // a connection with an open capture would not have been reused
}

}  // namespace
}  // namespace batonstore
