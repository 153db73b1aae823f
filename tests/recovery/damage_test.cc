// Pages that are damaged: every bit of a small store's file that flips, pages that are zeroed,
// swapped, stale or cut off, and random mutations. Whatever it is, verification ends without a
// signal and either reports the damage or is right that there is none.
//
// Right is: every row reads as it did before, so what was hit is bytes that nobody reads (of some
// of these files LMDB is asked, too, and goes on writing from there); or, where the last meta page
// was replaced by the other, every row as it was a commit before. The default run samples; the seed
// is printed. To flip all bits, or replay:
//   bazel test -c opt //tests/recovery:damage_test --test_arg=--flips=all --test_timeout=3600
//   bazel test //tests/recovery:damage_test --test_arg=--seed=7 --test_arg=--mutations=100000

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/full_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::DataFilePages;
using ::batonstore::testing::EditRows;
using ::batonstore::testing::FileRows;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::MakeFullStore;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::ReadFileRows;
using ::batonstore::testing::ReadFileRowsBefore;
using ::batonstore::testing::ReadPages;
using ::batonstore::testing::RootRow;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WithoutHints;
using ::batonstore::testing::WriteFile;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kDefaultCases = 1'000;
#else
constexpr int kDefaultCases = 5'000;
#endif

// LMDB is asked about every so many of the files that are harmless.
constexpr uint64_t kAskLmdb = 64;

struct Flags {
  uint64_t seed = std::random_device()();
  uint64_t flips = kDefaultCases;  // 0: all bits
  uint64_t mutations = kDefaultCases;
};
Flags flags;

class DamageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempDir;
    MakeFullStore(*folder_ / "store");
    stale_ = ReadFile(Data(*folder_ / "store"));
    // A later state of the same store: some of its pages have been written since.
    ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = *folder_ / "store"}));
    ASSERT_THAT(store->Close(), IsOk());
    pages_ = ReadPages(*folder_ / "store");
    // Without what the owner has made it longer by, which no page number reaches.
    original_ = ReadFile(Data(*folder_ / "store")).substr(0, (pages_.last + 1) * pages_.page_size);
    stale_ = stale_.substr(0, original_.size());
    key_ = new SecretBytes(*KeyFromFile(*folder_ / "store" + "/key")());
    rows_ = *ReadFileRows(Data(*folder_ / "store"));
    before_ = *ReadFileRowsBefore(Data(*folder_ / "store"));
    printf("seed %llu, %zu pages of which %zu free, %zu rows\n",
           static_cast<unsigned long long>(flags.seed), original_.size() / pages_.page_size,
           pages_.free.size(), rows_.size());
  }
  static void TearDownTestSuite() {
    delete key_;
    delete folder_;
  }

  static std::string Data(const std::string& directory) { return directory + "/data.mdb"; }

  // Each damaged file has its turn in the same place.
  DamageTest() : fd_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    Restore();
    random_.seed(flags.seed);
  }
  ~DamageTest() override { close(fd_); }

  void Restore() { WriteAll(original_); }
  void WriteAll(const std::string& bytes) {
    ASSERT_EQ(ftruncate(fd_, static_cast<off_t>(bytes.size())), 0);
    Write(0, bytes);
  }
  void Write(uint64_t offset, absl::string_view bytes) {
    ASSERT_EQ(pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }
  void WritePage(uint64_t page, absl::string_view bytes) {
    Write(page * pages_.page_size, bytes.substr(0, pages_.page_size));
  }
  absl::string_view Page(absl::string_view image, uint64_t page) const {
    return image.substr(page * pages_.page_size, pages_.page_size);
  }

  // What a verification says.
  enum class Outcome { kReported, kSound };
  Outcome Verify() {
    const absl::StatusOr<VerifyReport> report =
        VerifyQuietFile(path_, *key_, SystemClock(), nullptr);
    if (report.ok()) {
      EXPECT_LE(report->findings.size(), kMaxFindings);
      for (const Finding& finding : report->findings) {
        EXPECT_FALSE(finding.what.empty());
        EXPECT_FALSE(finding.table.empty() && !finding.page.has_value()) << finding.ToString();
      }
      return report->is_sound() ? Outcome::kSound : Outcome::kReported;
    }
    // Some damage is to what it takes to begin: then the verdict says so.
    const std::optional<Verdict> verdict = VerdictOf(report.status());
    EXPECT_TRUE(verdict == Verdict::kCorrupt || verdict == Verdict::kWrongKey ||
                verdict == Verdict::kWrongFormat)
        << report.status();
    return Outcome::kReported;
  }

  // A row that is there in one of them, and not the same in the other.
  static std::string TellOther(const FileRows& rows, const FileRows& others) {
    for (const auto& [row, value] : rows) {
      const auto other = others.find(row);
      if (other != others.end() && other->second == value) continue;
      return absl::StrCat(TableName(row.first), " ", absl::BytesToHexString(row.second), " = ",
                          absl::BytesToHexString(value));
    }
    return "nothing";
  }

  // REQUIRES: verification has called the file sound.
  void ExpectHarmless() {
    const std::optional<FileRows> now = ReadFileRows(path_);
    ASSERT_TRUE(now.has_value());
    if (*now == before_) {  // as a whole an older version of itself: that needs an outside anchor
      ++rolled_back_;
      return;
    }
    EXPECT_TRUE(WithoutHints(*now) == WithoutHints(rows_))
        << "verification is content with " << TellOther(*now, rows_) << " instead of "
        << TellOther(rows_, *now);
    if (harmless_++ % kAskLmdb == 0) ExpectLmdbAgrees();
  }

  // LMDB reads the same rows from the file, and writes on from there to a file that is sound.
  void ExpectLmdbAgrees() {
    const std::string directory = scratch_ / "lmdb";
    fs::create_directory(directory);
    fs::copy_file(path_, Data(directory), fs::copy_options::overwrite_existing);
    for (int commit = 0; commit < 2; ++commit) {
      const auto put_all_again = [](Transaction& transaction) {
        FileRows read;
        for (const Table table : kAllTables) {
          EXPECT_THAT(transaction.ScanUp(table, "",
                                         [&](absl::string_view key, absl::string_view value) {
                                           read[{table, std::string(key)}] = std::string(value);
                                           return true;
                                         }),
                      IsOk());
        }
        EXPECT_TRUE(WithoutHints(read) == WithoutHints(rows_));
        for (const auto& [row, value] : rows_) {
          EXPECT_THAT(transaction.Put(row.first, row.second, value), IsOk());
        }
      };
      EditRows(directory, put_all_again, RootRow::kLeft);
    }
    const absl::StatusOr<VerifyReport> report =
        VerifyQuietFile(Data(directory), *key_, SystemClock(), nullptr);
    ASSERT_THAT(report, IsOk());
    EXPECT_THAT(report->ToStatus(), IsOk());
  }

  void Judge() {
    if (Verify() == Outcome::kReported) {
      ++reported_;
    } else {
      ExpectHarmless();
    }
  }

  void PrintCounts(const char* what) {
    printf("%s: %llu reported, %llu of bytes that nobody reads, %llu a commit back\n", what,
           static_cast<unsigned long long>(reported_), static_cast<unsigned long long>(harmless_),
           static_cast<unsigned long long>(rolled_back_));
  }

  void Flip(uint64_t bit) {
    const char byte = static_cast<char>(original_[bit / 8] ^ (1 << bit % 8));
    Write(bit / 8, absl::string_view(&byte, 1));
    SCOPED_TRACE(absl::StrCat("bit ", bit, ": page ", bit / 8 / pages_.page_size, " byte ",
                              bit / 8 % pages_.page_size));
    Judge();
    Write(bit / 8, absl::string_view(original_).substr(bit / 8, 1));
  }

  static inline TempDir* folder_ = nullptr;
  static inline std::string original_;
  static inline std::string stale_;
  static inline DataFilePages pages_;
  static inline SecretBytes* key_ = nullptr;
  static inline FileRows rows_;
  static inline FileRows before_;  // the last commit

  TempDir scratch_;
  const std::string path_ = scratch_ / "data.mdb";
  const int fd_;
  std::mt19937_64 random_;
  uint64_t reported_ = 0;
  uint64_t harmless_ = 0;
  uint64_t rolled_back_ = 0;
};

