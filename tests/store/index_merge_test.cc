// When the tail is merged, how much at a time, and that tail and tables are one whole at every
// moment in between.

#include "batonstore/store/index_merge.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/population.h"
#include "batonstore/store/rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_tables.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::MemoryTables;

SessionRecord MakeSession(uint64_t alias) {
  SessionRecord record;
  Session& session = record.session;
  session.alias = session.group = Alias(alias);
  session.state = State::kCreated;
  session.principal = absl::StrCat("principal ", alias % 3);
  session.database = "main";
  session.public_key = absl::StrCat("public key ", alias);
  if (alias % 2 == 0) record.idempotency_key = absl::StrCat("request ", alias);
  return record;
}

class IndexMergeTest : public MemoryTables {
 protected:
  IndexMergeTest() { MakeIndexMark(); }

  // Inserts so many sessions, each in a transaction of its own, in which a slice is merged if one
  // is due.
  void Insert(int sessions, IndexMerge* merge = nullptr) {
    for (int i = 0; i < sessions; ++i) {
      const SessionRecord record = MakeSession(++last_);
      Write([&](Transaction& transaction) -> absl::Status {
        absl::Status status;
        if (merge != nullptr) {
          const absl::StatusOr<bool> merged = merge->Begin(transaction);
          status.Update(merged.status());
          slices_ += merged.value_or(false);
        }
        status.Update(PutSession(transaction, keys_, record));
        status.Update(PutMetaNumber(transaction, meta::kLastAlias, last_));
        tail_.Add(EntriesOf(keys_, record));
        return status;
      });
    }
  }

  absl::Status Begin(IndexMerge& merge, bool commit = true) {
    const auto body = [&](Transaction& transaction) { return merge.Begin(transaction).status(); };
    if (!commit) return Try(body);
    Write(body);
    return absl::OkStatus();
  }

  IndexMark Mark() { return *GetIndexMark(*Read()); }

  // Every entry is in the tables exactly if the mark covers it, and otherwise in the tail; and so
  // with the populations.
  void ExpectWhole() {
    const IndexMark mark = Mark();
    const MemoryEngine::Rows rows = engine_.Committed();
    IndexTail rebuilt;
    ASSERT_THAT(rebuilt.CatchUp(*Read(), keys_), IsOk());
    for (uint64_t alias = 1; alias <= last_; ++alias) {
      for (const IndexEntry& entry : EntriesOf(keys_, MakeSession(alias))) {
        const bool in_table = rows[TableIndex(entry.table)].contains(entry.Key());
        EXPECT_EQ(in_table, mark.Covers(entry)) << TableName(entry.table) << " " << alias;
        for (const IndexTail* tail : {&tail_, &rebuilt}) {
          EXPECT_EQ(tail->Find(entry.table, entry.hash, entry.alias, 1) ==
                        std::vector<Alias>{entry.alias},
                    !in_table)
              << TableName(entry.table) << " " << alias;
        }
      }
    }
    for (int i = 0; i < 3; ++i) {
      const Scope scope = PrincipalScope(keys_, absl::StrCat("principal ", i));
      const uint64_t live = GetPopulation(*Read(), scope)->live;
      EXPECT_EQ(live + tail_.Live(scope).live, (last_ + 3 - (i == 0 ? 3 : i)) / 3) << i;
      EXPECT_EQ(rebuilt.Live(scope).live, tail_.Live(scope).live) << i;
    }
  }

  uint64_t last_ = 0;
  uint64_t merged_ = 0;
  int slices_ = 0;
};

TEST_F(IndexMergeTest, NothingIsMergedBeforeTheTailIsLongEnough) {
  IndexMerge merge(tail_, {.min_tail = 5, .slice = 100});
  Insert(5, &merge);
  EXPECT_EQ(slices_, 0);
  EXPECT_EQ(tail_.sessions(), 5u);
  EXPECT_THAT(RowsOf(Table::kPublicKeys), IsEmpty());
  Insert(1, &merge);
  EXPECT_EQ(slices_, 1);
  EXPECT_EQ(tail_.sessions(), 1u);
  EXPECT_EQ(RowsOf(Table::kPublicKeys).size(), 5u);
  EXPECT_EQ(Mark(), (IndexMark{Alias(5), Alias(5), {}}));
  ExpectWhole();
}

