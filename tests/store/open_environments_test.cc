#include "batonstore/store/open_environments.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>

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

void DoNothing() {}

TEST(OpenEnvironmentsTest, RefusesTheSameFolderTwiceNamingThisProcess) {
  const TempDir folder;
  ASSERT_OK_AND_ASSIGN(const auto first, OpenEnvironment::Register(folder.path(), &DoNothing));
  const auto second = OpenEnvironment::Register(folder.path(), &DoNothing);
  EXPECT_THAT(second, HasVerdict(Verdict::kNotOwner));
  EXPECT_TRUE(absl::StrContains(second.status().message(), absl::StrCat("pid ", getpid())));
}

TEST(OpenEnvironmentsTest, KnowsTheFolderUnderEveryPath) {
  const TempDir folder;
  const TempDir elsewhere;
  std::filesystem::create_directory_symlink(folder.path(), elsewhere / "link");
  ASSERT_OK_AND_ASSIGN(const auto first, OpenEnvironment::Register(folder.path(), &DoNothing));
  for (const std::string& path :
       {folder.path() + "/", folder / ".", elsewhere / "link",
        folder.path() + "/../" + folder.path().substr(folder.path().rfind('/') + 1)}) {
    EXPECT_THAT(OpenEnvironment::Register(path, &DoNothing), HasVerdict(Verdict::kNotOwner))
        << path;
  }
  EXPECT_THAT(OpenEnvironment::Register(elsewhere.path(), &DoNothing), IsOk());
}

TEST(OpenEnvironmentsTest, FreesItsPlaceWhenDestroyed) {
  const TempDir folder;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(OpenEnvironment::Register(folder.path(), &DoNothing), IsOk());
  }
}

TEST(OpenEnvironmentsTest, RefusedRegistrationLeavesTheFirstInPlace) {
  const TempDir folder;
  ASSERT_OK_AND_ASSIGN(const auto first, OpenEnvironment::Register(folder.path(), &DoNothing));
  EXPECT_FALSE(OpenEnvironment::Register(folder.path(), &DoNothing).ok());
  EXPECT_THAT(OpenEnvironment::Register(folder.path(), &DoNothing), HasVerdict(Verdict::kNotOwner));
}

TEST(OpenEnvironmentsTest, NeedsAFolder) {
  const TempDir folder;
  EXPECT_THAT(OpenEnvironment::Register(folder / "missing", &DoNothing),
              HasVerdict(Verdict::kNotFound));
}

TEST(OpenEnvironmentsTest, ForkedChildIsToldAndStartsWithAnEmptyList) {
  const TempDir folder;
  std::atomic<int> told{0};
  ASSERT_OK_AND_ASSIGN(auto first, OpenEnvironment::Register(folder.path(), [&] { ++told; }));
  ForkedChild child([&](Channel&) -> std::string {
    if (told != 1) return "the child was not told";
    auto own = OpenEnvironment::Register(folder.path(), &DoNothing);
    if (!own.ok()) return own.status().ToString();
    first.reset();  // the parent's: must leave the child's own entry alone
    return OpenEnvironment::Register(folder.path(), &DoNothing).ok() ? "the entry is gone" : "";
  });
  EXPECT_EQ(child.Join(), "");
  EXPECT_EQ(told, 0) << "the parent was told that it is a child";
  EXPECT_THAT(OpenEnvironment::Register(folder.path(), &DoNothing), HasVerdict(Verdict::kNotOwner));
}

TEST(OpenEnvironmentsTest, WhoeverIsClosedIsToldNothing) {
  const TempDir folder;
  std::atomic<int> told{0};
  ASSERT_OK_AND_ASSIGN(auto entry, OpenEnvironment::Register(folder.path(), [&] { ++told; }));
  entry.reset();
  ForkedChild child([&](Channel&) { return told == 0 ? "" : "told after its end"; });
  EXPECT_EQ(child.Join(), "");
}

}  // namespace
}  // namespace batonstore
