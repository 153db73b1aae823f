// Events as rows: numbered, kept while somebody has not read them, and dropped then.

#include "batonstore/store/outbox.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_tables.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::ElementsAre;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::MemoryTables;

class OutboxTest : public MemoryTables {
 protected:
  void SetUp() override {
    Write([](Transaction& transaction) { return PutMetaNumber(transaction, meta::kLastEvent, 0); });
  }

  // An event that is told apart by its detail.
  void Append(const std::string& detail) {
    Event event;
    event.detail = detail;
    Write([&](Transaction& transaction) { return AppendEvent(transaction, keys_, event); });
  }
  void AppendMany(int count) {
    for (int i = 0; i < count; ++i) Append("event");
  }
  void Acknowledge(const std::string& name, uint64_t sequence) {
    Write([&](Transaction& transaction) { return PutConsumer(transaction, {name, sequence}); });
  }
  size_t Trim(size_t most) {
    size_t trimmed = 0;
    Write([&](Transaction& transaction) -> absl::Status {
      const absl::StatusOr<size_t> dropped = TrimOutbox(transaction, most);
      trimmed = dropped.value_or(0);
      return dropped.status();
    });
    return trimmed;
  }

  std::vector<std::pair<uint64_t, std::string>> List(uint64_t after = 0, size_t most = 99) {
    std::vector<std::pair<uint64_t, std::string>> listed;
    const auto events = ListEvents(*Read(), keys_, after, most);
    EXPECT_THAT(events, IsOk());
    if (!events.ok()) return listed;
    for (const Event& event : *events) listed.emplace_back(event.sequence, event.detail);
    return listed;
  }
  std::vector<uint64_t> Kept() {
    std::vector<uint64_t> sequences;
    for (const auto& [sequence, detail] : List()) sequences.push_back(sequence);
    return sequences;
  }

  using Listed = std::vector<std::pair<uint64_t, std::string>>;
};

// ---- Events ----

TEST_F(OutboxTest, NothingIsWrittenWhileNobodyReads) {
  const MemoryEngine::Rows before = engine_.Committed();
  Append("unheard");
  EXPECT_EQ(engine_.Committed(), before);
}

