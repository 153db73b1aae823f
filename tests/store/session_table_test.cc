// What each change of a session writes, row by row, and that nothing of it stays when it is gone.

#include "batonstore/store/session_table.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/store/attribute_rows.h"
#include "batonstore/store/number.h"
#include "batonstore/store/outbox.h"
#include "batonstore/store/population.h"
#include "batonstore/store/reservations.h"
#include "batonstore/store/revocations.h"
#include "batonstore/store/rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_tables.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using ::testing::ElementsAre;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::MemoryTables;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

const absl::Time kNoon = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kRetention = absl::Hours(24);

// A row that was added, changed or deleted, for people.
std::string Row(char what, Table table, absl::string_view key) {
  return absl::StrCat(std::string(1, what), " ", TableName(table), " ",
                      table == Table::kMeta ? std::string(key) : absl::BytesToHexString(key));
}

std::vector<std::string> Difference(const MemoryEngine::Rows& before,
                                    const MemoryEngine::Rows& after) {
  std::vector<std::string> rows;
  for (const Table table : kAllTables) {
    const MemoryEngine::TableRows& was = before[TableIndex(table)];
    const MemoryEngine::TableRows& is = after[TableIndex(table)];
    for (const auto& [key, value] : is) {
      const auto old = was.find(key);
      if (old == was.end()) rows.push_back(Row('+', table, key));
      if (old != was.end() && old->second != value) rows.push_back(Row('~', table, key));
    }
    for (const auto& [key, value] : was) {
      if (!is.contains(key)) rows.push_back(Row('-', table, key));
    }
  }
  return rows;
}

class SessionTableTest : public MemoryTables {
 protected:
  void SetUp() override {
    MakeIndexMark();
    Write([](Transaction& transaction) {
      return PutMetaNumber(transaction, meta::kLastAlias, Alias::FirstAt(kNoon).value() - 1);
    });
    Write([](Transaction& transaction) { return PutMetaNumber(transaction, meta::kLastEvent, 0); });
  }

  // From here on events are written.
  void Follow() {
    Write([](Transaction& transaction) { return PutConsumer(transaction, {"test", 0}); });
  }
  // What has happened since the last time that somebody asked: "reserved", and for an alias or a
  // detail that goes with it "compensation (intent)".
  std::vector<std::string> Told() {
    std::vector<std::string> told;
    const auto events = ListEvents(*Read(), keys_, told_, 99);
    EXPECT_THAT(events, IsOk());
    if (!events.ok()) return told;
    for (const Event& event : *events) {
      EXPECT_EQ(event.sequence, ++told_);
      EXPECT_EQ(event.at, now_);
      EXPECT_EQ(event.principal, "alice");
      EXPECT_EQ(event.database, "main");
      told.push_back(std::string(EventTypeName(event.type)));
      if (!event.detail.empty()) absl::StrAppend(&told.back(), " (", event.detail, ")");
    }
    return told;
  }

  // Runs `body` and says which rows that has changed.
  std::vector<std::string> RowsWrittenBy(absl::FunctionRef<absl::Status(Transaction&)> body) {
    const MemoryEngine::Rows before = engine_.Committed();
    Write(body);
    return Difference(before, engine_.Committed());
  }

  static SessionRecord Created() {
    SessionRecord record;
    Session& session = record.session;
    session.state = State::kCreated;
    session.principal = "alice";
    session.database = "main";
    session.expires_at = absl::InfiniteFuture();
    session.public_key = "public key";
    record.sealed_private_key = "sealed private key";
    return record;
  }
  static SessionRecord Reserved() {
    SessionRecord record = Created();
    record.session.state = State::kReserved;
    return record;
  }
  ReservationRecord Reservation(const std::string& intent = "intent") {
    return {/*epoch=*/3, now_ + absl::Minutes(10), intent};
  }

  // Takes an alias for the record; the first of a group of its own unless it names one.
  void TakeAlias(SessionRecord& record) {
    Write([&](Transaction& transaction) { return table_.TakeAlias(transaction, record, now_); });
    if (record.session.group == Alias()) record.session.group = record.session.alias;
  }
  Session InsertIn(Transaction& transaction, const SessionRecord& record,
                   const std::optional<ReservationRecord>& reservation) {
    const absl::StatusOr<Session> inserted = table_.Insert(transaction, record, reservation, now_);
    EXPECT_THAT(inserted, IsOk());
    return inserted.value_or(Session());
  }
  // Inserts it with the next alias.
  Alias Insert(SessionRecord record,
               const std::optional<ReservationRecord>& reservation = std::nullopt) {
    TakeAlias(record);
    Write([&](Transaction& transaction) {
      InsertIn(transaction, record, reservation);
      return absl::OkStatus();
    });
    return record.session.alias;
  }
  Alias InsertReserved(const std::string& intent = "intent") {
    return Insert(Reserved(), Reservation(intent));
  }
  void GiveAttributes(Alias alias) {
    Write([&](Transaction& transaction) {
      return ReplaceFields(transaction, keys_, alias,
                           {{"theme", "dark"}, {"token", Value::Secret("t")}})
          .status();
    });
  }
  void RevokeAll() {  // of alice
    Write([&](Transaction& transaction) -> absl::Status {
      const absl::StatusOr<uint64_t> last = GetMetaNumber(transaction, meta::kLastAlias);
      return PutRevocation(transaction, keys_,
                           {keys_.HashPrincipal("alice"), Alias(*last), {now_, Alias(), Alias()}});
    });
  }