TEST_F(IndexMergeTest, TailGrowsWithTheStore) {
  IndexMerge merge(tail_, {.min_tail = 2, .tail_share = 4, .slice = 1000});
  for (int i = 0; i < 500; ++i) {
    const int slices_before = slices_;
    Insert(1, &merge);
    if (slices_ == slices_before) continue;
    EXPECT_GE(last_ - 1 - merged_, std::max<uint64_t>(2, (last_ - 1) / 4)) << "of " << last_;
    merged_ = Mark().done.value();
  }
  EXPECT_EQ(tail_.sessions(), last_ - merged_);
  EXPECT_LT(slices_, 30) << "each pass takes in a quarter of the store";
  ExpectWhole();
}

TEST_F(IndexMergeTest, APassIsCutIntoSlicesAndWholeBetweenThem) {
  for (const uint64_t slice : {1, 2, 3, 5, 7, 64}) {
    SCOPED_TRACE(slice);
    IndexMerge merge(tail_, {.min_tail = 6, .slice = slice});
    const uint64_t until = last_ + 40;
    while (last_ < until) {
      Insert(1, &merge);
      ExpectWhole();
    }
  }
  EXPECT_GT(slices_, 100);
}

TEST_F(IndexMergeTest, SlicesKeepUpWithWhatComes) {
  constexpr uint64_t kTail = 64;
  IndexMerge merge(tail_, {.min_tail = kTail, .slice = 16});
  for (int i = 0; i < 1000; ++i) {
    Insert(1, &merge);
    EXPECT_LE(tail_.sessions(), kTail + kTail / 2 + kTail / 4);
  }
  EXPECT_GT(slices_, 100);
}

TEST_F(IndexMergeTest, WhatIsAbandonedIsMergedLater) {
  IndexMerge merge(tail_, {.min_tail = 4, .slice = 5});
  Insert(4);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Begin(merge, /*commit=*/false), IsOk());
    ExpectWhole();
    EXPECT_EQ(Mark(), IndexMark());
  }
  Insert(20, &merge);
  EXPECT_GT(Mark().done, Alias(3));
  ExpectWhole();
}

TEST_F(IndexMergeTest, AnotherWriterGoesOnWithAPassThatWasBegun) {
  {
    IndexMerge merge(tail_, {.min_tail = 6, .slice = 5});
    Insert(7, &merge);
    ASSERT_TRUE(Mark().IsMerging());
  }
  IndexMerge merge(tail_, {.min_tail = 1'000'000, .slice = 5});
  Insert(12, &merge);
  EXPECT_EQ(Mark(), (IndexMark{Alias(6), Alias(6), {}}));
  ExpectWhole();
}

TEST_F(IndexMergeTest, SessionsThatHaveEndedAreMergedButNotCounted) {
  Insert(9);
  for (const uint64_t alias : {1, 2, 5}) {
    for (const IndexEntry& entry : EntriesOf(keys_, MakeSession(alias))) {
      if (!CountsLive(entry.table)) continue;
      Write([&](Transaction&) {
        tail_.CountOut(entry);
        return absl::OkStatus();
      });
    }
  }
  MergeIndexes();
  EXPECT_EQ(RowsOf(Table::kPublicKeys).size(), 9u);
  EXPECT_EQ(GetPopulation(*Read(), DatabaseScope(keys_, "main"))->live, 6u);
  EXPECT_EQ(GetPopulation(*Read(), PrincipalScope(keys_, "principal 1"))->live, 2u);
  EXPECT_EQ(GetPopulation(*Read(), PrincipalScope(keys_, "principal 1"))->oldest, Alias(4));
  EXPECT_EQ(GetPopulation(*Read(), PrincipalScope(keys_, "principal 2"))->live, 1u);
  EXPECT_EQ(tail_.Live(DatabaseScope(keys_, "main")).live, 0u);
}