TEST_F(DamageTest, ABitThatFlipsIsReportedOrHarmless) {
  const uint64_t bits = original_.size() * 8;
  if (flags.flips == 0) {
    for (uint64_t bit = 0; bit < bits && !HasFailure(); ++bit) Flip(bit);
  } else {
    // Half of them where they hurt: in meta pages, headers, and where nodes begin.
    for (uint64_t i = 0; i < flags.flips && !HasFailure(); ++i) {
      const uint64_t page = random_() % (original_.size() / pages_.page_size);
      const uint64_t byte = random_() % (i % 2 == 0 ? pages_.page_size : 160);
      Flip((page * pages_.page_size + byte) * 8 + random_() % 8);
    }
  }
  PrintCounts("flips");
  EXPECT_GT(reported_, 0u);
}

TEST_F(DamageTest, EveryBitOfTheMetaPagesIsReportedOrHarmless) {
  constexpr uint64_t kMetaBytes = 160;
  for (const uint64_t page : {0, 1}) {
    for (uint64_t bit = 0; bit < kMetaBytes * 8 && !HasFailure(); ++bit) {
      Flip(page * pages_.page_size * 8 + bit);
    }
  }
  PrintCounts("flips in meta pages");
}

TEST_F(DamageTest, APageThatIsZeroedIsReportedExactlyIfItIsInUse) {
  for (uint64_t page = 0; page < original_.size() / pages_.page_size; ++page) {
    SCOPED_TRACE(absl::StrCat("page ", page));
    WritePage(page, std::string(pages_.page_size, '\0'));
    const bool is_free = page >= 2 && !pages_.in_use(page);
    EXPECT_EQ(Verify(), is_free ? Outcome::kSound : Outcome::kReported);
    WritePage(page, Page(original_, page));
  }
}

TEST_F(DamageTest, PagesThatAreSwappedAreReported) {
  const uint64_t pages = original_.size() / pages_.page_size;
  for (uint64_t a = 0; a < pages; ++a) {
    for (const uint64_t b : {a + 1, random_() % pages, random_() % pages}) {
      if (b >= pages || a == b) continue;
      SCOPED_TRACE(absl::StrCat("pages ", a, " and ", b));
      WritePage(a, Page(original_, b));
      WritePage(b, Page(original_, a));
      const auto is_free = [&](uint64_t page) { return page >= 2 && !pages_.in_use(page); };
      EXPECT_EQ(Verify(), is_free(a) && is_free(b) ? Outcome::kSound : Outcome::kReported);
      WritePage(a, Page(original_, a));
      WritePage(b, Page(original_, b));
    }
  }
}

TEST_F(DamageTest, AStalePageIsReportedOrReadsAsItDid) {
  uint64_t stale_pages = 0;
  for (uint64_t page = 0; page < stale_.size() / pages_.page_size; ++page) {
    if (Page(stale_, page) == Page(original_, page)) continue;
    ++stale_pages;
    SCOPED_TRACE(absl::StrCat("page ", page));
    WritePage(page, Page(stale_, page));
    Judge();
    WritePage(page, Page(original_, page));
  }
  PrintCounts("stale pages");
  EXPECT_GT(stale_pages, 0u);
}

TEST_F(DamageTest, AFileThatIsCutIsReportedExactlyIfAPageInUseIsCut) {
  const uint64_t needed = (pages_.last_in_use() + 1) * pages_.page_size;
  for (uint64_t bytes = 0; bytes < original_.size(); bytes += 1 + random_() % 2000) {
    SCOPED_TRACE(absl::StrCat("cut to ", bytes));
    WriteAll(original_.substr(0, bytes));
    EXPECT_EQ(Verify(), bytes >= needed ? Outcome::kSound : Outcome::kReported);
  }
}

TEST_F(DamageTest, AFileOfAnythingElseEndsWithAVerdict) {
  std::string noise(64 << 10, '\0');
  for (char& byte : noise) byte = static_cast<char>(random_());
  for (const std::string& bytes : {std::string(), std::string("a letter"), noise}) {
    WriteAll(bytes);
    EXPECT_EQ(Verify(), Outcome::kReported);
  }
}

// One small piece of damage.
class Mutator {
 public:
  Mutator(std::mt19937_64& random, size_t page_size) : random_(random), page_size_(page_size) {}

