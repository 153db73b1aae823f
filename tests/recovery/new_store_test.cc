#include "batonstore/recovery/new_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/default_key.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/io_faults.h"
#include "tests/support/killed_at.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::FilesBelow;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IoCall;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::RunUntilKilledAt;
using ::batonstore::testing::ScopedIoFaults;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WriteFile;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

LmdbEnvironment::Options EnvironmentOptions() {
  return {.directory = "",
          .read_only = false,
          .map_bytes = 1 << 30,
          .max_map_bytes = 1 << 30,
          .max_readers = 8,
          .max_tables = kAllTables.size()};
}

absl::Status Create(const std::string& directory, const KeySource& key = nullptr) {
  return CreateStore(directory, key, EnvironmentOptions(), SystemRandom());
}

unsigned int ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

class NewStoreTest : public ::testing::Test {
 protected:
  // Names in the folder around the store.
  std::vector<std::string> Around() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const std::string left_behind_ = folder_ / ".store.new-abcdef";
};

TEST_F(NewStoreTest, WhatWasCreatedOpens) {
  ASSERT_THAT(Create(directory_), IsOk());
  EXPECT_THAT(Around(), ElementsAre("store"));
  EXPECT_THAT(Open({.directory = directory_, .create_if_missing = false}), IsOk());
}

TEST_F(NewStoreTest, OnlyItsOwnerMayEnterAndReadTheKey) {
  const mode_t mask = umask(0);
  ASSERT_THAT(Create(directory_), IsOk());
  umask(mask);
  EXPECT_EQ(ModeOf(directory_), 0700u);
  for (const char* name : {"key", "data.mdb", "lock.mdb", "owner.lock"}) {
    EXPECT_EQ(ModeOf(absl::StrCat(directory_, "/", name)), 0600u) << name;
  }
}

TEST_F(NewStoreTest, AGivenKeyIsNotWrittenDown) {
  const std::string secret(kKeyEncryptionKeyBytes, 's');
  ASSERT_THAT(Create(directory_, [&] { return SecretBytes(secret); }), IsOk());
  EXPECT_FALSE(fs::exists(DefaultKeyFile(directory_)));
  for (const auto& [path, file] : FilesBelow(directory_)) {
    EXPECT_FALSE(absl::StrContains(file, secret)) << path;
  }
}

TEST_F(NewStoreTest, AnEmptyFolderIsFilled) {
  fs::create_directory(directory_);
  ASSERT_THAT(Create(directory_), IsOk());
  EXPECT_EQ(ModeOf(directory_), 0700u);
}

TEST_F(NewStoreTest, ALinkToAnEmptyFolderIsFollowed) {
  fs::create_directory(directory_ + "-elsewhere");
  fs::create_directory_symlink(directory_ + "-elsewhere", directory_);
  ASSERT_THAT(Create(directory_), IsOk());
  EXPECT_TRUE(fs::exists(directory_ + "-elsewhere/data.mdb"));
  EXPECT_THAT(Around(), ElementsAre("store", "store-elsewhere"));
}

TEST_F(NewStoreTest, ATrailingSlashIsNoPartOfTheName) {
  ASSERT_THAT(Create(directory_ + "/"), IsOk());
  EXPECT_THAT(Around(), ElementsAre("store"));
}

TEST_F(NewStoreTest, ARelativePathIsSeenFromTheCurrentFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  const absl::Status created = Create("store");
  fs::current_path(before);
  EXPECT_THAT(created, IsOk());
  EXPECT_THAT(Around(), ElementsAre("store"));
}

TEST_F(NewStoreTest, WhatIsThereIsNeverReplaced) {
  fs::create_directory(directory_);
  WriteFile(directory_ + "/letter", "dear");
  const auto before = FilesBelow(folder_.path());
  EXPECT_THAT(Create(directory_), HasVerdict(Verdict::kExists));
  EXPECT_EQ(FilesBelow(folder_.path()), before);

  const std::string file = folder_ / "file";
  WriteFile(file, "dear");
  EXPECT_THAT(Create(file), HasVerdict(Verdict::kExists));
}

TEST_F(NewStoreTest, AStoreIsNeverReplaced) {
  ASSERT_THAT(Create(directory_), IsOk());
  const auto before = FilesBelow(folder_.path());
  EXPECT_THAT(Create(directory_), HasVerdict(Verdict::kExists));
  EXPECT_EQ(FilesBelow(folder_.path()), before);
}

