// What a store is opened with that it should not be: each case has its verdict and a message that
// says what to do, and changes nothing on disk.

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::Channel;
using ::batonstore::testing::EditRows;
using ::batonstore::testing::FilesBelow;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WriteFile;
using ::testing::HasSubstr;

class BadInputTest : public ::testing::Test {
 protected:
  void MakeStore() {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Open(options_));
    ASSERT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
    ASSERT_THAT(store->sessions().Reserve(LastingSpec()), IsOk());
  }

  // All files around the store and in it, but for the two that only hold locks.
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files = FilesBelow(folder_.path());
    files.erase(directory_ + "/owner.lock");
    files.erase(directory_ + "/lock.mdb");
    return files;
  }

  // Owner and observer are both refused, and told what to do.
  void ExpectRefused(Verdict verdict, const std::string& advice) {
    const auto before = Files();
    const absl::Status owner = Open(options_).status();
    EXPECT_THAT(owner, HasVerdict(verdict));
    EXPECT_THAT(std::string(owner.message()), HasSubstr(advice));
    const absl::Status observer = OpenReadOnly(options_).status();
    EXPECT_THAT(observer, HasVerdict(verdict));
    EXPECT_THAT(std::string(observer.message()), HasSubstr(advice));
    EXPECT_EQ(Files(), before);
  }

  // The same for an owner alone, in a child that `limit` has been applied to.
  void ExpectRefusedUnder(const std::function<bool()>& limit, Verdict verdict,
                          const std::string& advice) {
    ForkedChild child([&](Channel&) -> std::string {
      if (!limit()) return "skip";
      const absl::Status status = Open(options_).status();
      const bool as_expected =
          VerdictOf(status) == verdict && absl::StrContains(status.message(), advice);
      return as_expected ? "" : status.ToString();
    });
    const std::string problem = child.Join();
    if (problem == "skip") GTEST_SKIP() << "this process may not limit itself in that way";
    EXPECT_EQ(problem, "");
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  Options options_{.directory = directory_};
};

// ---- Options.

TEST_F(BadInputTest, ImpossibleOptionsAreInvalid) {
  const std::function<void(Options&)> mistakes[] = {
      [](Options& options) { options.directory = ""; },
      [](Options& options) { options.map_bytes = 0; },
      [](Options& options) { options.map_bytes = options.max_map_bytes + 1; },
      [](Options& options) { options.max_readers = 0; },
      [](Options& options) { options.policy.turns.max_reply_bytes = kMaxReplyBytes + 1; },
      [](Options& options) { options.clock = nullptr; },
      [](Options& options) { options.random = nullptr; },
      [](Options& options) { options.key_pairs = nullptr; },
  };
  for (const auto& mistake : mistakes) {
    options_ = {.directory = directory_};
    mistake(options_);
    ExpectRefused(Verdict::kInvalid, "");
  }
}

TEST_F(BadInputTest, AMissingFolderIsNotFoundWhenItIsNotToBeMade) {
  options_.create_if_missing = false;
  ExpectRefused(Verdict::kNotFound, directory_);
}

TEST_F(BadInputTest, AMissingParentIsNotFound) {
  options_.directory = folder_ / "no/where";
  ExpectRefused(Verdict::kNotFound, "/no");
}

// ---- Not a store.

TEST_F(BadInputTest, AFileIsNoFolder) {
  WriteFile(directory_, "a letter");
  ExpectRefused(Verdict::kWrongFormat, "not a folder");
}

TEST_F(BadInputTest, AFolderOfOtherThingsIsLeftAlone) {
  fs::create_directory(directory_);
  WriteFile(directory_ + "/letter", "dear");
  ExpectRefused(Verdict::kWrongFormat, "name another folder");
}

TEST_F(BadInputTest, SomebodyElsesLmdbIsLeftAlone) {
  MakeStore();
  fs::remove(directory_ + "/owner.lock");
  ExpectRefused(Verdict::kWrongFormat, "not a batonstore");
}

TEST_F(BadInputTest, ADataFileThatIsNotLmdbsIsLeftAlone) {
  MakeStore();
  WriteFile(directory_ + "/data.mdb", std::string(16384, 'x'));
  ExpectRefused(Verdict::kWrongFormat, "not written by LMDB");
}

TEST_F(BadInputTest, AnEmptyDataFileIsNotBegunAnew) {
  MakeStore();
  WriteFile(directory_ + "/data.mdb", "");
  ExpectRefused(Verdict::kCorrupt, "restore a backup");
}

TEST_F(BadInputTest, AStoreWithoutItsDataFileIsNotBegunAnew) {
  MakeStore();
  fs::remove(directory_ + "/data.mdb");
  ExpectRefused(Verdict::kWrongFormat, "is not a store");
}

TEST_F(BadInputTest, AStoreOfANewerFormatIsLeftAlone) {
  MakeStore();
  EditRows(directory_, [](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kMeta, meta::kFormat, EncodeNumber(kFormatVersion + 1)),
                IsOk());
  });
  ExpectRefused(Verdict::kWrongFormat, "use a newer batonstore");
}

