// Backups of a real store, and the stores that are made of them.

#include "batonstore/recovery/backup.h"

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/restore.h"
#include "batonstore/recovery/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::Describe;
using ::batonstore::testing::FilesBelow;
using ::batonstore::testing::FileStoreFixture;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::WriteFile;

class BackupTest : public FileStoreFixture {
 protected:
  void SetUp() override {
    FileStoreFixture::SetUp();
    for (int i = 0; i < 40; ++i) sessions_.push_back(Create());
    ASSERT_THAT(store().Revoke(sessions_[0].alias), IsOk());
    ASSERT_THAT(store().Merge(sessions_[1].alias, {{"theme", Change::Set("dark")}}), IsOk());
    ASSERT_THAT(store().Reserve(LastingSpec()), IsOk());
    ASSERT_OK_AND_ASSIGN(baton_, store().Issue(sessions_[1].alias));
    fs::copy_file(options_.directory + "/key", key_file_);
  }

  RestoreRequest Request() const {
    return {.file = backup_, .directory = restored_, .key_encryption_key = KeyFromFile(key_file_)};
  }

  Options RestoredOptions() const {
    Options options = options_;
    options.directory = restored_;
    return options;
  }

  // Refused, with nothing made and nothing changed.
  void ExpectNotRestored(Verdict verdict, const RestoreRequest& request) {
    const auto before = FilesBelow(folder_.path());
    EXPECT_THAT(Restore(request), HasVerdict(verdict));
    EXPECT_TRUE(FilesBelow(folder_.path()) == before) << "something has changed";
  }

  void ExpectNoBackup(Verdict verdict, const absl::StatusOr<BackupReport>& made) {
    EXPECT_THAT(made, HasVerdict(verdict));
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().filename().string().find("backup"), std::string::npos);
    }
  }

  testing::DataFilePages PagesOfBackup() const {
    const std::string folder = folder_ / "pages";
    fs::create_directory(folder);
    fs::copy_file(backup_, folder + "/data.mdb");
    const testing::DataFilePages pages = testing::ReadPages(folder);
    fs::remove_all(folder);
    return pages;
  }

  std::vector<Session> sessions_;
  std::string baton_;
  const std::string key_file_ = folder_ / "saved key";
  const std::string backup_ = folder_ / "backup";
  const std::string restored_ = folder_ / "restored";
};

// ---- Making one ----

TEST_F(BackupTest, ABackupIsOneFileForItsOwnerAlone) {
  ASSERT_OK_AND_ASSIGN(const BackupReport report, opened().Backup(backup_));
  EXPECT_EQ(report.sessions, 41u);
  struct stat info {};
  ASSERT_EQ(stat(backup_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_TRUE(S_ISREG(info.st_mode));
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().string().find(".new-"), std::string::npos) << "left behind";
  }
}

TEST_F(BackupTest, AnotherProcessMakesOneOfAStoreThatNobodyOwns) {
  Close();
  ASSERT_OK_AND_ASSIGN(const BackupReport report,
                       Backup({.directory = options_.directory, .file = backup_}));
  EXPECT_EQ(report.sessions, 41u);
  EXPECT_THAT(Restore(Request()), IsOk());
  Open();
}

TEST_F(BackupTest, WhatIsThereIsNeverReplaced) {
  WriteFile(backup_, "precious");
  EXPECT_THAT(opened().Backup(backup_), HasVerdict(Verdict::kExists));
  EXPECT_EQ(ReadFile(backup_), "precious");
}

TEST_F(BackupTest, WhatAnotherLeftBehindIsRemoved) {
  WriteFile(folder_ / ".backup.new-abcdef", "half a copy");
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  EXPECT_FALSE(fs::exists(folder_ / ".backup.new-abcdef"));
}

TEST_F(BackupTest, BadInputMakesNone) {
  ExpectNoBackup(Verdict::kNotFound, opened().Backup(folder_ / "nowhere/backup"));
  Close();
  ExpectNoBackup(Verdict::kNotFound, Backup({.directory = folder_ / "none", .file = backup_}));
  ExpectNoBackup(Verdict::kInvalid, Backup({.directory = options_.directory}));
  ExpectNoBackup(
      Verdict::kWrongKey,
      Backup({.directory = options_.directory, .file = backup_, .key_encryption_key = [] {
                return SecretBytes(std::string(32, 'x'));
              }}));
  Open();
  ASSERT_THAT(opened().Close(), IsOk());
  ExpectNoBackup(Verdict::kClosed, opened().Backup(backup_));
}

