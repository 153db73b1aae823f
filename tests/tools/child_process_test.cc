#include "batonstore/tools/child_process.h"

#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;

// What this program does when it was started as a child.
int RunAsChild(const std::string& part) {
  std::cout << "first\n\nthird\n" << std::string(100'000, 'x') << "\ntorn" << std::flush;
  if (part == "end") return 7;
  for (;;) pause();
}

TEST(ChildProcessTest, ReadsLinesAndLeavesOutATornOne) {
  ASSERT_OK_AND_ASSIGN(const auto child, ChildProcess::Start({"as-child", "end"}));
  EXPECT_EQ(child->ReadLine(), "first");
  EXPECT_EQ(child->ReadLine(), "");
  EXPECT_EQ(child->ReadLine(), "third");
  EXPECT_EQ(child->ReadLine(), std::string(100'000, 'x'));
  EXPECT_EQ(child->ReadLine(), std::nullopt);
  EXPECT_EQ(child->Wait(), "exit status 7");
}

TEST(ChildProcessTest, WhatWasWrittenBeforeTheKillCanStillBeRead) {
  ASSERT_OK_AND_ASSIGN(const auto child, ChildProcess::Start({"as-child", "hang"}));
  EXPECT_EQ(child->ReadLine(), "first");
  child->Kill();
  EXPECT_EQ(child->ReadLine(), "");
  while (child->ReadLine().has_value()) {
  }
  EXPECT_EQ(child->Wait(), std::nullopt);
}

TEST(ChildProcessTest, IsReadForAsLongAsNeededAndToTheEndOnceItIsDead) {
  ASSERT_OK_AND_ASSIGN(const auto child, ChildProcess::Start({"as-child", "hang"}));
  std::vector<std::string> lines;
  bool alive = true;
  const auto goes_on = [&] {
    if (lines.size() < 2) return true;
    alive = false;
    return false;
  };
  EXPECT_THAT(ReadUntilKilled(*child, absl::Milliseconds(1), goes_on,
                              [&](const std::string& line) {
                                EXPECT_EQ(alive, lines.size() < 2);
                                lines.push_back(line);
                                return absl::OkStatus();
                              }),
              IsOk());
  EXPECT_GE(lines.size(), 3u);  // the kill may come before the fourth is whole
}

TEST(ChildProcessTest, WhoEndsByItselfBeforeTheKillIsFound) {
  ASSERT_OK_AND_ASSIGN(const auto child, ChildProcess::Start({"as-child", "end"}));
  const absl::Status ended = ReadUntilKilled(
      *child, absl::Milliseconds(200), [] { return true; },
      [](const std::string&) { return absl::OkStatus(); });
  EXPECT_THAT(ended, HasVerdict(Verdict::kIo));
  EXPECT_THAT(ended.message(), ::testing::HasSubstr("exit status 7"));
}

TEST(ChildProcessTest, WhatTheReaderSaysAgainstALineIsTheAnswer) {
  ASSERT_OK_AND_ASSIGN(const auto child, ChildProcess::Start({"as-child", "hang"}));
  EXPECT_THAT(ReadUntilKilled(
                  *child, absl::ZeroDuration(), [] { return true; },
                  [](const std::string&) { return Refuse(Verdict::kCorrupt, "no"); }),
              HasVerdict(Verdict::kCorrupt));
}

TEST(ChildProcessTest, NobodyOutlivesItsHandle) {
  pid_t pid = 0;
  {
    ASSERT_OK_AND_ASSIGN(const auto child, ChildProcess::Start({"as-child", "hang"}));
    pid = child->pid();
    EXPECT_EQ(child->ReadLine(), "first");
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1) << "process " << pid << " is still there";
}

}  // namespace
}  // namespace batonstore::tools

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "as-child")
    return batonstore::tools::RunAsChild(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