  StoredSession Get(Alias alias) {
    const absl::StatusOr<StoredSession> session = table_.Get(*Read(), alias, now_);
    EXPECT_THAT(session, IsOk());
    return session.value_or(StoredSession());
  }
  absl::Status End(Transaction& transaction, StoredSession& session, State to = State::kRevoked) {
    return table_.End(transaction, session, to, now_, now_);
  }
  std::optional<bool> Settle(Alias alias) {
    std::optional<bool> settled;
    Write([&](Transaction& transaction) -> absl::Status {
      StoredSession session = Get(alias);
      const absl::StatusOr<bool> answer = table_.Settle(transaction, session, now_);
      if (answer.ok()) settled = *answer;
      return answer.status();
    });
    return settled;
  }

  // The row of a session whose baton has rotated.
  TurnRecord Rotated() const {
    return {now_, 7, TurnRecord::Last::kFinished, "digest", "successor", "reply"};
  }

  // What the writer has in hand after a change is what is read back of it.
  void ExpectIsWhatIsStored(const StoredSession& session) {
    const StoredSession stored = Get(session.alias());
    EXPECT_EQ(Describe(session.Seen()), Describe(stored.Seen()));
    EXPECT_EQ(session.reservation.has_value(), stored.reservation.has_value());
    EXPECT_EQ(session.turn.has_value(), stored.turn.has_value());
    EXPECT_EQ(session.record.sealed_private_key, stored.record.sealed_private_key);
    if (stored.is_stored_live()) {
      EXPECT_EQ(session.due, stored.due);
    }
  }

  // ---- Keys of rows ----

  static std::string ExpiryKey(absl::Time at, Alias alias) {
    return EncodeNumber(EncodeTime(at)) + alias.ToKey();
  }
  std::string PrincipalKey() { return PrincipalScope(keys_, "alice").Key(); }
  std::string DatabaseKey() { return DatabaseScope(keys_, "main").Key(); }

  static std::string Added(Table table, absl::string_view key) { return Row('+', table, key); }
  static std::string Changed(Table table, absl::string_view key) { return Row('~', table, key); }
  static std::string Deleted(Table table, absl::string_view key) { return Row('-', table, key); }

  absl::Time now_ = kNoon;
  uint64_t told_ = 0;
  SessionTable table_{keys_, tail_, Policy{.retention = kRetention}};
};

// ---- Insert ----

TEST_F(SessionTableTest, FirstSessionWritesItsRecordAndTheStoresPopulation) {
  SessionRecord record = Created();
  TakeAlias(record);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                InsertIn(transaction, record, std::nullopt);
                return absl::OkStatus();
              }),
              UnorderedElementsAre(Added(Table::kSessions, record.session.alias.ToKey()),
                                   Added(Table::kMeta, meta::kLive)))
      << "one that never ends has no row in expiries, and no index changes yet";
  EXPECT_EQ(tail_.sessions(), 1u);
}

TEST_F(SessionTableTest, EntriesOfTheIndexesAreWrittenWhenTheTailIsMerged) {
  SessionRecord record = Created();
  record.idempotency_key = "request";
  const Alias alias = Insert(record);
  record.session.alias = alias;
  std::vector<std::string> expected = {Added(Table::kPrincipals, PrincipalKey()),
                                       Added(Table::kDatabases, DatabaseKey()),
                                       Changed(Table::kMeta, meta::kIndexMark)};
  for (const IndexEntry& entry : EntriesOf(keys_, record)) {
    expected.push_back(Added(entry.table, entry.Key()));
  }
  EXPECT_EQ(expected.size(), 7u);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                return IndexMerge(tail_, IndexRules()).MergeAll(transaction);
              }),
              UnorderedElementsAreArray(expected));
  EXPECT_EQ(tail_.sessions(), 0u);
}

TEST_F(SessionTableTest, SessionWithEverythingHasARowForEachOfIt) {
  SessionRecord first = Created();
  first.session.public_key = "another";
  const Alias group = Insert(first);

  SessionRecord record = Created();
  record.session.group = group;
  record.session.expires_at = now_ + absl::Hours(2);
  record.session.idle_timeout = absl::Hours(1);
  record.idempotency_key = "request";
  TakeAlias(record);
  const Alias alias = record.session.alias;
  const std::string key = alias.ToKey();
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                const Session session = InsertIn(transaction, record, std::nullopt);
                EXPECT_EQ(session.deadline, now_ + absl::Hours(1));
                return absl::OkStatus();
              }),
              UnorderedElementsAre(Added(Table::kSessions, key), Added(Table::kTurns, key),
                                   Added(Table::kExpiries, ExpiryKey(now_ + absl::Hours(1), alias)),
                                   Added(Table::kGroups, group.ToKey() + EncodeNumber(1)),
                                   Changed(Table::kMeta, meta::kLive)));
}

// Its idle clock has not started.
TEST_F(SessionTableTest, ReservationHasItsOwnRowAndDeadlineAndNoTurn) {
  const Alias other = Insert(Created());
  ASSERT_NE(other, Alias());
  SessionRecord record = Reserved();
  record.session.public_key = "another";
  record.session.idle_timeout = absl::Minutes(1);
  TakeAlias(record);
  const Alias alias = record.session.alias;
  const std::string key = alias.ToKey();
  EXPECT_THAT(
      RowsWrittenBy([&](Transaction& transaction) {
        const Session session = InsertIn(transaction, record, Reservation());
        EXPECT_EQ(session.state, State::kReserved);
        EXPECT_EQ(session.deadline, now_ + absl::Minutes(10));
        return absl::OkStatus();
      }),
      UnorderedElementsAre(Added(Table::kSessions, key), Added(Table::kReservations, key),
                           Added(Table::kExpiries, ExpiryKey(now_ + absl::Minutes(10), alias)),
                           Changed(Table::kMeta, meta::kLive)));
}

