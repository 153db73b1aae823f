#include "batonstore/store/data_keys.h"

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/random.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;

DataKeys New() { return DataKeys::Create(SystemRandom()); }

std::string Stored(const DataKeys& keys) { return std::string(keys.Serialize().Reveal()); }

TEST(DataKeysTest, NewOnesAreRandomAndNotBeingRotated) {
  const DataKeys one = New();
  const DataKeys other = New();
  EXPECT_FALSE(one.former().has_value());
  EXPECT_FALSE(one.index_key() == other.index_key());
  EXPECT_FALSE(one.current().secret == other.current().secret);
  EXPECT_FALSE(one.current().secret == one.index_key());
}

TEST(DataKeysTest, RotatingMakesANewKeyAndKeepsTheFormerAndTheIndexKey) {
  const DataKeys before = New();
  const DataKeys rotated = before.Rotated(SystemRandom());
  EXPECT_EQ(rotated.current().number, before.current().number + 1);
  EXPECT_FALSE(rotated.current().secret == before.current().secret);
  ASSERT_TRUE(rotated.former().has_value());
  EXPECT_EQ(rotated.former()->number, before.current().number);
  EXPECT_TRUE(rotated.former()->secret == before.current().secret);
  EXPECT_TRUE(rotated.index_key() == before.index_key());

  const DataKeys finished = rotated.Finished();
  EXPECT_FALSE(finished.former().has_value());
  EXPECT_EQ(finished.current().number, rotated.current().number);
  EXPECT_TRUE(finished.current().secret == rotated.current().secret);
  EXPECT_TRUE(finished.index_key() == before.index_key());
}

TEST(DataKeysTest, NumbersStartAgainAfterTheLast) {
  DataKeys keys = New();
  for (int i = 0; i < 256; ++i) keys = keys.Rotated(SystemRandom()).Finished();
  EXPECT_EQ(keys.current().number, 0);
}

TEST(DataKeysTest, WhatIsStoredParsesBack) {
  const DataKeys rotated = New().Rotated(SystemRandom());
  for (const DataKeys& keys : {New(), rotated.Finished(), New().Rotated(SystemRandom())}) {
    ASSERT_OK_AND_ASSIGN(const DataKeys back, DataKeys::Parse(keys.Serialize().Reveal()));
    EXPECT_EQ(Stored(back), Stored(keys));
    EXPECT_EQ(back.former().has_value(), keys.former().has_value());
  }
}

// docs/file_format.md, byte for byte. If this fails, the format has changed.
TEST(DataKeysTest, BytesAreFixed) {
  const std::string stored = absl::StrCat("\1", std::string(32, 'i'), "\5", std::string(32, 'c'),
                                          "\4", std::string(32, 'f'));
  ASSERT_OK_AND_ASSIGN(const DataKeys keys, DataKeys::Parse(stored));
  EXPECT_EQ(keys.index_key().Reveal(), std::string(32, 'i'));
  EXPECT_EQ(keys.current().number, 5);
  EXPECT_EQ(keys.current().secret.Reveal(), std::string(32, 'c'));
  EXPECT_EQ(keys.former()->number, 4);
  EXPECT_EQ(keys.former()->secret.Reveal(), std::string(32, 'f'));
  EXPECT_EQ(Stored(keys), stored);
}

TEST(DataKeysTest, WhatIsNotExactlyThatIsCorrupt) {
  const std::string good = Stored(New().Rotated(SystemRandom()));
  const size_t shorter = Stored(New()).size();
  for (size_t size = 0; size < good.size(); ++size) {
    if (size == shorter) continue;
    EXPECT_THAT(DataKeys::Parse(good.substr(0, size)), HasVerdict(Verdict::kCorrupt)) << size;
  }
  EXPECT_THAT(DataKeys::Parse(good + '\0'), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(DataKeys::Parse("\2" + good.substr(1)), HasVerdict(Verdict::kCorrupt));
  std::string twice = good;
  twice[shorter] = twice[33];
  EXPECT_THAT(DataKeys::Parse(twice), HasVerdict(Verdict::kCorrupt)) << "one number for two keys";
}

}  // namespace
}  // namespace batonstore
