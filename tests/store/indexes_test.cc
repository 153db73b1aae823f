#include "batonstore/store/indexes.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/number.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;

SessionRecord MakeSession(uint64_t alias, uint64_t group, const std::string& principal) {
  SessionRecord record;
  record.session.alias = Alias(alias);
  record.session.group = Alias(group);
  record.session.principal = principal;
  record.session.database = "main";
  record.session.public_key = absl::StrCat("public key ", alias);
  return record;
}

class IndexesTest : public ::testing::Test {
 protected:
  void Write(absl::FunctionRef<absl::Status(Transaction&)> body) {
    const Engine::Outcome outcome = engine_.Write([&](Transaction& transaction) {
      EXPECT_THAT(body(transaction), IsOk());
      return Engine::Decision::kCommit;
    });
    ASSERT_THAT(outcome.status, IsOk());
  }
  void Insert(const SessionRecord& record) {
    Write([&](Transaction& transaction) { return indexes_.Insert(transaction, record); });
  }
  void Remove(const SessionRecord& record) {
    Write([&](Transaction& transaction) { return indexes_.Remove(transaction, record); });
  }
  void Put(Table table, const std::string& key, const std::string& value) {
    Write([&](Transaction& transaction) { return transaction.Put(table, key, value); });
  }
  std::unique_ptr<Snapshot> Read() { return *engine_.Read(); }

  std::vector<uint64_t> OfPrincipal(const std::string& principal, uint64_t from = 0,
                                    size_t most = 9) {
    std::vector<uint64_t> seen;
    EXPECT_THAT(indexes_.ScanPrincipal(*Read(), principal, Alias(from),
                                       [&](Alias alias) {
                                         seen.push_back(alias.value());
                                         return seen.size() < most;
                                       }),
                IsOk());
    return seen;
  }
  std::vector<uint64_t> OnDatabase(const std::string& database, uint64_t from = 0,
                                   size_t most = 9) {
    std::vector<uint64_t> seen;
    EXPECT_THAT(indexes_.ScanDatabase(*Read(), database, Alias(from),
                                      [&](Alias alias) {
                                        seen.push_back(alias.value());
                                        return seen.size() < most;
                                      }),
                IsOk());
    return seen;
  }
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

  using Numbers = std::vector<uint64_t>;

  MemoryEngine engine_;
  StoreKeys keys_{SecretBytes(std::string(kDataKeyBytes, 'd')), std::string(kStoreIdBytes, 's'),
                  SystemRandom()};
  Indexes indexes_{keys_};
};

TEST_F(IndexesTest, FindsByPublicKey) {
  const SessionRecord record = MakeSession(5, 5, "alice");
  Insert(record);
  ASSERT_OK_AND_ASSIGN(const auto found,
                       indexes_.FindPublicKey(*Read(), record.session.public_key));
  EXPECT_EQ(found, record.session.alias);
  ASSERT_OK_AND_ASSIGN(const auto absent, indexes_.FindPublicKey(*Read(), "another"));
  EXPECT_EQ(absent, std::nullopt);
}

TEST_F(IndexesTest, ScansAPrincipalsSessionsInOrderOfCreation) {
  for (const uint64_t alias : {300, 7, 65536}) Insert(MakeSession(alias, alias, "alice"));
  Insert(MakeSession(8, 8, "bob"));
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{7, 300, 65536}));
  EXPECT_EQ(OfPrincipal("alice", 8), (Numbers{300, 65536}));
  EXPECT_EQ(OfPrincipal("alice", 0, 2), (Numbers{7, 300}));
  EXPECT_EQ(OfPrincipal("bob"), (Numbers{8}));
  EXPECT_EQ(OfPrincipal("carol"), Numbers());
}

TEST_F(IndexesTest, PrincipalsThatShareAPrefixAreApart) {
  Insert(MakeSession(1, 1, "alice"));
  Insert(MakeSession(2, 2, "alice2"));
  Insert(MakeSession(3, 3, ""));
  Insert(MakeSession(4, 4, std::string("alice\0", 6)));
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{1}));
  EXPECT_EQ(OfPrincipal("alice2"), (Numbers{2}));
  EXPECT_EQ(OfPrincipal(""), (Numbers{3}));
}

