// Properties print their seed; replay one with --test_env=RC_PARAMS="seed=...".

#include "batonstore/store/session_reader.h"

#include <gtest/gtest.h>  // before RapidCheck, which uses it
#include <rapidcheck/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "batonstore/store/index_merge.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/indexes.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"
#include "gmock/gmock.h"
#include "tests/support/memory_store.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStore;

// Everything that matches, fetched in pages of `page_size`.
std::vector<Alias> ListAll(const SessionReader& reader, const ListFilter& filter,
                           size_t page_size) {
  std::vector<Alias> all;
  std::optional<Alias> after;
  do {
    const absl::StatusOr<ListPage> page = reader.List(filter, page_size, after);
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) return all;
    EXPECT_LE(page->sessions.size(), page_size);
    for (const Session& session : page->sessions) all.push_back(session.alias);
    after = page->next;
  } while (after.has_value());
  return all;
}

// ---- List, against what was put in ----

const std::vector<std::string>& Names() {
  static const auto* const names =
      new std::vector<std::string>{"", "a", "aa", std::string("a\0", 2), "b", "\xff"};
  return *names;
}

Session AddAnySession(SessionStore& store) {
  SessionSpec spec = LastingSpec();
  spec.kind = *rc::gen::inRange<uint32_t>(0, 3);
  spec.principal = *rc::gen::elementOf(Names());
  spec.database = *rc::gen::elementOf(Names());
  Session session = *store.Reserve(spec);
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      return session;
    case 1:
      return *store.Shift(session.alias, State::kCreated);
    case 2:
      (void)store.Create(session.alias);
      return *store.Shift(session.alias, State::kRevoked);
    default:
      (void)store.Create(session.alias);
      return *store.Shift(session.alias, State::kExpired);
  }
}

ListFilter AnyFilter() {
  ListFilter filter;
  if (*rc::gen::arbitrary<bool>()) filter.state = static_cast<State>(*rc::gen::inRange(0, 5));
  if (*rc::gen::arbitrary<bool>()) filter.kind = *rc::gen::inRange<uint32_t>(0, 4);
  if (*rc::gen::arbitrary<bool>()) filter.principal = *rc::gen::elementOf(Names());
  if (*rc::gen::arbitrary<bool>()) filter.database = *rc::gen::elementOf(Names());
  return filter;
}

bool IsWanted(const Session& session, const ListFilter& filter) {
  return filter.state.value_or(session.state) == session.state &&
         filter.kind.value_or(session.kind) == session.kind &&
         filter.principal.value_or(session.principal) == session.principal &&
         filter.database.value_or(session.database) == session.database;
}

RC_GTEST_PROP(SessionReaderProperty, ListGivesExactlyWhatMatchesInOrderOfCreation, ()) {
  MemoryStore store;
  std::vector<Session> sessions(*rc::gen::inRange<size_t>(0, 20));
  for (Session& session : sessions) session = AddAnySession(*store);
  for (int round = 0; round < 5; ++round) {
    const ListFilter filter = AnyFilter();
    std::vector<Alias> wanted;
    for (const Session& session : sessions) {
      if (IsWanted(session, filter)) wanted.push_back(session.alias);
    }
    const size_t page_size = *rc::gen::inRange<size_t>(1, 25);
    RC_ASSERT(ListAll(*store, filter, page_size) == wanted);
  }
}

// ---- List, the corners ----

class SessionReaderTest : public ::testing::Test {
 protected:
  Session Add(const SessionSpec& spec = LastingSpec()) {
    const absl::StatusOr<Session> session = store_->ReserveAndCreate(spec);
    EXPECT_THAT(session, IsOk());
    return session.value_or(Session());
  }

  // Rows that an import could have made: many, quickly.
  std::vector<Alias> Import(size_t count) {
    std::vector<Alias> aliases;
    const recovery::Identity identity = store_.Identity();
    IndexTail tail;
    const Indexes indexes(*identity.keys, tail);
    store_.Tamper([&](Transaction& transaction) {
      absl::Status put;
      for (size_t i = 0; i < count && put.ok(); ++i) {
        SessionRecord record;
        Session& session = record.session;
        session.alias = session.group = Alias(i + 1);
        session.state = State::kCreated;
        session.expires_at = absl::InfiniteFuture();
        session.principal = "alice";
        session.database = std::to_string(i % 3);
        session.public_key = std::to_string(i);
        aliases.push_back(session.alias);
        put = PutSession(transaction, *identity.keys, record);
        put.Update(indexes.Insert(transaction, record));
      }
      put.Update(PutMetaNumber(transaction, meta::kLastAlias, count));
      put.Update(IndexMerge(tail, IndexRules()).MergeAll(transaction));
      return put;
    });
    return aliases;
  }

  // Every commit first merges what the one before has left in the tail of the indexes.
  MemoryStore store_{SystemKeyPairs(), Policy{.indexes = {.min_tail = 1}}};
};

