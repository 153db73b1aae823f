#include "batonstore/tools/demo_batons.h"

#include <sstream>

#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;
using batonstore::testing::MemoryStore;
using ::testing::HasSubstr;

class DemoBatonsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Session> Verify(absl::string_view baton, absl::string_view database,
                                 absl::string_view principal) {
    return store_->Verify(baton, database, principal);
  }

  MemoryStore store_;
  std::ostringstream story_;
};

TEST_F(DemoBatonsTest, AStoreThatVerifiesAcceptsNone) {
  const BatonVerifier strict = [this](absl::string_view baton, absl::string_view database,
                                      absl::string_view principal) {
    return Verify(baton, database, principal);
  };
  ASSERT_OK_AND_ASSIGN(const BatonsTried tried, TryBatons(*store_, strict, story_));
  EXPECT_EQ(tried.forged_accepted, 0u);
  EXPECT_EQ(tried.thefts_accepted, 0u);
  EXPECT_THAT(story_.str(), HasSubstr("Batons: 2 issued"));
  EXPECT_THAT(story_.str(), HasSubstr("664 tried, 0 accepted"));
}

TEST_F(DemoBatonsTest, CountsEachBatonThatALaxVerifierAccepts) {
  const BatonVerifier forgives_padding = [this](absl::string_view baton, absl::string_view database,
                                                absl::string_view principal) {
    while (!baton.empty() && baton.back() == '=') baton.remove_suffix(1);
    return Verify(baton, database, principal);
  };
  ASSERT_OK_AND_ASSIGN(const BatonsTried tried, TryBatons(*store_, forgives_padding, story_));
  EXPECT_GE(tried.forged_accepted, 2u);  // one "=", two
}

TEST_F(DemoBatonsTest, CountsStolenBatonsThatAreAccepted) {
  const BatonVerifier ignores_principal = [this](absl::string_view baton,
                                                 absl::string_view database, absl::string_view) {
    return Verify(baton, database, "demo");
  };
  ASSERT_OK_AND_ASSIGN(const BatonsTried tried, TryBatons(*store_, ignores_principal, story_));
  EXPECT_EQ(tried.thefts_accepted, 2u);
  EXPECT_EQ(tried.forged_accepted, 0u);
}

TEST_F(DemoBatonsTest, RefusesToGoOnWhenAnAuthenticBatonIsRefused) {
  const BatonVerifier refuses = [](absl::string_view, absl::string_view, absl::string_view) {
    return absl::StatusOr<Session>(Refuse(Verdict::kForged, "all of them"));
  };
  EXPECT_THAT(TryBatons(*store_, refuses, story_), HasVerdict(Verdict::kForged));
}

}  // namespace
}  // namespace batonstore::tools
