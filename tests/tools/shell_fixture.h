// A shell on a real store whose clock stands still, and what it answers to lines.

#ifndef BATONSTORE_TESTS_TOOLS_SHELL_FIXTURE_H_
#define BATONSTORE_TESTS_TOOLS_SHELL_FIXTURE_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/tools/shell.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::tools {

using Json = nlohmann::json;

class ShellFixture : public ::testing::Test {
 protected:
  ShellFixture() { Open(); }

  // Once more, if it is open.
  void Open() {
    if (store_ != nullptr) {
      EXPECT_THAT(store_->Close(), testing::IsOk());
    }
    recovery::Options options;
    options.directory = folder_ / "store";
    options.clock = &clock_;
    options.sweep_every = absl::InfiniteDuration();
    auto store = recovery::Open(options);
    EXPECT_THAT(store, testing::IsOk());
    store_ = *std::move(store);
  }

  std::vector<Json> Run(const std::string& script) {
    std::istringstream in(script);
    std::ostringstream out;
    RunShell(*store_, in, out);
    std::vector<Json> answers;
    std::istringstream lines(out.str());
    for (std::string line; std::getline(lines, line);) answers.push_back(Json::parse(line));
    return answers;
  }

  // The answer to one line.
  Json Ask(const std::string& line) {
    const std::vector<Json> answers = Run(line + "\n");
    EXPECT_EQ(answers.size(), 1u) << line;
    return answers.at(0);
  }
  // The answer to a line that is to succeed.
  Json Do(const std::string& line) {
    Json answer = Ask(line);
    EXPECT_EQ(answer["ok"], true) << line << " -> " << answer;
    return answer;
  }
  std::string VerdictOfLine(const std::string& line) {
    const Json answer = Ask(line);
    EXPECT_EQ(answer["ok"], false) << line << " -> " << answer;
    return answer.value("verdict", "none");
  }

  std::string NewSession(const std::string& more = "") {
    return Do("reserve-and-create expires=24h principal=alice database=main " +
              more)["session"]["alias"];
  }

  testing::TempDir folder_;
  testing::FakeClock clock_;
  std::unique_ptr<recovery::Store> store_;
};

}  // namespace batonstore::tools

#endif  // BATONSTORE_TESTS_TOOLS_SHELL_FIXTURE_H_