TEST_F(IndexesTest, ScansByTheHashOfAPrincipalToo) {
  for (const uint64_t alias : {7, 300}) Insert(MakeSession(alias, alias, "alice"));
  Insert(MakeSession(8, 8, "bob"));
  Numbers seen;
  EXPECT_THAT(Indexes::ScanPrincipalHash(*Read(), keys_.HashPrincipal("alice"), Alias(),
                                         [&](Alias alias) {
                                           seen.push_back(alias.value());
                                           return true;
                                         }),
              IsOk());
  EXPECT_EQ(seen, (Numbers{7, 300}));
}

// The counts of live sessions lie in the same tables, each before its principal's or database's
// sessions.
TEST_F(IndexesTest, ScansPassOverThePopulations) {
  Insert(MakeSession(1, 1, "alice"));
  Put(Table::kPrincipals, EncodeNumber(keys_.HashPrincipal("alice")), "population");
  Put(Table::kDatabases, EncodeNumber(keys_.HashDatabase("main")), "population");
  EXPECT_EQ(OfPrincipal("alice"), (Numbers{1}));
  EXPECT_EQ(OnDatabase("main"), (Numbers{1}));
}

TEST_F(IndexesTest, ScansADatabasesSessionsInOrderOfCreation) {
  for (const uint64_t alias : {300, 7, 65536}) Insert(MakeSession(alias, alias, "alice"));
  SessionRecord other = MakeSession(8, 8, "alice");
  other.session.database = "other";
  Insert(other);
  EXPECT_EQ(OnDatabase("main"), (Numbers{7, 300, 65536}));
  EXPECT_EQ(OnDatabase("main", 8), (Numbers{300, 65536}));
  EXPECT_EQ(OnDatabase("main", 0, 2), (Numbers{7, 300}));
  EXPECT_EQ(OnDatabase("other"), (Numbers{8}));
  EXPECT_EQ(OnDatabase("none"), Numbers());
}

TEST_F(IndexesTest, FindsByIdempotencyKeyOfThePrincipalWhoUsedIt) {
  SessionRecord record = MakeSession(5, 5, "alice");
  record.idempotency_key = "request";
  Insert(record);
  Insert(MakeSession(6, 6, "alice"));
  ASSERT_OK_AND_ASSIGN(const auto found, indexes_.FindIdempotencyKey(*Read(), "alice", "request"));
  EXPECT_EQ(found, Alias(5));
  ASSERT_OK_AND_ASSIGN(const auto other_key,
                       indexes_.FindIdempotencyKey(*Read(), "alice", "another"));
  EXPECT_EQ(other_key, std::nullopt);
  ASSERT_OK_AND_ASSIGN(const auto other_principal,
                       indexes_.FindIdempotencyKey(*Read(), "bob", "request"));
  EXPECT_EQ(other_principal, std::nullopt);
  ASSERT_OK_AND_ASSIGN(const auto none, indexes_.FindIdempotencyKey(*Read(), "alice", ""));
  EXPECT_EQ(none, std::nullopt) << "a session without an idempotency key has no row";
}

TEST_F(IndexesTest, LinkedMembersKeepTheOrderOfLinking) {
  Insert(MakeSession(1, 1, "alice"));
  EXPECT_EQ(Linked(1), Numbers());
  for (uint64_t alias = 10; alias < 310; ++alias) Insert(MakeSession(alias, 1, "alice"));
  Insert(MakeSession(400, 2, "alice"));
  const Numbers members = Linked(1);
  ASSERT_EQ(members.size(), 300u) << "more than a sequence number of one byte could tell apart";
  for (size_t i = 0; i < members.size(); ++i) EXPECT_EQ(members[i], 10 + i);
  EXPECT_EQ(Linked(2), (Numbers{400}));
}

TEST_F(IndexesTest, NeighbouringGroupsAreApart) {
  for (const uint64_t group : {0xff, 0x100, 0x101}) Insert(MakeSession(group * 1000, group, "a"));
  EXPECT_EQ(Linked(0xff), (Numbers{0xff * 1000}));
  EXPECT_EQ(Linked(0x100), (Numbers{0x100 * 1000}));
  EXPECT_EQ(Linked(0x102), Numbers());
}

