// The peers that are servers, are in Go, or keep nothing: that each does what it is asked, and that
// nothing of it is left afterwards. What is not installed is skipped, by name.

#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore::benchmarks {
namespace {

using ::batonstore::testing::Conversation;
using ::batonstore::testing::Runfile;
using ::batonstore::testing::TempDir;
using Json = nlohmann::json;

class ServerPeersTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // adopts a server that outlives its peer
    std::filesystem::create_directory(folder());
    peer_ = std::make_unique<Conversation>(
        std::vector<std::string>{Runfile(absl::StrCat("benchmarks/peers/", GetParam())),
                                 "--folder=" + folder(), "--sessions=200", "--callers=2"});
    ready_ = Json::parse(peer_->Listen());
    EXPECT_EQ(ready_["peer"], GetParam());
    if (!ready_["ready"]) GTEST_SKIP() << "not installed: " << ready_["missing"];
  }

  Json Ask(const std::string& line) { return Json::parse(peer_->Ask(line)); }
  std::string folder() const { return folder_ / "store"; }

  const TempDir folder_;
  std::unique_ptr<Conversation> peer_;
  Json ready_;
};

TEST_P(ServerPeersTest, AnswersEachOfItsQuestions) {
  EXPECT_FALSE(ready_["version"].get<std::string>().empty());
  ASSERT_FALSE(ready_["questions"].empty());
  int64_t created = 0;
  for (const std::string question : ready_["questions"]) {
    for (const int callers : {1, 2}) {
      const Json answer = Ask(absl::StrCat("measure ", question, " ", callers, " 0.1"));
      EXPECT_EQ(answer["question"], question) << answer;
      EXPECT_GT(answer["total"], 0) << answer;
      if (question == "create") created += answer["total"].get<int64_t>();
    }
  }
  EXPECT_EQ(Ask("size")["sessions"], 200 + created);
}

TEST_P(ServerPeersTest, RefusesWhatItDoesNotKnow) {
  for (const char* const line : {"measure why 1 1", "measure create 3 1", "measure create 0 1",
                                 "measure verify 1 0", "why"}) {
    EXPECT_TRUE(Ask(line).contains("error")) << line;
  }
}

TEST_P(ServerPeersTest, LeavesNoProcessBehind) {
  peer_.reset();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_P(ServerPeersTest, TakesItsServerAlongWhenKilled) {
  ASSERT_EQ(kill(peer_->pid(), SIGKILL), 0);
  peer_.reset();
  while (waitpid(-1, nullptr, 0) > 0) {  // until the last of them has ended
  }
  EXPECT_EQ(errno, ECHILD);
}

INSTANTIATE_TEST_SUITE_P(Peers, ServerPeersTest,
                         ::testing::Values("redis_always", "redis_everysec", "postgresql", "bbolt",
                                           "go_streams", "libjwt"),
                         [](const auto& peer) { return std::string(peer.param); });

}  // namespace
}  // namespace batonstore::benchmarks
