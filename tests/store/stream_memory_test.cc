// Streams when memory runs out: whatever allocation fails, a call refuses with a verdict, and what
// a stream holds is given back exactly once.

#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/stream_registry.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/status_matchers.h"
#include "tests/support/stream_fixture.h"

namespace batonstore {
namespace {

using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::ScopedAllocationFault;
using ::batonstore::testing::StreamFixture;

// Counts, which needs no memory, as writing a journal would.
struct Counts {
  int pinned = 0;
  int returned = 0;
  int discarded = 0;
  int destroyed = 0;
  int released = 0;
};

class CountingConnection final : public PinnedConnection {
 public:
  CountingConnection(Counts& counts, std::function<absl::Status()> rollback)
      : counts_(counts), rollback_(std::move(rollback)) {
    ++counts_.pinned;
  }
  ~CountingConnection() override { ++counts_.destroyed; }
  absl::Status Rollback(absl::Time) override { return rollback_ ? rollback_() : absl::OkStatus(); }
  void ReturnToPool() noexcept override { ++counts_.returned; }
  void Discard() noexcept override { ++counts_.discarded; }

 private:
  Counts& counts_;
  const std::function<absl::Status()> rollback_;
};

class StreamMemoryTest : public StreamFixture {
 protected:
  ~StreamMemoryTest() override { streams_.reset(); }  // while there is somewhere to count

  OpenStream Spec(std::function<absl::Status()> rollback = nullptr) {
    return {.database = "a database with a name that is not short",
            .principal = "a principal with a name that is not short",
            .connect =
                [this, rollback = std::move(rollback)](absl::Time) {
                  return std::make_unique<CountingConnection>(counts_, rollback);
                },
            .on_release = [this] { ++counts_.released; }};
  }

  // All that a stream can do, to its end.
  absl::Status Live(OpenStream& spec) {
    const std::string& database = database_;
    const std::string& principal = principal_;
    BATONSTORE_ASSIGN_OR_RETURN(StreamTurn turn, streams_->Open(std::move(spec)));
    BATONSTORE_ASSIGN_OR_RETURN(const std::string peeked, turn.PeekBaton());
    BATONSTORE_RETURN_IF_ERROR(turn.StoreSql(1, "SELECT a, b, c FROM somewhere WHERE d = ?"));
    BATONSTORE_ASSIGN_OR_RETURN(const std::string baton, turn.Finish());
    BATONSTORE_ASSIGN_OR_RETURN(StreamTurn next, streams_->Resume(baton, database, principal));
    BATONSTORE_ASSIGN_OR_RETURN(const std::string last, next.Finish());
    BATONSTORE_ASSIGN_OR_RETURN(StreamTurn killed, streams_->Resume(last, database, principal));
    streams_->Kill(killed.id());
    return killed.Finish().status();
  }

  const std::string database_ = Spec().database;
  const std::string principal_ = Spec().principal;
  Counts counts_;
};

TEST_F(StreamMemoryTest, WhateverAllocationFailsEverythingIsGivenBackOnce) {
  int refused = 0;
  bool struck = true;
  for (size_t nth = 0; struck; ++nth) {
    SCOPED_TRACE(nth);
    Restart({});  // so that slots are allocated too
    counts_ = {};
    OpenStream spec = Spec();
    absl::Status outcome;
    {
      const ScopedAllocationFault fault(nth, /*for_good=*/false);
      outcome = Live(spec);
      struck = fault.Struck();
    }
    if (VerdictOf(outcome) == Verdict::kTooMany) ++refused;
    if (!struck) {
      EXPECT_THAT(outcome, HasVerdict(Verdict::kLost)) << "it was killed";
    }
    EXPECT_FALSE(outcome.ok());
    EXPECT_EQ(streams_->Count(), 0u);
    EXPECT_EQ(counts_.returned, counts_.pinned);
    EXPECT_EQ(counts_.discarded, 0);
    EXPECT_EQ(counts_.destroyed, counts_.pinned);
    EXPECT_EQ(counts_.released, 1);
  }
  EXPECT_GT(refused, 10);
}

TEST_F(StreamMemoryTest, ALateRollbackNeedsNoMemoryToBeDiscarded) {
  std::optional<ScopedAllocationFault> fault;
  StreamTurn turn = OpenOrDie(Spec([&] {
    clock_.Advance(absl::Seconds(6));
    fault.emplace(0, /*for_good=*/true);
    return absl::OkStatus();
  }));
  const absl::Status closed = turn.Close();
  fault.reset();
  EXPECT_THAT(closed, HasVerdict(Verdict::kBusy));
  EXPECT_EQ(counts_.discarded, 1);
  EXPECT_EQ(counts_.destroyed, 1);
  EXPECT_EQ(counts_.released, 1);
  EXPECT_EQ(streams_->Count(), 0u);
}

TEST_F(StreamMemoryTest, ARollbackThatFindsNoMemoryIsDiscarded) {
  std::optional<ScopedAllocationFault> fault;
  ASSERT_THAT(OpenOrDie(Spec([&]() -> absl::Status {
                fault.emplace(0, /*for_good=*/true);
                throw std::bad_alloc();
              })).Finish(),
              IsOk());
  clock_.Advance(absl::Minutes(1));
  const size_t reaped = streams_->Reap();
  fault.reset();
  EXPECT_EQ(reaped, 1u);
  EXPECT_EQ(counts_.discarded, 1);
  EXPECT_EQ(counts_.released, 1);
  EXPECT_EQ(streams_->Count(), 0u);
}

TEST_F(StreamMemoryTest, PeekingWithoutMemoryLeavesTheTurnUnderWay) {
  for (size_t nth = 0; nth < 2; ++nth) {
    StreamTurn turn = OpenOrDie(Spec());
    {
      const ScopedAllocationFault fault(nth, /*for_good=*/false);
      EXPECT_THAT(turn.PeekBaton(), HasVerdict(Verdict::kTooMany));
    }
    EXPECT_TRUE(turn.is_under_way());
    ASSERT_OK_AND_ASSIGN(const std::string peeked, turn.PeekBaton());
    EXPECT_EQ(turn.Finish().value_or(""), peeked);
  }
}

}  // namespace
}  // namespace batonstore
