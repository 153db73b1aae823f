// The tail when memory is short: what could not be added is not there, and all else is.

#include "batonstore/store/index_tail.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/store/population.h"
#include "batonstore/store/rows.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/memory_tables.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::IsOk;
using testing::MemoryTables;
using testing::ScopedAllocationFault;

SessionRecord MakeSession(uint64_t alias) {
  SessionRecord record;
  Session& session = record.session;
  session.alias = session.group = Alias(alias);
  session.state = State::kCreated;
  session.principal = absl::StrCat("principal ", alias % 7);
  session.database = "main";
  session.public_key = absl::StrCat("public key ", alias);
  return record;
}

class IndexTailTest : public MemoryTables {
 protected:
  IndexTailTest() { MakeIndexMark(); }

  // All entries, in their order.
  static std::vector<IndexEntry> EntriesIn(const IndexTail& tail) {
    std::vector<IndexEntry> entries;
    for (const auto& item : tail.Next(IndexEntry(), Alias(UINT64_MAX), SIZE_MAX)) {
      entries.push_back(item.entry);
    }
    return entries;
  }

  uint64_t LiveIn(const IndexTail& tail, const std::string& principal) const {
    return tail.Live(PrincipalScope(keys_, principal)).live;
  }

  void PutSessions(uint64_t first, uint64_t last) {
    Write([&](Transaction& transaction) {
      absl::Status put;
      for (uint64_t alias = first; alias <= last; ++alias) {
        put.Update(PutSession(transaction, keys_, MakeSession(alias)));
      }
      return put;
    });
  }
};

// Each allocation of each call fails once: also those by which the tree divides its nodes.
TEST_F(IndexTailTest, WhatCouldNotBeAddedIsNotThereAndAllElseIs) {
  std::mt19937_64 random(1);
  std::set<IndexEntry> model;
  uint64_t failures = 0;
  uint64_t live = 0;
  for (int i = 0; i < 3'000; ++i) {
    const SessionRecord record = MakeSession(random() >> 1);
    const IndexEntries entries = EntriesOf(keys_, record);
    bool added = false;
    for (size_t nth = 0; !added; ++nth) {
      try {
        const ScopedAllocationFault fault(nth, /*for_good=*/false);
        tail_.Add(entries);
        added = true;
      } catch (const std::bad_alloc&) {
        ++failures;
      }
      tail_.End(/*committed=*/added);
      for (const IndexEntry& entry : entries) {
        const auto found = tail_.Find(entry.table, entry.hash, entry.alias, 1);
        EXPECT_EQ(!found.empty() && found.front() == entry.alias, added);
      }
    }
    model.insert(entries.begin(), entries.end());
    live += record.session.principal == "principal 3";
    if (i % 100 != 0) continue;
    ASSERT_EQ(EntriesIn(tail_), std::vector<IndexEntry>(model.begin(), model.end())) << i;
    ASSERT_EQ(tail_.sessions(), static_cast<size_t>(i + 1));
    ASSERT_EQ(LiveIn(tail_, "principal 3"), live);
  }
  EXPECT_GT(failures, 1'000u) << "hardly anything was made to fail";
}

TEST_F(IndexTailTest, WhatCouldNotBeReadIsReadTheNextTime) {
  constexpr uint64_t kFirst = 40;
  constexpr uint64_t kSessions = 160;
  PutSessions(1, kFirst);
  const auto first = Read();
  PutSessions(kFirst + 1, kSessions);
  const auto all = Read();
  IndexTail whole;
  ASSERT_THAT(whole.CatchUp(*all, keys_), IsOk());
  bool failed = true;
  size_t nth = 0;
  for (; failed; nth += 5) {
    IndexTail tail;
    ASSERT_THAT(tail.CatchUp(*first, keys_), IsOk());
    try {
      const ScopedAllocationFault fault(nth, /*for_good=*/false);
      failed = !tail.CatchUp(*all, keys_).ok();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    ASSERT_THAT(tail.CatchUp(*all, keys_), IsOk());
    ASSERT_EQ(EntriesIn(tail), EntriesIn(whole)) << nth;
    ASSERT_EQ(tail.sessions(), kSessions);
    ASSERT_EQ(LiveIn(tail, "principal 3"), LiveIn(whole, "principal 3")) << nth;
  }
  EXPECT_GT(nth, 300u) << "hardly anything was made to fail";
}

}  // namespace
}  // namespace batonstore
