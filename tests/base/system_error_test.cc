#include "batonstore/base/system_error.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::HasSubstr;
using testing::HasVerdict;

TEST(SystemErrorTest, EachErrorHasItsVerdict) {
  const struct {
    int error;
    Verdict verdict;
  } kCases[] = {
      {ENOSPC, Verdict::kFull},
      {EDQUOT, Verdict::kFull},
      {EFBIG, Verdict::kFull},
      {ENOMEM, Verdict::kTooMany},
      {EMFILE, Verdict::kTooMany},
      {ENFILE, Verdict::kTooMany},
      {ENOENT, Verdict::kNotFound},
      {EACCES, Verdict::kIo},
      {EPERM, Verdict::kIo},
      {EROFS, Verdict::kIo},
      {EIO, Verdict::kIo},
      {EINVAL, Verdict::kIo},
      {0, Verdict::kIo},
      {-1, Verdict::kIo},
      {1'000'000, Verdict::kIo},
  };
  for (const auto& [error, verdict] : kCases) {
    EXPECT_THAT(SystemError(error, "open x"), HasVerdict(verdict)) << std::strerror(error);
  }
}

TEST(SystemErrorTest, NamesTheCallAndTheErrorAndWhatToDo) {
  EXPECT_EQ(SystemError(ENOSPC, "write data.mdb").message(),
            "FULL: write data.mdb: No space left on device; free some disk space");
  EXPECT_EQ(SystemError(EIO, "fsync data.mdb").message(), "IO: fsync data.mdb: Input/output error");
  EXPECT_THAT(std::string(SystemError(EACCES, "open x").message()), HasSubstr("permission"));
}

}  // namespace
}  // namespace batonstore