TEST_F(SessionTableTest, DeadlineIsTheEarliestOfAllThatEndASession) {
  const absl::Duration hour = absl::Hours(1);
  for (const auto& [expires, idle, deadline] :
       {std::tuple{hour, 2 * hour, hour}, {2 * hour, hour, hour}, {hour, hour, hour}}) {
    SessionRecord record = Created();
    record.session.expires_at = now_ + expires;
    record.session.idle_timeout = idle;
    EXPECT_EQ(Get(Insert(record)).deadline, now_ + deadline);
    record.session.state = State::kReserved;
    record.session.expires_at = now_ + absl::Minutes(9);
    EXPECT_EQ(Get(Insert(record, Reservation())).deadline, now_ + absl::Minutes(9));
  }
}

TEST_F(SessionTableTest, SessionReadsBackAsItWasSeenWhenItWasInserted) {
  for (const bool reserved : {false, true}) {
    SessionRecord record = reserved ? Reserved() : Created();
    record.session.idle_timeout = absl::Hours(1);
    record.session.expires_at = now_ + absl::Hours(2);
    TakeAlias(record);
    std::string seen;
    Write([&](Transaction& transaction) {
      seen = Describe(
          InsertIn(transaction, record, reserved ? std::optional(Reservation()) : std::nullopt));
      return absl::OkStatus();
    });
    EXPECT_EQ(Describe(Get(record.session.alias).Seen()), seen);
  }
}

TEST_F(SessionTableTest, AliasIsTakenOnceAndForEver) {
  SessionRecord one = Created();
  SessionRecord two = Created();
  TakeAlias(one);
  TakeAlias(two);
  EXPECT_EQ(one.session.alias, Alias::FirstAt(now_));
  EXPECT_EQ(two.session.alias.value(), one.session.alias.value() + 1);
  EXPECT_EQ(two.session.created_at, two.session.alias.time());
  ASSERT_OK_AND_ASSIGN(const uint64_t last, GetMetaNumber(*Read(), meta::kLastAlias));
  EXPECT_EQ(last, two.session.alias.value());
}

TEST_F(SessionTableTest, KeyPairIsTakenWhileARecordHasIt) {
  SessionRecord record = Created();
  const auto is_taken = [&] {
    bool taken = false;
    EXPECT_THAT(Try([&](Transaction& transaction) -> absl::Status {
                  const absl::StatusOr<bool> answer =
                      table_.indexes().HasPublicKey(transaction, record.session.public_key);
                  taken = answer.value_or(false);
                  return answer.status();
                }),
                IsOk());
    return taken;
  };
  EXPECT_FALSE(is_taken());
  const Alias alias = Insert(record);
  EXPECT_TRUE(is_taken());
  Write([&](Transaction& transaction) {
    StoredSession session = Get(alias);
    return End(transaction, session);
  });
  EXPECT_TRUE(is_taken()) << "a tombstone keeps it";
  Write(
      [&](Transaction& transaction) { return table_.RemoveEnded(transaction, Get(alias), now_); });
  EXPECT_FALSE(is_taken());
}

// ---- Create ----

TEST_F(SessionTableTest, CreatingTakesTheReservationAwayAndMovesTheDeadline) {
  const Alias alias = InsertReserved();
  const absl::Time reserved_until = now_ + absl::Minutes(10);
  now_ += absl::Minutes(1);
  StoredSession session = Get(alias);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                return table_.Create(transaction, session, now_);
              }),
              UnorderedElementsAre(Changed(Table::kSessions, alias.ToKey()),
                                   Deleted(Table::kReservations, alias.ToKey()),
                                   Deleted(Table::kExpiries, ExpiryKey(reserved_until, alias))));
  EXPECT_EQ(session.state, State::kCreated);
  EXPECT_EQ(session.deadline, absl::InfiniteFuture());
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, CreatingStartsTheIdleClock) {
  SessionRecord record = Reserved();
  record.session.idle_timeout = absl::Hours(1);
  record.session.expires_at = now_ + absl::Hours(5);
  const Alias alias = Insert(record, Reservation());
  const absl::Time reserved_until = now_ + absl::Minutes(10);
  now_ += absl::Minutes(1);
  StoredSession session = Get(alias);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                return table_.Create(transaction, session, now_);
              }),
              UnorderedElementsAre(
                  Changed(Table::kSessions, alias.ToKey()), Added(Table::kTurns, alias.ToKey()),
                  Deleted(Table::kReservations, alias.ToKey()),
                  Deleted(Table::kExpiries, ExpiryKey(reserved_until, alias)),
                  Added(Table::kExpiries, ExpiryKey(now_ + absl::Hours(1), alias))));
  EXPECT_EQ(session.deadline, now_ + absl::Hours(1));
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, CreatingLeavesADeadlineThatStaysTheSame) {
  SessionRecord record = Reserved();
  record.session.expires_at = now_ + absl::Minutes(10);
  const Alias alias = Insert(record, Reservation());
  StoredSession session = Get(alias);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                return table_.Create(transaction, session, now_);
              }),
              UnorderedElementsAre(Changed(Table::kSessions, alias.ToKey()),
                                   Deleted(Table::kReservations, alias.ToKey())));
  ExpectIsWhatIsStored(session);
}

