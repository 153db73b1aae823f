// LMDB's traps, by their numbers in LMDB.md where a test guards against one: 2 (fork, exec), 4
// (silent substitution), 8 (reader slots), 9 (namesakes), 10 (opened twice), 12 (growth), 14
// (flags).

#include "batonstore/store/lmdb_environment.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libraries/liblmdb/lmdb.h"
#include "tests/support/forked_child.h"
#include "tests/support/lmdb_folder.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

namespace fs = std::filesystem;

using testing::Channel;
using testing::ForkedChild;
using testing::HasVerdict;
using testing::IsOk;
using testing::LmdbFolder;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

absl::Status Put(LmdbEnvironment& environment, LmdbTable table, const std::string& key,
                 const std::string& value) {
  absl::StatusOr<LmdbTransaction> transaction = environment.BeginWrite();
  if (!transaction.ok()) return transaction.status();
  int code = transaction->Put(table, key, value);
  if (code == MDB_SUCCESS) code = transaction->Commit();
  return code == MDB_SUCCESS ? absl::OkStatus() : absl::InternalError(mdb_strerror(code));
}

// The value, or what went wrong.
std::string Get(LmdbEnvironment& environment, LmdbTable table, const std::string& key) {
  const absl::StatusOr<LmdbTransaction> transaction = environment.BeginRead();
  if (!transaction.ok()) return transaction.status().ToString();
  absl::string_view value;
  const int code = transaction->Get(table, key, &value);
  return code == MDB_SUCCESS ? std::string(value) : mdb_strerror(code);
}

class LmdbEnvironmentTest : public ::testing::Test {
 protected:
  // A new environment with one table.
  void Create() {
    ASSERT_OK_AND_ASSIGN(environment_, folder_.CreateEnvironment());
    ASSERT_OK_AND_ASSIGN(table_, environment_->OpenTable("rows", /*create=*/true));
  }

  void CreateAndClose() {
    Create();
    ASSERT_THAT(Put(*environment_, table_, "key", "value"), IsOk());
    environment_.reset();
  }

  void OpenAgain() {
    ASSERT_OK_AND_ASSIGN(environment_, folder_.OpenEnvironment());
    ASSERT_OK_AND_ASSIGN(table_, environment_->OpenTable("rows", /*create=*/false));
  }

  LmdbFolder folder_;
  std::unique_ptr<LmdbEnvironment> environment_;
  LmdbTable table_ = 0;
};

TEST_F(LmdbEnvironmentTest, KeepsWhatWasCommitted) {
  CreateAndClose();
  OpenAgain();
  EXPECT_EQ(Get(*environment_, table_, "key"), "value");
}

