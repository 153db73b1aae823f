// The contract of engine.h, checked on every engine there is.

#include "batonstore/store/engine.h"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/number.h"
#include "batonstore/store/root.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/support/lmdb_folder.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using ::testing::ElementsAre;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LmdbFolder;
using ::testing::Optional;

using Decision = Engine::Decision;
using Model = std::map<std::string, std::string>;
using Row = std::pair<std::string, std::string>;

// An engine with whatever it stands on.
struct Fixture {
  std::unique_ptr<LmdbFolder> folder;
  std::unique_ptr<Engine> engine;
};

Fixture MakeMemory() { return {nullptr, std::make_unique<MemoryEngine>()}; }

Fixture MakeLmdb() {
  auto folder = std::make_unique<LmdbFolder>();
  auto engine = folder->CreateEngine();
  EXPECT_THAT(engine, IsOk());
  return {std::move(folder), engine.ok() ? *std::move(engine) : nullptr};
}

struct Kind {
  std::string name;
  Fixture (*make)();
};

std::vector<Row> Up(Snapshot& snapshot, const std::string& from, Table table = Table::kSessions) {
  std::vector<Row> rows;
  EXPECT_THAT(snapshot.ScanUp(table, from,
                              [&rows](absl::string_view key, absl::string_view value) {
                                rows.emplace_back(key, value);
                                return true;
                              }),
              IsOk());
  return rows;
}

std::vector<Row> Down(Snapshot& snapshot, const std::string& before,
                      Table table = Table::kSessions) {
  std::vector<Row> rows;
  EXPECT_THAT(snapshot.ScanDown(table, before,
                                [&rows](absl::string_view key, absl::string_view value) {
                                  rows.emplace_back(key, value);
                                  return true;
                                }),
              IsOk());
  return rows;
}

class EngineTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { ASSERT_NE(fixture_.engine, nullptr); }

  Engine& engine() { return *fixture_.engine; }

  void Commit(absl::FunctionRef<void(Transaction&)> body) {
    const Engine::Outcome outcome = engine().Write([&](Transaction& transaction) {
      body(transaction);
      return Decision::kCommit;
    });
    EXPECT_THAT(outcome.status, IsOk());
    EXPECT_EQ(outcome.fault, Fault::kNone);
  }

  void Put(const std::string& key, const std::string& value, Table table = Table::kSessions) {
    Commit(
        [&](Transaction& transaction) { EXPECT_THAT(transaction.Put(table, key, value), IsOk()); });
  }

  std::unique_ptr<Snapshot> Read() {
    absl::StatusOr<std::unique_ptr<Snapshot>> snapshot = engine().Read();
    EXPECT_THAT(snapshot, IsOk());
    return *std::move(snapshot);
  }

  std::optional<std::string> Get(const std::string& key, Table table = Table::kSessions) {
    const std::unique_ptr<Snapshot> snapshot = Read();
    const auto value = snapshot->Get(table, key);
    EXPECT_THAT(value, IsOk());
    if (!value->has_value()) return std::nullopt;
    return std::string(**value);
  }

 private:
  Fixture fixture_ = GetParam().make();
};

TEST_P(EngineTest, NewTablesAreEmpty) {
  const auto snapshot = Read();
  for (const Table table : kAllTables) {
    EXPECT_THAT(snapshot->Count(table), IsOk());
    EXPECT_EQ(*snapshot->Count(table), 0u);
    EXPECT_THAT(Up(*snapshot, "", table), IsEmpty());
    EXPECT_THAT(Up(*snapshot, "a", table), IsEmpty());
    EXPECT_THAT(Down(*snapshot, "", table), IsEmpty());
    EXPECT_THAT(Down(*snapshot, "a", table), IsEmpty());
  }
  EXPECT_EQ(Get("a"), std::nullopt);
}

TEST_P(EngineTest, PutInsertsAndReplaces) {
  Put("key", "one");
  EXPECT_THAT(Get("key"), Optional(std::string("one")));
  Put("key", "another");
  EXPECT_THAT(Get("key"), Optional(std::string("another")));
  EXPECT_EQ(*Read()->Count(Table::kSessions), 1u);
}