// ---- End ----

TEST_F(SessionTableTest, EndingLeavesATombstoneThatComesDueWhenItsRetentionEnds) {
  SessionRecord record = Created();
  record.session.idle_timeout = absl::Hours(1);
  const Alias alias = Insert(record);
  GiveAttributes(alias);
  MergeIndexes();
  const absl::Time due = now_ + absl::Hours(1);
  now_ += absl::Minutes(1);
  StoredSession session = Get(alias);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) { return End(transaction, session); }),
              UnorderedElementsAre(
                  Changed(Table::kSessions, alias.ToKey()), Deleted(Table::kTurns, alias.ToKey()),
                  Deleted(Table::kExpiries, ExpiryKey(due, alias)),
                  Added(Table::kExpiries, ExpiryKey(now_ + kRetention, alias)),
                  Deleted(Table::kAttributes, alias.ToKey()),
                  Deleted(Table::kAttributes, alias.ToKey() + "theme"),
                  Deleted(Table::kAttributes, alias.ToKey() + "token"),
                  Deleted(Table::kPrincipals, PrincipalKey()),
                  Deleted(Table::kDatabases, DatabaseKey()), Deleted(Table::kMeta, meta::kLive)));
  EXPECT_EQ(session.state, State::kRevoked);
  EXPECT_EQ(session.deadline, now_);
  EXPECT_EQ(session.Seen().revoked_at, now_);
  EXPECT_EQ(session.record.sealed_private_key, "");
  EXPECT_EQ(session.record.session.public_key, "public key");
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, EndingASessionThatIsNotMergedCountsItOutOfTheTail) {
  const Alias alias = Insert(Created());
  StoredSession session = Get(alias);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) { return End(transaction, session); }),
              UnorderedElementsAre(Changed(Table::kSessions, alias.ToKey()),
                                   Added(Table::kExpiries, ExpiryKey(now_ + kRetention, alias)),
                                   Deleted(Table::kMeta, meta::kLive)));
  EXPECT_EQ(tail_.Live(PrincipalScope(keys_, "alice")).live, 0u);
  MergeIndexes();
  EXPECT_EQ(RowsOf(Table::kPrincipals).size(), 1u) << "its entry, and no population";
}

TEST_F(SessionTableTest, EndingASessionWhoseBatonHasRotatedDeletesItsTurn) {
  const Alias alias = Insert(Created());
  StoredSession session = Get(alias);
  Write([&](Transaction& transaction) { return table_.PutTurn(transaction, session, Rotated()); });
  EXPECT_EQ(RowsOf(Table::kTurns).size(), 1u);
  Write([&](Transaction& transaction) { return End(transaction, session); });
  EXPECT_EQ(RowsOf(Table::kTurns).size(), 0u);
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, ExpiringIsNoRevoking) {
  const Alias alias = Insert(Created());
  StoredSession session = Get(alias);
  Write([&](Transaction& transaction) { return End(transaction, session, State::kExpired); });
  EXPECT_EQ(session.state, State::kExpired);
  EXPECT_EQ(session.Seen().revoked_at, std::nullopt);
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, TombstoneWithoutRetentionNeverComesDue) {
  const SessionTable for_ever(keys_, tail_, Policy{.retention = absl::InfiniteDuration()});
  const Alias alias = Insert(Created());
  StoredSession session = Get(alias);
  Write([&](Transaction& transaction) {
    return for_ever.End(transaction, session, State::kExpired, now_, now_);
  });
  EXPECT_THAT(RowsOf(Table::kExpiries), IsEmpty());
}

TEST_F(SessionTableTest, EndOfAReservationKeepsItsIntentAsACompensation) {
  const Alias alias = InsertReserved("wire 5 EUR");
  MergeIndexes();
  const absl::Time reserved_until = now_ + absl::Minutes(10);
  now_ += absl::Minutes(1);
  StoredSession session = Get(alias);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) { return End(transaction, session); }),
              UnorderedElementsAre(Changed(Table::kSessions, alias.ToKey()),
                                   Deleted(Table::kReservations, alias.ToKey()),
                                   Added(Table::kCompensations, alias.ToKey()),
                                   Deleted(Table::kExpiries, ExpiryKey(reserved_until, alias)),
                                   Added(Table::kExpiries, ExpiryKey(now_ + kRetention, alias)),
                                   Deleted(Table::kPrincipals, PrincipalKey()),
                                   Deleted(Table::kDatabases, DatabaseKey()),
                                   Deleted(Table::kMeta, meta::kLive)));
  ExpectIsWhatIsStored(session);
  ASSERT_OK_AND_ASSIGN(const auto kept, ListCompensations(*Read(), keys_, 9, Alias()));
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].alias, alias);
  EXPECT_EQ(kept[0].epoch, 3u);
  EXPECT_EQ(kept[0].at, now_);
  EXPECT_EQ(kept[0].principal, "alice");
  EXPECT_EQ(kept[0].database, "main");
  EXPECT_EQ(kept[0].intent, "wire 5 EUR");
}

TEST_F(SessionTableTest, ReservationThatAnnouncedNothingLeavesNothingToUndo) {
  const Alias ended = InsertReserved("");
  const Alias removed = InsertReserved("");
  Write([&](Transaction& transaction) {
    StoredSession session = Get(ended);
    return End(transaction, session);
  });
  Write([&](Transaction& transaction) {
    return table_.RemoveReservation(transaction, Get(removed), SessionTable::Intent::kCompensate,
                                    now_);
  });
  EXPECT_THAT(RowsOf(Table::kCompensations), IsEmpty());
}

