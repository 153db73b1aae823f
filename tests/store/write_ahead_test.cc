// What LmdbEnvironment writes behind the last page, so that commits find it written already.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/lmdb_environment.h"
#include "gtest/gtest.h"
#include "libraries/liblmdb/lmdb.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/io_faults.h"
#include "tests/support/lmdb_folder.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::IoCall;
using testing::IoFault;
using testing::IsOk;
using testing::LmdbFolder;
using testing::ScopedAllocationFault;
using testing::ScopedIoFaults;

constexpr int kCommits = 200;
constexpr size_t kValueBytes = 3'000;  // a page each

// An environment that grows by a page or so in each commit.
class Growing {
 public:
  Growing() {
    folder_.options.map_bytes = uint64_t{64} << 20;
    folder_.options.reserved_bytes = uint64_t{4} << 20;
  }

  void Create() {
    ASSERT_OK_AND_ASSIGN(environment_, folder_.CreateEnvironment());
    ASSERT_OK_AND_ASSIGN(table_, environment_->OpenTable("rows", /*create=*/true));
  }

  void OpenAgain() {
    environment_.reset();
    ASSERT_OK_AND_ASSIGN(environment_, folder_.OpenEnvironment());
    ASSERT_OK_AND_ASSIGN(table_, environment_->OpenTable("rows", /*create=*/false));
  }

  // In a file that has its room beforehand; or that LMDB makes longer.
  enum class Room : uint8_t { kIsTaken, kIsNot };
  void Commit(int i, Room room = Room::kIsTaken) {
    ASSERT_OK_AND_ASSIGN(LmdbTransaction transaction, environment_->BeginWrite());
    ASSERT_EQ(transaction.Put(table_, Key(i), Value(i)), MDB_SUCCESS);
    if (room == Room::kIsTaken) {
      ASSERT_THAT(environment_->MakeRoom(transaction.PagesAtMost(), LmdbEnvironment::Reserve::kKeep,
                                         [] { return uint64_t{0}; }),
                  IsOk());
    }
    ASSERT_EQ(transaction.Commit(), MDB_SUCCESS);
  }

  void BeginAndAbort() { (void)environment_->BeginWrite(); }

  void ExpectThatAllIsThere() {
    OpenAgain();
    ASSERT_OK_AND_ASSIGN(const LmdbTransaction transaction, environment_->BeginRead());
    for (int i = 0; i < kCommits; ++i) {
      absl::string_view value;
      ASSERT_EQ(transaction.Get(table_, Key(i), &value), MDB_SUCCESS) << i;
      EXPECT_EQ(value, Value(i));
    }
  }

 private:
  static std::string Key(int i) { return absl::StrCat("key ", 1'000'000 + i); }
  static std::string Value(int i) {
    return std::string(kValueBytes, static_cast<char>('a' + i % 26));
  }

  LmdbFolder folder_;
  std::unique_ptr<LmdbEnvironment> environment_;
  LmdbTable table_ = 0;
};

// What the commits of a new environment write.
uint64_t BytesOfCommits(Growing::Room room) {
  Growing growing;
  growing.Create();
  const ScopedIoFaults watch;
  for (int i = 0; i < kCommits; ++i) growing.Commit(i, room);
  return watch.BytesWritten();
}

// The first test, so that nothing has been made before that is made once only.
TEST(WriteAheadTest, NeedsNoMemory) {
  Growing growing;
  growing.Create();
  growing.Commit(0);
  {
    const ScopedAllocationFault fault(0, /*for_good=*/true);
    growing.BeginAndAbort();
  }
  const ScopedIoFaults watch;
  growing.BeginAndAbort();
  EXPECT_EQ(watch.Count(IoCall::kWrite), 0u) << "all of it has been written";
}

TEST(WriteAheadTest, WritesWhatTheCommitsAreGoingToTakeOnce) {
  constexpr uint64_t kTaken = kCommits * kValueBytes;
  const uint64_t by_lmdb = BytesOfCommits(Growing::Room::kIsNot);
  const uint64_t with_zeros = BytesOfCommits(Growing::Room::kIsTaken);
  EXPECT_GT(with_zeros, by_lmdb + kTaken);
  EXPECT_LT(with_zeros, by_lmdb + 3 * kTaken);
}

TEST(WriteAheadTest, LeavesAloneWhatIsInUse) {
  Growing growing;
  growing.Create();
  for (int i = 0; i < kCommits; ++i) {
    growing.Commit(i);
    if (i % 50 == 49) growing.OpenAgain();  // it learns anew where the last page is
  }
  growing.ExpectThatAllIsThere();
}

TEST(WriteAheadTest, FailsNobodyWhereItFails) {
  Growing growing;
  growing.Create();
  growing.Commit(0);
  {
    const ScopedIoFaults faults(IoFault{.call = IoCall::kWrite, .error = EIO});
    growing.Commit(1);
    EXPECT_TRUE(faults.Struck());
  }
  for (int i = 2; i < kCommits; ++i) growing.Commit(i);
  growing.ExpectThatAllIsThere();
}

}  // namespace
}  // namespace batonstore
