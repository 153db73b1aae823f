#include "batonstore/recovery/structure_check.h"

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/page_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libraries/liblmdb/lmdb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::DataFilePages;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::ReadPages;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WriteFile;
using ::testing::HasSubstr;

// Where fields lie in a page, and what kinds there are (struct MDB_page of LMDB 0.9).
constexpr size_t kNumberAt = 0;
constexpr size_t kFlagsAt = 10;
constexpr size_t kLowerAt = 12;
constexpr size_t kUpperAt = 14;
constexpr size_t kOverflowPagesAt = 12;
constexpr size_t kNodesAt = 16;
constexpr uint16_t kBranch = 0x01;
constexpr uint16_t kLeaf = 0x02;
constexpr uint16_t kOverflow = 0x04;
constexpr size_t kMetaLastPageAt = 136;
constexpr size_t kMetaTransactionAt = 144;

// A data file in memory, to be damaged.
struct Image {
  std::string bytes;
  DataFilePages pages;

  template <typename T>
  T Get(uint64_t page, size_t at) const {
    T value;
    std::memcpy(&value, bytes.data() + page * pages.page_size + at, sizeof(T));
    return value;
  }
  template <typename T>
  void Set(uint64_t page, size_t at, T value) {
    std::memcpy(bytes.data() + page * pages.page_size + at, &value, sizeof(T));
  }

  // Pages in use that have a header, by their flags: all but the tails of overflow runs.
  std::map<uint64_t, uint16_t> Heads() const {
    std::map<uint64_t, uint16_t> heads;
    for (uint64_t page = 2; page <= pages.last; ++page) {
      if (!pages.in_use(page)) continue;
      const auto flags = Get<uint16_t>(page, kFlagsAt);
      heads[page] = flags;
      if (flags == kOverflow) page += Get<uint32_t>(page, kOverflowPagesAt) - 1;
    }
    return heads;
  }

  uint64_t FirstHead(uint16_t flags) const {
    for (const auto& [page, is] : Heads()) {
      if (is == flags) return page;
    }
    ADD_FAILURE() << "the workload made no page of kind " << flags;
    return 0;
  }
};

// One random put or delete, of values from nothing to several pages.
void Change(MDB_txn* txn, MDB_dbi table, std::mt19937_64& random) {
  std::string key = absl::StrCat("key ", random() % 200);
  MDB_val key_val{key.size(), key.data()};
  if (random() % 3 == 0) {
    const int deleted = mdb_del(txn, table, &key_val, nullptr);
    ASSERT_TRUE(deleted == MDB_SUCCESS || deleted == MDB_NOTFOUND);
    return;
  }
  std::string value(random() % 20 == 0 ? random() % 20'000 : random() % 300, 'v');
  MDB_val value_val{value.size(), value.data()};
  ASSERT_EQ(mdb_put(txn, table, &key_val, &value_val, 0), MDB_SUCCESS);
}

// A file as LMDB itself leaves it after a random workload on three tables.
class Workload {
 public:
  explicit Workload(uint64_t seed) : random_(seed) {
    EXPECT_EQ(mdb_env_create(&env_), MDB_SUCCESS);
    EXPECT_EQ(mdb_env_set_maxdbs(env_, 3), MDB_SUCCESS);
    EXPECT_EQ(mdb_env_set_mapsize(env_, 64 << 20), MDB_SUCCESS);
    // Nothing here crashes, so nothing needs to be synced.
    EXPECT_EQ(mdb_env_open(env_, folder_.path().c_str(), MDB_NOSYNC, 0600), MDB_SUCCESS);
  }
  ~Workload() { mdb_env_close(env_); }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  void Commit(int changes) {
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(env_, nullptr, 0, &txn), MDB_SUCCESS);
    for (int i = 0; i < changes; ++i) {
      MDB_dbi table = 0;
      const std::string name = absl::StrCat("table ", random_() % 3);
      ASSERT_EQ(mdb_dbi_open(txn, name.c_str(), MDB_CREATE, &table), MDB_SUCCESS);
      Change(txn, table, random_);
    }
    ASSERT_EQ(mdb_txn_commit(txn), MDB_SUCCESS);
  }

  void Commits(int commits) {
    for (int i = 0; i < commits; ++i) Commit(1 + static_cast<int>(random_() % 40));
  }

  std::string data_file() const { return folder_ / "data.mdb"; }
  Image Take() const { return {ReadFile(data_file()), ReadPages(folder_.path())}; }

 private:
  TempDir folder_;
  std::mt19937_64 random_;
  MDB_env* env_ = nullptr;
};