TEST_F(OutboxTest, EventReadsBackAsItWasAppendedButForItsNumber) {
  Acknowledge("mailer", 0);
  Event event{99,       EventType::kMoved, absl::FromUnixSeconds(1'800'000'000),
              Alias(5), Alias(6),          "alice",
              "main",   "detail"};
  Write([&](Transaction& transaction) { return AppendEvent(transaction, keys_, event); });
  ASSERT_OK_AND_ASSIGN(const std::vector<Event> events, ListEvents(*Read(), keys_, 0, 9));
  event.sequence = 1;
  EXPECT_THAT(events, ElementsAre(event));
}

TEST_F(OutboxTest, NumbersRiseByOneFromEventToEvent) {
  Acknowledge("mailer", 0);
  Append("one");
  Write([&](Transaction& transaction) -> absl::Status {  // two in one transaction
    Event event;
    event.detail = "two";
    const absl::Status appended = AppendEvent(transaction, keys_, event);
    event.detail = "three";
    return appended.ok() ? AppendEvent(transaction, keys_, event) : appended;
  });
  EXPECT_EQ(List(), (Listed{{1, "one"}, {2, "two"}, {3, "three"}}));
  EXPECT_EQ(*LastEvent(*Read()), 3u);
}

TEST_F(OutboxTest, NumberIsNotGivenAgainWhenItsEventIsDropped) {
  Acknowledge("mailer", 0);
  AppendMany(3);
  Acknowledge("mailer", 3);
  EXPECT_EQ(Trim(99), 3u);
  Append("next");
  EXPECT_EQ(List(), (Listed{{4, "next"}}));
}

TEST_F(OutboxTest, ListGoesOnAfterANumberUpToABound) {
  Acknowledge("mailer", 0);
  for (const char* const detail : {"one", "two", "three"}) Append(detail);
  EXPECT_EQ(List(1), (Listed{{2, "two"}, {3, "three"}}));
  EXPECT_EQ(List(0, 2), (Listed{{1, "one"}, {2, "two"}}));
  EXPECT_EQ(List(3), Listed());
  EXPECT_EQ(List(0, 0), Listed());
  EXPECT_EQ(List(UINT64_MAX), Listed());
}

TEST_F(OutboxTest, ListKeepsTheOrderBeyondOneByteOfNumbers) {
  Acknowledge("mailer", 0);
  AppendMany(300);
  const Listed listed = List(0, 999);
  ASSERT_EQ(listed.size(), 300u);
  for (size_t i = 0; i < listed.size(); ++i) EXPECT_EQ(listed[i].first, i + 1);
}

TEST_F(OutboxTest, DamagedEventIsCorruptAndThoseBeforeItCanBeRead) {
  Acknowledge("mailer", 0);
  AppendMany(3);
  Put(Table::kOutbox, EncodeNumber(2), "damaged");
  EXPECT_THAT(ListEvents(*Read(), keys_, 0, 9), HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(List(0, 1).size(), 1u);
  EXPECT_EQ(List(2).size(), 1u);
}

TEST_F(OutboxTest, EventUnderTheNumberOfAnotherIsCorrupt) {
  Acknowledge("mailer", 0);
  AppendMany(2);
  Put(Table::kOutbox, EncodeNumber(2), RowsOf(Table::kOutbox).at(EncodeNumber(1)));
  EXPECT_THAT(ListEvents(*Read(), keys_, 1, 9), HasVerdict(Verdict::kCorrupt));
}

TEST_F(OutboxTest, SealedBytesThatAreNoEventAreCorrupt) {
  const std::string key = EncodeNumber(1);
  Put(Table::kOutbox, key, keys_.SealRow(Table::kOutbox, key, "nonsense"));
  EXPECT_THAT(ListEvents(*Read(), keys_, 0, 9), HasVerdict(Verdict::kCorrupt));
}

TEST_F(OutboxTest, EventUnderAKeyThatIsNoNumberIsCorrupt) {
  const std::string key = EncodeNumber(1) + "odd";
  Put(Table::kOutbox, key, keys_.SealRow(Table::kOutbox, key, EncodeEvent(Event())));
  EXPECT_THAT(ListEvents(*Read(), keys_, 0, 9), HasVerdict(Verdict::kCorrupt));
}

// ---- Consumers ----

TEST_F(OutboxTest, ConsumersAreListedByNameWithHowFarTheyAre) {
  Acknowledge("mailer", 0);
  Acknowledge("billing", 7);
  Acknowledge("mailer", 3);
  ASSERT_OK_AND_ASSIGN(const std::vector<Consumer> consumers, ListConsumers(*Read()));
  ASSERT_EQ(consumers.size(), 2u);
  EXPECT_EQ(consumers[0].name, "billing");
  EXPECT_EQ(consumers[0].acknowledged, 7u);
  EXPECT_EQ(consumers[1].name, "mailer");
  EXPECT_EQ(consumers[1].acknowledged, 3u);
  EXPECT_EQ(*GetConsumer(*Read(), "mailer"), 3u);
  EXPECT_EQ(*GetConsumer(*Read(), "nobody"), std::nullopt);
}

TEST_F(OutboxTest, DeletingAConsumerSaysWhetherThereWasOne) {
  Acknowledge("mailer", 0);
  for (const bool there : {true, false}) {
    Write([&](Transaction& transaction) -> absl::Status {
      const absl::StatusOr<bool> deleted = DeleteConsumer(transaction, "mailer");
      EXPECT_EQ(*deleted, there);
      return deleted.status();
    });
  }
  EXPECT_THAT(RowsOf(Table::kConsumers), IsEmpty());
}

TEST_F(OutboxTest, MisshapenConsumerIsCorrupt) {
  Put(Table::kConsumers, "mailer", "seven b");
  EXPECT_THAT(ListConsumers(*Read()), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(GetConsumer(*Read(), "mailer"), HasVerdict(Verdict::kCorrupt));
}

// ---- Trimming ----

TEST_F(OutboxTest, EventThatOneConsumerHasNotReadIsKept) {
  Acknowledge("mailer", 0);
  Acknowledge("billing", 0);
  AppendMany(5);
  Acknowledge("mailer", 5);
  EXPECT_EQ(Trim(99), 0u);
  Acknowledge("billing", 3);
  EXPECT_EQ(Trim(99), 3u);
  EXPECT_THAT(Kept(), ElementsAre(4, 5));
  Acknowledge("billing", 5);
  EXPECT_EQ(Trim(99), 2u);
  EXPECT_THAT(RowsOf(Table::kOutbox), IsEmpty());
  EXPECT_EQ(Trim(99), 0u);
}

TEST_F(OutboxTest, TrimsTheOldestUpToABound) {
  Acknowledge("mailer", 0);
  AppendMany(5);
  Acknowledge("mailer", 4);
  EXPECT_EQ(Trim(0), 0u);
  EXPECT_EQ(Trim(3), 3u);
  EXPECT_THAT(Kept(), ElementsAre(4, 5));
  EXPECT_EQ(Trim(3), 1u);
  EXPECT_THAT(Kept(), ElementsAre(5));
}

TEST_F(OutboxTest, TrimsAllWhenTheLastConsumerIsGone) {
  Acknowledge("mailer", 0);
  AppendMany(5);
  Write([](Transaction& transaction) { return DeleteConsumer(transaction, "mailer").status(); });
  EXPECT_EQ(Trim(99), 5u);
  EXPECT_THAT(RowsOf(Table::kOutbox), IsEmpty());
}

TEST_F(OutboxTest, TrimsNothingForAConsumerThatCannotBeRead) {
  Acknowledge("mailer", 0);
  AppendMany(2);
  Put(Table::kConsumers, "mailer", "seven b");
  EXPECT_THAT(Try([](Transaction& transaction) { return TrimOutbox(transaction, 99).status(); }),
              HasVerdict(Verdict::kCorrupt));
}

}  // namespace
}  // namespace batonstore
