#include "batonstore/tools/demo_streams.h"

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;
using batonstore::testing::TempDir;
using ::testing::HasSubstr;

class DemoStreamsTest : public ::testing::Test {
 protected:
  DemoStreamsTest() { std::filesystem::create_directory(where_.databases); }

  // The batons of streams that were held until their store was closed.
  std::vector<std::string> BatonsOfTheDead() {
    std::vector<std::string> batons;
    const absl::Status ended = HoldStreams(where_, [&](const std::string& line) {
      if (line == "\n") return Refuse(Verdict::kClosed, "nobody listens");
      batons.push_back(line.substr(0, line.size() - 1));
      return absl::OkStatus();
    });
    EXPECT_THAT(ended, HasVerdict(Verdict::kClosed));
    EXPECT_EQ(batons.size(), kDemoStreams);
    return batons;
  }

  TempDir folder_;
  const DemoStreams where_ = {folder_ / "store", folder_ / "databases"};
  std::ostringstream story_;
};

TEST_F(DemoStreamsTest, EveryStreamIsRolledBack) {
  const StreamsTried tried = TryStreams(where_, BatonsOfTheDead(), story_);
  EXPECT_THAT(tried.error, IsOk());
  EXPECT_EQ(tried.rolled_back, 5 * kDemoStreams);
  EXPECT_EQ(tried.replays_accepted, 0u);
  EXPECT_EQ(tried.thefts_accepted, 0u);
  EXPECT_THAT(story_.str(), HasSubstr("idle for too long"));
}

TEST_F(DemoStreamsTest, ARowThatIsLeftIsFound) {
  const std::vector<std::string> batons = BatonsOfTheDead();
  const auto pool = SqlitePool::Open({.path = where_.databases + "/accounts 2.sqlite"});
  ASSERT_THAT(pool, IsOk());
  const auto connection = (*pool)->Acquire(/*read_only=*/false, absl::Now() + absl::Seconds(30));
  ASSERT_THAT(connection, IsOk());
  ASSERT_THAT((*connection)->Execute("INSERT INTO account (owner) VALUES ('left')"), IsOk());
  (*connection)->ReturnToPool();
  EXPECT_THAT(TryStreams(where_, batons, story_).error, HasVerdict(Verdict::kCorrupt));
}

TEST_F(DemoStreamsTest, BatonsThatAreNotLostAreFound) {
  std::vector<std::string> batons = BatonsOfTheDead();
  batons[1][60] = batons[1][60] == 'A' ? 'B' : 'A';  // FORGED, which is something else
  EXPECT_THAT(TryStreams(where_, batons, story_).error, HasVerdict(Verdict::kCorrupt));
}

TEST_F(DemoStreamsTest, AWorkerThatKeepsQuietIsFound) {
  EXPECT_THAT(TryStreams(where_, {}, story_).error, HasVerdict(Verdict::kCorrupt));
}

}  // namespace
}  // namespace batonstore::tools
