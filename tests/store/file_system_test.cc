#include "batonstore/store/file_system.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

using testing::Channel;
using testing::ForkedChild;
using testing::HasVerdict;
using testing::IsOk;
using testing::TempDir;

struct Known {
  const char* name;
  uint64_t magic;  // linux/magic.h
};

TEST(FileSystemTest, RefusesNetworkAndStackedFileSystemsByName) {
  constexpr Known kUnsafe[] = {{"NFS", 0x6969},        {"CIFS", 0xff534d42}, {"SMB2", 0xfe534d42},
                               {"SMB", 0x517b},        {"9p", 0x01021997},   {"FUSE", 0x65735546},
                               {"overlay", 0x794c7630}};
  for (const Known& unsafe : kUnsafe) {
    const absl::Status refused = CheckFileSystemMagic(unsafe.magic);
    EXPECT_THAT(refused, HasVerdict(Verdict::kUnsupported)) << unsafe.name;
    EXPECT_TRUE(absl::StrContains(refused.message(), unsafe.name)) << refused;
  }
}

TEST(FileSystemTest, AcceptsLocalFileSystems) {
  constexpr Known kSafe[] = {{"ext4", 0xef53},      {"XFS", 0x58465342}, {"btrfs", 0x9123683e},
                             {"tmpfs", 0x01021994}, {"ZFS", 0x2fc12fc1}, {"F2FS", 0xf2f52010}};
  for (const Known& safe : kSafe)
    EXPECT_THAT(CheckFileSystemMagic(safe.magic), IsOk()) << safe.name;
}

TEST(FileSystemTest, SaysWhichPathItCouldNotAsk) {
  const TempDir folder;
  const absl::Status status = CheckFileSystem(folder / "missing");
  EXPECT_THAT(status, HasVerdict(Verdict::kNotFound));
  EXPECT_TRUE(absl::StrContains(status.message(), folder / "missing")) << status;
}

// Mounts `type` on `folder`/mounted, in a mount namespace of a child's own, and checks that.
std::string CheckMounted(const char* type, const std::string& options, const TempDir& folder,
                         std::optional<Verdict> expected) {
  const std::string mounted = folder / "mounted";
  mkdir(mounted.c_str(), 0700);
  ForkedChild child([&](Channel&) -> std::string {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(type, mounted.c_str(), type, 0, options.c_str()) != 0) {
      return absl::StrCat("cannot mount ", type, " here: ", strerror(errno));
    }
    const absl::Status status = CheckFileSystem(mounted);
    return VerdictOf(status) == expected ? "" : absl::StrCat("wrong verdict: ", status.ToString());
  });
  return child.Join();
}

TEST(FileSystemTest, RefusesARealOverlay) {
  const TempDir folder;
  std::string options;
  for (const char* part : {"lowerdir", "upperdir", "workdir"}) {
    ASSERT_EQ(mkdir((folder / part).c_str(), 0700), 0);
    absl::StrAppend(&options, options.empty() ? "" : ",", part, "=", folder / part);
  }
  const std::string problem = CheckMounted("overlay", options, folder, Verdict::kUnsupported);
  if (absl::StartsWith(problem, "cannot mount")) GTEST_SKIP() << problem;
  EXPECT_EQ(problem, "");
}

TEST(FileSystemTest, AcceptsARealTmpfs) {
  const TempDir folder;
  const std::string problem = CheckMounted("tmpfs", "size=1m", folder, std::nullopt);
  if (absl::StartsWith(problem, "cannot mount")) GTEST_SKIP() << problem;
  EXPECT_EQ(problem, "");
}

}  // namespace
}  // namespace batonstore
