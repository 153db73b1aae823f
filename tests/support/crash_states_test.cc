#include "tests/support/crash_states.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace batonstore::testing {
namespace {

using ::testing::Contains;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using LogKind = LogRecord::Kind;

constexpr Node kRoot = 1;
constexpr Node kFile = 2;
constexpr size_t kEnough = 512;

LogRecord WriteOf(size_t piece, const std::string& letters, LogKind kind = LogKind::kWrite) {
  std::string bytes;
  for (const char letter : letters) bytes += std::string(kPieceBytes, letter);
  return {.kind = kind, .node = kFile, .offset = piece * kPieceBytes, .bytes = bytes};
}
LogRecord Sync() { return {.kind = LogKind::kSync, .node = kFile}; }
LogRecord Truncate(size_t pieces) {
  return {.kind = LogKind::kTruncate, .node = kFile, .offset = pieces * kPieceBytes};
}
LogRecord SyncRoot() { return {.kind = LogKind::kSyncFolder, .node = kRoot}; }
LogRecord Name(const std::string& name, Node node) {
  return {.kind = LogKind::kEntries, .changes = {{kRoot, name, node}}};
}

// A letter for each piece of the file that is the same byte all over, '.' for zeros, '?' for a
// mixed one.
std::string TextOf(const FileImage& file) {
  std::string text;
  for (size_t i = 0; i * kPieceBytes < file.size; ++i) {
    const PiecePtr piece = file.At(i);
    if (piece == nullptr) {
      text += '.';
      continue;
    }
    const char first = piece->bytes[0];
    const bool is_pure = std::all_of(piece->bytes.begin(), piece->bytes.end(),
                                     [first](char byte) { return byte == first; });
    text += !is_pure ? '?' : first == '\0' ? '.' : first;
  }
  return text;
}

class CrashStatesTest : public ::testing::Test {
 protected:
  // A disk on which the file has these pieces, and all is durable.
  explicit CrashStatesTest(const std::string& letters = "abc") {
    Apply({Name("file", kFile), SyncRoot(), WriteOf(0, letters), Sync()});
  }

  void Apply(const std::vector<LogRecord>& records) {
    for (const LogRecord& record : records) disk_.Apply(record);
  }

  // What the file may be after a crash; "-" for none. Mixed pieces are left out unless `all`.
  std::set<std::string> Files(bool all = false, size_t limit = kEnough) {
    std::set<std::string> files;
    for (const DiskImage& image : disk_.CrashStates(limit, random_)) {
      const auto file = image.files.find("file");
      const std::string text = file == image.files.end() ? "-" : TextOf(file->second);
      if (all || text.find('?') == std::string::npos) files.insert(text);
    }
    return files;
  }

