#include "batonstore/tools/child_process.h"

#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::tools {
namespace {

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