// ---- Removing ----

class RemovingTest : public SessionTableTest {
 protected:
  // A session that has a row wherever there can be one, in a group that others are in, too.
  SessionRecord FullRecord(State state) {
    SessionRecord record = state == State::kReserved ? Reserved() : Created();
    record.session.group = Group();
    record.session.expires_at = now_ + absl::Hours(2);
    record.session.idle_timeout = absl::Hours(1);
    record.session.public_key = "full";
    record.idempotency_key = "request";
    return record;
  }

  // All tables but meta, which keeps the last alias given, and those that a test excepts.
  void ExpectSameRows(const MemoryEngine::Rows& before, const std::vector<Table>& except = {}) {
    const MemoryEngine::Rows after = engine_.Committed();
    for (const Table table : kAllTables) {
      if (table == Table::kMeta || std::count(except.begin(), except.end(), table) > 0) continue;
      EXPECT_EQ(after[TableIndex(table)], before[TableIndex(table)]) << TableName(table);
    }
    EXPECT_EQ(GetPopulation(*Read(), StoreScope())->live, live_);
  }

  uint64_t live_ = 2;

 private:
  Alias Group() {
    if (group_ != Alias()) return group_;
    group_ = Insert(Created());
    SessionRecord member = Created();
    member.session.group = group_;
    Insert(member);
    return group_;
  }

  Alias group_;
};

TEST_F(RemovingTest, RemovingAReservationLeavesNoRowOfItInAnyTable) {
  const SessionRecord record = FullRecord(State::kReserved);
  const MemoryEngine::Rows before = engine_.Committed();
  const Alias alias = Insert(record, Reservation());
  GiveAttributes(alias);
  Write([&](Transaction& transaction) {
    return table_.RemoveReservation(transaction, Get(alias), SessionTable::Intent::kForget, now_);
  });
  ExpectSameRows(before);
  EXPECT_THAT(table_.Get(*Read(), alias, now_), HasVerdict(Verdict::kNotFound));
}

TEST_F(RemovingTest, RemovingAReservationThatIsNotAbandonedLeavesOnlyItsCompensation) {
  const SessionRecord record = FullRecord(State::kReserved);
  const MemoryEngine::Rows before = engine_.Committed();
  const Alias alias = Insert(record, Reservation());
  GiveAttributes(alias);
  Write([&](Transaction& transaction) {
    return table_.RemoveReservation(transaction, Get(alias), SessionTable::Intent::kCompensate,
                                    now_);
  });
  ExpectSameRows(before, {Table::kCompensations});
  EXPECT_EQ(RowsOf(Table::kCompensations).size(), 1u);
}

// The row in expiries that brings a tombstone to its end is deleted by whoever follows it.
TEST_F(RemovingTest, RemovingATombstoneLeavesNoRowOfItInAnyTableButItsExpiry) {
  for (const State to : {State::kRevoked, State::kExpired}) {
    const SessionRecord record = FullRecord(State::kCreated);
    const MemoryEngine::Rows before = engine_.Committed();
    const Alias alias = Insert(record);
    GiveAttributes(alias);
    Write([&](Transaction& transaction) {
      StoredSession session = Get(alias);
      return End(transaction, session, to);
    });
    Write([&](Transaction& transaction) {
      return table_.RemoveEnded(transaction, Get(alias), now_);
    });
    ExpectSameRows(before, {Table::kExpiries});
    Write([&](Transaction& transaction) {
      return transaction.Delete(Table::kExpiries, ExpiryKey(now_ + kRetention, alias)).status();
    });
    ExpectSameRows(before);
  }
}

TEST_F(RemovingTest, WholeLifeOfASessionLeavesNoRowOfItInAnyTableButItsExpiry) {
  const SessionRecord record = FullRecord(State::kReserved);
  const MemoryEngine::Rows before = engine_.Committed();
  const Alias alias = Insert(record, Reservation());
  GiveAttributes(alias);
  StoredSession session = Get(alias);
  now_ += absl::Minutes(1);
  Write([&](Transaction& transaction) { return table_.Create(transaction, session, now_); });
  now_ += absl::Minutes(1);
  Write([&](Transaction& transaction) { return table_.Touch(transaction, session, now_); });
  session.record.session.remote_public_key = "remote";
  Write([&](Transaction& transaction) { return table_.Update(transaction, session.record); });
  now_ += absl::Minutes(1);
  Write([&](Transaction& transaction) { return End(transaction, session); });
  Write([&](Transaction& transaction) { return table_.RemoveEnded(transaction, session, now_); });
  Write([&](Transaction& transaction) {
    return transaction.Delete(Table::kExpiries, ExpiryKey(now_ + kRetention, alias)).status();
  });
  ExpectSameRows(before);
}

// ---- Settle ----

TEST_F(SessionTableTest, NothingIsToSettleOfASessionThatLivesOrWhoseEndIsWrittenDown) {
  const Alias created = Insert(Created());
  const Alias reserved = InsertReserved();
  const Alias ended = Insert(Created());
  Write([&](Transaction& transaction) {
    StoredSession session = Get(ended);
    return End(transaction, session);
  });
  for (const Alias alias : {created, reserved, ended}) {
    const MemoryEngine::Rows before = engine_.Committed();
    EXPECT_EQ(Settle(alias), false);
    EXPECT_EQ(engine_.Committed(), before);
  }
}