  Disk disk_{kRoot};
  Disk::Random random_{1};
};

TEST_F(CrashStatesTest, WhatWasSyncedIsThere) {
  EXPECT_THAT(Files(true), UnorderedElementsAre("abc"));
}

TEST_F(CrashStatesTest, EachPendingPieceIsThereOrNot) {
  Apply({WriteOf(0, "x"), WriteOf(2, "z")});
  EXPECT_EQ(disk_.pending(), 2u);
  EXPECT_THAT(Files(), UnorderedElementsAre("abc", "xbc", "abz", "xbz"));
}

TEST_F(CrashStatesTest, OneCallIsAsManyPiecesAsItHasPages) {
  Apply({WriteOf(0, "xyz")});
  EXPECT_THAT(Files(), SizeIs(8));
}

TEST_F(CrashStatesTest, ASyncMakesAllOfItDurable) {
  Apply({WriteOf(0, "x"), WriteOf(2, "z"), Sync()});
  EXPECT_THAT(Files(true), UnorderedElementsAre("xbz"));
}

TEST_F(CrashStatesTest, ADurableWriteMakesOnlyItsOwnRangeDurable) {
  Apply({WriteOf(0, "x"), WriteOf(2, "z", LogKind::kDurableWrite)});
  EXPECT_THAT(Files(), UnorderedElementsAre("abz", "xbz"));
}

TEST_F(CrashStatesTest, APieceWrittenTwiceMayBeEither) {
  Apply({WriteOf(1, "x"), WriteOf(1, "y")});
  EXPECT_THAT(Files(), UnorderedElementsAre("abc", "axc", "ayc"));
}

TEST_F(CrashStatesTest, AWriteIsTornBetweenSectors) {
  Apply({WriteOf(1, "x")});
  EXPECT_THAT(Files(true), Contains("a?c"));
  for (const DiskImage& image : disk_.CrashStates(kEnough, random_)) {
    const PiecePtr piece = image.files.at("file").At(1);
    for (size_t sector = 0; sector < kPieceBytes; sector += kSectorBytes) {
      const std::string bytes(piece->bytes.data() + sector, kSectorBytes);
      EXPECT_TRUE(bytes == std::string(kSectorBytes, 'b') ||
                  bytes == std::string(kSectorBytes, 'x'));
    }
  }
}

TEST_F(CrashStatesTest, TheSizeOfAFileMayLagBehind) {
  Apply({WriteOf(3, "de")});
  EXPECT_THAT(Files(), Contains("abc"));
  EXPECT_THAT(Files(), Contains("abcd"));
  EXPECT_THAT(Files(), Contains("abcde"));
  EXPECT_THAT(Files(), Contains("abc.e"));
}

TEST_F(CrashStatesTest, ALongerFileMayBeAsShortAsItWas) {
  Apply({Truncate(5)});
  EXPECT_THAT(Files(true), UnorderedElementsAre("abc", "abc.."));
  Apply({Sync()});
  EXPECT_THAT(Files(true), UnorderedElementsAre("abc.."));
}

TEST_F(CrashStatesTest, WhatWasNeverWrittenIsZerosOrStale) {
  Apply({Truncate(5), Sync(), WriteOf(4, "e")});
  const std::set<std::string> files = Files(true);
  EXPECT_THAT(files, Contains("abc.."));
  EXPECT_THAT(files, Contains("abc.e"));
  EXPECT_THAT(files, Contains("abc.a"));  // a piece of the same file
  EXPECT_THAT(files, Contains("abc.?"));  // noise, or torn
}

TEST_F(CrashStatesTest, ASyncThatFailedPromisesNothing) {
  Apply({WriteOf(0, "x"), {.kind = LogKind::kFailedSync, .node = kFile}});
  EXPECT_THAT(Files(), UnorderedElementsAre("abc", "xbc"));
  Apply({Sync()});  // the kernel has forgotten
  EXPECT_THAT(Files(), UnorderedElementsAre("abc", "xbc"));
  Apply({WriteOf(0, "y"), Sync()});
  EXPECT_THAT(Files(true), UnorderedElementsAre("ybc"));
}

TEST_F(CrashStatesTest, AnEntryIsLostUntilItsFolderIsSynced) {
  Apply({Name("file", 0), Name("other", kFile)});
  std::set<std::vector<std::string>> names;
  for (const DiskImage& image : disk_.CrashStates(kEnough, random_)) {
    std::vector<std::string> found;
    for (const auto& [name, file] : image.files) found.push_back(name);
    names.insert(found);
  }
  using Names = std::vector<std::string>;
  EXPECT_THAT(names,
              UnorderedElementsAre(Names{}, Names{"file"}, Names{"other"}, Names{"file", "other"}));
  Apply({SyncRoot()});
  const std::vector<DiskImage> states = disk_.CrashStates(kEnough, random_);
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_TRUE(states[0].files.contains("other") && !states[0].files.contains("file"));
}

TEST_F(CrashStatesTest, ARenameHappensAsAWhole) {
  Apply({{.kind = LogKind::kEntries, .changes = {{kRoot, "file", 0}, {kRoot, "other", kFile}}}});
  for (const DiskImage& image : disk_.CrashStates(kEnough, random_)) {
    EXPECT_THAT(image.files, SizeIs(1));
  }
}

TEST_F(CrashStatesTest, ManyPiecesAreTakenInOrderOneByOneAndAtRandom) {
  const std::string after = "ABCDEFGHIJKLMNOPQRST";
  const std::string before(after.size(), 'o');
  Apply({WriteOf(0, before), Sync(), WriteOf(0, after)});
  const std::set<std::string> files = Files();
  EXPECT_THAT(disk_.CrashStates(kEnough, random_), SizeIs(kEnough));
  for (size_t i = 0; i <= after.size(); ++i) {
    EXPECT_THAT(files, Contains(after.substr(0, i) + before.substr(i)));
  }
  for (size_t i = 0; i < after.size(); ++i) {
    std::string without = after;
    without[i] = 'o';
    EXPECT_THAT(files, Contains(without));
    std::string alone = before;
    alone[i] = after[i];
    EXPECT_THAT(files, Contains(alone));
  }
}

TEST_F(CrashStatesTest, StatesAreDifferentAndNotMoreThanWanted) {
  Apply({WriteOf(0, "xyzuvw")});
  const std::vector<DiskImage> states = disk_.CrashStates(100, random_);
  EXPECT_THAT(states, SizeIs(100));
  std::set<uint64_t> hashes;
  for (const DiskImage& state : states) hashes.insert(state.Hash());
  EXPECT_THAT(hashes, SizeIs(100));
}

TEST_F(CrashStatesTest, TheSameSeedGivesTheSameStates) {
  Apply({WriteOf(0, "xyzuvw")});
  const auto hashes = [this](uint64_t seed) {
    Disk::Random random(seed);
    std::vector<uint64_t> found;
    for (const DiskImage& state : disk_.CrashStates(60, random)) found.push_back(state.Hash());
    return found;
  };
  EXPECT_EQ(hashes(5), hashes(5));
  EXPECT_NE(hashes(5), hashes(6));
}

TEST_F(CrashStatesTest, AReaderSeesWhatWasWritten) {
  Apply({WriteOf(1, "x"), Truncate(4)});
  EXPECT_EQ(TextOf(disk_.Cached().files.at("file")), "axc.");
}

TEST_F(CrashStatesTest, ADiskMadeOfAStateHasThatState) {
  Apply({WriteOf(1, "x")});
  const DiskImage image = disk_.Cached();
  Disk again(kRoot, image, [](const std::string&) { return kFile; });
  std::vector<DiskImage> states = again.CrashStates(kEnough, random_);
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_EQ(states[0].Hash(), image.Hash());
  again.Apply(WriteOf(0, "y"));
  EXPECT_EQ(TextOf(again.Cached().files.at("file")), "yxc");
}

}  // namespace
}  // namespace batonstore::testing