TEST_P(EngineTest, KeepsEmptyLongAndBinaryValues) {
  const std::string binary("\0\xff\n\0", 4);
  const std::string big(100'000, 'x');  // several of LMDB's overflow pages
  Put("empty", "");
  Put("binary", binary);
  Put("big", big);
  Put(std::string(511, 'k'), "the longest key");
  Put(binary, "a binary key");
  EXPECT_THAT(Get("empty"), Optional(std::string()));
  EXPECT_THAT(Get("binary"), Optional(binary));
  EXPECT_THAT(Get("big"), Optional(big));
  EXPECT_THAT(Get(std::string(511, 'k')), Optional(std::string("the longest key")));
  EXPECT_THAT(Get(binary), Optional(std::string("a binary key")));
}

TEST_P(EngineTest, DeleteSaysWhetherTheRowWasThere) {
  Put("key", "value");
  Commit([](Transaction& transaction) {
    EXPECT_EQ(*transaction.Delete(Table::kSessions, "missing"), false);
    EXPECT_EQ(*transaction.Delete(Table::kSessions, "key"), true);
    EXPECT_EQ(*transaction.Delete(Table::kSessions, "key"), false);
    EXPECT_EQ(transaction.fault(), Fault::kNone);
  });
  EXPECT_EQ(Get("key"), std::nullopt);
}

TEST_P(EngineTest, TablesAreApart) {
  for (const Table table : kAllTables) Put("key", std::string(TableName(table)), table);
  Commit([](Transaction& transaction) {
    EXPECT_EQ(*transaction.Delete(Table::kGroups, "key"), true);
  });
  for (const Table table : kAllTables) {
    if (table == Table::kGroups) {
      EXPECT_EQ(Get("key", table), std::nullopt);
    } else {
      EXPECT_THAT(Get("key", table), Optional(std::string(TableName(table))));
    }
  }
}

TEST_P(EngineTest, ScansStopAtTheirBounds) {
  for (const char* key : {"b", "d", "f"}) Put(key, absl::StrCat("value of ", key));
  const auto snapshot = Read();
  const Row b{"b", "value of b"};
  const Row d{"d", "value of d"};
  const Row f{"f", "value of f"};
  EXPECT_THAT(Up(*snapshot, ""), ElementsAre(b, d, f));
  EXPECT_THAT(Up(*snapshot, "a"), ElementsAre(b, d, f)) << "from below the first";
  EXPECT_THAT(Up(*snapshot, "d"), ElementsAre(d, f)) << "from a row, which belongs to it";
  EXPECT_THAT(Up(*snapshot, "e"), ElementsAre(f)) << "from between two rows";
  EXPECT_THAT(Up(*snapshot, "f"), ElementsAre(f));
  EXPECT_THAT(Up(*snapshot, "g"), IsEmpty()) << "from above the last";
  EXPECT_THAT(Down(*snapshot, ""), IsEmpty());
  EXPECT_THAT(Down(*snapshot, "b"), IsEmpty()) << "before the first";
  EXPECT_THAT(Down(*snapshot, "d"), ElementsAre(b)) << "before a row, which does not belong to it";
  EXPECT_THAT(Down(*snapshot, "e"), ElementsAre(d, b)) << "before a gap";
  EXPECT_THAT(Down(*snapshot, "g"), ElementsAre(f, d, b)) << "from above the last";
}

TEST_P(EngineTest, VisitorEndsTheScan) {
  for (const char* key : {"a", "b", "c"}) Put(key, "");
  const auto snapshot = Read();
  std::vector<std::string> seen;
  const auto stop_at_b = [&seen](absl::string_view key, absl::string_view) {
    seen.emplace_back(key);
    return key != "b";
  };
  EXPECT_THAT(snapshot->ScanUp(Table::kSessions, "", stop_at_b), IsOk());
  EXPECT_THAT(seen, ElementsAre("a", "b"));
  seen.clear();
  EXPECT_THAT(snapshot->ScanDown(Table::kSessions, "z", stop_at_b), IsOk());
  EXPECT_THAT(seen, ElementsAre("c", "b"));
}

TEST_P(EngineTest, VisitorMayWriteToAnotherTable) {
  for (const char* key : {"a", "b", "c"}) Put(key, "value");
  Commit([](Transaction& transaction) {
    EXPECT_THAT(transaction.ScanUp(Table::kSessions, "",
                                   [&](absl::string_view key, absl::string_view) {
                                     return transaction.Put(Table::kGroups, key, "").ok();
                                   }),
                IsOk());
  });
  EXPECT_EQ(*Read()->Count(Table::kGroups), 3u);
}

TEST_P(EngineTest, TransactionSeesItsOwnWritesAndNobodyElseDoes) {
  Put("old", "before");
  const auto earlier = Read();
  Commit([&](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kSessions, "new", "row"), IsOk());
    EXPECT_THAT(transaction.Put(Table::kSessions, "old", "after"), IsOk());
    EXPECT_EQ(Up(transaction, ""), (std::vector<Row>{{"new", "row"}, {"old", "after"}}));
    EXPECT_EQ(*transaction.Count(Table::kSessions), 2u);
    EXPECT_EQ(Get("new"), std::nullopt) << "uncommitted";
    EXPECT_THAT(Get("old"), Optional(std::string("before")));
  });
  EXPECT_EQ(Up(*earlier, ""), (std::vector<Row>{{"old", "before"}})) << "stays as it was";
  EXPECT_EQ(*earlier->Count(Table::kSessions), 1u);
  EXPECT_EQ(Up(*Read(), ""), (std::vector<Row>{{"new", "row"}, {"old", "after"}}));
}

