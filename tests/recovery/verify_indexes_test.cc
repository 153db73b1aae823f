// What verification finds in indexes that are merged a few entries at a time: in the middle of a
// pass just those entries are in their tables that the mark covers, and whatever else is there, or
// is not, is named.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/number.h"
#include "batonstore/store/population.h"
#include "batonstore/store/root.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/schema.h"
#include "gtest/gtest.h"
#include "tests/support/index_rules.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::CopyAsACrashWouldLeaveIt;
using ::batonstore::testing::EditRows;
using ::batonstore::testing::HastyIndexes;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ScriptedKeys;
using ::batonstore::testing::TempDir;

constexpr uint64_t kInAPass = 12;  // sessions
const std::vector<size_t> kWindows = {1, 2, 7, IndexCheck::kWindow};

VerifyReport VerifyQuietly(const std::string& directory, size_t window) {
  const SecretBytes key = *KeyFromFile(directory + "/key")();
  absl::StatusOr<VerifyReport> report =
      VerifyQuietFile(directory + "/data.mdb", key, SystemClock(), nullptr, window);
  EXPECT_THAT(report, IsOk());
  return report.ok() ? *std::move(report) : VerifyReport();
}

::testing::AssertionResult IsSound(const std::string& directory) {
  for (const size_t window : kWindows) {
    const VerifyReport report = VerifyQuietly(directory, window);
    if (!report.is_sound() || !report.rows_checked) {
      return ::testing::AssertionFailure() << "window " << window << ": " << report.ToStatus();
    }
  }
  return ::testing::AssertionSuccess();
}

// Whether every way to divide the sessions into windows finds a damage in that table; and names
// this row, with those windows for which a row can be named.
::testing::AssertionResult IsFound(const std::string& directory, Table table,
                                   const std::optional<std::string>& key,
                                   const std::vector<size_t>& windows = kWindows) {
  for (const size_t window : windows) {
    const VerifyReport report = VerifyQuietly(directory, window);
    const bool named =
        std::any_of(report.findings.begin(), report.findings.end(), [&](const Finding& finding) {
          return finding.table == TableName(table) && (!key.has_value() || finding.key == *key);
        });
    if (!named) {
      return ::testing::AssertionFailure() << "window " << window << ": " << TableName(table) << " "
                                           << absl::BytesToHexString(key.value_or(""))
                                           << " is not named, but " << report.ToStatus();
    }
  }
  return ::testing::AssertionSuccess();
}

// Sessions of three principals, all of which have four entries. Some have ended.
Session Create(SessionStore& sessions, uint64_t number) {
  SessionSpec spec = LastingSpec();
  spec.principal = absl::StrCat("principal ", number % 3);
  spec.database = absl::StrCat("database ", number % 2);
  spec.idempotency_key = absl::StrCat("request ", number);
  const absl::StatusOr<Session> session = sessions.ReserveAndCreate(spec);
  EXPECT_THAT(session, IsOk());
  if (number % 5 == 4) {
    EXPECT_THAT(sessions.Revoke(session->alias), IsOk());
  }
  return *session;
}

// What a store's file says.
struct Contents {
  IndexMark mark;
  Alias last_alias;
  std::vector<IndexEntry> entries;  // of all sessions, in the order of their keys
  std::map<std::pair<Table, uint64_t>, Population> populations;

  // The entries that are in their tables; or those that are not.
  std::vector<IndexEntry> Covered(bool covered) const {
    std::vector<IndexEntry> some;
    for (const IndexEntry& entry : entries) {
      if (mark.Covers(entry) == covered) some.push_back(entry);
    }
    return some;
  }
};

// A mark without a pass.
IndexMark DoneUpTo(Alias alias) { return {alias, alias, IndexEntry()}; }