TEST_F(NewStoreTest, ARefusalLeavesNothingBehind) {
  const KeySource failing = [] { return Refuse(Verdict::kIo, "the vault is closed"); };
  EXPECT_THAT(Create(directory_, failing), HasVerdict(Verdict::kIo));
  const KeySource too_short = [] { return SecretBytes("short"); };
  EXPECT_THAT(Create(directory_, too_short), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(Around(), IsEmpty());
  EXPECT_THAT(Create(folder_ / "no/where"), HasVerdict(Verdict::kNotFound));
}

TEST_F(NewStoreTest, WhatACrashLeftBehindIsRemoved) {
  fs::create_directory(left_behind_);
  WriteFile(left_behind_ + "/key", "half");
  ASSERT_THAT(Create(directory_), IsOk());
  EXPECT_THAT(Around(), ElementsAre("store"));
}

TEST_F(NewStoreTest, WhatSomebodyElseIsMakingStays) {
  fs::create_directory(left_behind_);
  const int fd = open(left_behind_.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  ASSERT_THAT(Create(directory_), IsOk());
  close(fd);
  EXPECT_THAT(Around(), UnorderedElementsAre("store", ".store.new-abcdef"));
}

TEST_F(NewStoreTest, FoldersOfOtherNamesStay) {
  fs::create_directory(folder_ / ".store2.new-abcdef");
  fs::create_directory(folder_ / "store.new-abcdef");
  ASSERT_THAT(Create(directory_), IsOk());
  EXPECT_THAT(Around(), UnorderedElementsAre("store", ".store2.new-abcdef", "store.new-abcdef"));
}

TEST_F(NewStoreTest, KilledAtAnySystemCallThereIsNoStoreOrOneThatOpens) {
  int call = 0;
  int published = 0;
  for (std::optional<bool> killed = true; killed.value(); ++call) {
    SCOPED_TRACE(absl::StrCat("killed at system call ", call));
    const TempDir folder;
    const std::string directory = folder / "store";
    killed = RunUntilKilledAt(call, [&] { (void)Create(directory); });
    if (!killed.has_value()) GTEST_SKIP() << "this process may not trace its children";
    if (fs::exists(directory)) {
      ++published;
      EXPECT_THAT(Open({.directory = directory, .create_if_missing = false}), IsOk());
    } else {
      EXPECT_THAT(Open({.directory = directory}), IsOk());
      // Whatever was left behind is gone with the new creation.
      EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
    }
  }
  EXPECT_GT(call, 30);
  EXPECT_GT(published, 1) << "at least one kill came after the rename";
}

TEST_F(NewStoreTest, AFailureOfAnyWriteOrSyncIsReportedAndLeavesNoStore) {
  for (const IoCall call : {IoCall::kWrite, IoCall::kSync}) {
    size_t nth = 0;
    for (bool struck = true; struck; ++nth) {
      const TempDir folder;
      absl::Status created;
      {
        const ScopedIoFaults faults({.call = call, .nth = nth, .error = EIO});
        created = Create(folder / "store");
        struck = faults.Struck();
      }
      EXPECT_EQ(created.ok(), !struck) << "call " << nth;
      // What has been published before the last sync of all, the parent's, may stay: it is whole.
      EXPECT_THAT(Open({.directory = folder / "store"}), IsOk()) << "call " << nth;
    }
    EXPECT_GT(nth, 3u);
  }
}

TEST_F(NewStoreTest, TheLastCallBeforeTheRenameIsASync) {
  // Everything in the folder, and the folder itself, is on the disk before it can be seen: what
  // comes after the rename is one sync alone, the parent's.
  const ScopedIoFaults faults;
  ASSERT_THAT(Create(directory_), IsOk());
  const std::vector<IoCall> calls = faults.Calls();
  ASSERT_GE(calls.size(), 3u);
  EXPECT_THAT(std::vector<IoCall>(calls.end() - 3, calls.end()),
              ::testing::Each(IoCall::kSync));  // the data file, the folder, its parent
}

TEST_F(NewStoreTest, OfManyCreatorsOneSucceedsAndTheOthersAreTold) {
  constexpr int kCreators = 6;
  std::vector<std::unique_ptr<ForkedChild>> creators;
  for (int i = 0; i < kCreators; ++i) {
    creators.push_back(std::make_unique<ForkedChild>([&](testing::Channel& parent) -> std::string {
      parent.Receive();  // all start at once
      const absl::Status created = Create(directory_);
      parent.Send(created.ok() ? "created" : std::string(VerdictName(*VerdictOf(created))));
      return "";
    }));
  }
  for (const auto& creator : creators) creator->channel().Send("go");
  int created = 0;
  for (const auto& creator : creators) {
    const std::string answer = creator->channel().Receive();
    created += answer == "created";
    EXPECT_TRUE(answer == "created" || answer == "EXISTS") << answer;
    EXPECT_EQ(creator->Join(), "");
  }
  EXPECT_EQ(created, 1);
  EXPECT_THAT(Around(), ElementsAre("store"));
  EXPECT_THAT(Open({.directory = directory_, .create_if_missing = false}), IsOk());
}

}  // namespace
}  // namespace batonstore::recovery
