#include "benchmarks/peers/probe.h"

#include "gtest/gtest.h"

namespace batonstore::benchmarks {
namespace {

TEST(CountSyncsTest, CountsEachCallOnce) {
  EXPECT_EQ(CountSyncs(""), 0);
  EXPECT_EQ(CountSyncs("12 fdatasync(5)                      = 0\n"
                       "12 fsync(5)                          = 0\n"
                       "12 fdatasync(5 <unfinished ...>\n"
                       "13 fsync(7)                          = 0\n"
                       "12 <... fdatasync resumed>)          = 0\n"),
            4);
}

TEST(CountSyncsTest, CountsOfMappingsOnlyWhatWaits) {
  EXPECT_EQ(CountSyncs("12 msync(0x7f0000000000, 4096, MS_SYNC) = 0\n"
                       "12 msync(0x7f0000000000, 4096, MS_ASYNC) = 0\n"),
            1);
}

TEST(SyncCountTest, IsDurableWithASyncForEachCreation) {
  EXPECT_TRUE((SyncCount{100, 100}).is_durable());
  EXPECT_TRUE((SyncCount{100, 230}).is_durable());
  EXPECT_TRUE((SyncCount{100, 99}).is_durable());
  EXPECT_FALSE((SyncCount{100, 50}).is_durable());
  EXPECT_FALSE((SyncCount{0, 0}).is_durable());
}

}  // namespace
}  // namespace batonstore::benchmarks
