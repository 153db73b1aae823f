#include "batonstore/tools/progress.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace batonstore::tools {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// What is there to be read; neither a pipe nor a terminal keeps us waiting.
std::string Drain(int fd) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  std::string text;
  char buffer[4096];
  for (ssize_t size; (size = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

void Work(int fd, uint64_t total) {
  Progress progress("working", total, fd);
  for (uint64_t i = 0; i < total; ++i) progress.Advance();
}

TEST(ProgressTest, DrawsOnATerminalAndWipesItselfAway) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
    GTEST_SKIP() << "this machine gives no pseudo-terminal";
  }
  const int side = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  ASSERT_GE(side, 0);
  Work(side, 4);
  const std::string drawn = Drain(terminal);
  EXPECT_THAT(drawn, HasSubstr("working [                              ]   0%"));
  EXPECT_THAT(drawn, HasSubstr("working [###############               ]  50%"));
  EXPECT_THAT(drawn, HasSubstr("working [##############################] 100%"));
  EXPECT_THAT(drawn, EndsWith("\r\x1b[K"));
  Work(side, 0);
  EXPECT_EQ(Drain(terminal), "") << "nothing to do, and a bar all the same";
  close(side);
  close(terminal);
}

TEST(ProgressTest, SaysNothingWhereNobodyLooks) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Work(ends[1], 4);
  EXPECT_EQ(Drain(ends[0]), "");
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace batonstore::tools