class StructureCheckTest : public ::testing::Test {
 protected:
  StructureCheckTest() {
    Workload workload(/*seed=*/7);
    workload.Commits(60);
    image_ = workload.Take();
  }

  absl::Status Check(const Image& image) {
    WriteFile(path_, image.bytes);
    return CheckStructure(path_, image.pages.transaction_id);
  }

  // The damage is found, and the page is named.
  void ExpectCorrupt(const Image& damaged, uint64_t page) {
    const absl::Status status = Check(damaged);
    EXPECT_THAT(status, HasVerdict(Verdict::kCorrupt)) << "page " << page;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("page ", page, " ")));
  }

  TempDir folder_;
  const std::string path_ = folder_ / "data.mdb";
  Image image_;
};

TEST_F(StructureCheckTest, TheWorkloadHasEveryKindOfPage) {
  std::set<uint16_t> kinds;
  for (const auto& [page, flags] : image_.Heads()) kinds.insert(flags);
  EXPECT_THAT(kinds, ::testing::ElementsAre(kBranch, kLeaf, kOverflow));
  EXPECT_FALSE(image_.pages.free.empty());
}

TEST_F(StructureCheckTest, WhatLmdbLeavesIsSoundAfterEveryCommit) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  Workload workload(seed);
  for (int commit = 0; commit < 100; ++commit) {
    workload.Commits(1);
    const Image image = workload.Take();
    ASSERT_THAT(CheckStructure(workload.data_file(), image.pages.transaction_id), IsOk());
  }
}

// A cut is harmless exactly when it takes free pages alone.
TEST_F(StructureCheckTest, AShortFileIsSoundIfItMissesOnlyFreePages) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  int short_and_sound = 0;
  for (int i = 0; i < 25; ++i) {
    Workload workload(random());
    workload.Commits(10 + static_cast<int>(random() % 30));
    Image image = workload.Take();
    const uint64_t page_size = image.pages.page_size;
    const uint64_t needed = (image.pages.last_in_use() + 1) * page_size;
    image.bytes.resize(needed);
    short_and_sound += image.pages.last_in_use() < image.pages.last;
    EXPECT_THAT(Check(image), IsOk());
    image.bytes.resize(needed - 1 - random() % page_size);
    EXPECT_THAT(Check(image), HasVerdict(Verdict::kCorrupt));
  }
  EXPECT_GT(short_and_sound, 0) << "no workload left free pages at the end";
}

TEST_F(StructureCheckTest, EveryCutIntoPagesInUseIsFound) {
  const uint64_t pages_needed = image_.pages.last_in_use() + 1;
  for (uint64_t pages = 0; pages < pages_needed; ++pages) {
    for (const size_t more : {0, 1, 100, 4095}) {
      Image cut = image_;
      cut.bytes.resize(pages * image_.pages.page_size + more);
      EXPECT_THAT(Check(cut), HasVerdict(Verdict::kCorrupt)) << pages << " pages and " << more;
    }
  }
}

TEST_F(StructureCheckTest, APageInUseMustCarryItsNumberAFreeOneNeedNot) {
  for (const auto& [page, flags] : image_.Heads()) {
    Image damaged = image_;
    damaged.Set<uint64_t>(page, kNumberAt, page + 1);
    ExpectCorrupt(damaged, page);
  }
  Image harmless = image_;
  for (const uint64_t page : image_.pages.free) harmless.Set<uint64_t>(page, kNumberAt, ~page);
  EXPECT_THAT(Check(harmless), IsOk());
}

TEST_F(StructureCheckTest, APageInUseMustBeOfItsKind) {
  for (const auto& [page, flags] : image_.Heads()) {
    for (int bit = 0; bit < 16; ++bit) {
      Image damaged = image_;
      damaged.Set<uint16_t>(page, kFlagsAt, static_cast<uint16_t>(flags ^ (1 << bit)));
      EXPECT_THAT(Check(damaged), HasVerdict(Verdict::kCorrupt))
          << "page " << page << " bit " << bit;
    }
  }
}

