#include "batonstore/store/indexes.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"
#include "gtest/gtest.h"
#include "tests/support/memory_tables.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;
using testing::MemoryTables;

SessionRecord MakeSession(uint64_t alias, uint64_t group, const std::string& principal) {
  SessionRecord record;
  record.session.alias = Alias(alias);
  record.session.group = Alias(group);
  record.session.principal = principal;
  record.session.database = "main";
  record.session.public_key = absl::StrCat("public key ", alias);
  return record;
}

// Where the entries of the deferred indexes are when they are looked for.
enum class Where { kInTheTail, kInTheTables, kInBoth };

class IndexesTest : public MemoryTables, public ::testing::WithParamInterface<Where> {
 protected:
  using Numbers = std::vector<uint64_t>;

  IndexesTest() { MakeIndexMark(); }

  // REQUIRES: aliases ascend.
  void Insert(const SessionRecord& record) {
    Write([&](Transaction& transaction) -> absl::Status {
      absl::Status put = PutSession(transaction, keys_, record);
      put.Update(PutMetaNumber(transaction, meta::kLastAlias, record.session.alias.value()));
      put.Update(indexes_.Insert(transaction, record));
      return put;
    });
    ++inserted_;
    if (GetParam() == Where::kInTheTables || (GetParam() == Where::kInBoth && inserted_ == 2)) {
      MergeIndexes();
    }
  }
  void Remove(const SessionRecord& record) {
    Write([&](Transaction& transaction) -> absl::Status {
      const std::string key = record.session.alias.ToKey();
      absl::Status removed = transaction.Delete(Table::kSessions, key).status();
      removed.Update(indexes_.Remove(transaction, record));
      return removed;
    });
  }

  absl::StatusOr<Numbers> Ask(IndexQuestion question, size_t most = 9) {
    indexes_.AskTail(question);
    Numbers seen;
    const absl::Status answered = Indexes::Answer(*Read(), question, [&](Alias alias) {
      seen.push_back(alias.value());
      return seen.size() < most;
    });
    // The writer gets the same answer.
    Numbers scanned;
    EXPECT_EQ(Try([&](Transaction& transaction) {
                return indexes_.Scan(transaction, question, [&](Alias alias) {
                  scanned.push_back(alias.value());
                  return scanned.size() < most;
                });
              }),
              answered);
    EXPECT_EQ(scanned, seen);
    if (!answered.ok()) return answered;
    return seen;
  }
  Numbers OfPrincipal(const std::string& principal, uint64_t from = 0, size_t most = 9) {
    return *Ask(indexes_.OfPrincipal(principal, Alias(from), 99), most);
  }
  Numbers OnDatabase(const std::string& database, uint64_t from = 0, size_t most = 9) {
    return *Ask(indexes_.OfDatabase(database, Alias(from), 99), most);
  }
  Population Live(const Scope& scope) { return *indexes_.CountLive(*Read(), scope); }

  std::vector<uint64_t> Linked(uint64_t group) {
    std::vector<uint64_t> members;
    const auto found = indexes_.LinkedMembers(*Read(), Alias(group));
    EXPECT_THAT(found, IsOk());
    for (const Alias member : *found) members.push_back(member.value());
    const auto last = indexes_.LastLinked(*Read(), Alias(group));
    EXPECT_THAT(last, IsOk());
    EXPECT_EQ(last->value_or(Alias()).value(), members.empty() ? 0 : members.back());
    return members;
  }

  Indexes indexes_{keys_, tail_};
  int inserted_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, IndexesTest,
                         ::testing::Values(Where::kInTheTail, Where::kInTheTables, Where::kInBoth),
                         [](const ::testing::TestParamInfo<Where>& where) -> std::string {
                           return where.param == Where::kInTheTail     ? "InTheTail"
                                  : where.param == Where::kInTheTables ? "InTheTables"
                                                                       : "InBoth";
                         });

TEST_P(IndexesTest, EntriesLieWhereTheTestSays) {
  for (const uint64_t alias : {5, 6, 7}) Insert(MakeSession(alias, alias, "alice"));
  const size_t merged = GetParam() == Where::kInTheTail     ? 0
                        : GetParam() == Where::kInTheTables ? 3
                                                            : 2;
  EXPECT_EQ(RowsOf(Table::kPublicKeys).size(), merged);
  EXPECT_EQ(tail_.sessions(), 3 - merged);
}

TEST_P(IndexesTest, FindsByPublicKey) {
  const SessionRecord record = MakeSession(5, 5, "alice");
  Insert(record);
  EXPECT_EQ(*Ask(indexes_.OfPublicKey(record.session.public_key)), (Numbers{5}));
  EXPECT_EQ(*Ask(indexes_.OfPublicKey("another")), Numbers());
}