TEST(SessionReaderTailTest, ListGoesOnBeyondWhatOneSnapshotLooksAt) {
  MemoryStore store;
  std::vector<Alias> all;
  for (int i = 0; i < 1024 + 3; ++i) {
    const absl::StatusOr<Session> session = store->ReserveAndCreate(LastingSpec());
    ASSERT_THAT(session, IsOk());
    all.push_back(session->alias);
  }
  for (const ListFilter& filter : {ListFilter{.principal = LastingSpec().principal},
                                   ListFilter{.database = LastingSpec().database}}) {
    EXPECT_EQ(ListAll(*store, filter, kMaxPageSize), all);
    EXPECT_EQ(store->Count(filter).value_or(0), all.size());
  }
}

TEST_F(SessionReaderTest, ListGoesOnBeyondWhatOneSnapshotLooksAt) {
  const std::vector<Alias> all = Import(2 * 1024 + 3);
  std::vector<Alias> every_third[3];
  for (size_t i = 0; i < all.size(); ++i) every_third[i % 3].push_back(all[i]);
  for (const std::optional<std::string>& principal :
       {std::optional<std::string>(), std::optional<std::string>("alice")}) {
    EXPECT_EQ(ListAll(*store_, {.principal = principal}, kMaxPageSize), all);
    for (int database = 0; database < 3; ++database) {  // one page out of three snapshots
      EXPECT_EQ(ListAll(*store_, {.principal = principal, .database = std::to_string(database)},
                        kMaxPageSize),
                every_third[database]);
    }
    EXPECT_THAT(ListAll(*store_, {.principal = principal, .database = "none"}, 5), IsEmpty());
  }
}

TEST_F(SessionReaderTest, ListOfExactlyWhatOneSnapshotLooksAtEnds) {
  const std::vector<Alias> all = Import(1024);
  EXPECT_EQ(ListAll(*store_, {}, kMaxPageSize), all);
  EXPECT_THAT(ListAll(*store_, {.database = "none"}, 1), IsEmpty());
}

TEST_F(SessionReaderTest, EmptyStoreHasOneEmptyPage) {
  ASSERT_OK_AND_ASSIGN(const ListPage page, store_->List({}, 10));
  EXPECT_THAT(page.sessions, IsEmpty());
  EXPECT_EQ(page.next, std::nullopt);
}