TEST_F(StructureCheckTest, TheBoundsOfAPageMustBePossible) {
  for (const auto& [page, flags] : image_.Heads()) {
    if (flags == kOverflow) continue;
    const auto lower = image_.Get<uint16_t>(page, kLowerAt);
    const auto upper = image_.Get<uint16_t>(page, kUpperAt);
    for (const int bad : {0, 15, lower + 1, upper + 2, 0xffff}) {
      Image damaged = image_;
      damaged.Set<uint16_t>(page, kLowerAt, static_cast<uint16_t>(bad));
      ExpectCorrupt(damaged, page);
    }
    for (const int bad : {0, lower - 1, 4097, 0xffff}) {
      Image damaged = image_;
      damaged.Set<uint16_t>(page, kUpperAt, static_cast<uint16_t>(bad));
      ExpectCorrupt(damaged, page);
    }
  }
}

TEST_F(StructureCheckTest, ANodeMustLieInItsPage) {
  for (const auto& [page, flags] : image_.Heads()) {
    if (flags == kOverflow) continue;
    for (const int bad : {0, 16, 4090, 0xffff}) {
      Image damaged = image_;
      damaged.Set<uint16_t>(page, kNodesAt, static_cast<uint16_t>(bad));
      ExpectCorrupt(damaged, page);
    }
  }
}

TEST_F(StructureCheckTest, AKeyMustEndInItsPage) {
  constexpr size_t kKeySizeAt = 6;  // in a node
  for (const auto& [page, flags] : image_.Heads()) {
    if (flags == kOverflow || image_.Get<uint16_t>(page, kLowerAt) == kNodesAt) continue;
    Image damaged = image_;
    const auto node = damaged.Get<uint16_t>(page, kNodesAt);
    damaged.Set<uint16_t>(page, node + kKeySizeAt, 0xffff);
    ExpectCorrupt(damaged, page);
  }
}

TEST_F(StructureCheckTest, AnOverflowRunMustBeLongEnoughAndEndInTheFile) {
  const uint64_t page = image_.FirstHead(kOverflow);
  for (const uint32_t bad : {0u, 0xffffffffu}) {
    Image damaged = image_;
    damaged.Set<uint32_t>(page, kOverflowPagesAt, bad);
    EXPECT_THAT(Check(damaged), HasVerdict(Verdict::kCorrupt)) << bad;
  }
}

// The child of a branch's node number `slot`, which is changed to `child`.
void PointTo(Image& image, uint64_t branch, int slot, uint64_t child) {
  const auto node = image.Get<uint16_t>(branch, kNodesAt + 2 * static_cast<size_t>(slot));
  image.Set<uint16_t>(branch, node, static_cast<uint16_t>(child));
  image.Set<uint16_t>(branch, node + size_t{2}, static_cast<uint16_t>(child >> 16));
  image.Set<uint16_t>(branch, node + size_t{4}, static_cast<uint16_t>(child >> 32));
}

TEST_F(StructureCheckTest, ACycleIsFound) {
  const uint64_t branch = image_.FirstHead(kBranch);
  Image damaged = image_;
  PointTo(damaged, branch, 0, branch);
  EXPECT_THAT(std::string(Check(damaged).message()),
              HasSubstr(absl::StrCat("page ", branch, " of data.mdb is used twice")));
}

TEST_F(StructureCheckTest, APageUsedTwiceIsFound) {
  const uint64_t branch = image_.FirstHead(kBranch);
  const uint64_t leaf = image_.FirstHead(kLeaf);
  Image damaged = image_;
  PointTo(damaged, branch, 0, leaf);
  PointTo(damaged, branch, 1, leaf);
  EXPECT_THAT(std::string(Check(damaged).message()),
              HasSubstr(absl::StrCat("page ", leaf, " of data.mdb is used twice")));
}

TEST_F(StructureCheckTest, APageBeyondTheEndIsFound) {
  const uint64_t branch = image_.FirstHead(kBranch);
  for (const uint64_t child : {image_.pages.last + 1, (uint64_t{1} << 48) - 1}) {
    Image damaged = image_;
    PointTo(damaged, branch, 0, child);
    ExpectCorrupt(damaged, child);
  }
}