TEST_F(LmdbEnvironmentTest, MissingTableIsNotFoundAndNotMade) {
  Create();
  EXPECT_THAT(environment_->OpenTable("other", /*create=*/false), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(environment_->OpenTable("other", /*create=*/false), HasVerdict(Verdict::kNotFound));
}

TEST_F(LmdbEnvironmentTest, ClosedEnvironmentRefusesReads) {
  Create();
  environment_->Close();
  environment_->Close();
  EXPECT_THAT(environment_->BeginRead(), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(environment_->Grow(), HasVerdict(Verdict::kClosed));
}

// Creating and opening are apart.

TEST_F(LmdbEnvironmentTest, OpenMakesNothing) {
  EXPECT_THAT(folder_.OpenEnvironment(), HasVerdict(Verdict::kNotFound));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(LmdbEnvironmentTest, CreateRefusesAFolderThatHasOne) {
  CreateAndClose();
  const std::string before = ReadFile(folder_.DataFile());
  EXPECT_THAT(folder_.CreateEnvironment(), HasVerdict(Verdict::kExists));
  EXPECT_EQ(ReadFile(folder_.DataFile()), before);
}

TEST_F(LmdbEnvironmentTest, CreateRefusesAFolderWithAnEmptyDataFile) {
  WriteFile(folder_.DataFile(), "");
  EXPECT_THAT(folder_.CreateEnvironment(), HasVerdict(Verdict::kExists));
  EXPECT_EQ(ReadFile(folder_.DataFile()), "");
}

struct Damage {
  std::string name;
  std::string (*inflict)(std::string bytes);
  Verdict verdict;
};

class DamagedFileTest : public LmdbEnvironmentTest, public ::testing::WithParamInterface<Damage> {};

TEST_P(DamagedFileTest, IsRefusedAndLeftAsItIs) {
  CreateAndClose();
  const std::string damaged = GetParam().inflict(ReadFile(folder_.DataFile()));
  WriteFile(folder_.DataFile(), damaged);
  for (const bool read_only : {false, true}) {
    folder_.options.read_only = read_only;
    EXPECT_THAT(folder_.OpenEnvironment(), HasVerdict(GetParam().verdict));
    EXPECT_EQ(ReadFile(folder_.DataFile()), damaged) << "it was written to";
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedFileTest,
    ::testing::Values(
        Damage{"ZeroLength", [](std::string) { return std::string(); }, Verdict::kCorrupt},
        Damage{"OneByte", [](std::string bytes) { return bytes.substr(0, 1); }, Verdict::kCorrupt},
        Damage{"CutWithinTheFirstMeta", [](std::string bytes) { return bytes.substr(0, 100); },
               Verdict::kCorrupt},
        Damage{"CutWithinTheSecondMeta", [](std::string bytes) { return bytes.substr(0, 4100); },
               Verdict::kCorrupt},
        Damage{"Text", [](std::string bytes) { return std::string(bytes.size(), '#'); },
               Verdict::kWrongFormat},
        Damage{"Zeros", [](std::string bytes) { return std::string(bytes.size(), '\0'); },
               Verdict::kWrongFormat},
        Damage{"OtherMagic",
               [](std::string bytes) {
                 bytes[16] = static_cast<char>(bytes[16] ^ 1);
                 return bytes;
               },
               Verdict::kWrongFormat},
        Damage{"OtherVersion",
               [](std::string bytes) {
                 bytes[20] = static_cast<char>(bytes[20] + 1);
                 return bytes;
               },
               Verdict::kWrongFormat}),
    [](const auto& damage) { return damage.param.name; });

// The same environment twice in one process.

TEST_F(LmdbEnvironmentTest, RefusesToBeOpenTwiceInOneProcess) {
  Create();
  EXPECT_THAT(folder_.OpenEnvironment(), HasVerdict(Verdict::kNotOwner));

  const testing::TempDir elsewhere;
  fs::create_directory_symlink(folder_.path(), elsewhere / "link");
  folder_.options.directory = elsewhere / "link";
  EXPECT_THAT(folder_.OpenEnvironment(), HasVerdict(Verdict::kNotOwner)) << "through a symlink";

  EXPECT_THAT(Put(*environment_, table_, "key", "value"), IsOk()) << "the first one goes on";
  environment_->Close();
  EXPECT_THAT(folder_.OpenEnvironment(), IsOk()) << "after the first is closed";
}

TEST_F(LmdbEnvironmentTest, FailedOpeningFreesItsPlace) {
  WriteFile(folder_.DataFile(), "");
  EXPECT_THAT(folder_.OpenEnvironment(), HasVerdict(Verdict::kCorrupt));
  fs::remove(folder_.DataFile());
  EXPECT_THAT(folder_.CreateEnvironment(), IsOk());
}

// Flags and descriptors.

TEST_F(LmdbEnvironmentTest, TradesNoDurabilityAway) {
  constexpr unsigned int kBanned = MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC | MDB_MAPASYNC |
                                   MDB_NOMEMINIT | MDB_NOLOCK | MDB_FIXEDMAP | MDB_NOSUBDIR;
  Create();
  EXPECT_EQ(environment_->Flags() & kBanned, 0u);
  EXPECT_EQ(environment_->Flags() & MDB_NOTLS, unsigned{MDB_NOTLS});
  environment_.reset();
  folder_.options.read_only = true;
  OpenAgain();
  EXPECT_EQ(environment_->Flags() & kBanned, 0u);
  EXPECT_EQ(environment_->Flags() & MDB_RDONLY, unsigned{MDB_RDONLY});
}

// The descriptors of this process that lie in `folder`.
std::vector<int> DescriptorsIn(const std::string& folder) {
  std::vector<int> descriptors;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the iterator's own
    if (absl::StartsWith(fs::read_symlink(entry, gone).string(), folder + "/")) {
      descriptors.push_back(std::stoi(entry.path().filename()));
    }
  }
  return descriptors;
}

TEST_F(LmdbEnvironmentTest, EveryDescriptorClosesOnExec) {
  CreateAndClose();
  for (const bool read_only : {false, true}) {
    folder_.options.read_only = read_only;
    OpenAgain();
    ASSERT_EQ(Get(*environment_, table_, "key"), "value");
    const std::vector<int> descriptors = DescriptorsIn(fs::canonical(folder_.path()));
    EXPECT_GE(descriptors.size(), 2u) << "data.mdb and lock.mdb";
    for (const int fd : descriptors) {
      EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC)
          << fs::read_symlink(absl::StrCat("/proc/self/fd/", fd));
    }
    environment_.reset();
    EXPECT_TRUE(DescriptorsIn(fs::canonical(folder_.path())).empty());
  }
}

TEST_F(LmdbEnvironmentTest, AnotherProgramInheritsNothing) {
  Create();
  FILE* const listing = popen("ls -l /proc/self/fd", "r");
  ASSERT_NE(listing, nullptr);
  std::string seen;
  for (int c = 0; (c = fgetc(listing)) != EOF;) seen += static_cast<char>(c);
  ASSERT_EQ(pclose(listing), 0);
  EXPECT_TRUE(absl::StrContains(seen, "/proc/")) << "the listing is empty: " << seen;
  EXPECT_FALSE(absl::StrContains(seen, ".mdb")) << seen;
}

// A program that is started is a fork first. LMDB opens its file without the mark, which follows.
TEST_F(LmdbEnvironmentTest, NoForkFindsADescriptorThatIsNotMarkedYet) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own locks do not survive the fork of a process with threads";
#endif
  constexpr int kForks = 200;
  CreateAndClose();
  const std::string folder = fs::canonical(folder_.path());
  std::atomic<bool> stop = false;
  std::thread opener([&] {
    while (!stop) EXPECT_THAT(folder_.OpenEnvironment(), IsOk());
  });
  int found_some = 0;
  std::string unmarked;
  for (int i = 0; unmarked.empty() && (i < kForks || found_some == 0); ++i) {
    ForkedChild child([&](Channel& parent) -> std::string {
      const std::vector<int> descriptors = DescriptorsIn(folder);
      parent.Send(descriptors.empty() ? "none" : "some");
      for (const int fd : descriptors) {
        if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) return absl::StrCat("descriptor ", fd);
      }
      return "";
    });
    if (child.channel().Receive() == "some") ++found_some;
    unmarked = child.Join();
  }
  stop = true;
  opener.join();
  EXPECT_EQ(unmarked, "");
}

