#include "batonstore/recovery/key_file.h"

#include <sys/stat.h>

#include <string>

#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WriteFile;
using ::testing::HasSubstr;

const std::string kKey =
    "0123456789abcdef0123456789ABCDE\n";  // every byte counts, the last as well

class KeyFileTest : public ::testing::Test {
 protected:
  TempDir folder_;
  const std::string path_ = folder_ / "key";
};

TEST_F(KeyFileTest, WhatWasWrittenIsRead) {
  ASSERT_THAT(WriteKeyFile(path_, SecretBytes(kKey)), IsOk());
  ASSERT_OK_AND_ASSIGN(const SecretBytes key, KeyFromFile(path_)());
  EXPECT_EQ(key.Reveal(), kKey);
}

TEST_F(KeyFileTest, OnlyItsOwnerMayReadIt) {
  ASSERT_THAT(WriteKeyFile(path_, SecretBytes(kKey)), IsOk());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(KeyFileTest, AnExistingFileIsNeverReplaced) {
  WriteFile(path_, "precious");
  EXPECT_THAT(WriteKeyFile(path_, SecretBytes(kKey)), HasVerdict(Verdict::kExists));
  EXPECT_EQ(ReadFile(path_), "precious");
}

TEST_F(KeyFileTest, TheFileIsReadWhenAskedAndEachTime) {
  const KeySource source = KeyFromFile(path_);
  EXPECT_THAT(source(), HasVerdict(Verdict::kWrongKey));
  WriteFile(path_, kKey);
  EXPECT_THAT(source(), IsOk());
}

TEST_F(KeyFileTest, AMissingFileIsAWrongKeyAndIsNamed) {
  const absl::Status missing = KeyFromFile(path_)().status();
  EXPECT_THAT(missing, HasVerdict(Verdict::kWrongKey));
  EXPECT_THAT(std::string(missing.message()), HasSubstr(path_));
}

TEST_F(KeyFileTest, AnyOtherSizeIsAWrongKey) {
  for (const size_t size : {0, 1, 31, 33, 64, 4096}) {
    WriteFile(path_, std::string(size, 'k'));
    EXPECT_THAT(KeyFromFile(path_)(), HasVerdict(Verdict::kWrongKey)) << size << " bytes";
  }
}

TEST_F(KeyFileTest, WhatCannotBeReadIsAnErrorOfTheSystem) {
  EXPECT_THAT(KeyFromFile(folder_.path())(), HasVerdict(Verdict::kIo));
  EXPECT_THAT(WriteKeyFile(folder_ / "nowhere/key", SecretBytes(kKey)),
              HasVerdict(Verdict::kNotFound));
}

}  // namespace
}  // namespace batonstore::recovery
