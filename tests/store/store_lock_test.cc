#include "batonstore/store/store_lock.h"

#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/store/open_environments.h"
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

using Role = StoreLock::Role;

class StoreLockTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(StoreLock::CreateFile(folder_.path()), IsOk()); }

  auto Acquire(Role role) const { return StoreLock::Acquire(folder_.path(), role); }
  auto AcquireIn(Role role, const std::string& pid_namespace) const {
    return StoreLock::Acquire(folder_.path(), role, pid_namespace);
  }

  const TempDir folder_;
};

TEST_F(StoreLockTest, SecondOwnerIsRefusedWithThePidOfTheFirst) {
  ASSERT_OK_AND_ASSIGN(const auto owner, Acquire(Role::kOwner));
  const auto second = Acquire(Role::kOwner);
  EXPECT_THAT(second, HasVerdict(Verdict::kNotOwner));
  EXPECT_TRUE(absl::StrContains(second.status().message(), absl::StrCat("pid ", getpid(), ";")))
      << second.status();
}

TEST_F(StoreLockTest, OwnerInAnotherProcessIsNamed) {
  ForkedChild child([this](Channel& parent) -> std::string {
    const auto owner = Acquire(Role::kOwner);
    parent.Send(owner.ok() ? "owner" : owner.status().ToString());
    (void)parent.Receive();
    return "";
  });
  ASSERT_EQ(child.channel().Receive(), "owner");
  const auto second = Acquire(Role::kOwner);
  EXPECT_THAT(second, HasVerdict(Verdict::kNotOwner));
  EXPECT_TRUE(absl::StrContains(second.status().message(), absl::StrCat("pid ", child.pid(), ";")))
      << second.status();
}

TEST_F(StoreLockTest, ObserversShareWithTheOwnerAndEachOther) {
  ASSERT_OK_AND_ASSIGN(const auto observer, Acquire(Role::kObserver));
  ASSERT_OK_AND_ASSIGN(const auto owner, Acquire(Role::kOwner));
  EXPECT_THAT(Acquire(Role::kObserver), IsOk());
}

TEST_F(StoreLockTest, ReleaseLetsTheNextOwnerIn) {
  ASSERT_OK_AND_ASSIGN(const auto owner, Acquire(Role::kOwner));
  owner->Release();
  ASSERT_OK_AND_ASSIGN(auto next, Acquire(Role::kOwner));
  owner->Release();  // once more changes nothing: the lock is the next one's now
  EXPECT_THAT(Acquire(Role::kOwner), HasVerdict(Verdict::kNotOwner));
  next.reset();
  EXPECT_THAT(Acquire(Role::kOwner), IsOk());
}

// As a program has that is being started: it closes its copy of the descriptor only a moment later,
// and no handler of fork is run in it.
TEST_F(StoreLockTest, ReleaseLetsTheNextOwnerInWhoeverHasACopyOfTheDescriptor) {
  ASSERT_OK_AND_ASSIGN(auto lock, Acquire(Role::kOwner));
  ForkedChild child([](Channel& parent) -> std::string {
    parent.Receive();
    return "";
  });
  lock->Release();
  EXPECT_THAT(Acquire(Role::kOwner), IsOk());
  child.channel().Send("end");
  EXPECT_EQ(child.Join(), "");
}

TEST_F(StoreLockTest, KilledOwnerLeavesNoLock) {
  ForkedChild child([this](Channel& parent) -> std::string {
    const auto owner = Acquire(Role::kOwner);
    parent.Send(owner.ok() ? "owner" : owner.status().ToString());
    (void)parent.Receive();
    return "";
  });
  ASSERT_EQ(child.channel().Receive(), "owner");
  ASSERT_THAT(Acquire(Role::kOwner), HasVerdict(Verdict::kNotOwner));
  child.Kill();
  EXPECT_THAT(Acquire(Role::kOwner), IsOk());
}