// A forked child that ends must not close what is the parent's: LMDB would clear the parent's
// reader slots, and reuse the pages of its snapshots.
TEST_F(LmdbEnvironmentTest, ForkedChildLeavesTheParentsReaderSlotsAlone) {
  Create();
  ASSERT_THAT(Put(*environment_, table_, "key", "value"), IsOk());
  ASSERT_EQ(Get(*environment_, table_, "key"), "value");  // takes a slot, which stays taken
  ForkedChild child([this](Channel&) -> std::string {
    environment_.reset();
    return "";
  });
  ASSERT_EQ(child.Join(), "");
  EXPECT_EQ(Get(*environment_, table_, "key"), "value");
  EXPECT_THAT(Put(*environment_, table_, "key", "another"), IsOk());
  EXPECT_EQ(Get(*environment_, table_, "key"), "another");
  EXPECT_THAT(folder_.OpenEnvironment(), HasVerdict(Verdict::kNotOwner)) << "still registered";
}

// Reader slots.

TEST_F(LmdbEnvironmentTest, HoldsManyMoreSnapshotsThanThreads) {
  constexpr int kSnapshots = 400;  // LMDB's default is 126, and one for each thread
  folder_.options.max_readers = kSnapshots;
  Create();
  ASSERT_THAT(Put(*environment_, table_, "key", "value"), IsOk());
  std::vector<LmdbTransaction> snapshots;
  for (int i = 0; i < kSnapshots; ++i) {
    ASSERT_OK_AND_ASSIGN(LmdbTransaction snapshot, environment_->BeginRead());
    snapshots.push_back(std::move(snapshot));
  }
  for (const LmdbTransaction& snapshot : snapshots) {
    absl::string_view value;
    ASSERT_EQ(snapshot.Get(table_, "key", &value), MDB_SUCCESS);
    EXPECT_EQ(value, "value");
  }
}