TEST_F(StructureCheckTest, TheMetaPageOfTheSnapshotIsTheOneThatCounts) {
  const uint64_t current =
      image_.Get<uint64_t>(0, kMetaTransactionAt) == image_.pages.transaction_id ? 0 : 1;
  Image other_damaged = image_;
  other_damaged.Set<uint64_t>(1 - current, kMetaLastPageAt, 0);
  EXPECT_THAT(Check(other_damaged), IsOk());

  Image damaged = image_;
  damaged.Set<uint64_t>(current, kMetaLastPageAt, 1);
  EXPECT_THAT(Check(damaged), HasVerdict(Verdict::kCorrupt));

  Image of_another = image_;
  of_another.Set<uint64_t>(current, kMetaTransactionAt, image_.pages.transaction_id + 2);
  EXPECT_THAT(Check(of_another), HasVerdict(Verdict::kCorrupt));
}

// ---- What the trees and the free list say of themselves.

// Where the meta page of the snapshot describes a tree.
constexpr size_t kFreeTreeAt = 40;
constexpr size_t kMainTreeAt = 88;

TEST_F(StructureCheckTest, ATreeHasWhatItSaysItHas) {
  const uint64_t meta = image_.pages.transaction_id % 2;
  constexpr size_t kFlagsOfTree = 4;
  constexpr size_t kDepthOfTree = 6;
  for (const size_t tree : {kFreeTreeAt, kMainTreeAt}) {
    for (const size_t count : {8, 16, 24, 32}) {  // branch, leaf and overflow pages, rows
      Image damaged = image_;
      damaged.Set<uint64_t>(meta, tree + count, damaged.Get<uint64_t>(meta, tree + count) + 1);
      EXPECT_THAT(Check(damaged), HasVerdict(Verdict::kCorrupt)) << tree << " " << count;
    }
    for (const size_t small : {kFlagsOfTree, kDepthOfTree}) {
      Image damaged = image_;
      damaged.Set<uint16_t>(meta, tree + small,
                            static_cast<uint16_t>(damaged.Get<uint16_t>(meta, tree + small) ^ 4));
      EXPECT_THAT(Check(damaged), HasVerdict(Verdict::kCorrupt)) << tree << " " << small;
    }
  }
}

TEST_F(StructureCheckTest, AFreeListThatIsLostLeavesPagesThatAreNobodys) {
  const uint64_t meta = image_.pages.transaction_id % 2;
  Image damaged = image_;
  for (size_t at = kFreeTreeAt + 6; at < kFreeTreeAt + 40; ++at) damaged.Set<char>(meta, at, 0);
  damaged.Set<uint64_t>(meta, kFreeTreeAt + 40, ~uint64_t{0});
  const absl::Status status = Check(damaged);
  EXPECT_THAT(status, HasVerdict(Verdict::kCorrupt));
}

// Where a free list names the last of the free pages: 8 bytes, wherever they lie.
std::optional<size_t> FindLastFree(const Image& image) {
  const std::string last(reinterpret_cast<const char*>(&*image.pages.free.rbegin()), 8);
  for (const auto& [number, flags] : image.Heads()) {
    const size_t begin = number * image.pages.page_size + kNodesAt;
    const size_t at = image.bytes.find(last, begin);
    if (at != std::string::npos && at < (number + 1) * image.pages.page_size) return at;
  }
  return std::nullopt;
}

