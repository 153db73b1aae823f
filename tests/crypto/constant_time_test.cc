// Whether the time that secrets are handled in depends on them: valgrind's memcheck watches
// constant_time_subject, optimised as it is in use, in which they are marked as undefined.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/subprocess.h"

namespace batonstore {
namespace {

using ::batonstore::testing::Finished;
using ::batonstore::testing::Runfile;
using ::batonstore::testing::RunProgram;
using ::testing::HasSubstr;

constexpr int kReported = 99;

Finished RunUnderMemcheck(const std::string& check) {
  return RunProgram({"/usr/bin/env", "LD_BIND_NOW=1", "PATH=/usr/bin:/bin:/usr/local/bin",
                     "valgrind", "-q", "--tool=memcheck", "--leak-check=no",
                     "--error-exitcode=" + std::to_string(kReported),
                     "--suppressions=" + Runfile("tests/crypto/constant_time.supp"),
                     Runfile("tests/crypto/constant_time_subject_optimized"), check});
}

class ConstantTimeTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const Finished version =
        RunProgram({"/usr/bin/env", "PATH=/usr/bin:/bin:/usr/local/bin", "valgrind", "--version"});
    if (version.status != 0) GTEST_SKIP() << "valgrind is not installed";
    run_ = RunUnderMemcheck(GetParam());
    if (run_.out == "no header\n") GTEST_SKIP() << "valgrind/memcheck.h is not installed";
  }

  Finished run_;
};

class WhatHandlesSecretsTest : public ConstantTimeTest {};

TEST_P(WhatHandlesSecretsTest, NeitherJumpsNorLooksUpByThem) {
  EXPECT_EQ(run_.status, 0) << run_.err;
  EXPECT_EQ(run_.out, "done\n");
}

INSTANTIATE_TEST_SUITE_P(, WhatHandlesSecretsTest,
                         ::testing::Values("comparison", "hmac", "tag", "keyring", "stream",
                                           "encoding", "derivation", "sealing", "key_pairs"),
                         [](const auto& check) { return check.param; });

class WhatIsNotConstantTest : public ConstantTimeTest {};

TEST_P(WhatIsNotConstantTest, IsReported) {
  EXPECT_EQ(run_.status, kReported) << run_.err;
  EXPECT_THAT(run_.err, HasSubstr("ninitialised value"));
}

INSTANTIATE_TEST_SUITE_P(, WhatIsNotConstantTest,
                         ::testing::Values("control_memcmp", "control_early_exit", "control_table"),
                         [](const auto& check) { return check.param; });

}  // namespace
}  // namespace batonstore