TEST_F(LmdbEnvironmentTest, ManyThreadsReadThroughFewSlots) {
  constexpr int kThreads = 150;
  folder_.options.max_readers = kThreads;
  Create();
  ASSERT_THAT(Put(*environment_, table_, "key", "value"), IsOk());
  std::atomic<int> read{0};
  for (int round = 0; round < 3; ++round) {  // slots of threads that have ended serve again
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] { read += Get(*environment_, table_, "key") == "value" ? 1 : 0; });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(read, 3 * kThreads);
}

TEST_F(LmdbEnvironmentTest, FullReaderTableIsTooManyAndRecovers) {
  folder_.options.max_readers = 3;
  Create();
  std::vector<LmdbTransaction> snapshots;
  for (;;) {
    absl::StatusOr<LmdbTransaction> snapshot = environment_->BeginRead();
    if (!snapshot.ok()) {
      EXPECT_THAT(snapshot, HasVerdict(Verdict::kTooMany));
      break;
    }
    ASSERT_LT(snapshots.size(), 1000u) << "the table never fills";
    snapshots.push_back(*std::move(snapshot));
  }
  EXPECT_GE(snapshots.size(), 3u);
  EXPECT_THAT(environment_->BeginRead(), HasVerdict(Verdict::kTooMany));
  snapshots.pop_back();
  EXPECT_THAT(environment_->BeginRead(), IsOk());
}

TEST_F(LmdbEnvironmentTest, SlotsOfAKilledProcessAreCleared) {
  constexpr unsigned int kSlots = 3;
  folder_.options.max_readers = kSlots;
  CreateAndClose();
  for (const bool explicitly : {false, true}) {
    ForkedChild child([this](Channel& parent) -> std::string {
      OpenAgain();
      std::vector<LmdbTransaction> snapshots;
      while (snapshots.size() < kSlots) {
        auto snapshot = environment_->BeginRead();
        if (!snapshot.ok()) return snapshot.status().ToString();
        snapshots.push_back(*std::move(snapshot));
      }
      parent.Send("all slots taken");
      (void)parent.Receive();
      return "";
    });
    ASSERT_EQ(child.channel().Receive(), "all slots taken");
    ASSERT_OK_AND_ASSIGN(environment_, folder_.OpenEnvironment());
    EXPECT_THAT(environment_->BeginRead(), HasVerdict(Verdict::kTooMany));
    child.Kill();
    if (explicitly) {
      ASSERT_OK_AND_ASSIGN(const int cleared, environment_->ClearStaleReaders());
      EXPECT_EQ(cleared, static_cast<int>(kSlots));
    }
    EXPECT_THAT(environment_->BeginRead(), IsOk()) << "clears them by itself when it needs one";
    ASSERT_OK_AND_ASSIGN(const int left, environment_->ClearStaleReaders());
    EXPECT_EQ(left, 0);
    environment_.reset();
  }
}

// What a dead reader saw would be kept for ever, and the file would grow with every commit.
TEST_F(LmdbEnvironmentTest, SnapshotOfAKilledProcessIsNotKeptByWhoWritesOn) {
  folder_.options.map_bytes = uint64_t{64} << 20;
  CreateAndClose();
  ForkedChild child([this](Channel& parent) -> std::string {
    OpenAgain();
    const absl::StatusOr<LmdbTransaction> snapshot = environment_->BeginRead();
    parent.Send(snapshot.ok() ? "reading" : snapshot.status().ToString());
    (void)parent.Receive();
    return "";
  });
  ASSERT_EQ(child.channel().Receive(), "reading");
  ASSERT_NO_FATAL_FAILURE(OpenAgain());
  const auto pages_after = [this](int commits) {
    for (int i = 0; i < commits; ++i) {
      EXPECT_THAT(Put(*environment_, table_, "key", absl::StrCat("value ", i)), IsOk());
    }
    return environment_->Inspect()->last_page;
  };
  constexpr int kCommits = 100;
  const uint64_t before = pages_after(1);
  EXPECT_GT(pages_after(kCommits), before + kCommits) << "a living one's is kept";
  child.Kill();
  const uint64_t soon_after = pages_after(kCommits);
  EXPECT_LT(pages_after(3 * kCommits), soon_after + 10);
}

