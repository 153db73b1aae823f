#include "tests/support/write_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using LogKind = LogRecord::Kind;

class WriteLogTest : public ::testing::Test {
 protected:
  WriteLogTest() { fs::create_directory(root_); }

  int Open(const std::string& name, int flags = O_RDWR | O_CREAT) {
    return open((root_ + "/" + name).c_str(), flags, 0600);
  }

  std::vector<LogKind> Kinds() {
    taken_ = log_.Take();
    std::vector<LogKind> kinds;
    for (const LogRecord& record : taken_) kinds.push_back(record.kind);
    return kinds;
  }

  TempDir dir_;
  const std::string root_ = fs::canonical(dir_.path()).string() + "/root";
  ScopedWriteLog log_{root_};
  std::vector<LogRecord> taken_;
};

TEST_F(WriteLogTest, LogsWritesWithTheirOffsets) {
  const int fd = Open("file");
  EXPECT_THAT(Kinds(), ElementsAre(LogKind::kEntries));
  EXPECT_EQ(taken_[0].changes[0].name, "file");
  ASSERT_EQ(pwrite(fd, "abc", 3, 10), 3);
  ASSERT_EQ(lseek(fd, 20, SEEK_SET), 20);
  ASSERT_EQ(write(fd, "de", 2), 2);
  char f = 'f';
  char g = 'g';
  const iovec pieces[] = {{&f, 1}, {&g, 1}};
  ASSERT_EQ(writev(fd, pieces, 2), 2);
  ASSERT_THAT(Kinds(), ElementsAre(LogKind::kWrite, LogKind::kWrite, LogKind::kWrite));
  EXPECT_EQ(taken_[0].offset, 10u);
  EXPECT_EQ(taken_[0].bytes, "abc");
  EXPECT_EQ(taken_[1].offset, 20u);
  EXPECT_EQ(taken_[2].offset, 22u);
  EXPECT_EQ(taken_[2].bytes, "fg");
  close(fd);
}

TEST_F(WriteLogTest, TellsADescriptorThatSyncs) {
  const int fd = Open("file", O_WRONLY | O_CREAT | O_DSYNC);
  ASSERT_EQ(pwrite(fd, "abc", 3, 0), 3);
  EXPECT_THAT(Kinds(), ElementsAre(LogKind::kEntries, LogKind::kDurableWrite));
  close(fd);
}

TEST_F(WriteLogTest, TellsFilesFromFolders) {
  const int fd = Open("file");
  const int folder = open(root_.c_str(), O_RDONLY | O_DIRECTORY);
  Kinds();
  ASSERT_EQ(fdatasync(fd), 0);
  ASSERT_EQ(ftruncate(fd, 4096), 0);
  ASSERT_EQ(fsync(fd), 0);
  ASSERT_EQ(fsync(folder), 0);
  EXPECT_THAT(Kinds(), ElementsAre(LogKind::kSync, LogKind::kTruncate, LogKind::kSync,
                                   LogKind::kSyncFolder));
  close(fd);
  close(folder);
}

TEST_F(WriteLogTest, FollowsAFileThroughRenames) {
  const int fd = Open("file");
  const Node node = log_.Take()[0].changes[0].node;
  ASSERT_EQ(rename((root_ + "/file").c_str(), (root_ + "/other").c_str()), 0);
  ASSERT_EQ(pwrite(fd, "abc", 3, 0), 3);
  ASSERT_EQ(unlink((root_ + "/other").c_str()), 0);
  ASSERT_THAT(Kinds(), ElementsAre(LogKind::kEntries, LogKind::kWrite, LogKind::kEntries));
  ASSERT_THAT(taken_[0].changes, SizeIs(2));
  EXPECT_EQ(taken_[0].changes[0].node, 0u);
  EXPECT_EQ(taken_[0].changes[1].node, node);
  EXPECT_EQ(taken_[1].node, node);
  EXPECT_EQ(taken_[2].changes[0].node, 0u);
  close(fd);
}