// ---- The key-encryption key.

TEST_F(BadInputTest, AnotherKeyIsRefused) {
  MakeStore();
  options_.key_encryption_key = [] { return SecretBytes(std::string(32, 'x')); };
  ExpectRefused(Verdict::kWrongKey, "give the key that the store was created with");
}

TEST_F(BadInputTest, AMissingKeyFileIsNamed) {
  MakeStore();
  fs::rename(directory_ + "/key", folder_ / "moved");
  ExpectRefused(Verdict::kWrongKey, directory_ + "/key");
  options_.key_encryption_key = KeyFromFile(folder_ / "moved");
  EXPECT_THAT(Open(options_), IsOk()) << "wherever it is, it is the key";
}

TEST_F(BadInputTest, AKeyFileOfAnotherSizeIsNamed) {
  MakeStore();
  for (const size_t size : {0, 31, 33}) {
    WriteFile(directory_ + "/key", std::string(size, 'k'));
    ExpectRefused(Verdict::kWrongKey, "must have exactly 32 bytes");
  }
}

TEST_F(BadInputTest, AKeyOfAnotherSizeIsInvalid) {
  MakeStore();
  options_.key_encryption_key = [] { return SecretBytes("short"); };
  ExpectRefused(Verdict::kInvalid, "32 bytes");
}

TEST_F(BadInputTest, WhatTheKeySourceSaysIsPassedOn) {
  MakeStore();
  options_.key_encryption_key = [] { return Refuse(Verdict::kBusy, "the vault opens at nine"); };
  ExpectRefused(Verdict::kBusy, "the vault opens at nine");
}

TEST_F(BadInputTest, ABadKeyForANewStoreMakesNone) {
  const KeySource bad[] = {[] { return SecretBytes("short"); },
                           [] { return Refuse(Verdict::kBusy, "the vault opens at nine"); },
                           KeyFromFile(folder_ / "missing")};
  for (const KeySource& source : bad) {
    options_.key_encryption_key = source;
    EXPECT_FALSE(Open(options_).ok());
    EXPECT_TRUE(fs::is_empty(folder_.path()));
  }
}

// ---- No permission. Root has it everywhere, until it lays down its capabilities.

bool DropCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return syscall(SYS_capset, &header, none) == 0;
}

class NoPermissionTest : public BadInputTest {
 protected:
  // What the permissions of `path` forbid is refused.
  void ExpectRefusedWith(const std::string& path, mode_t mode) {
    struct stat before {};
    ASSERT_EQ(stat(path.c_str(), &before), 0);
    const auto files = Files();
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    ExpectRefusedUnder(&DropCapabilities, Verdict::kIo, "give this user the permission");
    ASSERT_EQ(chmod(path.c_str(), before.st_mode & 07777), 0);
    EXPECT_EQ(Files(), files);
  }
};

TEST_F(NoPermissionTest, ToMakeTheFolder) { ExpectRefusedWith(folder_.path(), 0500); }

TEST_F(NoPermissionTest, ToLookIntoTheFolder) {
  MakeStore();
  ExpectRefusedWith(directory_, 0000);
}

TEST_F(NoPermissionTest, ToTakeTheLock) {
  MakeStore();
  ExpectRefusedWith(directory_ + "/owner.lock", 0400);
}

TEST_F(NoPermissionTest, ToReadTheKey) {
  MakeStore();
  ExpectRefusedWith(directory_ + "/key", 0000);
}

TEST_F(NoPermissionTest, ToWriteTheData) {
  MakeStore();
  ExpectRefusedWith(directory_ + "/data.mdb", 0400);
}

// ---- No space.

std::function<bool()> LimitFilesTo(rlim_t bytes) {
  return [bytes] {
    signal(SIGXFSZ, SIG_IGN);  // then the call fails with EFBIG instead
    const rlimit limit{bytes, bytes};
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
  };
}

TEST_F(BadInputTest, WithoutRoomForANewStoreThereIsNone) {
  for (const rlim_t bytes : {0, 4096, 8192, 16384}) {
    ForkedChild child([&](Channel&) -> std::string {
      if (!LimitFilesTo(bytes)()) return "cannot limit the size of files";
      const absl::Status status = Open(options_).status();
      return VerdictOf(status) == Verdict::kFull ? "" : status.ToString();
    });
    EXPECT_EQ(child.Join(), "") << bytes;
    EXPECT_TRUE(fs::is_empty(folder_.path())) << bytes;
  }
}

TEST_F(BadInputTest, WithoutRoomToRecoverTheStoreStaysAsItIs) {
  MakeStore();
  const auto before = Files();
  // The lock file can be written, the data file cannot.
  ExpectRefusedUnder(LimitFilesTo(4096), Verdict::kPoisoned, "open it again");
  EXPECT_EQ(Files(), before);
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Open(options_));
  EXPECT_EQ(store->report().removed.size(), 1u);
}