// LMDB marks a process as alive by a lock on the byte that its pid numbers. A process of the same
// pid in another namespace holds that byte; StoreLock refuses it, and this must at least not hang.
TEST_F(LmdbEnvironmentTest, NamesakeInAnotherNamespaceIsBusy) {
  CreateAndClose();
  const pid_t pid = getpid();
  ForkedChild namesake([this, pid](Channel& parent) -> std::string {
    const int fd = open((folder_.path() + "/lock.mdb").c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = pid;
    lock.l_len = 1;
    parent.Send(fcntl(fd, F_SETLK, &lock) == 0 ? "locked" : "cannot lock");
    (void)parent.Receive();
    return "";
  });
  ASSERT_EQ(namesake.channel().Receive(), "locked");
  ASSERT_OK_AND_ASSIGN(environment_, folder_.OpenEnvironment());
  EXPECT_THAT(environment_->BeginRead(), HasVerdict(Verdict::kBusy));
  namesake.Kill();
  EXPECT_THAT(environment_->BeginRead(), IsOk());
}

// Growth.

TEST_F(LmdbEnvironmentTest, GrowsByDoublingUpToItsMaximum) {
  folder_.options.max_map_bytes = 3 * folder_.options.map_bytes;
  Create();
  const auto map_bytes = [this] { return environment_->Inspect()->map_bytes; };
  EXPECT_EQ(map_bytes(), folder_.options.map_bytes);
  EXPECT_THAT(environment_->Grow(), IsOk());
  EXPECT_EQ(map_bytes(), 2 * folder_.options.map_bytes);
  EXPECT_THAT(environment_->Grow(), IsOk());
  EXPECT_EQ(map_bytes(), 3 * folder_.options.map_bytes) << "the maximum, though not the double";
  EXPECT_THAT(environment_->Grow(), HasVerdict(Verdict::kFull));
  EXPECT_EQ(map_bytes(), 3 * folder_.options.map_bytes);
}

TEST_F(LmdbEnvironmentTest, GrowthBeyondTheAddressSpaceIsRefusedAndTheMapStays) {
  folder_.options.max_map_bytes = uint64_t{1} << 62;
  Create();
  ASSERT_THAT(Put(*environment_, table_, "key", "value"), IsOk());
  absl::Status grown;
  while (grown.ok()) grown = environment_->Grow();
  EXPECT_THAT(grown, HasVerdict(Verdict::kTooMany));
  EXPECT_EQ(Get(*environment_, table_, "key"), "value");
  EXPECT_THAT(Put(*environment_, table_, "another", "value"), IsOk());
}

// The map moves when it grows: the memory of a snapshot stays readable until that ends, and only
// then does the map move. The loop is for a Grow that does not wait; one that does cannot fail
// here.
TEST_F(LmdbEnvironmentTest, GrowWaitsForSnapshotsToEnd) {
  Create();
  const std::string value(100'000, 'v');
  ASSERT_THAT(Put(*environment_, table_, "key", value), IsOk());
  ASSERT_OK_AND_ASSIGN(LmdbTransaction begun, environment_->BeginRead());
  std::optional<LmdbTransaction> snapshot(std::move(begun));
  absl::string_view view;
  ASSERT_EQ(snapshot->Get(table_, "key", &view), MDB_SUCCESS);

  std::atomic<bool> ended{false};
  std::thread grow([&] {
    EXPECT_THAT(environment_->Grow(), IsOk());
    EXPECT_TRUE(ended) << "it did not wait";
  });
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(view, value);
    std::this_thread::yield();
  }
  ended = true;
  snapshot.reset();
  grow.join();
  EXPECT_EQ(Get(*environment_, table_, "key"), value);
}

TEST_F(LmdbEnvironmentTest, GrowsWhileThreadsReadOn) {
  Create();
  const std::string value(100'000, 'v');
  ASSERT_THAT(Put(*environment_, table_, "key", value), IsOk());
  constexpr int kReaders = 4;
  constexpr int kGrowths = 8;
  std::atomic<bool> grown{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      while (!grown) wrong += Get(*environment_, table_, "key") == value ? 0 : 1;
    });
  }
  for (int i = 0; i < kGrowths; ++i) EXPECT_THAT(environment_->Grow(), IsOk());
  grown = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(environment_->Inspect()->map_bytes, folder_.options.map_bytes << kGrowths);
}