TEST_F(SessionTableTest, SettlingNotesThatASessionHasRunOutAtItsDeadline) {
  SessionRecord record = Created();
  record.session.expires_at = now_ + absl::Hours(1);
  const Alias alias = Insert(record);
  now_ += absl::Hours(3);
  EXPECT_EQ(Settle(alias), true);
  const StoredSession settled = Get(alias);
  EXPECT_EQ(settled.record.session.state, State::kExpired);
  EXPECT_EQ(settled.deadline, kNoon + absl::Hours(1));
  EXPECT_EQ(settled.record.sealed_private_key, "");
  EXPECT_TRUE(
      RowsOf(Table::kExpiries).contains(ExpiryKey(kNoon + absl::Hours(1) + kRetention, alias)));
  EXPECT_EQ(Settle(alias), false);
}

TEST_F(SessionTableTest, SettlingRemovesAReservationThatHasRunOut) {
  const MemoryEngine::Rows before = engine_.Committed();
  const Alias alias = InsertReserved();
  now_ += absl::Minutes(10);
  EXPECT_EQ(Settle(alias), true);
  EXPECT_THAT(Difference(before, engine_.Committed()),
              UnorderedElementsAre(Added(Table::kCompensations, alias.ToKey()),
                                   Changed(Table::kMeta, meta::kLastAlias)));
}

TEST_F(SessionTableTest, SettlingEndsWhatARevokeAllCoversAtItsTime) {
  const Alias created = Insert(Created());
  const Alias reserved = InsertReserved();
  RevokeAll();
  now_ += absl::Minutes(1);
  for (const Alias alias : {created, reserved}) {
    EXPECT_EQ(Settle(alias), true);
    const StoredSession settled = Get(alias);
    EXPECT_EQ(settled.record.session.state, State::kRevoked);
    EXPECT_EQ(settled.Seen().revoked_at, kNoon);
    EXPECT_FALSE(settled.reservation.has_value());
    EXPECT_EQ(settled.was_created(), alias == created);
  }
  EXPECT_EQ(RowsOf(Table::kCompensations).size(), 1u);
}

TEST_F(SessionTableTest, SettlingChangesNothingThatIsSeen) {
  SessionRecord expiring = Created();
  expiring.session.expires_at = now_ + absl::Hours(1);
  const Alias expired = Insert(expiring);
  const Alias revoked = Insert(Created());
  SessionRecord idle = Created();
  idle.session.idle_timeout = absl::Minutes(1);
  const Alias forgotten = Insert(idle);
  now_ += absl::Minutes(30);
  RevokeAll();
  now_ += absl::Hours(1);
  for (const auto& [alias, state] : {std::pair{expired, State::kRevoked},
                                     {revoked, State::kRevoked},
                                     {forgotten, State::kExpired}}) {
    const std::string before = Describe(Get(alias).Seen());
    EXPECT_EQ(Get(alias).state, state) << "what came first counts";
    EXPECT_EQ(Settle(alias), true);
    EXPECT_EQ(Describe(Get(alias).Seen()), before);
  }
}

// ---- Turns ----

TEST_F(SessionTableTest, SessionThatHasNoTurnYetIsAtGenerationZero) {
  const StoredSession session = Get(Insert(Created()));
  const absl::StatusOr<TurnRecord> turn = table_.TurnOf(*Read(), session);
  ASSERT_THAT(turn, IsOk());
  EXPECT_EQ(turn->generation, 0u);
  EXPECT_EQ(turn->last, TurnRecord::Last::kNone);
}

TEST_F(SessionTableTest, PuttingATurnWritesItsRowAlone) {
  const Alias alias = Insert(Created());
  StoredSession session = Get(alias);
  const auto put = [&](Transaction& transaction) {
    return table_.PutTurn(transaction, session, Rotated());
  };
  EXPECT_THAT(RowsWrittenBy(put), UnorderedElementsAre(Added(Table::kTurns, alias.ToKey())));
  EXPECT_THAT(RowsWrittenBy(put), UnorderedElementsAre(Changed(Table::kTurns, alias.ToKey())));
  ExpectIsWhatIsStored(session);
  const absl::StatusOr<TurnRecord> turn = table_.TurnOf(*Read(), session);
  ASSERT_THAT(turn, IsOk());
  EXPECT_EQ(turn->generation, 7u);
  EXPECT_EQ(turn->reply, "reply");
}

TEST_F(SessionTableTest, PuttingATurnMovesTheDeadlineThatItsIdleClockSays) {
  SessionRecord record = Created();
  record.session.idle_timeout = absl::Hours(1);
  const Alias alias = Insert(record);
  StoredSession session = Get(alias);
  TurnRecord turn = Rotated();
  turn.last_used = now_ + absl::Minutes(10);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                return table_.PutTurn(transaction, session, turn);
              }),
              UnorderedElementsAre(
                  Changed(Table::kTurns, alias.ToKey()),
                  Deleted(Table::kExpiries, ExpiryKey(kNoon + absl::Hours(1), alias)),
                  Added(Table::kExpiries, ExpiryKey(turn.last_used + absl::Hours(1), alias))));
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, TouchingKeepsTheRotation) {
  SessionRecord record = Created();
  record.session.idle_timeout = absl::Hours(1);
  const Alias alias = Insert(record);
  StoredSession session = Get(alias);
  Write([&](Transaction& transaction) { return table_.PutTurn(transaction, session, Rotated()); });
  now_ += absl::Minutes(30);
  Write([&](Transaction& transaction) { return table_.Touch(transaction, session, now_); });
  const StoredSession touched = Get(alias);
  EXPECT_EQ(touched.turn->last_used, now_);
  EXPECT_EQ(touched.turn->generation, 7u);
  EXPECT_EQ(touched.turn->successor, "successor");
  EXPECT_EQ(touched.turn->reply, "reply");
}