  void Mutate(std::string& image) {
    switch (random_() % 6) {
      case 0:
        image[Anywhere(image)] = static_cast<char>(random_());
        break;
      case 1: {  // a number of a header or a node
        const uint16_t numbers[] = {0, 1, 2, 8, 16, 4095, 4096, 0x7fff, 0xffff};
        Set(image, InAHeader(image), numbers[random_() % std::size(numbers)]);
        break;
      }
      case 2:  // a page number
        Set(image, InAHeader(image), random_() % (image.size() / page_size_ + 2));
        break;
      case 3: {  // a page somewhere else
        const size_t from = random_() % (image.size() / page_size_) * page_size_;
        const size_t to = random_() % (image.size() / page_size_) * page_size_;
        const std::string page = image.substr(from, page_size_);
        image.replace(to, page.size(), page);
        if (random_() % 2 == 0) Set(image, to, uint64_t{to / page_size_});  // as if it belonged
        break;
      }
      case 4: {  // bytes somewhere else
        const std::string piece = image.substr(Anywhere(image), random_() % 64);
        const size_t to = Anywhere(image);
        image.replace(to, std::min(piece.size(), image.size() - to), piece, 0,
                      std::min(piece.size(), image.size() - to));
        break;
      }
      case 5:
        if (random_() % 8 == 0) image.resize(Anywhere(image));
        break;
    }
  }

 private:
  size_t Anywhere(const std::string& image) {
    return random_() % std::max<size_t>(1, image.size());
  }
  size_t InAHeader(const std::string& image) {
    return random_() % (image.size() / page_size_ + 1) * page_size_ + random_() % 160;
  }
  template <typename T>
  void Set(std::string& image, size_t at, T value) {
    if (at + sizeof(T) <= image.size()) std::memcpy(image.data() + at, &value, sizeof(T));
  }

  std::mt19937_64& random_;
  const size_t page_size_;
};

TEST_F(DamageTest, RandomMutationsEndWithoutASignal) {
  Mutator mutator(random_, pages_.page_size);
  for (uint64_t i = 0; i < flags.mutations && !HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", flags.seed, " mutation ", i));
    std::string image = original_;
    for (uint64_t more = random_() % 4 + 1; more > 0 && image.size() > pages_.page_size; --more) {
      mutator.Mutate(image);
    }
    WriteAll(image);
    Judge();
  }
  PrintCounts("mutations");
}

// ---- Through the front door.

TEST_F(DamageTest, OpenedWithAlwaysADamagedStoreIsRefusedAndASoundOneServed) {
  TempDir folder;
  const std::string directory = folder / "store";
  fs::copy(*folder_ / "store", directory, fs::copy_options::recursive);
  int refused = 0;
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    const uint64_t page = random_() % (original_.size() / pages_.page_size);
    const uint64_t at = page * pages_.page_size + random_() % (i % 2 == 0 ? 160 : pages_.page_size);
    std::string image = original_;
    image[at] = static_cast<char>(image[at] ^ (1 << random_() % 8));
    WriteAll(image);
    WriteFile(Data(directory), image);
    SCOPED_TRACE(absl::StrCat("byte ", at));
    const bool is_sound = Verify() == Outcome::kSound;
    const auto store = Open({.directory = directory,
                             .map_bytes = uint64_t{64} << 20,
                             .sweep_every = absl::InfiniteDuration(),
                             .verify = Verification::kAlways});
    EXPECT_EQ(store.ok(), is_sound) << store.status();
    refused += store.ok() ? 0 : 1;
    if (!store.ok()) continue;
    EXPECT_THAT((*store)->sessions().List({}, 1000, std::nullopt), IsOk());
    EXPECT_THAT((*store)->Close(), IsOk());
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace batonstore::recovery

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  using batonstore::recovery::flags;
  for (int i = 1; i < argc; ++i) {
    absl::string_view arg = argv[i];
    const bool is_known =
        (absl::ConsumePrefix(&arg, "--seed=") && absl::SimpleAtoi(arg, &flags.seed)) ||
        (arg == "--flips=all" && (flags.flips = 0, true)) ||
        (absl::ConsumePrefix(&arg, "--flips=") && absl::SimpleAtoi(arg, &flags.flips)) ||
        (absl::ConsumePrefix(&arg, "--mutations=") && absl::SimpleAtoi(arg, &flags.mutations));
    if (!is_known) {
      fprintf(stderr, "what is %s?\n", argv[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