TEST_F(IndexMergeTest, MergingAllEndsAPassThatWasBegun) {
  IndexMerge merge(tail_, {.min_tail = 6, .slice = 5});
  Insert(9, &merge);
  ASSERT_TRUE(Mark().IsMerging());
  MergeIndexes();
  EXPECT_EQ(Mark(), (IndexMark{Alias(9), Alias(9), {}}));
  EXPECT_EQ(tail_.sessions(), 0u);
  ExpectWhole();
}

TEST_F(IndexMergeTest, MarkThatIsMisshapenIsCorrupt) {
  IndexMerge merge(tail_, {.min_tail = 1});
  Insert(3);
  for (const size_t size : {size_t{0}, kIndexMarkBytes - 1, kIndexMarkBytes + 1}) {
    Put(Table::kMeta, std::string(meta::kIndexMark), std::string(size, '\0'));
    EXPECT_THAT(Begin(merge, /*commit=*/false), HasVerdict(Verdict::kCorrupt)) << size;
    EXPECT_THAT(IndexTail().CatchUp(*Read(), keys_), HasVerdict(Verdict::kCorrupt)) << size;
  }
}

// ---- The mark ----

TEST(IndexMarkTest, IsReadAsItWasWritten) {
  for (const IndexMark& mark :
       {IndexMark(), IndexMark{Alias(7), Alias(7), {}},
        IndexMark{Alias(7),
                  Alias(0x1112131415161718),
                  {Table::kIdempotencyKeys, 0x0102030405060708, Alias(9)}}}) {
    EXPECT_EQ(DecodeIndexMark(EncodeIndexMark(mark)), mark);
    EXPECT_EQ(EncodeIndexMark(mark).size(), kIndexMarkBytes);
  }
}

TEST(IndexMarkTest, WhatCannotBeIsNoMark) {
  const IndexEntry cursor{Table::kPrincipals, 1, Alias(1)};
  for (const IndexMark& mark :
       {IndexMark{Alias(7), Alias(7), cursor}, IndexMark{Alias(7), Alias(6), cursor},
        IndexMark{Alias(7), Alias(8), {}},
        IndexMark{Alias(7), Alias(8), {Table::kSessions, 1, Alias(1)}}}) {
    EXPECT_EQ(DecodeIndexMark(EncodeIndexMark(mark)), std::nullopt);
  }
}

TEST(IndexMarkTest, CoversWhatIsDoneAndWhatTheCursorHasPassed) {
  const IndexMark mark{Alias(5), Alias(9), {Table::kPrincipals, 100, Alias(7)}};
  EXPECT_TRUE(mark.Covers({Table::kDatabases, 999, Alias(5)}));
  EXPECT_TRUE(mark.Covers({Table::kPublicKeys, 999, Alias(9)}));
  EXPECT_TRUE(mark.Covers({Table::kPrincipals, 99, Alias(9)}));
  EXPECT_TRUE(mark.Covers({Table::kPrincipals, 100, Alias(7)}));
  EXPECT_FALSE(mark.Covers({Table::kPrincipals, 100, Alias(8)}));
  EXPECT_FALSE(mark.Covers({Table::kPrincipals, 101, Alias(6)}));
  EXPECT_FALSE(mark.Covers({Table::kDatabases, 1, Alias(6)}));
  EXPECT_FALSE(mark.Covers({Table::kPublicKeys, 1, Alias(10)}));
}

// ---- Following a store that others write ----

TEST_F(IndexMergeTest, FollowerSeesWhatIsNewAndLetsGoOfWhatIsMerged) {
  IndexTail follower;
  for (int round = 0; round < 3; ++round) {
    Insert(5);
    ASSERT_THAT(follower.CatchUp(*Read(), keys_), IsOk());
    EXPECT_EQ(follower.sessions(), 5u);
    const auto earlier = Read();
    MergeIndexes();
    ASSERT_THAT(follower.CatchUp(*Read(), keys_), IsOk());
    EXPECT_EQ(follower.sessions(), 0u);
    ASSERT_THAT(follower.CatchUp(*earlier, keys_), IsOk());
    EXPECT_EQ(follower.sessions(), 5u) << "for a snapshot that began before";
  }
}

}  // namespace
}  // namespace batonstore
