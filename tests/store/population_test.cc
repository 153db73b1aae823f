// How many are live, in the three scopes that each session belongs to.

#include "batonstore/store/population.h"

#include <memory>
#include <string>

#include "batonstore/store/number.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_tables.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::MemoryTables;

Session SessionOf(uint64_t alias, const std::string& principal, const std::string& database) {
  Session session;
  session.alias = Alias(alias);
  session.principal = principal;
  session.database = database;
  return session;
}

class PopulationTest : public MemoryTables {
 protected:
  void In(const Session& session) {
    Write([&](Transaction& transaction) { return CountIn(transaction, keys_, session); });
  }
  void Out(const Session& session) {
    Write([&](Transaction& transaction) { return CountOut(transaction, keys_, session); });
  }

  Population Of(const Scope& scope) {
    const absl::StatusOr<Population> population = GetPopulation(*Read(), scope);
    EXPECT_THAT(population, IsOk());
    return population.value_or(Population());
  }
  uint64_t LiveOfPrincipal(const std::string& principal) {
    return Of(PrincipalScope(keys_, principal)).live;
  }
  uint64_t LiveOnDatabase(const std::string& database) {
    return Of(DatabaseScope(keys_, database)).live;
  }
  uint64_t Live() { return Of(StoreScope()).live; }
};

TEST_F(PopulationTest, NobodyLivesInAScopeWithoutARow) {
  for (const Scope& scope :
       {StoreScope(), PrincipalScope(keys_, "alice"), DatabaseScope(keys_, "main")}) {
    EXPECT_EQ(Of(scope).live, 0u);
    EXPECT_EQ(Of(scope).oldest, Alias());
  }
}

TEST_F(PopulationTest, SessionCountsForItsPrincipalItsDatabaseAndTheStoreAndForNoOther) {
  In(SessionOf(1, "alice", "main"));
  In(SessionOf(2, "alice", "other"));
  In(SessionOf(3, "bob", "main"));
  EXPECT_EQ(LiveOfPrincipal("alice"), 2u);
  EXPECT_EQ(LiveOfPrincipal("bob"), 1u);
  EXPECT_EQ(LiveOfPrincipal("main"), 0u);
  EXPECT_EQ(LiveOnDatabase("main"), 2u);
  EXPECT_EQ(LiveOnDatabase("other"), 1u);
  EXPECT_EQ(LiveOnDatabase("alice"), 0u);
  EXPECT_EQ(Live(), 3u);

  Out(SessionOf(1, "alice", "main"));
  EXPECT_EQ(LiveOfPrincipal("alice"), 1u);
  EXPECT_EQ(LiveOfPrincipal("bob"), 1u);
  EXPECT_EQ(LiveOnDatabase("main"), 1u);
  EXPECT_EQ(LiveOnDatabase("other"), 1u);
  EXPECT_EQ(Live(), 2u);
}

TEST_F(PopulationTest, LastOneOutLeavesNoRow) {
  In(SessionOf(1, "alice", "main"));
  In(SessionOf(2, "", ""));
  Out(SessionOf(1, "alice", "main"));
  Out(SessionOf(2, "", ""));
  for (const auto& table : engine_.Committed()) EXPECT_THAT(table, IsEmpty());
}

// Aliases only rise: whoever comes in later is younger.
TEST_F(PopulationTest, NoLiveSessionIsOlderThanTheOldest) {
  const Scope alice = PrincipalScope(keys_, "alice");
  In(SessionOf(5, "alice", "main"));
  In(SessionOf(7, "alice", "main"));
  EXPECT_EQ(Of(alice).oldest, Alias(5));
  EXPECT_EQ(Of(StoreScope()).oldest, Alias(5));
  Out(SessionOf(5, "alice", "main"));
  EXPECT_LE(Of(alice).oldest, Alias(7));
  Out(SessionOf(7, "alice", "main"));
  In(SessionOf(9, "alice", "main"));
  EXPECT_EQ(Of(alice).oldest, Alias(9)) << "those before are all gone";
}

TEST_F(PopulationTest, PopulationReadsBackAsItWasPut) {
  for (const Scope& scope :
       {StoreScope(), PrincipalScope(keys_, "alice"), DatabaseScope(keys_, "main")}) {
    Write([&](Transaction& transaction) {
      return PutPopulation(transaction, scope, {0x0102030405060708, Alias(0x1112131415161718)});
    });
    EXPECT_EQ(Of(scope).live, 0x0102030405060708u);
    EXPECT_EQ(Of(scope).oldest, Alias(0x1112131415161718));
  }
}

TEST_F(PopulationTest, RowThatIsMisshapenIsCorruptForEveryCall) {
  for (const size_t size : {0, 1, 7, 8, 15, 17}) {
    for (const Scope& scope :
         {StoreScope(), PrincipalScope(keys_, "alice"), DatabaseScope(keys_, "main")}) {
      const std::string row(size, '\1');
      Put(scope.table, scope.key, row);
      EXPECT_THAT(GetPopulation(*Read(), scope), HasVerdict(Verdict::kCorrupt)) << size;
      const Session session = SessionOf(1, "alice", "main");
      EXPECT_THAT(
          Try([&](Transaction& transaction) { return CountIn(transaction, keys_, session); }),
          HasVerdict(Verdict::kCorrupt));
      EXPECT_THAT(
          Try([&](Transaction& transaction) { return CountOut(transaction, keys_, session); }),
          HasVerdict(Verdict::kCorrupt));
      Write([&](Transaction& transaction) {
        return transaction.Delete(scope.table, scope.key).status();
      });
    }
  }
}

TEST_F(PopulationTest, NobodyCannotBecomeFewer) {
  EXPECT_THAT(Try([&](Transaction& transaction) {
                return CountOut(transaction, keys_, SessionOf(1, "alice", "main"));
              }),
              HasVerdict(Verdict::kCorrupt));
}

// They lie in one table; what tells them apart is the length of the key.
TEST_F(PopulationTest, RowOfAPopulationIsNoRowOfAnIndex) {
  EXPECT_EQ(PrincipalScope(keys_, "alice").key, EncodeNumber(keys_.HashPrincipal("alice")));
  EXPECT_EQ(DatabaseScope(keys_, "main").key, EncodeNumber(keys_.HashDatabase("main")));
  EXPECT_EQ(StoreScope().key, meta::kLive);
}

}  // namespace
}  // namespace batonstore