TEST_F(BackupTest, ADamagedStoreGivesNoBackup) {
  Close();
  std::string bytes = ReadFile(options_.directory + "/data.mdb");
  const testing::DataFilePages pages = testing::ReadPages(options_.directory);
  for (uint64_t page = 2; page <= pages.last; ++page) {
    if (pages.in_use(page)) bytes[page * pages.page_size + pages.page_size - 9] ^= 1;
  }
  WriteFile(options_.directory + "/data.mdb", bytes);
  ExpectNoBackup(Verdict::kCorrupt, Backup({.directory = options_.directory, .file = backup_}));
}

TEST_F(BackupTest, OneThatIsMadeBesideWritersIsOneSnapshot) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), IsOk());
  });
  for (int i = 0; i < 5; ++i) {
    const std::string file = absl::StrCat(backup_, i);
    ASSERT_THAT(opened().Backup(file), IsOk());
    RestoreRequest request = Request();
    request.file = file;
    request.directory = absl::StrCat(restored_, i);
    EXPECT_THAT(Restore(request), IsOk());
  }
  stop = true;
  writer.join();
}

// ---- Making a store of it ----

TEST_F(BackupTest, ARestoredStoreHasTheSessionsOfTheBackupAndNoBatonOfBefore) {
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  const Session later = Create();
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(Request()));
  EXPECT_EQ(report.sessions, 41u);
  EXPECT_EQ(report.revoked, 0u);
  ASSERT_THAT(Verify({.directory = restored_})->ToStatus(), IsOk());

  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, recovery::Open(RestoredOptions()));
  EXPECT_EQ(copy->report().removed.size(), 1u) << "what was Reserved";
  SessionStore& restored = copy->sessions();
  for (const Session& session : sessions_) {
    EXPECT_EQ(Describe(*restored.Find(session.alias)), Describe(*store().Find(session.alias)));
  }
  EXPECT_THAT(restored.Find(later.alias), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(restored.PrivateKey(sessions_[1].alias), IsOk());
  EXPECT_EQ(restored.Load(sessions_[1].alias)->fields.at("theme"), Value("dark"));

  EXPECT_THAT(restored.Verify(baton_, "main", "alice"), HasVerdict(Verdict::kLost));
  ASSERT_OK_AND_ASSIGN(const std::string fresh, restored.Issue(sessions_[1].alias));
  EXPECT_THAT(restored.Verify(fresh, "main", "alice"), IsOk());
  EXPECT_THAT(store().Verify(fresh, "main", "alice"), HasVerdict(Verdict::kForged));
  EXPECT_THAT(store().Verify(baton_, "main", "alice"), IsOk()) << "the original goes on";
}

TEST_F(BackupTest, BatonsThatTurnsHaveHandedOnAreLostToo) {
  ASSERT_OK_AND_ASSIGN(Resumed resumed, store().Resume(baton_, "digest", "main", "alice"));
  ASSERT_OK_AND_ASSIGN(const std::string next, std::get<SessionTurn>(resumed).Finish("reply"));
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  ASSERT_THAT(Restore(Request()), IsOk());
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, recovery::Open(RestoredOptions()));
  for (const std::string& baton : {baton_, next}) {
    EXPECT_THAT(copy->sessions().Resume(baton, "digest", "main", "alice"),
                HasVerdict(Verdict::kLost));
  }
  ASSERT_OK_AND_ASSIGN(const std::string fresh, copy->sessions().Issue(sessions_[1].alias));
  EXPECT_THAT(copy->sessions().Resume(fresh, "digest", "main", "alice"), IsOk());
}

TEST_F(BackupTest, ARestoreCanRevokeEverything) {
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  RestoreRequest request = Request();
  request.revoke_everything = true;
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(request));
  EXPECT_EQ(report.revoked, 39u);
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, recovery::Open(RestoredOptions()));
  for (const Session& session : sessions_) {
    EXPECT_EQ(copy->sessions().Find(session.alias)->state, State::kRevoked);
  }
  EXPECT_EQ(copy->sessions().Stats()->live, 0u);
  EXPECT_THAT(copy->sessions().ReserveAndCreate(LastingSpec()), IsOk());
}

TEST_F(BackupTest, TheRestoredStoreOpensWithTheKeyThatWasGiven) {
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  RestoreRequest request = Request();
  request.next_key_encryption_key = KeyFromPassphrase(SecretBytes("correct horse battery"));
  request.revoke_everything = true;
  ASSERT_THAT(Restore(request), IsOk());
  EXPECT_FALSE(fs::exists(restored_ + "/key"));
  Options options = RestoredOptions();
  options.key_encryption_key = KeyFromFile(key_file_);
  EXPECT_THAT(recovery::Open(options), HasVerdict(Verdict::kWrongKey)) << "the backup's";
  options.key_encryption_key = request.next_key_encryption_key;
  EXPECT_THAT(recovery::Open(options), IsOk());
}