// The child's inherited copy would keep the lock held for as long as the child lives (LMDB.md, 2).
TEST_F(StoreLockTest, LivingForkedChildKeepsNoCopyOfTheLock) {
  ASSERT_OK_AND_ASSIGN(auto owner, Acquire(Role::kOwner));
  ASSERT_OK_AND_ASSIGN(const auto registration,
                       OpenEnvironment::Register(
                           folder_.path(), [lock = owner.get()] { lock->CloseInForkedChild(); }));
  ForkedChild child([](Channel& parent) -> std::string {
    parent.Send("alive");
    (void)parent.Receive();
    return "";
  });
  ASSERT_EQ(child.channel().Receive(), "alive");
  EXPECT_THAT(Acquire(Role::kOwner), HasVerdict(Verdict::kNotOwner))
      << "the child's closing must not take the parent's lock away";
  owner.reset();
  EXPECT_THAT(Acquire(Role::kOwner), IsOk());
}

TEST_F(StoreLockTest, OtherPidNamespaceIsRefusedWhileAnybodyIsIn) {
  for (const Role first : {Role::kOwner, Role::kObserver}) {
    ASSERT_OK_AND_ASSIGN(auto here, AcquireIn(first, "pid:[1]"));
    const Role other = first == Role::kOwner ? Role::kObserver : Role::kOwner;
    EXPECT_THAT(AcquireIn(Role::kObserver, "pid:[2]"), HasVerdict(Verdict::kUnsupported));
    EXPECT_THAT(AcquireIn(other, "pid:[2]"), HasVerdict(Verdict::kUnsupported));
    EXPECT_THAT(AcquireIn(other, "pid:[1]"), IsOk());
    here.reset();
    EXPECT_THAT(AcquireIn(other, "pid:[2]"), IsOk()) << "nobody of the first is left";
  }
}

TEST_F(StoreLockTest, RefusedStrangerHoldsNothing) {
  ASSERT_OK_AND_ASSIGN(const auto here, AcquireIn(Role::kObserver, "pid:[1]"));
  EXPECT_THAT(AcquireIn(Role::kOwner, "pid:[2]"), HasVerdict(Verdict::kUnsupported));
  EXPECT_THAT(AcquireIn(Role::kOwner, "pid:[1]"), IsOk());
}

TEST_F(StoreLockTest, RealPidNamespaceIsRefused) {
  ASSERT_OK_AND_ASSIGN(const auto owner, Acquire(Role::kOwner));
  ForkedChild child([this](Channel&) -> std::string {
    if (unshare(CLONE_NEWPID) != 0) return absl::StrCat("cannot unshare: ", strerror(errno));
    // Only its children are in the new namespace.
    ForkedChild inside([this](Channel&) -> std::string {
      const auto stranger = Acquire(Role::kObserver);
      return VerdictOf(stranger.status()) == Verdict::kUnsupported ? ""
                                                                   : stranger.status().ToString();
    });
    return inside.Join();
  });
  const std::string problem = child.Join();
  if (absl::StartsWith(problem, "cannot unshare")) GTEST_SKIP() << problem;
  EXPECT_EQ(problem, "");
}

TEST_F(StoreLockTest, FileIsPrivateAndNeverMadeTwice) {
  struct stat info {};
  const std::string path = folder_ / std::string(StoreLock::kFileName);
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(StoreLock::CreateFile(folder_.path()), HasVerdict(Verdict::kIo));
}

TEST_F(StoreLockTest, MissingFileIsNotFoundAndNotMade) {
  const TempDir empty;
  EXPECT_THAT(StoreLock::Acquire(empty.path(), Role::kOwner), HasVerdict(Verdict::kNotFound));
  EXPECT_TRUE(std::filesystem::is_empty(empty.path()));
}

// Racing processes: whoever holds the lock notes it, and finds nobody else's note.
TEST_F(StoreLockTest, OneOwnerAtATimeAmongRacingProcesses) {
  const auto contend = [this](Channel& parent) -> std::string {
    (void)parent.Receive();
    for (int won = 0; won < 20;) {
      const auto owner = Acquire(Role::kOwner);
      if (VerdictOf(owner.status()) == Verdict::kNotOwner) continue;
      if (!owner.ok()) return owner.status().ToString();
      if (mkdir((folder_ / "critical").c_str(), 0700) != 0) return "two owners at a time";
      rmdir((folder_ / "critical").c_str());
      ++won;
    }
    return "";
  };
  ForkedChild one(contend);
  ForkedChild other(contend);
  one.channel().Send("go");
  other.channel().Send("go");
  EXPECT_EQ(one.Join(), "");
  EXPECT_EQ(other.Join(), "");
}

}  // namespace
}  // namespace batonstore
