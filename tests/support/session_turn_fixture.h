// A fixture for tests of durable turns on sessions, on the in-memory engine.

#ifndef BATONSTORE_TESTS_SUPPORT_SESSION_TURN_FIXTURE_H_
#define BATONSTORE_TESTS_SUPPORT_SESSION_TURN_FIXTURE_H_

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/status_matchers.h"

namespace batonstore::testing {

class SessionTurnFixture : public MemoryStoreFixture {
 protected:
  std::string Issue(Alias alias) {
    const absl::StatusOr<std::string> baton = store().Issue(alias);
    EXPECT_THAT(baton, IsOk());
    return baton.value_or("");
  }

  // By the owner.
  absl::StatusOr<Resumed> Resume(const std::string& baton, const std::string& digest = "request",
                                 CutOff cut_off = CutOff::kRunAgain) {
    return store().Resume(baton, digest, "main", "alice", cut_off);
  }

  // Which must give a turn.
  SessionTurn Turn(const std::string& baton, const std::string& digest = "request",
                   CutOff cut_off = CutOff::kRunAgain) {
    absl::StatusOr<Resumed> resumed = Resume(baton, digest, cut_off);
    EXPECT_THAT(resumed, IsOk());
    return std::get<SessionTurn>(*std::move(resumed));
  }

  // Which must finish.
  std::string Finish(SessionTurn turn, const std::string& reply = "reply") {
    const absl::StatusOr<std::string> next = turn.Finish(reply);
    EXPECT_THAT(next, IsOk());
    EXPECT_FALSE(turn.is_open());
    return next.value_or("");
  }

  // A whole turn; the next baton.
  std::string Use(const std::string& baton, const std::string& digest = "request",
                  const std::string& reply = "reply", CutOff cut_off = CutOff::kRunAgain) {
    return Finish(Turn(baton, digest, cut_off), reply);
  }

  // Must be answered as before, and write nothing.
  void ExpectReplay(const std::string& baton, const std::string& digest, const TurnReplay& replay) {
    ExpectNoChange([&]() -> absl::Status {
      const absl::StatusOr<Resumed> resumed = Resume(baton, digest);
      if (!resumed.ok()) return resumed.status();
      EXPECT_TRUE(std::holds_alternative<TurnReplay>(*resumed));
      if (std::holds_alternative<TurnReplay>(*resumed)) {
        EXPECT_TRUE(std::get<TurnReplay>(*resumed) == replay);
      }
      return absl::OkStatus();
    });
  }
  void ExpectUnknown(const std::string& baton, const std::string& digest,
                     const std::string& next_baton) {
    ExpectNoChange([&]() -> absl::Status {
      const absl::StatusOr<Resumed> resumed = Resume(baton, digest, CutOff::kAtMostOnce);
      if (!resumed.ok()) return resumed.status();
      EXPECT_TRUE(std::holds_alternative<TurnUnknown>(*resumed));
      if (std::holds_alternative<TurnUnknown>(*resumed)) {
        EXPECT_TRUE(std::get<TurnUnknown>(*resumed) == TurnUnknown{next_baton});
        EXPECT_THAT(std::get<TurnUnknown>(*resumed).status(), HasVerdict(Verdict::kUnknown));
      }
      return absl::OkStatus();
    });
  }

  TurnRecord StoredTurn(Alias alias) {
    const recovery::Identity identity = memory().Identity();
    return GetSealed(**engine().Read(), *identity.keys, Table::kTurns, alias.ToKey(), DecodeTurn)
        ->value();
  }
  void StoreTurn(Alias alias, const TurnRecord& turn) {
    memory().Tamper([&](Transaction& transaction) {
      return PutSealed(transaction, *memory().Identity().keys, Table::kTurns, alias.ToKey(),
                       EncodeTurn(turn));
    });
  }
  size_t SizeOfTurn(Alias alias) {
    return engine().Committed()[TableIndex(Table::kTurns)].at(alias.ToKey()).size();
  }

  // A baton as this store signs it, that says this.
  std::string Signed(Alias alias, uint64_t generation, BatonKind kind = BatonKind::kSession) {
    return memory().Identity().keyring->Mint({kind, alias.value(), generation, 1});
  }

  std::vector<Event> EventsOf(const std::function<void()>& change) {
    EXPECT_THAT(store().events().AddConsumer("test"), IsOk());
    change();
    const std::vector<Event> events = *store().events().Read("test", kMaxEventsRead);
    EXPECT_THAT(store().events().RemoveConsumer("test"), IsOk());
    return events;
  }
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_SESSION_TURN_FIXTURE_H_