Contents ContentsOf(const std::string& directory) {
  Contents contents;
  EditRows(directory, [&](Transaction& transaction) {
    const SecretBytes key = *KeyFromFile(directory + "/key")();
    ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(transaction, key, SystemRandom()));
    ASSERT_OK_AND_ASSIGN(contents.mark, GetIndexMark(transaction));
    ASSERT_OK_AND_ASSIGN(const uint64_t last, GetMetaNumber(transaction, meta::kLastAlias));
    contents.last_alias = Alias(last);
    ASSERT_THAT(ScanSessions(transaction, *identity.keys, Alias(),
                             [&](SessionRecord record) {
                               const IndexEntries entries = EntriesOf(*identity.keys, record);
                               contents.entries.insert(contents.entries.end(), entries.begin(),
                                                       entries.end());
                               return true;
                             }),
                IsOk());
    for (const IndexEntry& entry : contents.entries) {
      if (!CountsLive(entry.table)) continue;
      ASSERT_OK_AND_ASSIGN(const Population population,
                           GetPopulation(transaction, {entry.table, entry.hash}));
      contents.populations[{entry.table, entry.hash}] = population;
    }
  });
  std::sort(contents.entries.begin(), contents.entries.end());
  return contents;
}

// ---- Every moment of two passes, an entry at a time ----

TEST(VerifyIndexesTest, EveryMomentOfAPassIsSound) {
  testing::KeepTempDirsInMemory();
  TempDir folder;
  ScriptedKeys keys([](uint64_t draw) { return draw; });
  ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = folder / "store",
                                               .map_bytes = uint64_t{64} << 20,
                                               .reserved_bytes = 0,
                                               .policy = {.indexes = HastyIndexes(kInAPass, 1)},
                                               .sweep_every = absl::InfiniteDuration(),
                                               .key_pairs = &keys}));
  std::set<Table> cursors;
  bool is_within_a_principal = false;
  int passes = 0;
  IndexMark before;
  for (uint64_t number = 0; passes < 2; ++number) {
    ASSERT_LT(number, 400u);
    Create(store->sessions(), number);
    const std::string copy = folder / absl::StrCat("copy ", number);
    CopyAsACrashWouldLeaveIt(folder / "store", copy);
    ASSERT_TRUE(IsSound(copy)) << "after " << number;
    const Contents contents = ContentsOf(copy);
    fs::remove_all(copy);
    passes += contents.mark.done != before.done;
    before = contents.mark;
    if (!contents.mark.IsMerging()) continue;
    const IndexEntry& cursor = contents.mark.cursor;
    cursors.insert(cursor.table);
    is_within_a_principal =
        is_within_a_principal ||
        std::any_of(contents.entries.begin(), contents.entries.end(), [&](const IndexEntry& entry) {
          return cursor.table == Table::kPrincipals && entry.table == cursor.table &&
                 entry.hash == cursor.hash && cursor.alias < entry.alias &&
                 entry.alias <= contents.mark.target;
        });
  }
  EXPECT_EQ(cursors.size(), 4u);
  EXPECT_TRUE(is_within_a_principal);
}

// They would cost a page of sums, and say what the records say.
TEST(VerifyIndexesTest, TheRootRowLeavesTheIndexesOut) {
  testing::KeepTempDirsInMemory();
  TempDir folder;
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = folder / "store",
                                                 .policy = {.indexes = HastyIndexes(2, 5)},
                                                 .sweep_every = absl::InfiniteDuration()}));
    for (uint64_t number = 0; number < 20; ++number) Create(store->sessions(), number);
    ASSERT_THAT(store->Close(), IsOk());
  }
  EditRows(folder / "store", [&](Transaction& transaction) {
    const SecretBytes key = *KeyFromFile(folder / "store/key")();
    ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(transaction, key, SystemRandom()));
    ASSERT_OK_AND_ASSIGN(const auto row, transaction.Get(Table::kMeta, meta::kRoot));
    const std::optional<Root> root = identity.keys->MakeRootHash()->Decode(*row);
    ASSERT_TRUE(root.has_value());
    for (const Table table : kAllTables) {
      ASSERT_OK_AND_ASSIGN(const uint64_t rows, transaction.Count(table));
      const bool is_empty = root->tables[TableIndex(table)] == TableSum();
      EXPECT_EQ(is_empty, rows == 0 || IsDeferred(table)) << TableName(table);
    }
  });
}

// ---- Damages, in the middle of a pass ----