TEST_P(EngineTest, SnapshotOutlivesManyCommits) {
  Put("key", "0");
  const auto earlier = Read();
  for (int i = 1; i <= 20; ++i) {
    Put("key",
        std::string(5000, static_cast<char>('a' + i)));  // pages come free and are used again
  }
  EXPECT_EQ(Up(*earlier, ""), (std::vector<Row>{{"key", "0"}}));
}

TEST_P(EngineTest, AbandonChangesNothing) {
  Put("kept", "value");
  const Engine::Outcome outcome = engine().Write([](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kSessions, "new", "row"), IsOk());
    EXPECT_EQ(*transaction.Delete(Table::kSessions, "kept"), true);
    return Decision::kAbandon;
  });
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.fault, Fault::kNone);
  EXPECT_FALSE(outcome.in_commit);
  EXPECT_EQ(Up(*Read(), ""), (std::vector<Row>{{"kept", "value"}}));
}

TEST_P(EngineTest, CountsWritesAttempted) {
  Commit([](Transaction& transaction) {
    EXPECT_EQ(transaction.writes(), 0u);
    (void)transaction.Get(Table::kSessions, "key");
    (void)Up(transaction, "");
    EXPECT_EQ(transaction.writes(), 0u);
    (void)transaction.Put(Table::kSessions, "key", "");
    EXPECT_EQ(transaction.writes(), 1u);
    (void)transaction.Delete(Table::kSessions, "missing");
    EXPECT_EQ(transaction.writes(), 2u);
  });
}

TEST_P(EngineTest, RunningOutOfMemoryIsAFaultAndChangesNothing) {
  const Engine::Outcome outcome = engine().Write([](Transaction& transaction) -> Decision {
    EXPECT_THAT(transaction.Put(Table::kSessions, "key", "value"), IsOk());
    throw std::bad_alloc();
  });
  EXPECT_EQ(outcome.fault, Fault::kNoMemory);
  EXPECT_FALSE(outcome.in_commit);
  EXPECT_EQ(Get("key"), std::nullopt);
  Put("key", "the engine goes on");
}

TEST_P(EngineTest, ShutRefusesEverything) {
  EXPECT_THAT(engine().Usable(), IsOk());
  engine().Shut(Verdict::kPoisoned);
  EXPECT_THAT(engine().Usable(), HasVerdict(Verdict::kPoisoned));
  EXPECT_THAT(engine().Read(), HasVerdict(Verdict::kPoisoned));
  bool ran = false;
  const Engine::Outcome outcome = engine().Write([&ran](Transaction&) {
    ran = true;
    return Decision::kCommit;
  });
  EXPECT_THAT(outcome.status, HasVerdict(Verdict::kPoisoned));
  EXPECT_FALSE(ran);
}

TEST_P(EngineTest, ClosedIsTheLastWord) {
  engine().Shut(Verdict::kPoisoned);
  engine().Shut(Verdict::kClosed);
  EXPECT_THAT(engine().Usable(), HasVerdict(Verdict::kClosed));
  engine().Shut(Verdict::kPoisoned);
  EXPECT_THAT(engine().Usable(), HasVerdict(Verdict::kClosed));
}

TEST_P(EngineTest, ClosingTwiceIsTheSameAsOnce) {
  engine().Shut(Verdict::kClosed);
  engine().Close();
  engine().Close();
  EXPECT_THAT(engine().Read(), HasVerdict(Verdict::kClosed));
}