TEST_P(IndexesTest, KnowsWhichPublicKeysAreTaken) {
  const SessionRecord record = MakeSession(5, 5, "alice");
  const auto is_taken = [&](absl::string_view key) {
    bool taken = false;
    Write([&](Transaction& transaction) -> absl::Status {
      const absl::StatusOr<bool> answer = indexes_.HasPublicKey(transaction, key);
      taken = answer.value_or(false);
      return answer.status();
    });
    return taken;
  };
  EXPECT_FALSE(is_taken(record.session.public_key));
  Insert(record);
  EXPECT_TRUE(is_taken(record.session.public_key));
  EXPECT_FALSE(is_taken("another"));
  Remove(record);
  EXPECT_FALSE(is_taken(record.session.public_key));
}

TEST_P(IndexesTest, CountsTheLiveOnesOfEachPrincipalAndDatabase) {
  const Scope alice = PrincipalScope(keys_, "alice");
  const Scope main = DatabaseScope(keys_, "main");
  EXPECT_EQ(Live(alice).live, 0u);
  for (const uint64_t alias : {5, 6, 7}) Insert(MakeSession(alias, alias, "alice"));
  Insert(MakeSession(8, 8, "bob"));
  EXPECT_EQ(Live(alice).live, 3u);
  EXPECT_EQ(Live(alice).oldest, Alias(5));
  EXPECT_EQ(Live(main).live, 4u);
  for (const uint64_t alias : {5, 7, 6}) {
    Write([&](Transaction& transaction) {
      return indexes_.CountOut(transaction, MakeSession(alias, alias, "alice").session);
    });
  }
  EXPECT_EQ(Live(alice).live, 0u);
  EXPECT_EQ(Live(main).live, 1u);
  EXPECT_EQ(Live(PrincipalScope(keys_, "bob")).live, 1u);
  Insert(MakeSession(9, 9, "alice"));
  EXPECT_EQ(Live(alice).live, 1u);
  EXPECT_EQ(Live(alice).oldest, Alias(9));
}

TEST_P(IndexesTest, RemembersWhichIsTheOldest) {
  const Scope alice = PrincipalScope(keys_, "alice");
  for (const uint64_t alias : {5, 6, 7}) Insert(MakeSession(alias, alias, "alice"));
  Write(
      [&](Transaction& transaction) { return indexes_.RaiseOldest(transaction, alice, Alias(6)); });
  EXPECT_EQ(Live(alice).oldest, Alias(6));
  EXPECT_EQ(Live(alice).live, 3u);
}

TEST_P(IndexesTest, WhatIsAbandonedLeavesNoTrace) {
  Insert(MakeSession(5, 5, "alice"));
  Insert(MakeSession(6, 6, "alice"));
  SessionRecord record = MakeSession(7, 7, "alice");
  record.idempotency_key = "request";
  const absl::Status abandoned = Try([&](Transaction& transaction) -> absl::Status {
    absl::Status status = PutSession(transaction, keys_, record);
    status.Update(indexes_.Insert(transaction, record));
    status.Update(indexes_.CountOut(transaction, MakeSession(5, 5, "alice").session));
    status.Update(indexes_.CountOut(transaction, record.session));
    status.Update(indexes_.RaiseOldest(transaction, PrincipalScope(keys_, "alice"), Alias(7)));
    status.Update(indexes_.Remove(transaction, MakeSession(5, 5, "alice")));
    status.Update(indexes_.Remove(transaction, record));
    return status;
  });
  EXPECT_THAT(abandoned, IsOk());
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{5, 6}));
  EXPECT_EQ(OnDatabase("main"), (Numbers{5, 6}));
  EXPECT_EQ(*Ask(indexes_.OfIdempotencyKey("alice", "request")), Numbers());
  EXPECT_EQ(Live(PrincipalScope(keys_, "alice")).live, 2u);
  EXPECT_EQ(Live(PrincipalScope(keys_, "alice")).oldest, Alias(5));
}

// As it is between the moment when a session is put into the tail, and its commit.
TEST_P(IndexesTest, HintOfASessionThatIsNotCommittedIsPassedOver) {
  Insert(MakeSession(5, 5, "alice"));
  tail_.Add(EntriesOf(keys_, MakeSession(6, 6, "alice")));
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{5}));
  EXPECT_EQ(*Ask(indexes_.OfPublicKey("public key 6")), Numbers());
}

TEST_P(IndexesTest, ScansAPrincipalsSessionsInOrderOfCreation) {
  Insert(MakeSession(7, 7, "alice"));
  Insert(MakeSession(8, 8, "bob"));
  for (const uint64_t alias : {300, 65536}) Insert(MakeSession(alias, alias, "alice"));
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{7, 300, 65536}));
  EXPECT_EQ(OfPrincipal("alice", 8), (Numbers{300, 65536}));
  EXPECT_EQ(OfPrincipal("alice", 0, 2), (Numbers{7, 300}));
  EXPECT_EQ(OfPrincipal("bob"), (Numbers{8}));
  EXPECT_EQ(OfPrincipal("carol"), Numbers());
}

