// How many are live, in each of the scopes that a session belongs to.

#include "batonstore/store/population.h"

#include <memory>
#include <string>
#include <vector>

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

class PopulationTest : public MemoryTables {
 protected:
  void In(const Scope& scope, uint64_t sessions, uint64_t oldest) {
    Write([&](Transaction& transaction) {
      return CountIn(transaction, scope, sessions, Alias(oldest));
    });
  }
  void Out(const Scope& scope) {
    Write([&](Transaction& transaction) { return CountOut(transaction, scope); });
  }

  Population Of(const Scope& scope) {
    const absl::StatusOr<Population> population = GetPopulation(*Read(), scope);
    EXPECT_THAT(population, IsOk());
    return population.value_or(Population());
  }

  const Scope alice_ = PrincipalScope(keys_, "alice");
  const std::vector<Scope> scopes_ = {StoreScope(), alice_, PrincipalScope(keys_, "bob"),
                                      DatabaseScope(keys_, "alice")};
};

TEST_F(PopulationTest, NobodyLivesInAScopeWithoutARow) {
  for (const Scope& scope :
       {StoreScope(), PrincipalScope(keys_, "alice"), DatabaseScope(keys_, "main")}) {
    EXPECT_EQ(Of(scope).live, 0u);
    EXPECT_EQ(Of(scope).oldest, Alias());
  }
}

TEST_F(PopulationTest, EachScopeCountsForItself) {
  for (size_t i = 0; i < scopes_.size(); ++i) In(scopes_[i], i + 1, 10 * i);
  for (size_t i = 0; i < scopes_.size(); ++i) {
    EXPECT_EQ(Of(scopes_[i]).live, i + 1);
    EXPECT_EQ(Of(scopes_[i]).oldest, Alias(10 * i));
  }
  In(alice_, 3, 99);
  EXPECT_EQ(Of(alice_).live, 5u);
  Out(alice_);
  EXPECT_EQ(Of(alice_).live, 4u);
  EXPECT_EQ(Of(StoreScope()).live, 1u);
}

TEST_F(PopulationTest, LastOneOutLeavesNoRow) {
  for (const Scope& scope : scopes_) {
    In(scope, 2, 1);
    Out(scope);
    Out(scope);
  }
  for (const auto& table : engine_.Committed()) EXPECT_THAT(table, IsEmpty());
}

// Aliases only rise: whoever comes in later is younger.
TEST_F(PopulationTest, NoLiveSessionIsOlderThanTheOldest) {
  In(alice_, 1, 5);
  In(alice_, 1, 7);
  EXPECT_EQ(Of(alice_).oldest, Alias(5));
  Out(alice_);
  EXPECT_LE(Of(alice_).oldest, Alias(7));
  Out(alice_);
  In(alice_, 1, 9);
  EXPECT_EQ(Of(alice_).oldest, Alias(9)) << "those before are all gone";
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
    for (const Scope& scope : scopes_) {
      const std::string row(size, '\1');
      Put(scope.table, scope.Key(), row);
      EXPECT_THAT(GetPopulation(*Read(), scope), HasVerdict(Verdict::kCorrupt)) << size;
      EXPECT_THAT(
          Try([&](Transaction& transaction) { return CountIn(transaction, scope, 1, Alias(1)); }),
          HasVerdict(Verdict::kCorrupt));
      EXPECT_THAT(Try([&](Transaction& transaction) { return CountOut(transaction, scope); }),
                  HasVerdict(Verdict::kCorrupt));
    }
  }
}

TEST_F(PopulationTest, NobodyCannotBecomeFewer) {
  for (const Scope& scope : scopes_) {
    EXPECT_THAT(Try([&](Transaction& transaction) { return CountOut(transaction, scope); }),
                HasVerdict(Verdict::kCorrupt));
  }
}

// They lie in one table; what tells them apart is the length of the key.
TEST_F(PopulationTest, RowOfAPopulationIsNoRowOfAnIndex) {
  EXPECT_EQ(PrincipalScope(keys_, "alice").Key(), EncodeNumber(keys_.HashPrincipal("alice")));
  EXPECT_EQ(DatabaseScope(keys_, "main").Key(), EncodeNumber(keys_.HashDatabase("main")));
  EXPECT_EQ(StoreScope().Key(), meta::kLive);
}

}  // namespace
}  // namespace batonstore