TEST_F(LmdbEnvironmentTest, ObserverFollowsAMapThatTheOwnerHasGrown) {
  CreateAndClose();
  ForkedChild observer([this](Channel& owner) -> std::string {
    folder_.options.read_only = true;
    OpenAgain();
    const std::string before = Get(*environment_, table_, "key");  // leaves a slot in the pool
    owner.Send("open");
    (void)owner.Receive();
    const std::string after = Get(*environment_, table_, "big");
    if (before != "value") return before;
    return after == std::string(8 << 20, 'x') ? "" : absl::StrCat("read ", after.substr(0, 100));
  });
  ASSERT_EQ(observer.channel().Receive(), "open");
  OpenAgain();
  for (int i = 0; i < 4; ++i) ASSERT_THAT(environment_->Grow(), IsOk());
  ASSERT_THAT(Put(*environment_, table_, "big", std::string(8 << 20, 'x')), IsOk());
  observer.channel().Send("grown");
  EXPECT_EQ(observer.Join(), "");
}

// Transactions and cursors.

TEST_F(LmdbEnvironmentTest, WriteTransactionThatIsDroppedIsAborted) {
  Create();
  {
    ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginWrite());
    ASSERT_EQ(transaction.Put(table_, "key", "value"), MDB_SUCCESS);
  }
  EXPECT_EQ(Get(*environment_, table_, "key"), mdb_strerror(MDB_NOTFOUND));
  EXPECT_THAT(Put(*environment_, table_, "key", "value"), IsOk()) << "the writer is free again";
}

TEST_F(LmdbEnvironmentTest, SnapshotIdIsThatOfTheLastCommit) {
  Create();
  ASSERT_OK_AND_ASSIGN(const LmdbTransaction before, environment_->BeginRead());
  ASSERT_THAT(Put(*environment_, table_, "key", "value"), IsOk());
  ASSERT_OK_AND_ASSIGN(const LmdbTransaction after, environment_->BeginRead());
  EXPECT_EQ(after.id(), before.id() + 1);
  EXPECT_EQ(environment_->Inspect()->last_transaction, after.id());
}

class LmdbCursorTest : public LmdbEnvironmentTest {
 protected:
  void SetUp() override {
    Create();
    for (const char* key : {"b", "d", "f"})
      ASSERT_THAT(Put(*environment_, table_, key, key), IsOk());
  }

  // The key of the row; "-" at the end; else the status.
  static std::string Key(const absl::StatusOr<std::optional<LmdbCursor::Row>>& row) {
    if (!row.ok()) return row.status().ToString();
    return row->has_value() ? std::string((*row)->key) : "-";
  }

  static void ExpectClosed(LmdbCursor& cursor) {
    EXPECT_THAT(cursor.AtLeast("a"), HasVerdict(Verdict::kClosed));
    EXPECT_THAT(cursor.Below("z"), HasVerdict(Verdict::kClosed));
    EXPECT_THAT(cursor.Next(), HasVerdict(Verdict::kClosed));
    EXPECT_THAT(cursor.Previous(), HasVerdict(Verdict::kClosed));
  }
};

TEST_F(LmdbCursorTest, FindsItsPlaceAndMoves) {
  ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginRead());
  LmdbCursor cursor(transaction, table_);
  EXPECT_EQ(Key(cursor.AtLeast("")), "b");
  EXPECT_EQ(Key(cursor.AtLeast("c")), "d");
  EXPECT_EQ(Key(cursor.Next()), "f");
  EXPECT_EQ(Key(cursor.Next()), "-");
  EXPECT_EQ(Key(cursor.AtLeast("g")), "-");
  EXPECT_EQ(Key(cursor.Below("z")), "f");
  EXPECT_EQ(Key(cursor.Below("d")), "b");
  EXPECT_EQ(Key(cursor.Previous()), "-");
  EXPECT_EQ(Key(cursor.Below("b")), "-");
  EXPECT_EQ(cursor.last_error(), MDB_SUCCESS);
}

TEST_F(LmdbCursorTest, RefusesAfterItsReadTransaction) {
  ASSERT_OK_AND_ASSIGN(LmdbTransaction begun, environment_->BeginRead());
  std::optional<LmdbTransaction> transaction(std::move(begun));
  LmdbCursor cursor(*transaction, table_);
  ASSERT_EQ(Key(cursor.AtLeast("d")), "d");
  transaction.reset();
  ExpectClosed(cursor);
}