TEST_P(IndexesTest, PrincipalsThatShareAPrefixAreApart) {
  Insert(MakeSession(1, 1, "alice"));
  Insert(MakeSession(2, 2, "alice2"));
  Insert(MakeSession(3, 3, ""));
  Insert(MakeSession(4, 4, std::string("alice\0", 6)));
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{1}));
  EXPECT_EQ(OfPrincipal("alice2"), (Numbers{2}));
  EXPECT_EQ(OfPrincipal(""), (Numbers{3}));
}

// The counts of live sessions lie in the same tables, each before its principal's or database's
// sessions.
TEST_P(IndexesTest, ScansPassOverThePopulations) {
  Insert(MakeSession(1, 1, "alice"));
  Put(Table::kPrincipals, EncodeNumber(keys_.HashPrincipal("alice")), "population");
  Put(Table::kDatabases, EncodeNumber(keys_.HashDatabase("main")), "population");
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{1}));
  EXPECT_EQ(OnDatabase("main"), (Numbers{1}));
}

TEST_P(IndexesTest, ScansADatabasesSessionsInOrderOfCreation) {
  Insert(MakeSession(7, 7, "alice"));
  SessionRecord other = MakeSession(8, 8, "alice");
  other.session.database = "other";
  Insert(other);
  for (const uint64_t alias : {300, 65536}) Insert(MakeSession(alias, alias, "alice"));
  EXPECT_EQ(OnDatabase("main"), (Numbers{7, 300, 65536}));
  EXPECT_EQ(OnDatabase("main", 8), (Numbers{300, 65536}));
  EXPECT_EQ(OnDatabase("main", 0, 2), (Numbers{7, 300}));
  EXPECT_EQ(OnDatabase("other"), (Numbers{8}));
  EXPECT_EQ(OnDatabase("none"), Numbers());
}

TEST_P(IndexesTest, FindsByIdempotencyKeyOfThePrincipalWhoUsedIt) {
  SessionRecord record = MakeSession(5, 5, "alice");
  record.idempotency_key = "request";
  Insert(record);
  Insert(MakeSession(6, 6, "alice"));
  EXPECT_EQ(*Ask(indexes_.OfIdempotencyKey("alice", "request")), (Numbers{5}));
  EXPECT_EQ(*Ask(indexes_.OfIdempotencyKey("alice", "another")), Numbers());
  EXPECT_EQ(*Ask(indexes_.OfIdempotencyKey("bob", "request")), Numbers());
  EXPECT_EQ(*Ask(indexes_.OfIdempotencyKey("alice", "")), Numbers())
      << "a session without an idempotency key has no entry";
  Write(
      [&](Transaction& transaction) { return indexes_.RemoveIdempotencyKey(transaction, record); });
  EXPECT_EQ(*Ask(indexes_.OfIdempotencyKey("alice", "request")), Numbers());
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{5, 6}));
}

TEST_P(IndexesTest, LinkedMembersKeepTheOrderOfLinking) {
  Insert(MakeSession(1, 1, "alice"));
  EXPECT_EQ(Linked(1), Numbers());
  for (uint64_t alias = 10; alias < 310; ++alias) Insert(MakeSession(alias, 1, "alice"));
  Insert(MakeSession(400, 2, "alice"));
  const Numbers members = Linked(1);
  ASSERT_EQ(members.size(), 300u) << "more than a sequence number of one byte could tell apart";
  for (size_t i = 0; i < members.size(); ++i) EXPECT_EQ(members[i], 10 + i);
  EXPECT_EQ(Linked(2), (Numbers{400}));
}

TEST_P(IndexesTest, NeighbouringGroupsAreApart) {
  for (const uint64_t group : {0xff, 0x100, 0x101}) Insert(MakeSession(group * 1000, group, "a"));
  EXPECT_EQ(Linked(0xff), (Numbers{0xff * 1000}));
  EXPECT_EQ(Linked(0x100), (Numbers{0x100 * 1000}));
  EXPECT_EQ(Linked(0x102), Numbers());
}

TEST_P(IndexesTest, RemovingTakesAllEntriesOfOneSessionAndNoOther) {
  Insert(MakeSession(1, 1, "alice"));
  Insert(MakeSession(2, 1, "alice"));
  const size_t tail_before = tail_.sessions();
  const MemoryEngine::Rows before = engine_.Committed();
  SessionRecord linked = MakeSession(3, 1, "alice");
  linked.idempotency_key = "request";
  Insert(linked);
  Write([&](Transaction& transaction) { return indexes_.CountOut(transaction, linked.session); });
  Remove(linked);
  const MemoryEngine::Rows after = engine_.Committed();
  for (const Table table : kAllTables) {
    if (table == Table::kMeta) continue;
    EXPECT_EQ(after[TableIndex(table)], before[TableIndex(table)]) << TableName(table);
  }
  EXPECT_EQ(tail_.sessions(), tail_before);
}