TEST_F(IndexesTest, RemovingTakesAllRowsOfOneSessionAndNoOther) {
  Insert(MakeSession(1, 1, "alice"));
  Insert(MakeSession(2, 1, "alice"));
  const MemoryEngine::Rows before = engine_.Committed();
  SessionRecord linked = MakeSession(3, 1, "alice");
  linked.idempotency_key = "request";
  Insert(linked);
  Remove(linked);
  EXPECT_EQ(engine_.Committed(), before);
}

TEST_F(IndexesTest, MemberInTheMiddleMayLeave) {
  for (const uint64_t alias : {2, 3, 4}) Insert(MakeSession(alias, 1, "alice"));
  Remove(MakeSession(3, 1, "alice"));
  EXPECT_EQ(Linked(1), (Numbers{2, 4}));
  Insert(MakeSession(5, 1, "alice"));
  EXPECT_EQ(Linked(1), (Numbers{2, 4, 5}));
}

TEST_F(IndexesTest, MemberWhosePlaceIsTakenLeavesAndItsRemovalLeavesTheOtherAlone) {
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

TEST_F(IndexesTest, LinkedMembersAreCountedUpToABound) {
  for (const uint64_t alias : {2, 3, 4}) Insert(MakeSession(alias, 1, "alice"));
  Insert(MakeSession(5, 2, "alice"));
  for (const auto& [most, expected] : {std::pair{0, 0}, {1, 1}, {2, 2}, {3, 3}, {4, 3}}) {
    ASSERT_OK_AND_ASSIGN(const uint64_t linked, indexes_.CountLinked(*Read(), Alias(1), most));
    EXPECT_EQ(linked, static_cast<uint64_t>(expected)) << "up to " << most;
  }
  ASSERT_OK_AND_ASSIGN(const uint64_t none, indexes_.CountLinked(*Read(), Alias(3), 9));
  EXPECT_EQ(none, 0u);
}

TEST_F(IndexesTest, RemovingTwiceIsTheSameAsOnce) {
  SessionRecord record = MakeSession(3, 1, "alice");
  record.idempotency_key = "request";
  Insert(record);
  Remove(record);
  Remove(record);
  for (const auto& table : engine_.Committed()) EXPECT_TRUE(table.empty());
}

TEST_F(IndexesTest, PublicKeyRowThatIsNoAliasIsCorrupt) {
  Put(Table::kPublicKeys, Sha256("public").substr(0, 8), "odd");
  EXPECT_THAT(indexes_.FindPublicKey(*Read(), "public"), HasVerdict(Verdict::kCorrupt));
}

TEST_F(IndexesTest, PrincipalRowThatNamesNoAliasIsCorrupt) {
  Put(Table::kPrincipals, EncodeNumber(keys_.HashPrincipal("alice")) + "odd", "");
  EXPECT_THAT(indexes_.ScanPrincipal(*Read(), "alice", Alias(), [](Alias) { return true; }),
              HasVerdict(Verdict::kCorrupt));
}

TEST_F(IndexesTest, DatabaseRowThatNamesNoAliasIsCorrupt) {
  Put(Table::kDatabases, EncodeNumber(keys_.HashDatabase("main")) + "odd", "");
  EXPECT_THAT(indexes_.ScanDatabase(*Read(), "main", Alias(), [](Alias) { return true; }),
              HasVerdict(Verdict::kCorrupt));
}

TEST_F(IndexesTest, IdempotencyKeyRowThatIsNoAliasIsCorrupt) {
  Put(Table::kIdempotencyKeys, EncodeNumber(keys_.HashIdempotencyKey("alice", "request")), "odd");
  EXPECT_THAT(indexes_.FindIdempotencyKey(*Read(), "alice", "request"),
              HasVerdict(Verdict::kCorrupt));
}

// Were it taken for a group without linked members, another could join beside an active one.
TEST_F(IndexesTest, GroupRowThatIsNoAliasIsCorrupt) {
  Insert(MakeSession(2, 1, "alice"));
  Put(Table::kGroups, EncodeNumber(1) + EncodeNumber(2), "odd");
  EXPECT_THAT(indexes_.LinkedMembers(*Read(), Alias(1)), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(indexes_.LastLinked(*Read(), Alias(1)), HasVerdict(Verdict::kCorrupt));
}

}  // namespace
}  // namespace batonstore
