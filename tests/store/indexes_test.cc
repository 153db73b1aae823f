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

Session MakeSession(uint64_t alias, uint64_t group, const std::string& principal) {
  Session session;
  session.alias = Alias(alias);
  session.group = Alias(group);
  session.principal = principal;
  session.public_key = absl::StrCat("public key ", alias);
  return session;
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
  void Insert(const Session& session) {
    Write([&](Transaction& transaction) { return indexes_.Insert(transaction, session); });
  }
  void Remove(const Session& session) {
    Write([&](Transaction& transaction) { return indexes_.Remove(transaction, session); });
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
  const Session session = MakeSession(5, 5, "alice");
  Insert(session);
  ASSERT_OK_AND_ASSIGN(const auto found, indexes_.FindPublicKey(*Read(), session.public_key));
  EXPECT_EQ(found, session.alias);
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
  const Session linked = MakeSession(3, 1, "alice");
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

TEST_F(IndexesTest, RemovingTwiceIsTheSameAsOnce) {
  const Session session = MakeSession(3, 1, "alice");
  Insert(session);
  Remove(session);
  Remove(session);
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

// Were it taken for a group without linked members, another could join beside an active one.
TEST_F(IndexesTest, GroupRowThatIsNoAliasIsCorrupt) {
  Insert(MakeSession(2, 1, "alice"));
  Put(Table::kGroups, EncodeNumber(1) + EncodeNumber(2), "odd");
  EXPECT_THAT(indexes_.LinkedMembers(*Read(), Alias(1)), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(indexes_.LastLinked(*Read(), Alias(1)), HasVerdict(Verdict::kCorrupt));
}

}  // namespace
}  // namespace batonstore
