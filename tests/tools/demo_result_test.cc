#include "batonstore/tools/demo_result.h"

#include "batonstore/base/verdict.h"
#include "gtest/gtest.h"

namespace batonstore::tools {
namespace {

TEST(DemoResultTest, EndsWithOkWhenEveryPromiseWasKept) {
  DemoResult result;
  result.acknowledged = 123;
  EXPECT_TRUE(result.ok());
  result.rolled_back = 20;
  EXPECT_EQ(result.ToLine(),
            "demo: ok acknowledged=123 lost=0 reserved_left=0 duplicate_aliases=0 "
            "forged_accepted=0 replays_accepted=0 thefts_accepted=0 rolled_back=20");
  EXPECT_EQ(result.ToJson().ToLine(),
            R"({"ok":true,"acknowledged":123,"lost":0,"reserved_left":0,"duplicate_aliases":0,)"
            R"("forged_accepted":0,"replays_accepted":0,"thefts_accepted":0,"rolled_back":20})");
}

TEST(DemoResultTest, AnyBrokenPromiseFails) {
  for (uint64_t DemoResult::*const count :
       {&DemoResult::lost, &DemoResult::reserved_left, &DemoResult::duplicate_aliases,
        &DemoResult::forged_accepted, &DemoResult::replays_accepted,
        &DemoResult::thefts_accepted}) {
    DemoResult result;
    result.*count = 1;
    EXPECT_FALSE(result.ok()) << result.ToLine();
  }
  DemoResult result;
  result.lost = 1;
  result.forged_accepted = 2;
  EXPECT_EQ(result.ToLine(),
            "demo: FAILED acknowledged=0 lost=1 reserved_left=0 duplicate_aliases=0 "
            "forged_accepted=2 replays_accepted=0 thefts_accepted=0 rolled_back=0");
}

TEST(DemoResultTest, AnErrorFailsAndIsNamed) {
  DemoResult result;
  result.error = Refuse(Verdict::kFull, "no\nspace");
  EXPECT_EQ(result.ToLine(),
            "demo: FAILED acknowledged=0 lost=0 reserved_left=0 duplicate_aliases=0 "
            "forged_accepted=0 replays_accepted=0 thefts_accepted=0 rolled_back=0 "
            "(FULL: no\\nspace)");
  EXPECT_EQ(result.ToJson().ToLine(),
            R"({"ok":false,"verdict":"FULL","message":"no\nspace","acknowledged":0,"lost":0,)"
            R"("reserved_left":0,"duplicate_aliases":0,"forged_accepted":0,"replays_accepted":0,)"
            R"("thefts_accepted":0,"rolled_back":0})");
}

}  // namespace
}  // namespace batonstore::tools
