// Runs the real program on a store, as a person or a script would.

#ifndef BATONSTORE_TESTS_TOOLS_COMMAND_LINE_FIXTURE_H_
#define BATONSTORE_TESTS_TOOLS_COMMAND_LINE_FIXTURE_H_

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore::tools {

using Json = nlohmann::json;

inline constexpr int kRefusedStatus = 1;
inline constexpr int kUsageStatus = 2;
inline constexpr char kNobody[] = "0000000000000001";

inline std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

class CommandLineFixture : public ::testing::Test {
 protected:
  std::vector<std::string> Words(std::vector<std::string> words) const {
    words.insert(words.begin(), testing::Runfile("tools/batonstore"));
    return words;
  }
  testing::Finished Run(const std::vector<std::string>& words, const std::string& input = "",
                        const std::vector<std::string>& variables = {}) const {
    return testing::RunProgram(Words(words), input, variables);
  }
  // With --dir and --json: the one object that is answered.
  Json Ask(std::vector<std::string> words, int status) const {
    words.insert(words.end(), {"--json", "--dir", store_});
    const testing::Finished finished = Run(words);
    EXPECT_EQ(finished.status, status) << finished.out << finished.err;
    EXPECT_EQ(finished.err, "");
    const std::vector<Json> lines = Lines(finished.out);
    EXPECT_EQ(lines.size(), 1u) << finished.out;
    return lines.at(0);
  }
  // Has a shell do one line, and makes the store with it; the answer.
  Json InShell(const std::string& line) const {
    const testing::Finished finished = Run({"shell", "--dir", store_}, line + "\n");
    EXPECT_EQ(finished.status, 0) << finished.err;
    return Lines(finished.out).at(0);
  }
  // Makes a session; its alias.
  std::string NewSession(const std::string& more = "") const {
    return InShell("reserve-and-create expires=never principal=alice database=main " +
                   more)["session"]["alias"];
  }

  testing::TempDir folder_;
  const std::string store_ = folder_ / "store";
};

}  // namespace batonstore::tools

#endif  // BATONSTORE_TESTS_TOOLS_COMMAND_LINE_FIXTURE_H_