TEST_F(SessionReaderTest, PageSizeHasBounds) {
  EXPECT_THAT(store_->List({}, 0), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(store_->List({}, kMaxPageSize + 1), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(store_->List({}, 1), IsOk());
  EXPECT_THAT(store_->List({}, kMaxPageSize), IsOk());
}

TEST_F(SessionReaderTest, ListGoesOnAfterAnAliasThatNobodyHas) {
  const Session session = Add();
  EXPECT_EQ(store_->List({}, 9, Alias(session.alias.value() - 1))->sessions.size(), 1u);
  EXPECT_EQ(store_->List({}, 9, session.alias)->sessions.size(), 0u);
  EXPECT_EQ(store_->List({}, 9, Alias(UINT64_MAX))->sessions.size(), 0u);
}

TEST_F(SessionReaderTest, ListShowsWholeSessions) {
  const Session session = Add();
  EXPECT_EQ(Describe(store_->List({}, 1)->sessions.at(0)), Describe(session));
}

TEST_F(SessionReaderTest, SessionsAddedBetweenPagesComeLast) {
  const Session first = Add();
  const Session second = Add();
  ASSERT_OK_AND_ASSIGN(const ListPage page, store_->List({}, 1));
  const Session third = Add();
  ASSERT_OK_AND_ASSIGN(const ListPage rest, store_->List({}, 9, page.next));
  ASSERT_EQ(rest.sessions.size(), 2u);
  EXPECT_EQ(rest.sessions[0].alias, second.alias);
  EXPECT_EQ(rest.sessions[1].alias, third.alias);
}

// ---- The other questions ----

TEST_F(SessionReaderTest, FindByPublicKeyComparesTheWholeKey) {
  const Session session = Add();
  ASSERT_OK_AND_ASSIGN(const Session found, store_->FindByPublicKey(session.public_key));
  EXPECT_EQ(Describe(found), Describe(session));
  for (const std::string& other : {std::string(), session.public_key.substr(1),
                                   session.public_key + "x", std::string(32, 'k')}) {
    EXPECT_THAT(store_->FindByPublicKey(other), HasVerdict(Verdict::kNotFound));
  }
}

TEST_F(SessionReaderTest, StatsCountWhatIsThere) {
  const Session first = Add();
  ASSERT_THAT(store_->Revoke(first.alias), IsOk());
  SessionSpec spec = LastingSpec();
  spec.group = first.alias;
  ASSERT_OK_AND_ASSIGN(const Session linked, store_->Reserve(spec));
  ASSERT_OK_AND_ASSIGN(const StoreStats stats, store_->Stats());
  EXPECT_EQ(stats.sessions, 2u);
  EXPECT_EQ(stats.reservations, 1u);
  EXPECT_EQ(stats.linked, 1u);
  EXPECT_EQ(stats.epoch, 1u);
  EXPECT_EQ(stats.last_alias, linked.alias);
}

TEST_F(SessionReaderTest, SessionsPastTheirDeadlineAreShownAsExpiredWhateverTheRecordSays) {
  SessionSpec spec = LastingSpec();
  spec.expires_at = store_.clock.Wall() + absl::Seconds(1);
  const Session session = Add(spec);
  store_.clock.Advance(absl::Seconds(1));
  EXPECT_EQ(store_->Find(session.alias)->state, State::kExpired);
  const recovery::Identity identity = store_.Identity();
  const auto record = GetSession(**store_.engine().Read(), *identity.keys, session.alias);
  EXPECT_EQ((*record)->session.state, State::kCreated);
}

// ---- Damage ----

class DamageTest : public SessionReaderTest {
 protected:
  void Put(Table table, const std::string& key, const std::string& value) {
    store_.Tamper([&](Transaction& transaction) { return transaction.Put(table, key, value); });
  }
  static std::string RowOf(MemoryStore& store, Table table, Alias alias) {
    return store.engine().Committed()[TableIndex(table)].at(alias.ToKey());
  }

  // Every call that reads the session's row says so; nothing else comes out of it.
  void ExpectCorrupt(const Session& session) {
    EXPECT_THAT(store_->Find(session.alias), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->FindByPublicKey(session.public_key), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->List({}, 10), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->List({.principal = session.principal}, 10), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->GroupOf(session.alias), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->GroupMembers(session.alias), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->PrivateKey(session.alias), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->Issue(session.alias), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->Revoke(session.alias), HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(store_->Abandon(session.alias), HasVerdict(Verdict::kCorrupt));
    SessionSpec spec = LastingSpec();
    spec.group = session.alias;
    EXPECT_THAT(store_->Reserve(spec), HasVerdict(Verdict::kCorrupt));
  }
};

TEST_F(DamageTest, ChangedRowIsCorrupt) {
  const Session session = Add();
  std::string row = RowOf(store_, Table::kSessions, session.alias);
  row[row.size() / 2] ^= 1;
  Put(Table::kSessions, session.alias.ToKey(), row);
  ExpectCorrupt(session);
}

TEST_F(DamageTest, RowThatWasCopiedOverAnotherIsCorrupt) {
  const Session mine = Add();
  const Session theirs = Add();
  Put(Table::kSessions, theirs.alias.ToKey(), RowOf(store_, Table::kSessions, mine.alias));
  ExpectCorrupt(theirs);
  EXPECT_THAT(store_->Find(mine.alias), IsOk());
}

TEST_F(DamageTest, RowOfAnotherTableIsCorrupt) {
  ASSERT_OK_AND_ASSIGN(const Session session, store_->Reserve(LastingSpec()));
  Put(Table::kSessions, session.alias.ToKey(), RowOf(store_, Table::kReservations, session.alias));
  ExpectCorrupt(session);
}

TEST_F(DamageTest, RowOfAnotherStoreUnderTheSameAliasIsCorrupt) {
  MemoryStore other;
  const Session session = Add();
  ASSERT_OK_AND_ASSIGN(const Session twin, other->ReserveAndCreate(LastingSpec()));
  ASSERT_EQ(twin.alias, session.alias) << "both clocks stand still at the same moment";
  Put(Table::kSessions, session.alias.ToKey(), RowOf(other, Table::kSessions, twin.alias));
  ExpectCorrupt(session);
}

TEST_F(DamageTest, PrivateKeyOfAnotherSessionIsCorrupt) {
  const Session mine = Add();
  const Session theirs = Add();
  const recovery::Identity identity = store_.Identity();
  store_.Tamper([&](Transaction& transaction) {
    SessionRecord record = **GetSession(transaction, *identity.keys, mine.alias);
    record.sealed_private_key =
        (**GetSession(transaction, *identity.keys, theirs.alias)).sealed_private_key;
    return PutSession(transaction, *identity.keys, record);
  });
  EXPECT_THAT(store_->PrivateKey(mine.alias), HasVerdict(Verdict::kCorrupt));
}

TEST_F(DamageTest, IndexThatNamesASessionThatIsGoneIsCorrupt) {
  const Session first = Add();
  ASSERT_THAT(store_->Revoke(first.alias), IsOk());
  SessionSpec spec = LastingSpec();
  spec.group = first.alias;
  const Session linked = Add(spec);
  Add();
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Delete(Table::kSessions, linked.alias.ToKey()).status();
  });
  EXPECT_THAT(store_->Find(linked.alias), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(store_->FindByPublicKey(linked.public_key), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(store_->List({.principal = "alice"}, 10), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(store_->Reserve(spec), HasVerdict(Verdict::kCorrupt));
}

TEST_F(DamageTest, IndexRowThatPointsToAnotherPrincipalsSessionShowsNothing) {
  const Session theirs = Add();
  const recovery::Identity identity = store_.Identity();
  Put(Table::kPrincipals, EncodeNumber(identity.keys->HashPrincipal("eve")) + theirs.alias.ToKey(),
      "");
  EXPECT_THAT(store_->List({.principal = "eve"}, 10)->sessions, IsEmpty());
}

}  // namespace
}  // namespace batonstore