TEST_F(LmdbCursorTest, RefusesAfterAnAbort) {
  ASSERT_OK_AND_ASSIGN(LmdbTransaction begun, environment_->BeginWrite());
  std::optional<LmdbTransaction> transaction(std::move(begun));
  LmdbCursor cursor(*transaction, table_);
  ASSERT_EQ(Key(cursor.AtLeast("d")), "d");
  transaction.reset();
  ExpectClosed(cursor);
}

TEST_F(LmdbCursorTest, RefusesAfterACommit) {
  ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginWrite());
  LmdbCursor cursor(transaction, table_);
  ASSERT_EQ(Key(cursor.AtLeast("d")), "d");
  ASSERT_EQ(transaction.Put(table_, "h", "h"), MDB_SUCCESS);
  ASSERT_EQ(transaction.Commit(), MDB_SUCCESS);
  ExpectClosed(cursor);
}

TEST_F(LmdbCursorTest, FollowsATransactionThatIsMoved) {
  ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginRead());
  LmdbCursor cursor(transaction, table_);
  {
    const LmdbTransaction moved(std::move(transaction));
    EXPECT_EQ(Key(cursor.AtLeast("d")), "d");
  }
  ExpectClosed(cursor);
}

TEST_F(LmdbCursorTest, MayEndBeforeATransactionThatWasMoved) {
  ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginRead());
  auto cursor = std::make_unique<LmdbCursor>(transaction, table_);
  const LmdbTransaction moved(std::move(transaction));
  cursor.reset();
  absl::string_view value;
  EXPECT_EQ(moved.Get(table_, "b", &value), MDB_SUCCESS);
}

TEST_F(LmdbCursorTest, MayEndBeforeItsTransaction) {
  ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginRead());
  LmdbCursor first(transaction, table_);
  { LmdbCursor second(transaction, table_); }
  LmdbCursor third(transaction, table_);
  EXPECT_EQ(Key(first.AtLeast("d")), "d");
  EXPECT_EQ(Key(third.AtLeast("e")), "f");
}

// The length of the file.

// Freed pages at the end of a file are never written, so that LMDB alone leaves it shorter than its
// last page number asks for (LMDB.md, 3).
class ExtendFileTest : public LmdbEnvironmentTest {
 protected:
  // A commit that takes pages at the end of the file and gives them back to the free list,
  // unwritten. It needs a free list for that, which a few commits before it fill.
  void CommitWithFreedTail(size_t freed_bytes) {
    for (int i = 0; i < 4; ++i) ASSERT_THAT(Put(*environment_, table_, "small", "value"), IsOk());
    ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginWrite());
    ASSERT_EQ(transaction.Put(table_, "small", "value"), MDB_SUCCESS);
    ASSERT_EQ(transaction.Put(table_, "big", std::string(freed_bytes, 'x')), MDB_SUCCESS);
    ASSERT_EQ(transaction.Delete(table_, "big"), MDB_SUCCESS);
    ASSERT_EQ(transaction.Commit(), MDB_SUCCESS);
  }

  bool IsShort() const {
    const LmdbEnvironment::Info info = *environment_->Inspect();
    return info.file_bytes < (info.last_page + 1) * info.page_size;
  }
};

TEST_F(ExtendFileTest, MakesAShortFileLongEnough) {
  Create();
  CommitWithFreedTail(200'000);
  ASSERT_TRUE(IsShort()) << "LMDB has become better: this guard may go";
  environment_->ExtendFile();
  EXPECT_FALSE(IsShort());
  EXPECT_EQ(Get(*environment_, table_, "small"), "value");
}

TEST_F(ExtendFileTest, KeepsUpWithAGrowingFile) {
  folder_.options.map_bytes = 64 << 20;
  Create();
  for (size_t bytes = 100'000; bytes < 3'000'000; bytes += 500'000) {
    CommitWithFreedTail(bytes);
    environment_->ExtendFile();
    EXPECT_FALSE(IsShort()) << bytes;
  }
}

TEST_F(ExtendFileTest, NeverMakesALongFileShorter) {
  Create();
  ASSERT_EQ(truncate(folder_.DataFile().c_str(), 5 << 20), 0);
  CommitWithFreedTail(200'000);
  environment_->ExtendFile();
  EXPECT_EQ(fs::file_size(folder_.DataFile()), uint64_t{5 << 20});
}

}  // namespace
}  // namespace batonstore
