// //benchmarks:peers from end to end, on few sessions and for a moment: that it works, whatever the
// figures.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore::benchmarks {
namespace {

using ::batonstore::testing::Conversation;
using ::batonstore::testing::Finished;
using ::batonstore::testing::Runfile;
using ::batonstore::testing::RunProgram;
using ::batonstore::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using Json = nlohmann::json;

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path().filename().string());
  }
  return files;
}

class PeersTest : public ::testing::Test {
 protected:
  PeersTest() { std::filesystem::create_directory(data()); }

  std::string data() const { return folder_ / "data"; }
  std::string out() const { return folder_ / "out"; }

  Finished RunPeers(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {Runfile("benchmarks/peers/peers"), "--sizes=1000", "--seconds=0.02",
                      "--repetitions=1", "--data=" + data(), "--out=" + out()});
    return RunProgram(arguments);
  }

  const TempDir folder_;
};

TEST_F(PeersTest, MeasuresAndReports) {
  const Finished run = RunPeers({"--only=batonstore,floor"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("create, 64 callers, 1,000 sessions"));
  EXPECT_THAT(run.out, HasSubstr("  floor "));
  EXPECT_THAT(FilesIn(out()), IsSupersetOf({"peers.json", "peers.txt", "create.svg", "find.svg",
                                            "stream_turn.svg", "size.svg"}));

  const Json report = Json::parse(std::ifstream(out() + "/peers.json"));
  EXPECT_TRUE(report["peers"]["batonstore"]["ready"]);
  EXPECT_EQ(report["samples"].size(), report["medians"].size());  // of one round
  // On a slow disk a durable answer can take longer than is measured here.
  for (const Json& sample : report["samples"]) EXPECT_GT(sample["total"], 0) << sample;
}

TEST_F(PeersTest, LeavesNothingBehind) {
  ASSERT_EQ(RunPeers({"--only=batonstore", "--questions=find"}).status, 0);
  EXPECT_THAT(FilesIn(data()), ::testing::IsEmpty());
}

TEST_F(PeersTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(RunPeers({"--only=batonstore,nobody"}).status, 2);
  EXPECT_EQ(RunPeers({"--questions=why"}).status, 2);
  EXPECT_EQ(RunPeers({"--sizes=few"}).status, 2);
}

// What the driver says to a peer, said by hand.
TEST_F(PeersTest, APeerAnswersLineByLine) {
  Conversation peer(
      {Runfile("benchmarks/peers/sqlite"), "--folder=" + data(), "--sessions=1000", "--callers=2"});
  const Json ready = Json::parse(peer.Listen());
  EXPECT_TRUE(ready["ready"]);
  EXPECT_EQ(ready["peer"], "sqlite");
  const Json created = Json::parse(peer.Ask("measure create 2 0.02"));
  EXPECT_EQ(created["question"], "create");
  EXPECT_EQ(created["callers"], 2);
  const Json size = Json::parse(peer.Ask("size"));
  EXPECT_EQ(size["sessions"], 1000 + created["total"].get<int>());
  EXPECT_GT(size["bytes"], 100'000);
  for (const char* nonsense : {"measure hmac 1 1", "measure find 3 1", "measure find 1 0", "why"}) {
    EXPECT_TRUE(Json::parse(peer.Ask(nonsense)).contains("error")) << nonsense;
  }
}

}  // namespace
}  // namespace batonstore::benchmarks