TEST_P(IndexesTest, MemberInTheMiddleMayLeave) {
  for (const uint64_t alias : {2, 3, 4}) Insert(MakeSession(alias, 1, "alice"));
  Remove(MakeSession(3, 1, "alice"));
  EXPECT_EQ(Linked(1), (Numbers{2, 4}));
  Insert(MakeSession(5, 1, "alice"));
  EXPECT_EQ(Linked(1), (Numbers{2, 4, 5}));
}

TEST_P(IndexesTest, MemberWhosePlaceIsTakenLeavesAndItsRemovalLeavesTheOtherAlone) {
  for (const uint64_t alias : {2, 3}) Insert(MakeSession(alias, 1, "alice"));
  Write([&](Transaction& transaction) {
    return indexes_.LeaveGroup(transaction, Alias(1), Alias(3));
  });
  EXPECT_EQ(Linked(1), (Numbers{2}));
  Insert(MakeSession(4, 1, "alice"));
  SessionRecord moved = MakeSession(3, 1, "alice");
  moved.moved_to = Alias(4);
  Remove(moved);
  EXPECT_EQ(Linked(1), (Numbers{2, 4}));
}

TEST_P(IndexesTest, LinkedMembersAreCountedUpToABound) {
  for (const uint64_t alias : {2, 3, 4}) Insert(MakeSession(alias, 1, "alice"));
  Insert(MakeSession(5, 2, "alice"));
  for (const auto& [most, expected] : {std::pair{0, 0}, {1, 1}, {2, 2}, {3, 3}, {4, 3}}) {
    ASSERT_OK_AND_ASSIGN(const uint64_t linked, indexes_.CountLinked(*Read(), Alias(1), most));
    EXPECT_EQ(linked, static_cast<uint64_t>(expected)) << "up to " << most;
  }
  ASSERT_OK_AND_ASSIGN(const uint64_t none, indexes_.CountLinked(*Read(), Alias(3), 9));
  EXPECT_EQ(none, 0u);
}

TEST_P(IndexesTest, RemovingTwiceIsTheSameAsOnce) {
  SessionRecord record = MakeSession(3, 1, "alice");
  record.idempotency_key = "request";
  Insert(record);
  Remove(record);
  Remove(record);
  EXPECT_EQ(tail_.sessions(), 0u);
  EXPECT_EQ(OfPrincipal("alice"), Numbers());
  for (const Table table : {Table::kPublicKeys, Table::kIdempotencyKeys, Table::kGroups}) {
    EXPECT_TRUE(RowsOf(table).empty()) << TableName(table);
  }
}

TEST_P(IndexesTest, RowThatNamesNoAliasIsCorrupt) {
  for (const IndexQuestion& question :
       {indexes_.OfPublicKey("public"), indexes_.OfPrincipal("alice", Alias(), 9),
        indexes_.OfDatabase("main", Alias(), 9), indexes_.OfIdempotencyKey("alice", "request")}) {
    Put(question.table, EncodeNumber(question.hash) + "\xff odd", "");
    EXPECT_THAT(Ask(question), HasVerdict(Verdict::kCorrupt)) << TableName(question.table);
  }
}

TEST_P(IndexesTest, WithoutAMarkNothingIsRemovedOrCountedOut) {
  const SessionRecord record = MakeSession(3, 3, "alice");
  Insert(record);
  for (const std::string& row : {std::string(), std::string(kIndexMarkBytes, '\xff')}) {
    Put(Table::kMeta, std::string(meta::kIndexMark), row);
    EXPECT_THAT(Try([&](Transaction& transaction) { return indexes_.Remove(transaction, record); }),
                HasVerdict(Verdict::kCorrupt));
    EXPECT_THAT(Try([&](Transaction& transaction) {
                  return indexes_.CountOut(transaction, record.session);
                }),
                HasVerdict(Verdict::kCorrupt));
  }
}

// Were it taken for a group without linked members, another could join beside an active one.
TEST_P(IndexesTest, GroupRowThatIsNoAliasIsCorrupt) {
  Insert(MakeSession(2, 1, "alice"));
  Put(Table::kGroups, EncodeNumber(1) + EncodeNumber(2), "odd");
  EXPECT_THAT(indexes_.LinkedMembers(*Read(), Alias(1)), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(indexes_.LastLinked(*Read(), Alias(1)), HasVerdict(Verdict::kCorrupt));
}

}  // namespace
}  // namespace batonstore
