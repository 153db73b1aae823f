// A disk that is full, as real kernels have it: an ext4 in an image, a tmpfs, and an ext4 whose
// image lies, sparse, on a tmpfs that is too small for it, so that writes to its device fail.
//
// Needs root and loop devices for the first and the last, and for the second a kernel that lets a
// user have mounts of its own. What the machine does not allow is skipped, with the reason.

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/mounts.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::EnterPrivateMounts;
using ::batonstore::testing::FillUp;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::MakeExt4Image;
using ::batonstore::testing::MountExt4Image;
using ::batonstore::testing::MountTmpfs;
using ::batonstore::testing::ResizeTmpfs;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::Unmount;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kDiskBytes = 24 * kMiB;
constexpr uint64_t kReserve = 4 * kMiB;

const absl::Status& MayMount() {
  static const auto* const status = new absl::Status(EnterPrivateMounts());
  return *status;
}

enum class Kind { kExt4, kTmpfs };

class FullDiskTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    fs::create_directory(disk_);
    absl::Status mounted = MayMount();
    if (mounted.ok()) mounted = Mount();
    if (!mounted.ok()) GTEST_SKIP() << "this machine does not allow it: " << mounted;
    is_mounted_ = true;
    ASSERT_OK_AND_ASSIGN(store_, Open(options_));
  }

  void TearDown() override {
    store_.reset();
    if (!is_mounted_) return;
    EXPECT_THAT(Unmount(disk_), IsOk());
  }

  absl::Status Mount() {
    if (GetParam() == Kind::kTmpfs) return MountTmpfs(disk_, kDiskBytes);
    absl::Status made = MakeExt4Image(folder_ / "image", kDiskBytes);
    return made.ok() ? MountExt4Image(folder_ / "image", disk_) : made;
  }

  SessionStore& sessions() { return store_->sessions(); }

  // Until the store says that it is FULL to all sessions, those without fields too.
  void AdmitAll() {
    for (const size_t bytes : {100'000, 10'000, 0}) {
      const Fields fields = {{"field", std::string(bytes, 'x')}};
      for (;;) {
        const absl::StatusOr<Saved> saved =
            sessions().SaveOrCreate(LastingSpec(), bytes == 0 ? Fields() : fields);
        if (VerdictOf(saved.status()) == Verdict::kFull) break;
        ASSERT_THAT(saved, IsOk());
        live_.push_back(saved->session.alias);
      }
    }
  }

  uint64_t FreeBytes() const {
    struct statvfs disk {};
    EXPECT_EQ(statvfs(disk_.c_str(), &disk), 0);
    return uint64_t{disk.f_bavail} * disk.f_frsize;
  }

  // Somebody else takes what is left, all of it.
  void FillDisk() {
    ASSERT_THAT(FillUp(disk_ + "/somebody else's"), IsOk());
    ASSERT_LT(FreeBytes(), 4096u);
  }
  void FreeDisk() { ASSERT_TRUE(fs::remove(disk_ + "/somebody else's")); }

  void ExpectAllThere() {
    for (const Alias alias : live_) {
      ASSERT_OK_AND_ASSIGN(const Session session, sessions().Find(alias));
      ASSERT_EQ(session.state, State::kCreated);
    }
    for (const Alias alias : revoked_) {
      ASSERT_OK_AND_ASSIGN(const Session session, sessions().Find(alias));
      ASSERT_EQ(session.state, State::kRevoked);
    }
  }

  void Revoke(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      ASSERT_THAT(sessions().Revoke(live_.back()), IsOk());
      revoked_.push_back(live_.back());
      live_.pop_back();
    }
  }

  void ExpectSound() {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.directory = options_.directory}));
    EXPECT_TRUE(report.is_sound()) << report.ToStatus();
  }

  void ExpectGrowthRefused(Alias live) {
    EXPECT_THAT(sessions().Reserve(LastingSpec()), HasVerdict(Verdict::kFull));
    EXPECT_THAT(sessions().ReserveAndCreate(LastingSpec()), HasVerdict(Verdict::kFull));
    EXPECT_THAT(sessions().SaveOrCreate(LastingSpec(), {}), HasVerdict(Verdict::kFull));
    EXPECT_THAT(sessions().CycleKey(live), HasVerdict(Verdict::kFull));
    const Change grows = Change::Set(std::string(1'000'000, 'x'));
    EXPECT_THAT(sessions().Merge(live, {{"field", grows}}), HasVerdict(Verdict::kFull));
    EXPECT_THAT(sessions().Find(live), IsOk()) << "nothing is poisoned";
  }

  TempDir folder_;
  const std::string disk_ = folder_ / "disk";
  const Options options_{.directory = disk_ + "/store",
                         .reserved_bytes = kReserve,
                         .policy = {.retention = absl::ZeroDuration()},
                         .sweep_every = absl::InfiniteDuration()};
  bool is_mounted_ = false;
  std::unique_ptr<Store> store_;
  std::vector<Alias> live_;
  std::vector<Alias> revoked_;
};