TEST_F(StructureCheckTest, APageThatIsNeitherInUseNorFreeIsFound) {
  const std::optional<size_t> at = FindLastFree(image_);
  ASSERT_TRUE(at.has_value());
  // A list is in descending order, and before it stands how long it is: now it is one too short.
  Image damaged = image_;
  uint64_t pages = 0;
  std::memcpy(&pages, damaged.bytes.data() + *at - sizeof(pages), sizeof(pages));
  --pages;
  std::memcpy(damaged.bytes.data() + *at - sizeof(pages), &pages, sizeof(pages));
  const absl::Status status = Check(damaged);
  EXPECT_THAT(status, HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(std::string(status.message()), HasSubstr("is neither in use nor free"));
}

TEST_F(StructureCheckTest, APageThatIsFreeIsNotInUseAndWithinTheFile) {
  for (const uint64_t page :
       {image_.FirstHead(kLeaf), image_.pages.last + 1, uint64_t{0}, ~uint64_t{0}}) {
    Image damaged = image_;
    const std::optional<size_t> at = FindLastFree(image_);
    ASSERT_TRUE(at.has_value());
    std::memcpy(damaged.bytes.data() + *at, &page, sizeof(page));
    EXPECT_THAT(Check(damaged), HasVerdict(Verdict::kCorrupt)) << page;
  }
}

TEST_F(StructureCheckTest, NodesFillTheirPageWithoutGapOrOverlap) {
  for (const auto& [page, flags] : image_.Heads()) {
    if (flags == kOverflow || image_.Get<uint16_t>(page, kLowerAt) < kNodesAt + 4) continue;
    Image twice = image_;
    twice.Set<uint16_t>(page, kNodesAt, twice.Get<uint16_t>(page, kNodesAt + 2));
    ExpectCorrupt(twice, page);
    Image gap = image_;
    gap.Set<uint16_t>(page, kUpperAt, static_cast<uint16_t>(gap.Get<uint16_t>(page, kUpperAt) - 2));
    if (gap.Get<uint16_t>(page, kUpperAt) >= gap.Get<uint16_t>(page, kLowerAt)) {
      ExpectCorrupt(gap, page);
    }
  }
}

TEST_F(StructureCheckTest, KeysAscend) {
  for (const auto& [page, flags] : image_.Heads()) {
    const size_t first = flags == kBranch ? 1 : 0;  // a branch's first key is not read
    if (flags == kOverflow || image_.Get<uint16_t>(page, kLowerAt) < kNodesAt + 2 * (first + 2)) {
      continue;
    }
    Image damaged = image_;
    const size_t slot = kNodesAt + 2 * first;
    const auto node = damaged.Get<uint16_t>(page, slot);
    damaged.Set<uint16_t>(page, slot, damaged.Get<uint16_t>(page, slot + 2));
    damaged.Set<uint16_t>(page, slot + 2, node);
    ExpectCorrupt(damaged, page);
  }
}

TEST_F(StructureCheckTest, AnOldMetaPageWithANewNumberIsFoundOut) {
  const uint64_t current = image_.pages.transaction_id % 2;
  Image damaged = image_;
  damaged.Set<uint64_t>(1 - current, kMetaTransactionAt, image_.pages.transaction_id + 1);
  WriteFile(path_, damaged.bytes);
  EXPECT_THAT(CheckStructure(path_, image_.pages.transaction_id + 1),
              HasVerdict(Verdict::kCorrupt));
}

TEST_F(StructureCheckTest, ANewMetaPageWithAnOldNumberIsFoundOut) {
  const auto last = [this](const Image& image) {
    WriteFile(path_, image.bytes);
    const auto file = PageFile::Open(path_);
    return FindLastSnapshot(**file).status();
  };
  EXPECT_THAT(last(image_), IsOk());
  Image damaged = image_;
  damaged.Set<uint64_t>(image_.pages.transaction_id % 2, kMetaTransactionAt,
                        image_.pages.transaction_id - 2);
  EXPECT_THAT(last(damaged), HasVerdict(Verdict::kCorrupt));
}

TEST_F(StructureCheckTest, AnImpossiblePageSizeIsFound) {
  constexpr size_t kPageSizeAt = 40;
  for (const uint32_t bad : {0u, 1u, 256u, 4097u, 131072u, 0xffffffffu}) {
    Image damaged = image_;
    damaged.Set<uint32_t>(0, kPageSizeAt, bad);
    EXPECT_THAT(Check(damaged), HasVerdict(Verdict::kCorrupt)) << bad;
  }
}

// Whatever is damaged, the check comes to an end and reads nothing that is not there.
TEST_F(StructureCheckTest, RandomDamageIsFoundOrHarmless) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 500; ++i) {
    Image damaged = image_;
    for (int flips = 1 + static_cast<int>(random() % 8); flips > 0; --flips) {
      damaged.bytes[random() % damaged.bytes.size()] ^= static_cast<char>(1 << random() % 8);
    }
    const absl::Status status = Check(damaged);
    EXPECT_TRUE(status.ok() || VerdictOf(status) == Verdict::kCorrupt) << status;
  }
}

TEST_F(StructureCheckTest, AMissingFileIsNotFound) {
  EXPECT_THAT(CheckStructure(folder_ / "nothing", 1), HasVerdict(Verdict::kNotFound));
}

}  // namespace
}  // namespace batonstore::recovery