TEST_F(BackupTest, TwoRestoredStoresDoNotKnowEachOthersBatons) {
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  std::vector<std::unique_ptr<Store>> copies;
  for (const std::string& directory : {restored_, restored_ + " again"}) {
    RestoreRequest request = Request();
    request.directory = directory;
    ASSERT_THAT(Restore(request), IsOk());
    Options options = options_;
    options.directory = directory;
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> copy, recovery::Open(options));
    copies.push_back(std::move(copy));
  }
  ASSERT_OK_AND_ASSIGN(const std::string baton, copies[0]->sessions().Issue(sessions_[1].alias));
  EXPECT_THAT(copies[1]->sessions().Verify(baton, "main", "alice"), HasVerdict(Verdict::kForged));
}

TEST_F(BackupTest, ABackupOfARotationUnderWayIsRestoredAndFinished) {
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  ASSERT_THAT(Restore(Request()), IsOk());
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> copy, recovery::Open(RestoredOptions()));
  while (copy->sessions().Reseal()->is_rotating) continue;
  EXPECT_THAT(copy->sessions().PrivateKey(sessions_[1].alias), IsOk());
}

TEST_F(BackupTest, ABackupAfterTheKeyWasRotatedNeedsTheNextOne) {
  ASSERT_THAT(opened().RotateKeyEncryptionKey(), IsOk());
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  ExpectNotRestored(Verdict::kWrongKey, Request());
  RestoreRequest request = Request();
  request.key_encryption_key = KeyFromFile(options_.directory + "/key");
  EXPECT_THAT(Restore(request), IsOk());
}

// ---- What is not restored ----

TEST_F(BackupTest, ARestoreNeverReplacesAnything) {
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  Close();
  RestoreRequest request = Request();
  request.directory = options_.directory;
  ExpectNotRestored(Verdict::kExists, request);
  fs::create_directory(restored_);
  WriteFile(restored_ + "/precious", "x");
  ExpectNotRestored(Verdict::kExists, Request());
  fs::remove(restored_ + "/precious");
  EXPECT_THAT(Restore(Request()), IsOk()) << "an empty folder is as good as none";
}

TEST_F(BackupTest, BadRequestsRestoreNothing) {
  ExpectNotRestored(Verdict::kNotFound, Request());
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  RestoreRequest request = Request();
  request.key_encryption_key = nullptr;
  ExpectNotRestored(Verdict::kInvalid, request);
  request.key_encryption_key = [] { return SecretBytes(std::string(32, 'x')); };
  ExpectNotRestored(Verdict::kWrongKey, request);
  request = Request();
  request.next_key_encryption_key = KeyFromPassphrase(SecretBytes("weak"));
  ExpectNotRestored(Verdict::kInvalid, request);
  request = Request();
  request.directory = folder_ / "nowhere/restored";
  ExpectNotRestored(Verdict::kNotFound, request);
}

TEST_F(BackupTest, ABackupThatIsCutOffIsCorrupt) {
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  const std::string bytes = ReadFile(backup_);
  const testing::DataFilePages pages = PagesOfBackup();
  for (uint64_t size = 0; size <= pages.last_in_use() * pages.page_size; size += 1'000) {
    WriteFile(backup_, bytes.substr(0, size));
    const absl::Status refused = Restore(Request()).status();
    EXPECT_TRUE(VerdictOf(refused) == Verdict::kCorrupt ||
                VerdictOf(refused) == Verdict::kWrongFormat)
        << size << " " << refused;
    EXPECT_FALSE(fs::exists(restored_));
  }
}

TEST_F(BackupTest, ABackupWithTwoPagesSwappedIsCorrupt) {
  ASSERT_THAT(opened().Backup(backup_), IsOk());
  const std::string bytes = ReadFile(backup_);
  const testing::DataFilePages pages = PagesOfBackup();
  for (uint64_t page = 2; page < pages.last_in_use(); ++page) {
    if (!pages.in_use(page)) continue;
    std::string swapped = bytes;
    swapped.replace(page * pages.page_size, pages.page_size, bytes,
                    pages.last_in_use() * pages.page_size, pages.page_size);
    swapped.replace(pages.last_in_use() * pages.page_size, pages.page_size, bytes,
                    page * pages.page_size, pages.page_size);
    WriteFile(backup_, swapped);
    ExpectNotRestored(Verdict::kCorrupt, Request());
  }
}

}  // namespace
}  // namespace batonstore::recovery