// A store whose cursor is in one of the tables, made once; each test damages copies of it.
class DamagedPassTest : public ::testing::TestWithParam<Table> {
 protected:
  void SetUp() override {
    testing::KeepTempDirsInMemory();
    folder_ = std::make_unique<TempDir>();
    {
      ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = original(),
                                                   .map_bytes = uint64_t{64} << 20,
                                                   .reserved_bytes = 0,
                                                   .policy = {.indexes = HastyIndexes(kInAPass, 3)},
                                                   .sweep_every = absl::InfiniteDuration()}));
      // Two passes, so that there is something that was merged earlier.
      for (uint64_t number = 0; number < 200; ++number) {
        Create(store->sessions(), number);
        if (number < 40) continue;
        CopyAsACrashWouldLeaveIt(original(), *folder_ / "look");
        contents_ = ContentsOf(*folder_ / "look");
        fs::remove_all(*folder_ / "look");
        if (contents_.mark.cursor.table == GetParam()) break;
      }
      ASSERT_THAT(store->Close(), IsOk());
    }
    contents_ = ContentsOf(original());
    ASSERT_EQ(contents_.mark.cursor.table, GetParam());
    ASSERT_NE(contents_.mark.done, Alias());
    ASSERT_TRUE(IsSound(original()));
  }

  std::string original() const { return *folder_ / "original"; }

  // A copy of the store with these rows changed.
  std::string Edited(const std::function<absl::Status(Transaction&)>& edit) {
    const std::string edited = *folder_ / "edited";
    fs::remove_all(edited);
    fs::copy(original(), edited, fs::copy_options::recursive);
    EditRows(edited, [&](Transaction& transaction) { ASSERT_THAT(edit(transaction), IsOk()); });
    return edited;
  }
  std::string WithMark(const IndexMark& mark) {
    return Edited([&](Transaction& transaction) { return PutIndexMark(transaction, mark); });
  }
  std::string WithMarkBytes(const std::string& bytes) {
    return Edited([&](Transaction& transaction) {
      return transaction.Put(Table::kMeta, meta::kIndexMark, bytes);
    });
  }

  static ::testing::AssertionResult MarkIsFound(const std::string& directory) {
    return IsFound(directory, Table::kMeta, std::string(meta::kIndexMark));
  }

  std::unique_ptr<TempDir> folder_;
  Contents contents_;
};

TEST_P(DamagedPassTest, AnEntryThatIsMissingAlthoughTheMarkCoversItIsNamed) {
  const std::vector<IndexEntry> covered = contents_.Covered(true);
  ASSERT_GT(covered.size(), 20u);
  for (const IndexEntry& entry : covered) {
    const std::string edited = Edited([&](Transaction& transaction) {
      return transaction.Delete(entry.table, entry.Key()).status();
    });
    ASSERT_TRUE(IsFound(edited, entry.table, entry.Key()));
  }
}

TEST_P(DamagedPassTest, AnEntryThatIsThereAlthoughTheMarkDoesNotCoverItIsNamed) {
  const std::vector<IndexEntry> others = contents_.Covered(false);
  ASSERT_GT(others.size(), 5u);
  for (const IndexEntry& entry : others) {
    const std::string edited = Edited(
        [&](Transaction& transaction) { return transaction.Put(entry.table, entry.Key(), ""); });
    ASSERT_TRUE(IsFound(edited, entry.table, entry.Key()));
  }
}

TEST_P(DamagedPassTest, AMarkThatIsNoneIsNamed) {
  EXPECT_TRUE(MarkIsFound(Edited([](Transaction& transaction) {
    return transaction.Delete(Table::kMeta, meta::kIndexMark).status();
  })));
  const std::string bytes = EncodeIndexMark(contents_.mark);
  EXPECT_TRUE(MarkIsFound(WithMarkBytes(bytes.substr(1))));
  EXPECT_TRUE(MarkIsFound(WithMarkBytes(bytes + "x")));
  EXPECT_TRUE(MarkIsFound(WithMarkBytes("")));
  IndexMark mark = contents_.mark;
  mark.cursor.table = Table::kSessions;
  EXPECT_TRUE(MarkIsFound(WithMarkBytes(EncodeIndexMark(mark)))) << "a table that does not lag";
  mark = contents_.mark;
  std::swap(mark.done, mark.target);
  EXPECT_TRUE(MarkIsFound(WithMarkBytes(EncodeIndexMark(mark)))) << "a pass that goes back";
  mark = contents_.mark;
  mark.target = mark.done;
  EXPECT_TRUE(MarkIsFound(WithMarkBytes(EncodeIndexMark(mark)))) << "a cursor without a pass";
}

