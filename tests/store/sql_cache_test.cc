#include "batonstore/store/sql_cache.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;

TEST(SqlCacheTest, KeepsWhatItIsGiven) {
  SqlCache cache(10, 100);
  for (const int32_t id : {0, 1, -1, std::numeric_limits<int32_t>::min()}) {
    EXPECT_THAT(cache.Lookup(id), HasVerdict(Verdict::kNotFound));
    EXPECT_THAT(cache.Store(id, absl::StrCat("SELECT ", id)), IsOk());
    EXPECT_EQ(*cache.Lookup(id), absl::StrCat("SELECT ", id));
    EXPECT_THAT(cache.Store(id, "SELECT"), HasVerdict(Verdict::kExists));
    EXPECT_EQ(*cache.Lookup(id), absl::StrCat("SELECT ", id));
  }
  EXPECT_TRUE(cache.Drop(1));
  EXPECT_FALSE(cache.Drop(1));
  EXPECT_THAT(cache.Lookup(1), HasVerdict(Verdict::kNotFound));
}

TEST(SqlCacheTest, ViewsStayValidWhileOthersComeAndGo) {
  SqlCache cache(10'000, 1'000'000);
  ASSERT_THAT(cache.Store(0, "SELECT"), IsOk());
  const absl::string_view view = *cache.Lookup(0);
  for (int32_t id = 1; id < 10'000; ++id) ASSERT_THAT(cache.Store(id, "x"), IsOk());
  for (int32_t id = 1; id < 10'000; ++id) ASSERT_TRUE(cache.Drop(id));
  EXPECT_EQ(view, "SELECT");
}

TEST(SqlCacheTest, IsCappedInNumber) {
  SqlCache cache(3, 100);
  for (int32_t id = 0; id < 3; ++id) EXPECT_THAT(cache.Store(id, ""), IsOk());
  EXPECT_THAT(cache.Store(3, ""), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(cache.Store(2, ""), HasVerdict(Verdict::kExists));
  EXPECT_TRUE(cache.Drop(0));
  EXPECT_THAT(cache.Store(3, ""), IsOk());
}

TEST(SqlCacheTest, IsCappedInBytes) {
  SqlCache cache(100, 10);
  EXPECT_THAT(cache.Store(0, std::string(11, 'x')), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(cache.Store(0, std::string(7, 'x')), IsOk());
  EXPECT_THAT(cache.Store(1, std::string(4, 'x')), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(cache.Store(1, std::string(3, 'x')), IsOk());
  EXPECT_THAT(cache.Store(2, "x"), HasVerdict(Verdict::kTooMany));
  EXPECT_TRUE(cache.Drop(0));
  EXPECT_THAT(cache.Store(2, std::string(7, 'x')), IsOk());
}

}  // namespace
}  // namespace batonstore
