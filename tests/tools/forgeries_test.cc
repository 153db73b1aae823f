#include "batonstore/tools/forgeries.h"

#include <set>

#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;

class ForgeriesTest : public ::testing::Test {
 protected:
  Keyring ring_ = Keyring::Create(SystemRandom(), "incarnation");
  std::string baton_ = ring_.Mint({BatonKind::kSession, 1, 2, 3});
  std::vector<ForgeryAttempt> attempts_ =
      ForgeriesOf(baton_, ring_.Mint({BatonKind::kSession, 4, 5, 6}));

  size_t Tried(const std::string& how) const {
    for (const ForgeryAttempt& attempt : attempts_) {
      if (attempt.how == how) return attempt.batons.size();
    }
    return 0;
  }
};

TEST_F(ForgeriesTest, TriesEveryBitAndEveryLength) {
  EXPECT_EQ(Tried("one bit flipped in the text"), 83u * 8);
  EXPECT_EQ(Tried("one bit flipped in the bytes"), 62u * 8);
  EXPECT_EQ(Tried("text cut short"), 83u);
  EXPECT_EQ(Tried("bytes cut short"), 62u);
  EXPECT_GE(Tried("text made longer"), 128u);
  EXPECT_EQ(Tried("bytes made longer"), 512u);
  EXPECT_GE(Tried("encoded in another way"), 140u);
  EXPECT_EQ(Tried("tag of another baton, or none"), 4u);
}

TEST_F(ForgeriesTest, NoneIsTheBatonItself) {
  for (const ForgeryAttempt& attempt : attempts_) {
    for (const std::string& forged : attempt.batons) EXPECT_NE(forged, baton_) << attempt.how;
  }
}

TEST_F(ForgeriesTest, BitFlipsAreAllDifferent) {
  const std::vector<std::string>& flips = attempts_[0].batons;
  EXPECT_EQ(std::set<std::string>(flips.begin(), flips.end()).size(), flips.size());
}

TEST_F(ForgeriesTest, TheRingCallsEachOfThemForged) {
  ASSERT_THAT(ring_.Verify(baton_), IsOk());
  for (const ForgeryAttempt& attempt : attempts_) {
    for (const std::string& forged : attempt.batons) {
      EXPECT_THAT(ring_.Verify(forged), HasVerdict(Verdict::kForged)) << attempt.how;
    }
  }
}

}  // namespace
}  // namespace batonstore::tools