TEST_P(DamagedPassTest, AMarkAheadOfTheLastAliasIsNamed) {
  IndexMark mark = contents_.mark;
  mark.target = Alias(contents_.last_alias.value() + 1);
  EXPECT_TRUE(MarkIsFound(WithMark(mark)));
  EXPECT_TRUE(MarkIsFound(WithMark(DoneUpTo(mark.target))));
}

// Then the entry between is missing, or there is one too many.
TEST_P(DamagedPassTest, ACursorThatIsMovedByOneEntryIsFound) {
  std::vector<IndexEntry> of_the_pass;
  for (const IndexEntry& entry : contents_.entries) {
    const bool is_of_it = contents_.mark.done < entry.alias && entry.alias <= contents_.mark.target;
    if (is_of_it) of_the_pass.push_back(entry);
  }
  const auto at = std::find(of_the_pass.begin(), of_the_pass.end(), contents_.mark.cursor);
  ASSERT_NE(at, of_the_pass.end());
  IndexMark mark = contents_.mark;
  ASSERT_NE(at, of_the_pass.begin());
  mark.cursor = *(at - 1);
  EXPECT_TRUE(IsFound(WithMark(mark), at->table, at->Key()));
  ASSERT_NE(at + 1, of_the_pass.end());
  mark.cursor = *(at + 1);
  EXPECT_TRUE(IsFound(WithMark(mark), (at + 1)->table, (at + 1)->Key()));
}

TEST_P(DamagedPassTest, AMarkOfAnotherPassIsFound) {
  const IndexMark& mark = contents_.mark;
  const IndexMark none = {};
  const IndexMark begun_again = DoneUpTo(mark.done);
  const IndexMark done = DoneUpTo(mark.target);
  IndexMark less = mark;
  less.done = Alias(mark.done.value() - 1);
  IndexMark more = mark;
  more.target = Alias(contents_.last_alias);
  int differing = 0;
  for (const IndexMark& other : {none, begun_again, done, less, more}) {
    const std::string edited = WithMark(other);
    for (const IndexEntry& entry : contents_.entries) {
      if (mark.Covers(entry) == other.Covers(entry)) continue;
      EXPECT_TRUE(IsFound(edited, entry.table, std::nullopt));
      ++differing;
      break;
    }
  }
  EXPECT_GE(differing, 4);  // the last may cover nobody else
}

TEST_P(DamagedPassTest, APopulationThatDoesNotFitWhatIsMergedIsFound) {
  int counted = 0;
  for (const auto& [at, population] : contents_.populations) {
    const Scope scope{at.first, at.second};
    for (const int change : {-1, 1}) {
      Population wrong = population;
      if (population.live == 0) wrong.oldest = Alias(1);
      if (population.live == 0 && change < 0) continue;  // nobody of it is merged
      wrong.live += static_cast<uint64_t>(change);
      const std::string edited = Edited(
          [&](Transaction& transaction) { return PutPopulation(transaction, scope, wrong); });
      EXPECT_TRUE(IsFound(edited, scope.table, std::nullopt));
      EXPECT_TRUE(IsFound(edited, scope.table, scope.Key(), {IndexCheck::kWindow}));
      ++counted;
    }
  }
  EXPECT_GE(counted, 6);
}

TEST_P(DamagedPassTest, APopulationThatCountsTheTailIsFound) {
  std::map<std::pair<Table, uint64_t>, uint64_t> in_tail;
  for (const IndexEntry& entry : contents_.Covered(false)) {
    if (CountsLive(entry.table)) ++in_tail[{entry.table, entry.hash}];
  }
  ASSERT_FALSE(in_tail.empty());
  for (const auto& [at, count] : in_tail) {
    const Scope scope{at.first, at.second};
    Population wrong = contents_.populations.at(at);
    wrong.live += count;
    const std::string edited =
        Edited([&](Transaction& transaction) { return PutPopulation(transaction, scope, wrong); });
    EXPECT_TRUE(IsFound(edited, scope.table, std::nullopt));
  }
}

INSTANTIATE_TEST_SUITE_P(Cursors, DamagedPassTest,
                         ::testing::Values(Table::kPublicKeys, Table::kPrincipals,
                                           Table::kDatabases, Table::kIdempotencyKeys),
                         [](const auto& table) {
                           std::string name(TableName(table.param));
                           std::erase(name, '_');
                           return name;
                         });

}  // namespace
}  // namespace batonstore::recovery