INSTANTIATE_TEST_SUITE_P(Disks, FullDiskTest, ::testing::Values(Kind::kExt4, Kind::kTmpfs),
                         [](const auto& disk) {
                           return disk.param == Kind::kExt4 ? "Ext4" : "Tmpfs";
                         });

TEST_P(FullDiskTest, NewSessionsAreRefusedBeforeTheDiskIsFull) {
  AdmitAll();
  ASSERT_GT(live_.size(), 10u);
  struct stat file {};
  ASSERT_EQ(stat((options_.directory + "/data.mdb").c_str(), &file), 0);
  ASSERT_OK_AND_ASSIGN(const StoreStats stats, sessions().Stats());
  EXPECT_GE(static_cast<uint64_t>(file.st_blocks) * 512, stats.used_bytes + kReserve);
  ExpectGrowthRefused(live_.front());
  ExpectAllThere();
  ExpectSound();
}

TEST_P(FullDiskTest, WhatEndsSessionsWorksOnADiskThatIsFull) {
  ASSERT_THAT(sessions().events().AddConsumer("reader"), IsOk());
  const Session reserved = *sessions().Reserve(LastingSpec());
  const Session abandoned = *sessions().Reserve(LastingSpec());
  SessionSpec of_bob = LastingSpec();
  of_bob.principal = "bob";
  std::vector<Alias> bobs;
  for (int i = 0; i < 500; ++i) bobs.push_back(sessions().ReserveAndCreate(of_bob)->alias);
  FillDisk();
  AdmitAll();
  ExpectGrowthRefused(bobs.front());

  EXPECT_THAT(sessions().Create(reserved.alias), IsOk());
  live_.push_back(reserved.alias);
  EXPECT_THAT(sessions().Abandon(abandoned.alias), IsOk());
  Revoke(live_.size() / 2);
  EXPECT_THAT(sessions().RevokeAll("bob"), IsOk());
  EXPECT_THAT(sessions().RotateSigningKey(), IsOk());
  EXPECT_THAT(sessions().events().RemoveConsumer("reader"), IsOk());
  for (bool more = true; more;) {
    ASSERT_OK_AND_ASSIGN(const Swept swept, sessions().Sweep());
    more = swept.more;
  }
  for (const Alias bob : bobs) {
    EXPECT_THAT(sessions().Find(bob), HasVerdict(Verdict::kNotFound)) << "no retention";
  }
  revoked_.clear();  // swept away too
  ExpectAllThere();
  ExpectSound();
}

TEST_P(FullDiskTest, RecoveryWorksOnADiskThatIsFull) {
  constexpr int kReserved = 400;
  for (int i = 0; i < kReserved; ++i) {
    SessionSpec spec = LastingSpec();
    spec.principal = absl::StrCat("principal ", i);
    spec.intent = "undo me";
    ASSERT_THAT(sessions().Reserve(spec), IsOk());
  }
  FillDisk();
  AdmitAll();
  store_.reset();
  ASSERT_OK_AND_ASSIGN(store_, Open(options_));
  EXPECT_EQ(store_->report().removed.size(), size_t{kReserved});
  ASSERT_OK_AND_ASSIGN(const StoreStats stats, sessions().Stats());
  EXPECT_EQ(stats.reservations, 0u);
  ASSERT_OK_AND_ASSIGN(const auto pending, sessions().PendingCompensations());
  ASSERT_FALSE(pending.empty());
  for (const Compensation& compensation : pending) {
    EXPECT_THAT(sessions().Acknowledge(compensation.alias), IsOk());
  }
  ExpectAllThere();
  ExpectSound();
}

