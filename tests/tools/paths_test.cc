#include "batonstore/tools/paths.h"

#include <stdlib.h>

#include "gtest/gtest.h"

namespace batonstore::tools {
namespace {

class PathsTest : public ::testing::Test {
 protected:
  PathsTest() {
    unsetenv("BUILD_WORKING_DIRECTORY");
    unsetenv("BATONSTORE_WORKING_DIRECTORY");
  }
};

TEST_F(PathsTest, OutsideOfBazelRunAPathIsWhatItIs) {
  setenv("BATONSTORE_WORKING_DIRECTORY", "/elsewhere", 1);
  EXPECT_EQ(FromWorkingDirectory("store"), "store");
}

TEST_F(PathsTest, UnderBazelRunItStartsWhereThePersonStands) {
  setenv("BUILD_WORKING_DIRECTORY", "/clone", 1);
  EXPECT_EQ(FromWorkingDirectory("store"), "/clone/store");
  EXPECT_EQ(FromWorkingDirectory("/var/store"), "/var/store");
  EXPECT_EQ(FromWorkingDirectory(""), "");
}

TEST_F(PathsTest, UnderBazelwItStartsWhereBazelwWasCalled) {
  setenv("BUILD_WORKING_DIRECTORY", "/clone", 1);
  setenv("BATONSTORE_WORKING_DIRECTORY", "/home/alice", 1);
  EXPECT_EQ(FromWorkingDirectory("store"), "/home/alice/store");
}

}  // namespace
}  // namespace batonstore::tools