// A file system of the test's own. False where this process may not have one.
bool MountHere(const char* type, const std::string& at, const std::string& data) {
  if (unshare(CLONE_NEWNS) != 0) {
    const std::string map = absl::StrCat("0 ", geteuid(), " 1");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    WriteFile("/proc/self/uid_map", map);
  }
  // Else the mount would be seen, and stay, outside.
  if (mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return mount(type, at.c_str(), type, 0, data.c_str()) == 0;
}

TEST_F(BadInputTest, AFullFileSystemIsRefusedAndServesAgainOnceThereIsRoom) {
  ForkedChild child([this](Channel&) -> std::string {
    if (!MountHere("tmpfs", folder_.path(), "size=2m")) return "skip";
    options_.reserved_bytes = 0;
    const std::string ballast = folder_ / "ballast";
    size_t reserved = 0;
    {
      const absl::StatusOr<std::unique_ptr<Store>> store = Open(options_);
      if (!store.ok()) return store.status().ToString();
      WriteFile(ballast, std::string(4 << 20, 'b'));
      SessionSpec spec = LastingSpec();
      spec.intent = std::string(kMaxIntentBytes, 'i');
      absl::Status last;
      do {  // until what is free inside the file is used, too
        last = (*store)->sessions().Reserve(spec).status();
        reserved += last.ok();
      } while (last.ok());
      if (VerdictOf(last) != Verdict::kFull)
        return "reserving until it is full: " + last.ToString();
    }
    // Taking them away needs hardly any room, and gives some: what is left, the next one does.
    size_t removed = 0;
    {
      const absl::StatusOr<std::unique_ptr<Store>> full = Open(options_);
      if (!full.ok() && VerdictOf(full.status()) != Verdict::kFull) return full.status().ToString();
      if (full.ok()) removed = (*full)->report().removed.size();
      if (full.ok() && removed != reserved) return "opened, and reservations are left";
    }
    fs::remove(ballast);
    const absl::StatusOr<std::unique_ptr<Store>> store = Open(options_);
    if (!store.ok()) return store.status().ToString();
    removed += (*store)->report().removed.size();
    if (removed != reserved) return "a reservation was not removed";
    return std::string((*store)->sessions().Reserve(LastingSpec()).status().message());
  });
  const std::string problem = child.Join();
  if (problem == "skip") GTEST_SKIP() << "this process may not mount a file system";
  EXPECT_EQ(problem, "");
}

// LMDB maps its lock file: writing there what the disk has no room for would be a SIGBUS.
TEST_F(BadInputTest, HoweverLittleRoomThereIsANewStoreIsWholeOrThereIsNone) {
  options_.reserved_bytes = 0;
  bool opened = false;
  for (int kilobytes = 4; !opened; kilobytes += 4) {
    ForkedChild child([&](Channel& parent) -> std::string {
      if (!MountHere("tmpfs", folder_.path(), absl::StrCat("size=", kilobytes, "k"))) return "skip";
      const absl::Status status = Open(options_).status();
      parent.Send(status.ok() ? "opened" : "refused");
      const bool published = fs::exists(directory_);
      // A store that just fits may leave no room for its first opening to write. LMDB takes a write
      // that was cut short for an I/O error.
      const std::vector<Verdict> expected =
          published ? std::vector{Verdict::kPoisoned} : std::vector{Verdict::kFull, Verdict::kIo};
      if (!status.ok() && absl::c_count(expected, VerdictOf(status)) == 0) return status.ToString();
      return published || fs::is_empty(folder_.path()) ? "" : "something was left behind";
    });
    const std::string answer = child.channel().Receive();
    if (answer == "skip") GTEST_SKIP() << "this process may not mount a file system";
    opened = answer == "opened";
    ASSERT_EQ(child.Join(), "") << kilobytes << " KiB";
  }
}

TEST_F(BadInputTest, AFileSystemThatCannotCarryAStoreIsRefused) {
  ForkedChild child([this](Channel&) -> std::string {
    // An overlay's upper folder must not itself be on one, so everything is on a tmpfs.
    if (!MountHere("tmpfs", folder_.path(), "")) return "skip";
    for (const char* name : {"lower", "upper", "work", "overlay"}) {
      fs::create_directory(folder_ / name);
    }
    const std::string layers =
        absl::StrCat("lowerdir=", folder_ / "lower", ",upperdir=", folder_ / "upper",
                     ",workdir=", folder_ / "work");
    const std::string overlay = folder_ / "overlay";
    if (mount("overlay", overlay.c_str(), "overlay", 0, layers.c_str()) != 0) return "skip";
    options_.directory = overlay + "/store";
    const absl::Status refused = Open(options_).status();
    if (VerdictOf(refused) != Verdict::kUnsupported) return refused.ToString();
    return fs::is_empty(overlay) ? "" : "something was left behind";
  });
  const std::string problem = child.Join();
  if (problem == "skip") GTEST_SKIP() << "this process may not mount an overlay";
  EXPECT_EQ(problem, "");
}

}  // namespace
}  // namespace batonstore::recovery