TEST_P(FullDiskTest, OnceThereIsRoomSessionsAreAdmittedAgain) {
  FillDisk();
  AdmitAll();
  Revoke(live_.size() / 4);
  ExpectGrowthRefused(live_.front());
  FreeDisk();
  const size_t before = live_.size();
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK_AND_ASSIGN(const Session session, sessions().ReserveAndCreate(LastingSpec()));
    live_.push_back(session.alias);
  }
  EXPECT_EQ(live_.size(), before + 100);
  ExpectAllThere();
  ExpectSound();
}

TEST_P(FullDiskTest, AllIsThereAfterTheDiskWasMountedAgain) {
  if (GetParam() == Kind::kTmpfs) GTEST_SKIP() << "a tmpfs is gone once it is unmounted";
  FillDisk();
  AdmitAll();
  Revoke(live_.size() / 4);
  store_.reset();
  ASSERT_THAT(Unmount(disk_), IsOk());
  ASSERT_THAT(MountExt4Image(folder_ / "image", disk_), IsOk());
  ASSERT_OK_AND_ASSIGN(store_, Open(options_));
  ExpectAllThere();
  ExpectSound();
}

TEST_P(FullDiskTest, AStoreIsNotMadeWhereItsReserveHasNoRoom) {
  FillDisk();
  Options options = options_;
  options.directory = disk_ + "/another";
  EXPECT_THAT(Open(options), HasVerdict(Verdict::kFull));
  EXPECT_FALSE(fs::exists(options.directory));
  FreeDisk();
  EXPECT_THAT(Open(options), IsOk());
}

// The device below the file system runs out of room, of which that knows nothing: what it has
// promised to the store it cannot keep, and its writes fail in the kernel. When somebody else's
// sync(2) writes the same pages at the same moment, Linux (6.18, ext4) can answer our fdatasync
// with success and report the failure at the next one. No store can help that; it must not read
// anything wrong then, and verification must notice.
TEST(FailingDiskTest, WhatWasAcknowledgedIsThereOnceTheDeviceIsMended) {
  TempDir folder;
  const std::string below = folder / "below";
  const std::string disk = folder / "disk";
  fs::create_directory(below);
  fs::create_directory(disk);
  absl::Status mounted = MayMount();
  if (mounted.ok()) mounted = MountTmpfs(below, 24 * kMiB);
  if (mounted.ok()) mounted = MakeExt4Image(below + "/image", 64 * kMiB);
  if (mounted.ok()) mounted = MountExt4Image(below + "/image", disk);
  if (!mounted.ok()) GTEST_SKIP() << "this machine does not allow it: " << mounted;

  std::vector<Alias> acknowledged;
  absl::Status failed;
  bool is_told_late = false;
  const Options options{.directory = disk + "/store",
                        .reserved_bytes = kReserve,
                        .sweep_every = absl::InfiniteDuration()};
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open(options));
    const Fields large = {{"field", std::string(100'000, 'x')}};
    while (failed.ok()) {
      const absl::StatusOr<Saved> saved = store->sessions().SaveOrCreate(LastingSpec(), large);
      failed = saved.status();
      if (saved.ok()) acknowledged.push_back(saved->session.alias);
    }
    EXPECT_EQ(VerdictOf(failed), Verdict::kPoisoned) << failed;
    EXPECT_THAT(store->sessions().Find(acknowledged.front()), HasVerdict(Verdict::kPoisoned));
  }
  ASSERT_THAT(ResizeTmpfs(below, 96 * kMiB), IsOk());
  EXPECT_THAT(Unmount(disk), IsOk());
  ASSERT_THAT(MountExt4Image(below + "/image", disk), IsOk());
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open(options));
    for (size_t i = 0; i + 1 < acknowledged.size(); ++i) {
      EXPECT_THAT(store->sessions().Load(acknowledged[i]), IsOk()) << i;
    }
    const absl::Status last = store->sessions().Load(acknowledged.back()).status();
    is_told_late = VerdictOf(last) == Verdict::kCorrupt;
    EXPECT_TRUE(last.ok() || is_told_late) << last;
    EXPECT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
  }
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.directory = options.directory}));
  EXPECT_EQ(report.is_sound(), !is_told_late) << report.ToStatus();
  printf("failing_disk: acknowledged=%zu then %s%s\n", acknowledged.size(),
         std::string(failed.message()).c_str(),
         is_told_late ? "; the kernel told of a lost write one sync too late" : "");
  EXPECT_THAT(Unmount(disk), IsOk());
  EXPECT_THAT(Unmount(below), IsOk());
}

}  // namespace
}  // namespace batonstore::recovery