TEST_F(SessionTableTest, TouchingIsWorthItFromASixteenthOfTheIdleTimeoutOn) {
  SessionRecord record = Created();
  record.session.idle_timeout = absl::Hours(16);
  const StoredSession idle = Get(Insert(record));
  EXPECT_FALSE(IsWorthTouching(idle, now_));
  EXPECT_FALSE(IsWorthTouching(idle, now_ + absl::Minutes(59)));
  EXPECT_TRUE(IsWorthTouching(idle, now_ + absl::Hours(2)));
  SessionRecord lasting = Created();
  lasting.session.public_key = "another";
  const StoredSession other = Get(Insert(lasting));
  EXPECT_FALSE(IsWorthTouching(other, now_ + absl::Hours(1000)));
}

// ---- Touch, Update ----

TEST_F(SessionTableTest, TouchingMovesTheTurnAndTheDeadline) {
  SessionRecord record = Created();
  record.session.idle_timeout = absl::Hours(1);
  const Alias alias = Insert(record);
  now_ += absl::Minutes(30);
  StoredSession session = Get(alias);
  EXPECT_THAT(
      RowsWrittenBy(
          [&](Transaction& transaction) { return table_.Touch(transaction, session, now_); }),
      UnorderedElementsAre(Changed(Table::kTurns, alias.ToKey()),
                           Deleted(Table::kExpiries, ExpiryKey(kNoon + absl::Hours(1), alias)),
                           Added(Table::kExpiries, ExpiryKey(now_ + absl::Hours(1), alias))));
  EXPECT_EQ(session.deadline, now_ + absl::Hours(1));
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, TouchingMovesNoDeadlineBeyondTheExpiry) {
  SessionRecord record = Created();
  record.session.idle_timeout = absl::Hours(1);
  record.session.expires_at = now_ + absl::Minutes(50);
  const Alias alias = Insert(record);
  now_ += absl::Minutes(30);
  StoredSession session = Get(alias);
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                return table_.Touch(transaction, session, now_);
              }),
              UnorderedElementsAre(Changed(Table::kTurns, alias.ToKey())));
  EXPECT_EQ(session.deadline, record.session.expires_at);
  ExpectIsWhatIsStored(session);
}

TEST_F(SessionTableTest, UpdatingWritesTheRecordAlone) {
  const Alias alias = Insert(Created());
  StoredSession session = Get(alias);
  session.record.session.remote_public_key = "remote";
  EXPECT_THAT(RowsWrittenBy([&](Transaction& transaction) {
                return table_.Update(transaction, session.record);
              }),
              UnorderedElementsAre(Changed(Table::kSessions, alias.ToKey())));
  ExpectIsWhatIsStored(session);
}

// ---- Events ----

TEST_F(SessionTableTest, NothingIsToldWhileNobodyFollows) {
  const Alias alias = InsertReserved();
  StoredSession session = Get(alias);
  Write([&](Transaction& transaction) { return table_.Create(transaction, session, now_); });
  Write([&](Transaction& transaction) { return End(transaction, session); });
  EXPECT_THAT(RowsOf(Table::kOutbox), IsEmpty());
}

TEST_F(SessionTableTest, EveryChangeOfStateIsToldInOrder) {
  Follow();
  const Alias alias = InsertReserved();
  EXPECT_THAT(Told(), ElementsAre("reserved"));
  StoredSession session = Get(alias);
  Write([&](Transaction& transaction) { return table_.Create(transaction, session, now_); });
  EXPECT_THAT(Told(), ElementsAre("created"));
  Write([&](Transaction& transaction) { return table_.Touch(transaction, session, now_); });
  Write([&](Transaction& transaction) { return table_.Update(transaction, session.record); });
  EXPECT_THAT(Told(), IsEmpty()) << "neither is a change of state";
  Write([&](Transaction& transaction) { return End(transaction, session, State::kExpired); });
  EXPECT_THAT(Told(), ElementsAre("expired"));
  Write([&](Transaction& transaction) { return table_.RemoveEnded(transaction, session, now_); });
  EXPECT_THAT(Told(), ElementsAre("removed"));
}

TEST_F(SessionTableTest, SessionThatIsInsertedAsCreatedWasNeverReserved) {
  Follow();
  Insert(Created());
  EXPECT_THAT(Told(), ElementsAre("created"));
}

TEST_F(SessionTableTest, WhatIsToUndoIsToldBeforeTheReservationIsGone) {
  const Alias ended = InsertReserved("one");
  const Alias removed = InsertReserved("two");
  const Alias abandoned = InsertReserved("three");
  Follow();
  Write([&](Transaction& transaction) {
    StoredSession session = Get(ended);
    return End(transaction, session);
  });
  EXPECT_THAT(Told(), ElementsAre("compensation (one)", "revoked"));
  Write([&](Transaction& transaction) {
    return table_.RemoveReservation(transaction, Get(removed), SessionTable::Intent::kCompensate,
                                    now_);
  });
  EXPECT_THAT(Told(), ElementsAre("compensation (two)", "removed"));
  Write([&](Transaction& transaction) {
    return table_.RemoveReservation(transaction, Get(abandoned), SessionTable::Intent::kForget,
                                    now_);
  });
  EXPECT_THAT(Told(), ElementsAre("removed"));
}

