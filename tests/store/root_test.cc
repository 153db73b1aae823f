#include "batonstore/store/root.h"

#include <string>

#include "batonstore/crypto/secret_bytes.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

RootHash HashOf(char key) { return RootHash(SecretBytes(std::string(KeyedHash::kKeySize, key))); }

TEST(RootTest, ComesBackAsItWasWritten) {
  const RootHash hash = HashOf('k');
  Root root;
  root.sequence = 7;
  root.tables[TableIndex(Table::kSessions)] = {3, 0x0123456789abcdef};
  root.tables.back() = {1, ~uint64_t{0}};
  EXPECT_EQ(hash.Decode(hash.Encode(root)), root);
}

TEST(RootTest, IsNothingWhenItWasChangedOrIsAnothers) {
  const RootHash hash = HashOf('k');
  const std::string value = hash.Encode(Root{});
  for (size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string changed = value;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    ASSERT_EQ(hash.Decode(changed), std::nullopt) << "bit " << bit;
  }
  for (size_t bytes = 0; bytes < value.size(); ++bytes) {
    EXPECT_EQ(hash.Decode(value.substr(0, bytes)), std::nullopt) << bytes;
  }
  EXPECT_EQ(hash.Decode(value + '\0'), std::nullopt);
  EXPECT_EQ(HashOf('l').Decode(value), std::nullopt);
}

TEST(RowSumsTest, ForgetTheOrderAndWhatHasGone) {
  const RootHash hash = HashOf('k');
  RowSums sums(hash);
  sums.Add(Table::kTurns, "a", "1");
  sums.Add(Table::kTurns, "b", "2");
  sums.Add(Table::kTurns, "c", "3");
  sums.Remove(Table::kTurns, "b", "2");
  RowSums same(hash);
  same.Add(Table::kTurns, "c", "3");
  same.Add(Table::kTurns, "a", "1");
  EXPECT_EQ(sums.of(Table::kTurns), same.of(Table::kTurns));
  EXPECT_EQ(sums.of(Table::kTurns).rows, 2u);
  EXPECT_EQ(sums.of(Table::kSessions), TableSum{});
}

TEST(RowSumsTest, TellRowsApart) {
  const RootHash hash = HashOf('k');
  const auto sum_of = [&hash](Table table, absl::string_view key, absl::string_view value) {
    RowSums sums(hash);
    sums.Add(table, key, value);
    return sums.of(table).hash;
  };
  const uint64_t sum = sum_of(Table::kTurns, "key", "value");
  EXPECT_NE(sum, sum_of(Table::kTurns, "keyv", "alue"));
  EXPECT_NE(sum, sum_of(Table::kTurns, "keys", "value"));
  EXPECT_NE(sum, sum_of(Table::kTurns, "key", "values"));
  EXPECT_NE(sum, sum_of(Table::kSessions, "key", "value"));
}

TEST(RowSumsTest, LeaveTheRootRowOut) {
  const RootHash hash = HashOf('k');
  RowSums sums(hash);
  sums.Add(Table::kMeta, meta::kRoot, "value");
  EXPECT_EQ(sums.of(Table::kMeta), TableSum{});
  sums.Add(Table::kSessions, meta::kRoot, "value");
  EXPECT_EQ(sums.of(Table::kSessions).rows, 1u);
}

}  // namespace
}  // namespace batonstore
