#include "batonstore/tools/demo_orders.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "batonstore/base/verdict.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;
using batonstore::testing::MemoryStore;

constexpr int kClients = 3;

class DemoOrdersTest : public ::testing::Test {
 protected:
  DemoOrdersTest() : clients_(*OrderClients::Create(*store_, kClients)) {}

  absl::StatusOr<OrderAnswer> Serve(absl::string_view baton, uint64_t number,
                                    absl::string_view database, absl::string_view principal) {
    return TakeOrder(*store_, baton, number, database, principal);
  }
  OrderService Honest() {
    return [this](auto... request) { return Serve(request...); };
  }

  std::vector<Alias> Aliases() {
    std::vector<Alias> aliases;
    const absl::StatusOr<ListPage> page = store_->List({}, kMaxPageSize);
    for (const Session& session : page->sessions) aliases.push_back(session.alias);
    return aliases;
  }

  // As a worker that is killed after some rounds, of which `report` learns.
  absl::Status Work(int rounds, const std::function<absl::Status(const std::string&)>& report) {
    return TakeOrders(
        *store_, Aliases(), [&] { return rounds-- == 0; }, report);
  }
  absl::Status WorkInSight(int rounds) {
    return Work(rounds, [this](const std::string& line) {
      return clients_.Record(absl::string_view(line).substr(0, line.size() - 1));
    });
  }
  absl::Status WorkOutOfSight() {
    return Work(1, [](const std::string&) { return absl::OkStatus(); });
  }

  MemoryStore store_;
  OrderClients clients_;
};

TEST_F(DemoOrdersTest, WhatWasTakenIsAnsweredAgainAndTheRestNow) {
  ASSERT_THAT(WorkInSight(5), IsOk());
  EXPECT_EQ(clients_.answered(), 5u * kClients);
  ASSERT_OK_AND_ASSIGN(const uint64_t before_kill, clients_.AskAgain(*store_, Honest()));
  EXPECT_EQ(before_kill, 0u);
  ASSERT_THAT(WorkOutOfSight(), IsOk());
  ASSERT_OK_AND_ASSIGN(const uint64_t lost, clients_.AskAgain(*store_, Honest()));
  EXPECT_EQ(lost, static_cast<uint64_t>(kClients));
  EXPECT_EQ(clients_.answered(), 7u * kClients);
  for (const Alias alias : Aliases()) EXPECT_EQ(*OrdersTaken(*store_, alias), 7u);
}

TEST_F(DemoOrdersTest, OrdersThatAreTakenTwiceAreFound) {
  ASSERT_THAT(WorkInSight(1), IsOk());
  ASSERT_THAT(store_->Merge(Aliases()[1], {{"orders", Change::Add(1)}}), IsOk());
  EXPECT_THAT(clients_.AskAgain(*store_, Honest()), HasVerdict(Verdict::kCorrupt));
}

TEST_F(DemoOrdersTest, AnswersThatDifferAreFound) {
  int asked = 0;
  const OrderService forgetful = [&](auto... request) {
    absl::StatusOr<OrderAnswer> answer = Serve(request...);
    if (answer.ok() && ++asked == 2) answer->next_baton += "x";
    return answer;
  };
  EXPECT_THAT(clients_.AskAgain(*store_, forgetful), HasVerdict(Verdict::kCorrupt));
}

TEST_F(DemoOrdersTest, ReportsThatDoNotFitAreRefused) {
  for (const char* line : {"", "answered", "answered 0 1 baton", "answered 000000000000000f 1 b"}) {
    EXPECT_THAT(clients_.Record(line), HasVerdict(Verdict::kCorrupt)) << line;
  }
  const std::string second = "answered " + Aliases()[0].ToString() + " 2 baton";
  EXPECT_THAT(clients_.Record(second), HasVerdict(Verdict::kCorrupt)) << "after none";
}

TEST_F(DemoOrdersTest, AStoreThatChecksAcceptsNoReplayAndNoTheft) {
  ASSERT_THAT(WorkInSight(4), IsOk());
  ASSERT_OK_AND_ASSIGN(const OrderClients::Tried replays, clients_.Replay(Honest()));
  EXPECT_EQ(replays.batons, 4u * kClients);
  EXPECT_EQ(replays.accepted, 0u);
  ASSERT_OK_AND_ASSIGN(const OrderClients::Tried thefts, clients_.Steal(Honest()));
  EXPECT_EQ(thefts.batons, 4u * kClients);
  EXPECT_EQ(thefts.accepted, 0u);
  EXPECT_THAT(clients_.AskAgain(*store_, Honest()), IsOk()) << "it cost the owners something";
}

TEST_F(DemoOrdersTest, WhatIsAcceptedIsCounted) {
  ASSERT_THAT(WorkInSight(4), IsOk());
  const OrderService lax = [](auto...) { return OrderAnswer(); };
  EXPECT_EQ(clients_.Replay(lax)->accepted, 4u * kClients);
  EXPECT_EQ(clients_.Steal(lax)->accepted, 4u * kClients);
}

TEST_F(DemoOrdersTest, AnotherRefusalThanTheRightOneIsAnError) {
  ASSERT_THAT(WorkInSight(2), IsOk());
  const OrderService broken = [](auto...) -> absl::StatusOr<OrderAnswer> {
    return Refuse(Verdict::kIo, "the disk is gone");
  };
  EXPECT_THAT(clients_.Replay(broken), HasVerdict(Verdict::kIo));
  EXPECT_THAT(clients_.Steal(broken), HasVerdict(Verdict::kIo));
}

}  // namespace
}  // namespace batonstore::tools