// ---- What a session counts as ----

TEST_F(SessionTableTest, AbsentSessionIsNothingAndNamedByAnotherRowCorrupt) {
  ASSERT_OK_AND_ASSIGN(const auto found, table_.Find(*Read(), Alias(1), now_));
  EXPECT_FALSE(found.has_value());
  EXPECT_THAT(table_.Get(*Read(), Alias(1), now_), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(table_.GetNamed(*Read(), Alias(1), now_), HasVerdict(Verdict::kCorrupt));
}

TEST_F(SessionTableTest, RowThatTheRecordSaysMustBeThereIsMissedAsCorrupt) {
  const Alias reserved = InsertReserved();
  SessionRecord record = Created();
  record.session.idle_timeout = absl::Hours(1);
  const Alias idle = Insert(record);
  for (const auto& [table, alias] :
       {std::pair{Table::kReservations, reserved}, {Table::kTurns, idle}}) {
    EXPECT_THAT(table_.Find(*Read(), alias, now_), IsOk());
    Write([&, table = table, alias = alias](Transaction& transaction) {
      return transaction.Delete(table, alias.ToKey()).status();
    });
    EXPECT_THAT(table_.Find(*Read(), alias, now_), HasVerdict(Verdict::kCorrupt));
  }
}

TEST_F(SessionTableTest, SessionCountsAsExpiredFromItsDeadlineOn) {
  SessionRecord record = Created();
  record.session.expires_at = now_ + absl::Hours(1);
  const Alias alias = Insert(record);
  now_ += absl::Hours(1) - absl::Microseconds(1);
  EXPECT_EQ(Get(alias).state, State::kCreated);
  now_ += absl::Microseconds(1);
  EXPECT_EQ(Get(alias).state, State::kExpired);
  EXPECT_TRUE(Get(alias).is_stored_live());
}

TEST_F(SessionTableTest, RevokeAllCoversWhoWasThereAndHadNotExpiredBefore) {
  SessionRecord record = Created();
  record.session.expires_at = now_ + absl::Minutes(1);
  const Alias expired = Insert(record);
  record.session.expires_at = now_ + absl::Hours(1);
  const Alias revoked = Insert(record);
  record.session.principal = "bob";
  const Alias other = Insert(record);
  now_ += absl::Minutes(1);
  RevokeAll();
  const Alias later = Insert(Created());
  EXPECT_EQ(Get(expired).state, State::kExpired);
  EXPECT_EQ(Get(revoked).state, State::kRevoked);
  EXPECT_EQ(Get(other).state, State::kCreated);
  EXPECT_EQ(Get(later).state, State::kCreated);
  now_ += absl::Hours(2);
  EXPECT_EQ(Get(revoked).state, State::kRevoked) << "past its deadline too";
  EXPECT_EQ(Get(revoked).deadline, kNoon + absl::Minutes(1));
}

TEST_F(SessionTableTest, TombstoneTellsWhetherItsSessionWasEverCreated) {
  const Alias created = InsertReserved();
  const Alias reserved = InsertReserved();
  EXPECT_FALSE(Get(created).was_created());
  Write([&](Transaction& transaction) {
    StoredSession session = Get(created);
    return table_.Create(transaction, session, now_);
  });
  EXPECT_TRUE(Get(created).was_created());
  for (const Alias alias : {created, reserved}) {
    Write([&](Transaction& transaction) {
      StoredSession session = Get(alias);
      return End(transaction, session);
    });
    EXPECT_EQ(Get(alias).was_created(), alias == created);
  }
}

TEST_F(SessionTableTest, ChecksSayWhatStandsInTheWay) {
  const Alias created = Insert(Created());
  const Alias reserved = InsertReserved();
  EXPECT_THAT(CheckUsable(Get(created), now_), IsOk());
  EXPECT_THAT(CheckNotEnded(Get(created), now_), IsOk());
  EXPECT_THAT(CheckUsable(Get(reserved), now_), HasVerdict(Verdict::kReserved));
  EXPECT_THAT(CheckNotEnded(Get(reserved), now_), IsOk());

  StoredSession session = Get(created);
  session.record.moved_to = reserved;
  session.record.redirect_until = now_ + absl::Seconds(30);
  Write([&](Transaction& transaction) { return End(transaction, session); });
  for (const auto& check : {CheckUsable, CheckNotEnded, CheckNotMoved}) {
    const absl::Status moved = check(Get(created), now_ + absl::Seconds(29));
    EXPECT_THAT(moved, HasVerdict(Verdict::kMoved));
    EXPECT_EQ(MovedTo(moved), reserved);
  }
  now_ += absl::Seconds(30);
  EXPECT_THAT(CheckUsable(Get(created), now_), HasVerdict(Verdict::kRevoked));
  EXPECT_THAT(CheckNotEnded(Get(created), now_), HasVerdict(Verdict::kRevoked));
  EXPECT_THAT(CheckNotMoved(Get(created), now_), IsOk());

  now_ += absl::Hours(1);
  EXPECT_THAT(CheckUsable(Get(reserved), now_), HasVerdict(Verdict::kExpired));
  EXPECT_THAT(CheckNotEnded(Get(reserved), now_), HasVerdict(Verdict::kExpired));
}

}  // namespace
}  // namespace batonstore
