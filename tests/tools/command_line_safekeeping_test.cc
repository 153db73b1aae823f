// Runs the real program on backups, and on keys that are replaced.

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/store_folder.h"
#include "tests/support/subprocess.h"
#include "tests/tools/command_line_fixture.h"

namespace batonstore::tools {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::Finished;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::WriteFile;
using ::testing::HasSubstr;

class CommandLineSafekeepingTest : public CommandLineFixture {
 protected:
  const std::string backup_ = folder_ / "backup";
  const std::string restored_ = folder_ / "restored";
};

TEST_F(CommandLineSafekeepingTest, ABackupIsMadeAndAStoreOfIt) {
  const std::string alias = NewSession();
  const Json made = Ask({"backup", backup_}, 0);
  EXPECT_EQ(made["sessions"], 1);
  EXPECT_EQ(made["bytes"], fs::file_size(backup_));
  EXPECT_EQ(Ask({"backup", backup_}, kRefusedStatus)["verdict"], "EXISTS");

  const std::string key = store_ + "/key";
  const Finished restored =
      Run({"restore", backup_, "--key-file", key, "--dir", restored_, "--json"});
  EXPECT_EQ(restored.status, 0) << restored.out << restored.err;
  EXPECT_EQ(Json::parse(restored.out), (Json{{"ok", true}, {"sessions", 1}, {"revoked", 0}}));
  EXPECT_EQ(Run({"show", alias, "--dir", restored_}).status, 0);

  const Finished again = Run({"restore", backup_, "--key-file", key, "--dir", restored_});
  EXPECT_EQ(again.status, kRefusedStatus);
  EXPECT_THAT(again.err, HasSubstr("EXISTS"));
}

TEST_F(CommandLineSafekeepingTest, ARestoreLogsEverybodyOutIfItIsTold) {
  const std::string alias = NewSession();
  Ask({"backup", backup_}, 0);
  const std::string key = folder_ / "next key";
  WriteFile(key, std::string(32, 'n'));
  const Finished restored =
      Run({"restore", backup_, "--key-file", store_ + "/key", "--next-key-file", key, "--dir",
           restored_, "--revoke-everything"});
  EXPECT_EQ(restored.status, 0) << restored.err;
  const Finished shown = Run({"show", alias, "--key-file", key, "--dir", restored_});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("revoked"));
  EXPECT_FALSE(fs::exists(restored_ + "/key"));
}

TEST_F(CommandLineSafekeepingTest, ADamagedStoreIsSalvaged) {
  const std::string alias = NewSession();
  const Finished salvaged = Run({"salvage", store_ + "/data.mdb", "--key-file", store_ + "/key",
                                 "--dir", restored_, "--json"});
  EXPECT_EQ(salvaged.status, 0) << salvaged.out << salvaged.err;
  EXPECT_EQ(
      Json::parse(salvaged.out),
      (Json{
          {"ok", true}, {"sessions", 1}, {"revoked", 0}, {"losses", 0}, {"lost", Json::array()}}));
  EXPECT_EQ(Run({"show", alias, "--dir", restored_}).status, 0);
}

TEST_F(CommandLineSafekeepingTest, EachKeyIsReplaced) {
  const std::string alias = NewSession();
  EXPECT_EQ(Ask({"rotate", "signing"}, 0)["signing_key"], 2);
  EXPECT_EQ(Ask({"rotate", "data"}, 0)["finished_earlier_one"], false);
  const std::string before = ReadFile(store_ + "/key");
  Ask({"rotate", "key-encryption"}, 0);
  EXPECT_NE(ReadFile(store_ + "/key"), before);
  const std::string key = folder_ / "next key";
  WriteFile(key, std::string(32, 'n'));
  Ask({"rotate", "key-encryption", "--next-key-file", key}, 0);
  EXPECT_EQ(Ask({"show", alias}, kRefusedStatus)["verdict"], "WRONG_KEY");
  Ask({"show", alias, "--key-file", key}, 0);
  Ask({"verify", "--key-file", key}, 0);
}

TEST_F(CommandLineSafekeepingTest, WhatMakesNoSenseIsAUsageError) {
  NewSession();
  EXPECT_EQ(Run({"rotate", "nothing", "--dir", store_}).status, kUsageStatus);
  EXPECT_EQ(Run({"rotate", "--dir", store_}).status, kUsageStatus);
  EXPECT_EQ(Run({"rotate", "data", "--next-key-file", "x", "--dir", store_}).status, kUsageStatus);
  EXPECT_EQ(Run({"backup", "--dir", store_}).status, kUsageStatus);
  EXPECT_EQ(Run({"restore", backup_, "--dir", restored_}).status, kUsageStatus) << "no key";
}

}  // namespace
}  // namespace batonstore::tools
