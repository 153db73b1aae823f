// The demo with the real program, which kills its own children.

#include "batonstore/tools/demo.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::Finished;
using batonstore::testing::RunProgram;
using batonstore::testing::TempDir;
using Json = nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kOkLine[] =
    "demo: ok acknowledged=[0-9]+ lost=0 reserved_left=0 duplicate_aliases=0 forged_accepted=0 "
    "replays_accepted=0 thefts_accepted=0 rolled_back=20";

Finished RunDemoProgram(std::vector<std::string> words,
                        const std::vector<std::string>& variables = {}) {
  words.insert(words.begin(), {batonstore::testing::Runfile("tools/batonstore"), "demo",
                               "--sessions", "200", "--threads", "4"});
  return RunProgram(words, "", variables);
}

std::string LastLine(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

TEST(DemoTest, KillsCheckForgesAndEndsWithOneLine) {
  const TempDir folder;
  const Finished demo = RunDemoProgram({}, {"TMPDIR=" + folder.path()});
  EXPECT_EQ(demo.status, 0) << demo.out << demo.err;
  EXPECT_THAT(LastLine(demo.out), MatchesRegex(kOkLine));
  const uint64_t acknowledged =
      std::stoull(LastLine(demo.out).substr(sizeof("demo: ok acknowledged=") - 1));
  EXPECT_GE(acknowledged, 200u);
  EXPECT_THAT(demo.out, HasSubstr("Kill 5 of 5"));
  EXPECT_THAT(demo.out, HasSubstr("664 tried, 0 accepted"));
  EXPECT_THAT(demo.out, HasSubstr("Kill 3 of 3"));
  EXPECT_THAT(demo.out, HasSubstr("killed by an operator"));
  EXPECT_EQ(demo.err, "") << "no progress bar off a terminal";
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "the temporary folder is left";
}

TEST(DemoTest, KeepsTheStoreOfAFolderThatWasNamed) {
  const TempDir folder;
  const std::string store = folder / "store";
  const Finished demo = RunDemoProgram({"--dir", store, "--seed", "7"});
  EXPECT_EQ(demo.status, 0) << demo.out << demo.err;
  EXPECT_THAT(demo.out, HasSubstr("seed 7"));
  const Finished stats = RunProgram(
      {batonstore::testing::Runfile("tools/batonstore"), "stats", "--json", "--dir", store});
  EXPECT_GE(Json::parse(stats.out)["stats"]["sessions"], 200);
}

TEST(DemoTest, JsonIsAloneOnStandardOutput) {
  const Finished demo = RunDemoProgram({"--json"});
  EXPECT_EQ(demo.status, 0) << demo.err;
  const Json result = Json::parse(demo.out);
  EXPECT_EQ(result["ok"], true);
  EXPECT_GE(result["acknowledged"], 200);
  for (const char* count : {"lost", "reserved_left", "duplicate_aliases", "forged_accepted",
                            "replays_accepted", "thefts_accepted"}) {
    EXPECT_EQ(result[count], 0) << count;
  }
  EXPECT_EQ(result["rolled_back"], 20);
  EXPECT_THAT(LastLine(demo.err), MatchesRegex(kOkLine));
}

TEST(DemoTest, NeverTouchesAFolderThatIsInUse) {
  const TempDir folder;
  std::filesystem::create_directory(folder / "mine");
  const Finished demo = RunDemoProgram({"--dir", folder.path()});
  EXPECT_EQ(demo.status, 1);
  EXPECT_THAT(LastLine(demo.out),
              MatchesRegex("demo: FAILED acknowledged=0 lost=0 reserved_left=0 "
                           "duplicate_aliases=0 forged_accepted=0 replays_accepted=0 "
                           "thefts_accepted=0 rolled_back=0 .EXISTS: .*"));
}

TEST(DemoTest, AWorkerThatEndsByItselfIsAFailure) {
  const TempDir folder;
  const Finished demo = RunDemoProgram({"--dir", folder / "no/such/parent"});
  EXPECT_EQ(demo.status, 1);
  EXPECT_THAT(demo.out, HasSubstr("demo: FAILED "));
  EXPECT_THAT(LastLine(demo.out), EndsWith("the worker ended by itself: exit status 1)"));
  EXPECT_THAT(demo.err, HasSubstr("NOT_FOUND")) << "the worker's own words";
}

}  // namespace
}  // namespace batonstore::tools