// Random puts and deletes beside a std::map, in one transaction that is then abandoned. Few
// distinct keys, so that they meet; values long enough for a tree of several levels. A failure
// prints its seed; --test_env=RC_PARAMS="seed=..." replays it.
TEST_P(EngineTest, BehavesLikeAnOrderedMap) {
  constexpr uint64_t kKeys = 300;
  const bool passed = rc::check([this] {
    const auto keys = *rc::gen::container<std::vector<uint64_t>>(
        *rc::gen::inRange<size_t>(0, 600), rc::gen::inRange<uint64_t>(0, kKeys));
    const uint64_t bound = *rc::gen::inRange<uint64_t>(0, kKeys + 1);
    Model model;
    engine().Write([&](Transaction& transaction) {
      for (size_t i = 0; i < keys.size(); ++i) {
        const std::string key = EncodeNumber(keys[i]);
        if (i % 3 == 2) {
          const absl::StatusOr<bool> deleted = transaction.Delete(Table::kSessions, key);
          RC_ASSERT(deleted.ok());
          RC_ASSERT(*deleted == (model.erase(key) > 0));
        } else {
          model[key] = std::string(i, 'v');
          RC_ASSERT(transaction.Put(Table::kSessions, key, model[key]).ok());
        }
      }
      const auto middle = model.lower_bound(EncodeNumber(bound));
      const std::vector<Row> below(model.begin(), middle);
      RC_ASSERT(Up(transaction, EncodeNumber(bound)) == std::vector<Row>(middle, model.end()));
      RC_ASSERT(Down(transaction, EncodeNumber(bound)) ==
                std::vector<Row>(below.rbegin(), below.rend()));
      RC_ASSERT(*transaction.Count(Table::kSessions) == model.size());
      return Decision::kAbandon;
    });
  });
  EXPECT_TRUE(passed);
  EXPECT_EQ(*Read()->Count(Table::kSessions), 0u);
}

// ---- The root row.

SecretBytes RootKey() { return SecretBytes(std::string(KeyedHash::kKeySize, 'k')); }

class EngineRootTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    Put(std::string(meta::kRoot), RootHash(RootKey()).Encode(Root{}), Table::kMeta);
    engine().KeepRoot(std::make_unique<const RootHash>(RootKey()));
  }

  Root Said() {
    return RootHash(RootKey()).Decode(*Get(std::string(meta::kRoot), Table::kMeta)).value();
  }

  // Adds up what is there.
  std::array<TableSum, kAllTables.size()> Found() {
    const RootHash hash(RootKey());
    RowSums sums(hash);
    std::array<TableSum, kAllTables.size()> found;
    const auto snapshot = Read();
    for (const Table table : kAllTables) {
      for (const auto& [key, value] : Up(*snapshot, "", table)) sums.Add(table, key, value);
      found[TableIndex(table)] = sums.of(table);
    }
    return found;
  }
};

TEST_P(EngineRootTest, IsMovedByEveryWrite) {
  Put("a", "1");
  Put("b", "2");
  Put("a", "3");
  Put("a", "4", Table::kTurns);
  Commit([](Transaction& transaction) {
    EXPECT_THAT(transaction.Delete(Table::kSessions, "b"), IsOk());
    EXPECT_THAT(transaction.Delete(Table::kSessions, "not there"), IsOk());
    EXPECT_THAT(transaction.Put(Table::kSessions, "c", "5"), IsOk());
    EXPECT_THAT(transaction.Put(Table::kSessions, "c", "6"), IsOk());
  });
  EXPECT_EQ(Said().sequence, 5u);
  EXPECT_EQ(Said().tables, Found());
  EXPECT_EQ(Said().tables[TableIndex(Table::kSessions)].rows, 2u);
}

TEST_P(EngineRootTest, StaysWhenNothingIsCommitted) {
  Put("a", "1");
  const Root before = Said();
  const Engine::Outcome outcome = engine().Write([](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kSessions, "b", "2"), IsOk());
    return Decision::kAbandon;
  });
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Said(), before);
}

TEST_P(EngineRootTest, WhenItIsDamagedNothingIsWritten) {
  Put("a", "1");
  std::string changed = *Get(std::string(meta::kRoot), Table::kMeta);
  changed.back() = static_cast<char>(changed.back() ^ 1);
  const Engine::Outcome damaged = engine().Write([&](Transaction& transaction) {
    EXPECT_THAT(transaction.Put(Table::kSessions, "b", "2"), IsOk());
    EXPECT_THAT(transaction.Put(Table::kMeta, meta::kRoot, changed), IsOk());
    return Decision::kCommit;
  });
  EXPECT_THAT(damaged.status, HasVerdict(Verdict::kCorrupt));
  EXPECT_EQ(damaged.fault, Fault::kNone);
  EXPECT_EQ(Get("b"), std::nullopt);
  EXPECT_EQ(Said().tables, Found());
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineTest,
                         ::testing::Values(Kind{"Memory", &MakeMemory}, Kind{"Lmdb", &MakeLmdb}),
                         [](const auto& kind) { return kind.param.name; });
INSTANTIATE_TEST_SUITE_P(Engines, EngineRootTest,
                         ::testing::Values(Kind{"Memory", &MakeMemory}, Kind{"Lmdb", &MakeLmdb}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace batonstore