TEST_F(WriteLogTest, SeesWhatTheStandardLibraryRemoves) {
  std::string made = root_ + "/folderXXXXXX";
  ASSERT_NE(mkdtemp(made.data()), nullptr);
  const int fd = open((made + "/file").c_str(), O_WRONLY | O_CREAT, 0600);
  close(fd);
  EXPECT_THAT(Kinds(), SizeIs(2));
  EXPECT_TRUE(taken_[0].changes[0].is_folder);
  fs::remove_all(made);
  ASSERT_THAT(Kinds(), SizeIs(2));
  EXPECT_EQ(taken_[0].changes[0].name, "file");
  EXPECT_EQ(taken_[0].changes[0].node, 0u);
}

TEST_F(WriteLogTest, MindsItsOwnFolderOnly) {
  const int fd = open((dir_ / "elsewhere").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(pwrite(fd, "abc", 3, 0), 3);
  ASSERT_EQ(fsync(fd), 0);
  EXPECT_THAT(Kinds(), IsEmpty());
  close(fd);
}

TEST_F(WriteLogTest, AWriteFailsAsItIsTold) {
  const int fd = Open("file");
  Kinds();
  log_.Fail(WriteFault{.nth = 1, .error = ENOSPC});
  EXPECT_EQ(pwrite(fd, "abc", 3, 0), 3);
  EXPECT_FALSE(log_.Struck());
  EXPECT_EQ(pwrite(fd, "abc", 3, 0), -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_TRUE(log_.Struck());
  EXPECT_EQ(pwrite(fd, "abc", 3, 0), 3);
  EXPECT_THAT(Kinds(), SizeIs(2));
  close(fd);
}

TEST_F(WriteLogTest, ADurableWriteThatFailsMayStillBeInTheCache) {
  const int fd = Open("file", O_WRONLY | O_CREAT | O_DSYNC);
  Kinds();
  log_.Fail(
      WriteFault{.call = WriteFault::Call::kDurableWrite, .error = EIO, .takes_effect = true});
  EXPECT_EQ(pwrite(fd, "abc", 3, 0), -1);
  EXPECT_THAT(Kinds(), ElementsAre(LogKind::kWrite));
  close(fd);
}

TEST_F(WriteLogTest, AProcessThatDiedWritesNothingMore) {
  const int fd = Open("file");
  Kinds();
  log_.Fail(WriteFault{.call = WriteFault::Call::kSync, .for_good = true, .error = EIO});
  EXPECT_EQ(pwrite(fd, "abc", 3, 0), 3);
  EXPECT_EQ(fdatasync(fd), -1);
  EXPECT_EQ(pwrite(fd, "abc", 3, 0), -1);
  EXPECT_THAT(Kinds(), ElementsAre(LogKind::kWrite, LogKind::kFailedSync));
  log_.Fail(std::nullopt);
  EXPECT_EQ(pwrite(fd, "abc", 3, 0), 3);
  close(fd);
}

using WriteLogDeathTest = WriteLogTest;

TEST_F(WriteLogDeathTest, ACallThatIsNotModelledEndsTheProcess) {
  const int fd = Open("file");
  ASSERT_EQ(ftruncate(fd, 4096), 0);
  const auto map = [fd] { (void)mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); };
  EXPECT_DEATH(map(), "mmap with PROT_WRITE on the store is not modelled");
  EXPECT_DEATH((void)sendfile(fd, 0, nullptr, 1), "sendfile");
  EXPECT_DEATH((void)copy_file_range(0, nullptr, fd, nullptr, 1, 0), "copy_file_range");
  EXPECT_DEATH((void)posix_fallocate(fd, 0, 1), "posix_fallocate");
  EXPECT_DEATH(std::ignore = truncate((root_ + "/file").c_str(), 0), "truncate");
  EXPECT_DEATH(std::ignore = dup(fd), "dup");
  EXPECT_DEATH((void)Open("file", O_WRONLY | O_APPEND), "open");
  close(fd);
}

TEST_F(WriteLogDeathTest, LmdbsLockFileMayBeMapped) {
  const int fd = Open(std::string(kScratchFile));
  Kinds();
  ASSERT_EQ(ftruncate(fd, 4096), 0);
  void* const at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  EXPECT_NE(at, MAP_FAILED);
  munmap(at, 4096);
  EXPECT_THAT(Kinds(), IsEmpty());
  close(fd);
}

}  // namespace
}  // namespace batonstore::testing
