// When a sweep has to look at a session: soonest first.

#include "batonstore/store/expiries.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

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

const absl::Time kNoon = absl::FromUnixSeconds(1'800'000'000);

class ExpiriesTest : public MemoryTables {
 protected:
  void Add(absl::Time at, uint64_t alias) {
    Write([&](Transaction& transaction) { return PutExpiry(transaction, {at, Alias(alias)}); });
  }
  void Remove(absl::Time at, uint64_t alias) {
    Write([&](Transaction& transaction) { return DeleteExpiry(transaction, {at, Alias(alias)}); });
  }
  std::optional<Expiry> First() {
    const absl::StatusOr<std::optional<Expiry>> first = FirstExpiry(*Read());
    EXPECT_THAT(first, IsOk());
    return first.value_or(std::nullopt);
  }

  // All of them, in the order in which they come due; takes them away.
  std::vector<uint64_t> TakeAll() {
    std::vector<uint64_t> aliases;
    while (const std::optional<Expiry> first = First()) {
      aliases.push_back(first->alias.value());
      Remove(first->at, first->alias.value());
    }
    return aliases;
  }
};

TEST_F(ExpiriesTest, NothingIsDueWhereThereIsNone) { EXPECT_EQ(First(), std::nullopt); }

TEST_F(ExpiriesTest, SoonestComesFirstWhateverItsAlias) {
  Add(kNoon + absl::Seconds(2), 1);
  Add(kNoon - absl::Hours(100'000), 4);
  Add(kNoon + absl::Seconds(1), 3);
  Add(kNoon + absl::Hours(1'000'000), 2);
  EXPECT_EQ(TakeAll(), (std::vector<uint64_t>{4, 3, 1, 2}));
}

TEST_F(ExpiriesTest, ThoseOfOneMomentComeInTheOrderOfCreation) {
  for (const uint64_t alias : {300, 7, 65536}) Add(kNoon, alias);
  EXPECT_EQ(TakeAll(), (std::vector<uint64_t>{7, 300, 65536}));
}

TEST_F(ExpiriesTest, MomentIsKeptToTheMicrosecond) {
  Add(kNoon + absl::Microseconds(1) + absl::Nanoseconds(999), 5);
  const std::optional<Expiry> first = First();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->at, kNoon + absl::Microseconds(1));
  EXPECT_EQ(first->alias, Alias(5));
}

TEST_F(ExpiriesTest, WhoNeverComesDueHasNoRow) {
  Add(absl::InfiniteFuture(), 5);
  EXPECT_THAT(RowsOf(Table::kExpiries), IsEmpty());
  Remove(absl::InfiniteFuture(), 5);
  EXPECT_EQ(First(), std::nullopt);
}

TEST_F(ExpiriesTest, DeletingTakesThatMomentOfThatSessionAndNoOther) {
  Add(kNoon, 5);
  Add(kNoon, 6);
  Add(kNoon + absl::Seconds(1), 5);
  Remove(kNoon, 5);
  Remove(kNoon, 7);
  EXPECT_EQ(TakeAll(), (std::vector<uint64_t>{6, 5}));
}

TEST_F(ExpiriesTest, RowThatIsNoMomentAndAliasIsCorrupt) {
  for (const size_t size : {1, 7, 8, 15, 17}) {
    const std::string key(size, '\1');
    Put(Table::kExpiries, key, "");
    EXPECT_THAT(FirstExpiry(*Read()), HasVerdict(Verdict::kCorrupt)) << size;
    Write([&](Transaction& transaction) {
      return transaction.Delete(Table::kExpiries, key).status();
    });
  }
}

}  // namespace
}  // namespace batonstore
