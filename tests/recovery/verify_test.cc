// What verification finds in rows that were changed behind the store's back, and that it finds
// nothing in stores that are sound.

#include "batonstore/recovery/verify.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"
#include "batonstore/store/population.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/full_store.h"
#include "tests/support/index_rules.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::Channel;
using ::batonstore::testing::CopyAsACrashWouldLeaveIt;
using ::batonstore::testing::EditRows;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HastyIndexes;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::MakeFullStore;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::RootRow;
using ::batonstore::testing::TempDir;
using ::testing::HasSubstr;

struct Row {
  Table table;
  std::string key;
  std::string value;

  std::string ToString() const {
    return absl::StrCat(TableName(table), " ", absl::BytesToHexString(key));
  }

  // The root row notices whatever is done to the others. So it is moved along, where the other
  // checks are to show what they notice by themselves.
  RootRow root_row() const {
    return table == Table::kMeta && key == meta::kRoot ? RootRow::kLeft : RootRow::kMoved;
  }
};

// A sound store with every kind of row, made once; each test damages copies of it.
class VerifyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempDir;
    rows_.clear();
    records_.clear();
    MakeFullStore(Original());
    EditRows(Original(), [](Transaction& transaction) {
      for (const Table table : kAllTables) {
        ASSERT_THAT(
            transaction.ScanUp(table, "",
                               [&](absl::string_view key, absl::string_view value) {
                                 rows_.push_back({table, std::string(key), std::string(value)});
                                 return true;
                               }),
            IsOk());
      }
      ASSERT_OK_AND_ASSIGN(const Identity identity,
                           ReadIdentity(transaction, Key(), SystemRandom()));
      ASSERT_THAT(ScanSessions(transaction, *identity.keys, Alias(),
                               [](SessionRecord record) {
                                 records_[record.session.alias.ToKey()] = std::move(record);
                                 return true;
                               }),
                  IsOk());
    });
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string Original() { return *folder_ / "original"; }
  static SecretBytes Key() { return *KeyFromFile(Original() + "/key")(); }

  static VerifyReport VerifyQuietly(const std::string& directory,
                                    size_t window = IndexCheck::kWindow) {
    absl::StatusOr<VerifyReport> report =
        VerifyQuietFile(directory + "/data.mdb", Key(), SystemClock(), nullptr, window);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? *std::move(report) : VerifyReport();
  }

  // A copy of the store with these rows changed.
  class Edited {
   public:
    explicit Edited(const std::function<void(Transaction&)>& edit,
                    RootRow root_row = RootRow::kMoved) {
      fs::copy(Original(), path(), fs::copy_options::recursive);
      EditRows(path(), edit, root_row);
    }
    std::string path() const { return folder_ / "edited"; }

   private:
    TempDir folder_;
  };

  // Whether the damage is found, and is said to be in that table, wherever windows end.
  static ::testing::AssertionResult IsFound(const Edited& edited, Table table,
                                            const std::string& key) {
    for (const size_t window : {size_t{1}, size_t{7}, IndexCheck::kWindow}) {
      const VerifyReport report = VerifyQuietly(edited.path(), window);
      bool named = false;
      std::string all;
      for (const Finding& finding : report.findings) {
        named = named || (finding.table == TableName(table) && finding.key == key);
        absl::StrAppend(&all, "\n  ", finding.ToString());
      }
      if (!named) {
        return ::testing::AssertionFailure()
               << "with a window of " << window << " the row is not named, but" << all;
      }
    }
    return ::testing::AssertionSuccess();
  }

  static ::testing::AssertionResult IsSound(const std::string& directory) {
    for (const size_t window : {size_t{1}, size_t{7}, IndexCheck::kWindow}) {
      const VerifyReport report = VerifyQuietly(directory, window);
      if (!report.is_sound() || !report.rows_checked) {
        return ::testing::AssertionFailure() << report.ToStatus();
      }
    }
    return ::testing::AssertionSuccess();
  }

  static bool HasRow(Table table, const std::string& key) {
    return std::any_of(rows_.begin(), rows_.end(),
                       [&](const Row& row) { return row.table == table && row.key == key; });
  }
  static const SessionRecord* RecordOf(absl::string_view alias_key) {
    const auto found = records_.find(std::string(alias_key));
    return found == records_.end() ? nullptr : &found->second;
  }
  static bool HasEnded(absl::string_view alias_key) {
    const SessionRecord* const record = RecordOf(alias_key);
    return record != nullptr && IsTerminal(record->session.state);
  }

  static inline TempDir* folder_ = nullptr;
  static inline std::vector<Row> rows_;
  static inline std::map<std::string, SessionRecord> records_;
};

TEST_F(VerifyTest, EveryTableHasRows) {
  std::set<Table> tables;
  for (const Row& row : rows_) tables.insert(row.table);
  EXPECT_EQ(tables.size(), kAllTables.size());
}

TEST_F(VerifyTest, ASoundStoreIsSound) {
  EXPECT_TRUE(IsSound(Original()));
  double last = 0;
  ASSERT_OK_AND_ASSIGN(const VerifyReport report,
                       Verify({.directory = Original(), .progress = [&](double done) {
                                 EXPECT_GE(done, last);
                                 EXPECT_LE(done, 1);
                                 last = done;
                               }}));
  EXPECT_TRUE(report.is_sound()) << report.ToStatus();
  EXPECT_THAT(report.ToStatus(), IsOk());
  EXPECT_TRUE(report.rows_checked);
  EXPECT_EQ(report.sessions, records_.size());
  EXPECT_EQ(report.rows, rows_.size());
  EXPECT_EQ(report.bytes, fs::file_size(Original() + "/data.mdb"));
}

TEST_F(VerifyTest, AStoreWithoutSessionsIsSound) {
  TempDir folder;
  ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = folder / "store"}));
  ASSERT_THAT(store->Close(), IsOk());
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.directory = folder / "store"}));
  EXPECT_TRUE(report.is_sound()) << report.ToStatus();
}

// ---- Rows that are gone.

TEST_F(VerifyTest, ARowThatIsGoneIsMissed) {
  // Whether the store could have dropped the row itself, and nothing else would have changed.
  const auto could_be_gone = [](const Row& row) {
    switch (row.table) {
      case Table::kCompensations:  // acknowledged
      case Table::kRevoked:        // worked off
      case Table::kConsumers:      // removed
        return true;
      case Table::kExpiries:  // kept for ever
        return HasEnded(absl::string_view(row.key).substr(8));
      case Table::kTurns:  // never rotated
        return RecordOf(row.key)->session.idle_timeout == absl::InfiniteDuration();
      default:
        return false;
    }
  };
  for (const Row& row : rows_) {
    SCOPED_TRACE(row.ToString());
    const Edited edited(
        [&](Transaction& transaction) {
          ASSERT_THAT(transaction.Delete(row.table, row.key), IsOk());
        },
        row.root_row());
    if (row.table == Table::kMeta && row.key == meta::kFormat) {
      EXPECT_THAT(Verify({.directory = edited.path()}), HasVerdict(Verdict::kWrongFormat));
    } else if (row.table == Table::kMeta && row.key == meta::kStoreId) {
      EXPECT_FALSE(VerifyQuietly(edited.path()).is_sound());
    } else if (could_be_gone(row)) {
      EXPECT_TRUE(IsSound(edited.path()));
    } else if (row.table == Table::kSessions || row.table == Table::kOutbox ||
               row.table == Table::kGroups || row.table == Table::kAttributes) {
      // What is named is what is left: the other rows of the session, the next event, the record
      // that says that it is a member, the head that counts the field.
      EXPECT_FALSE(VerifyQuietly(edited.path()).is_sound());
      EXPECT_FALSE(VerifyQuietly(edited.path(), 1).is_sound());
    } else if (row.table == Table::kPrincipals || row.table == Table::kDatabases) {
      EXPECT_FALSE(VerifyQuietly(edited.path(), 1).is_sound());
      const VerifyReport report = VerifyQuietly(edited.path());
      ASSERT_FALSE(report.is_sound());
      EXPECT_EQ(report.findings[0].table, TableName(row.table));
    } else {
      EXPECT_TRUE(IsFound(edited, row.table, row.key));
    }
  }
}

// ---- Values that were changed, one bit each.

TEST_F(VerifyTest, AValueThatIsChangedIsFound) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (const Row& row : rows_) {
    if (row.value.empty()) continue;
    const bool is_number_of_meta =
        row.table == Table::kMeta && row.value.size() <= 16 && row.key != meta::kIncarnation;
    const bool is_mark = row.key == meta::kIndexMark;  // verify_indexes_test.cc
    if (is_number_of_meta || is_mark || row.table == Table::kConsumers) continue;  // elsewhere
    std::string value = row.value;
    const bool is_population = row.value.size() == 16 && row.table != Table::kMeta;
    const size_t at = random() % (is_population ? 8 : value.size());
    value[at] = static_cast<char>(value[at] ^ (1 << random() % 8));
    SCOPED_TRACE(absl::StrCat(row.ToString(), " byte ", at));
    const Edited edited(
        [&](Transaction& transaction) {
          ASSERT_THAT(transaction.Put(row.table, row.key, value), IsOk());
        },
        row.root_row());
    if (is_population) {
      EXPECT_FALSE(VerifyQuietly(edited.path(), 1).is_sound());
      const VerifyReport report = VerifyQuietly(edited.path());
      ASSERT_FALSE(report.is_sound());
      EXPECT_EQ(report.findings[0].key, row.key);
    } else {
      EXPECT_TRUE(IsFound(edited, row.table, row.key));
    }
  }
}

// ---- Keys that were changed, one bit each.

TEST_F(VerifyTest, ARowThatIsMovedIsFound) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (const Row& row : rows_) {
    if (row.table == Table::kConsumers) continue;  // may have any name
    std::string key = row.key;
    // A member's sequence may be any that keeps the order, and an ended session may be kept for
    // longer.
    const bool only_alias = row.table == Table::kExpiries && HasEnded(row.key.substr(8));
    const bool only_group = row.table == Table::kGroups;
    const size_t at = only_alias   ? 8 + random() % 8
                      : only_group ? random() % 8
                                   : random() % key.size();
    key[at] = static_cast<char>(key[at] ^ (1 << random() % 8));
    if (HasRow(row.table, key)) continue;  // then it is rather gone
    SCOPED_TRACE(absl::StrCat(row.ToString(), " byte ", at));
    const Edited edited(
        [&](Transaction& transaction) {
          ASSERT_THAT(transaction.Delete(row.table, row.key), IsOk());
          ASSERT_THAT(transaction.Put(row.table, key, row.value), IsOk());
        },
        row.root_row());
    if (row.table == Table::kMeta && (row.key == meta::kFormat || row.key == meta::kStoreId)) {
      const auto report = Verify({.directory = edited.path()});
      EXPECT_TRUE(!report.ok() || !report->is_sound());
      continue;
    }
    for (const size_t window : {size_t{1}, IndexCheck::kWindow}) {
      const VerifyReport report = VerifyQuietly(edited.path(), window);
      EXPECT_FALSE(report.is_sound());
    }
  }
}

// ---- What only the root row tells.

TEST_F(VerifyTest, WhateverIsDoneBehindTheRootRowIsFound) {
  for (const Row& row : rows_) {
    SCOPED_TRACE(row.ToString());
    const auto is_found = [&](const std::function<void(Transaction&)>& edit) {
      const Edited edited(edit, RootRow::kLeft);
      const auto report =
          VerifyQuietFile(edited.path() + "/data.mdb", Key(), SystemClock(), nullptr);
      return !report.ok() || !report->is_sound();
    };
    EXPECT_TRUE(is_found([&](Transaction& transaction) {
      ASSERT_THAT(transaction.Delete(row.table, row.key), IsOk());
    }));
    EXPECT_TRUE(is_found([&](Transaction& transaction) {
      ASSERT_THAT(transaction.Put(row.table, row.key, row.value + "!"), IsOk());
    }));
    EXPECT_TRUE(is_found([&](Transaction& transaction) {
      ASSERT_THAT(transaction.Put(row.table, row.key + "!", row.value), IsOk());
    }));
  }
}

// Its seal is good, and no other table says anything about what it holds.
TEST_F(VerifyTest, ARowThatIsOlderThanTheRestIsFound) {
  TempDir folder;
  const std::string directory = folder / "store";
  Row old{Table::kAttributes, "", ""};
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = directory}));
    ASSERT_OK_AND_ASSIGN(const Session session, store->sessions().ReserveAndCreate(LastingSpec()));
    ASSERT_THAT(store->sessions().Merge(session.alias, {{"role", Change::Set("admin")}}), IsOk());
    old.key = session.alias.ToKey() + "role";
    EXPECT_THAT(store->Close(), IsOk());
    EditRows(directory, [&](Transaction& transaction) {
      ASSERT_OK_AND_ASSIGN(const auto value, transaction.Get(old.table, old.key));
      ASSERT_TRUE(value.has_value());
      old.value = std::string(*value);
    });
    ASSERT_OK_AND_ASSIGN(const auto again, Open({.directory = directory}));
    ASSERT_THAT(again->sessions().Merge(session.alias, {{"role", Change::Set("guest")}}), IsOk());
  }
  const auto verify = [&directory] { return Verify({.directory = directory}); };
  ASSERT_OK_AND_ASSIGN(const VerifyReport before, verify());
  ASSERT_THAT(before.ToStatus(), IsOk());
  EditRows(
      directory,
      [&](Transaction& transaction) {
        ASSERT_THAT(transaction.Put(old.table, old.key, old.value), IsOk());
      },
      RootRow::kLeft);
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify());
  ASSERT_EQ(report.damages, 1u) << report.ToStatus();
  EXPECT_EQ(report.findings[0].table, TableName(Table::kAttributes));
}

// ---- Rows that are too much.

TEST_F(VerifyTest, ARowThatIsTooMuchIsFound) {
  const std::string stranger = Alias(1).ToKey();
  const std::string number = EncodeNumber(77);
  const std::pair<Table, std::pair<std::string, std::string>> strays[] = {
      {Table::kMeta, {"color", "red"}},
      {Table::kSessions, {stranger, "record"}},
      {Table::kSessions, {"short", "record"}},
      {Table::kReservations, {stranger, "record"}},
      {Table::kReservations, {"short", "record"}},
      {Table::kGroups, {stranger + number, stranger}},
      {Table::kPublicKeys, {number, stranger}},
      {Table::kPublicKeys, {"short", stranger}},
      {Table::kPrincipals, {number + stranger, ""}},
      {Table::kPrincipals, {number + stranger, "value"}},
      {Table::kPrincipals, {number, number + stranger}},
      {Table::kPrincipals, {number, "population"}},
      {Table::kDatabases, {number + stranger, ""}},
      {Table::kDatabases, {number + "short", ""}},
      {Table::kTurns, {stranger, "record"}},
      {Table::kExpiries, {number + stranger, ""}},
      {Table::kExpiries, {"short", ""}},
      {Table::kAttributes, {stranger, "head"}},
      {Table::kAttributes, {stranger + "field", "value"}},
      {Table::kRevoked, {number + stranger, "mark"}},
      {Table::kCompensations, {stranger, "intent"}},
      {Table::kIdempotencyKeys, {number, stranger}},
      {Table::kOutbox, {EncodeNumber(1u << 20), "event"}},
      {Table::kConsumers, {"nobody", "number"}},
      {Table::kConsumers, {"nobody", EncodeNumber(1u << 20)}},
  };
  for (const auto& [table, row] : strays) {
    SCOPED_TRACE(absl::StrCat(TableName(table), " ", absl::BytesToHexString(row.first)));
    const Edited edited([&, table = table, &row = row](Transaction& transaction) {
      ASSERT_THAT(transaction.Put(table, row.first, row.second), IsOk());
    });
    if (table == Table::kPrincipals && row.second.size() == 16) {
      EXPECT_FALSE(VerifyQuietly(edited.path(), 1).is_sound());
      EXPECT_TRUE(!VerifyQuietly(edited.path()).is_sound());
    } else {
      EXPECT_TRUE(IsFound(edited, table, row.first));
    }
  }
}

// ---- Numbers.

TEST_F(VerifyTest, NumbersOfMetaAreNotBehindWhatThereIs) {
  for (const absl::string_view name : {meta::kLastAlias, meta::kLastEvent, meta::kTime}) {
    const Edited edited([&](Transaction& transaction) {
      ASSERT_THAT(PutMetaNumber(transaction, name, 3), IsOk());
    });
    SCOPED_TRACE(name);
    if (name == meta::kLastEvent) {
      EXPECT_FALSE(VerifyQuietly(edited.path()).is_sound());
    } else {
      EXPECT_TRUE(IsFound(edited, Table::kMeta, std::string(name)));
    }
  }
  const Edited last([](Transaction& transaction) {  // by one
    const uint64_t newest = Alias::FromKey(records_.rbegin()->first)->value();
    ASSERT_THAT(PutMetaNumber(transaction, meta::kLastAlias, newest - 1), IsOk());
  });
  EXPECT_TRUE(IsFound(last, Table::kMeta, std::string(meta::kLastAlias)));
  const Edited closed([](Transaction& transaction) {
    ASSERT_THAT(PutMetaNumber(transaction, meta::kClosed, 1000), IsOk());
  });
  EXPECT_TRUE(IsFound(closed, Table::kMeta, std::string(meta::kClosed)));
  const Edited epoch([](Transaction& transaction) {
    ASSERT_THAT(PutMetaNumber(transaction, meta::kEpoch, 1), IsOk());
    ASSERT_THAT(PutMetaNumber(transaction, meta::kClosed, 1), IsOk());
  });
  EXPECT_FALSE(VerifyQuietly(epoch.path()).is_sound()) << "there are reservations of epoch 2";
}

TEST_F(VerifyTest, TheStoreCountsItsLiveSessions) {
  for (const bool one_more : {false, true}) {
    const Edited edited([&](Transaction& transaction) {
      ASSERT_OK_AND_ASSIGN(Population store, GetPopulation(transaction, StoreScope()));
      store.live += one_more ? 1 : -1;
      ASSERT_THAT(PutPopulation(transaction, StoreScope(), store), IsOk());
    });
    EXPECT_TRUE(IsFound(edited, Table::kMeta, std::string(meta::kLive)));
  }
}

TEST_F(VerifyTest, APopulationDoesNotPassOverWhoIsLive) {
  for (const Row& row : rows_) {
    if (row.value.size() != 16 || row.key == meta::kStoreId || row.key == meta::kIncarnation) {
      continue;
    }
    SCOPED_TRACE(row.ToString());
    const Edited edited([&](Transaction& transaction) {
      ASSERT_THAT(transaction.Put(row.table, row.key,
                                  absl::StrCat(row.value.substr(0, 8), EncodeNumber(~uint64_t{0}))),
                  IsOk());
    });
    EXPECT_TRUE(IsFound(edited, row.table, row.key));
  }
}

TEST_F(VerifyTest, TwoWrongCountsDoNotMakeUpForEachOther) {
  std::vector<Row> populations;
  for (const Row& row : rows_) {
    if (row.table == Table::kPrincipals && row.key.size() == 8) populations.push_back(row);
  }
  ASSERT_GE(populations.size(), 2u);
  const Edited edited([&](Transaction& transaction) {
    for (const int i : {0, 1}) {
      const Row& row = populations[static_cast<size_t>(i)];
      const uint64_t live = *DecodeNumber(row.value.substr(0, 8));
      ASSERT_THAT(transaction.Put(row.table, row.key,
                                  EncodeNumber(i == 0 ? live + 1 : live - 1) + row.value.substr(8)),
                  IsOk());
    }
  });
  EXPECT_FALSE(VerifyQuietly(edited.path(), 1).is_sound());
  EXPECT_TRUE(IsFound(edited, Table::kPrincipals, populations[0].key) ||
              VerifyQuietly(edited.path()).damages >= 2);
}

TEST_F(VerifyTest, NorDoThoseOfPrincipalsWhoseHashesBeginAlike) {
  const Edited edited([](Transaction&) {});
  std::string one;
  std::string other;
  EditRows(edited.path(), [&](Transaction& transaction) {
    ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(transaction, Key(), SystemRandom()));
    std::map<uint64_t, std::string> names;  // by the first two bytes
    for (int i = 0; other.empty(); ++i) {
      const std::string name = absl::StrCat("principal ", i);
      const auto [found, is_first] = names.emplace(identity.keys->HashPrincipal(name) >> 48, name);
      if (is_first) continue;
      one = found->second;
      other = name;
    }
  });
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = edited.path(),
                                                 .policy = {.indexes = HastyIndexes(1, 12)}}));
    for (const std::string& name : {one, other}) {
      SessionSpec spec = LastingSpec();
      spec.principal = name;
      ASSERT_THAT(store->sessions().ReserveAndCreate(spec), IsOk());
    }
    for (int i = 0; i < 40; ++i) {  // until those two are merged
      ASSERT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
    }
  }
  ASSERT_TRUE(VerifyQuietly(edited.path(), 1).is_sound());
  EditRows(edited.path(), [&](Transaction& transaction) {
    ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(transaction, Key(), SystemRandom()));
    for (const std::string& name : {one, other}) {
      const Scope scope = PrincipalScope(*identity.keys, name);
      ASSERT_OK_AND_ASSIGN(Population population, GetPopulation(transaction, scope));
      ASSERT_EQ(population.live, 1u);
      population.live += name == one ? 1 : -1;
      ASSERT_THAT(PutPopulation(transaction, scope, population), IsOk());
    }
  });
  EXPECT_FALSE(VerifyQuietly(edited.path(), 1).is_sound());
}

// ---- Records that are authentic, and not of now: with the store's own keys.

TEST_F(VerifyTest, AnAuthenticRecordOfAnotherStateIsFound) {
  std::string live;
  for (const auto& [key, record] : records_) {
    if (record.session.state == State::kCreated) live = key;
  }
  const Edited edited([&](Transaction& transaction) {
    ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(transaction, Key(), SystemRandom()));
    SessionRecord record = records_[live];
    record.session.state = State::kRevoked;
    record.ended_at = absl::Now() - absl::Hours(1);
    record.sealed_private_key.clear();
    ASSERT_THAT(PutSession(transaction, *identity.keys, record), IsOk());
  });
  const VerifyReport report = VerifyQuietly(edited.path());
  EXPECT_FALSE(report.is_sound());
  EXPECT_FALSE(VerifyQuietly(edited.path(), 1).is_sound());
}

TEST_F(VerifyTest, APrivateKeyOfAnotherSessionIsFound) {
  std::string one;
  std::string other;
  for (const auto& [key, record] : records_) {
    if (!record.sealed_private_key.empty()) (one.empty() ? one : other) = key;
  }
  const Edited edited([&](Transaction& transaction) {
    ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(transaction, Key(), SystemRandom()));
    SessionRecord changed = records_[one];
    changed.sealed_private_key = records_[other].sealed_private_key;
    ASSERT_THAT(PutSession(transaction, *identity.keys, changed), IsOk());
  });
  EXPECT_TRUE(IsFound(edited, Table::kSessions, one));
}

TEST_F(VerifyTest, APrivateKeyThatWasNotShreddedIsFoundAndOneThatIsMissingToo) {
  for (const auto& [key, record] : records_) {
    SessionRecord changed = record;
    changed.sealed_private_key = record.sealed_private_key.empty() ? "a private key" : "";
    const Edited edited([&](Transaction& transaction) {
      ASSERT_OK_AND_ASSIGN(const Identity identity,
                           ReadIdentity(transaction, Key(), SystemRandom()));
      ASSERT_THAT(PutSession(transaction, *identity.keys, changed), IsOk());
    });
    EXPECT_TRUE(IsFound(edited, Table::kSessions, key)) << StateName(record.session.state);
  }
}

// ---- What cannot be verified.

TEST_F(VerifyTest, WhatIsNoStoreHasItsVerdict) {
  TempDir folder;
  EXPECT_THAT(Verify({.directory = folder / "nothing"}), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(Verify({}), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(Verify({.directory = Original(),
                      .key_encryption_key = [] { return SecretBytes(std::string(32, 'k')); }}),
              HasVerdict(Verdict::kWrongKey));
  EXPECT_THAT(
      Verify({.directory = Original(), .key_encryption_key = [] { return SecretBytes("short"); }}),
      HasVerdict(Verdict::kInvalid));
}

TEST_F(VerifyTest, AStoreThatThisProcessHasOpenIsNotOpenedTwice) {
  const Edited edited([](Transaction&) {});
  ASSERT_OK_AND_ASSIGN(const auto store, Open({.directory = edited.path()}));
  EXPECT_THAT(Verify({.directory = edited.path()}), HasVerdict(Verdict::kNotOwner));
}

// ---- Beside an owner.

TEST_F(VerifyTest, AStoreThatIsServedIsSoundAtEveryMoment) {
  const Edited edited([](Transaction&) {});
  ForkedChild owner([&](Channel& parent) -> std::string {
    const auto store = Open({.directory = edited.path()});
    if (!store.ok()) return store.status().ToString();
    SessionStore& sessions = (*store)->sessions();
    parent.Send("serving");
    std::mt19937 random(7);
    for (const absl::Time until = absl::Now() + absl::Seconds(3); absl::Now() < until;) {
      SessionSpec spec = LastingSpec();
      spec.idempotency_key = absl::StrCat(random());
      const auto session = sessions.ReserveAndCreate(spec);
      if (!session.ok()) return session.status().ToString();
      if (random() % 2 == 0) (void)sessions.Revoke(session->alias);
      if (random() % 8 == 0) (void)sessions.Sweep();
    }
    return "";
  });
  ASSERT_EQ(owner.channel().Receive(), "serving");
  std::set<uint64_t> snapshots;
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.directory = edited.path()}));
    ASSERT_TRUE(report.is_sound()) << report.ToStatus();
    snapshots.insert(report.transaction_id);
  }
  EXPECT_GT(snapshots.size(), 1u);
  EXPECT_EQ(owner.Join(), "");
}

// ---- At an opening.

class OpeningTest : public VerifyTest {
 protected:
  static Options OptionsFor(const std::string& directory, Verification verify) {
    return {.directory = directory, .sweep_every = absl::InfiniteDuration(), .verify = verify};
  }
  static std::function<void(Transaction&)> LoseAnIndexRow() {
    return [](Transaction& transaction) {
      for (const Row& row : rows_) {
        if (row.table != Table::kPublicKeys) continue;
        ASSERT_THAT(transaction.Delete(row.table, row.key), IsOk());
        return;
      }
    };
  }
};

TEST_F(OpeningTest, ASoundStoreIsServedAndTheReportTellsWhetherItWasVerified) {
  const Edited edited([](Transaction&) {});
  const std::pair<Verification, bool> cases[] = {{Verification::kNever, false},
                                                 {Verification::kAfterCrash, false},
                                                 {Verification::kAlways, true}};
  for (const auto& [verify, verified] : cases) {
    ASSERT_OK_AND_ASSIGN(const auto store, Open(OptionsFor(edited.path(), verify)));
    EXPECT_EQ(store->report().verified, verified);
    EXPECT_THAT(store->Close(), IsOk());
  }
}

TEST_F(OpeningTest, AfterACrashTheStoreIsVerifiedIfAsked) {
  TempDir folder;
  {
    const Edited edited([](Transaction&) {});
    ASSERT_OK_AND_ASSIGN(const auto store, Open(OptionsFor(edited.path(), Verification::kNever)));
    CopyAsACrashWouldLeaveIt(edited.path(), folder / "crashed");
  }
  fs::copy(folder / "crashed", folder / "again", fs::copy_options::recursive);
  ASSERT_OK_AND_ASSIGN(const auto store,
                       Open(OptionsFor(folder / "crashed", Verification::kAfterCrash)));
  EXPECT_TRUE(store->report().crashed);
  EXPECT_TRUE(store->report().verified);
  ASSERT_OK_AND_ASSIGN(const auto unverified,
                       Open(OptionsFor(folder / "again", Verification::kNever)));
  EXPECT_FALSE(unverified->report().verified);
}

TEST_F(OpeningTest, ADamagedStoreIsCorruptWithTableAndKeyAndIsLeftAsItIs) {
  const Edited edited(LoseAnIndexRow());
  const std::string before = ReadFile(edited.path() + "/data.mdb");
  const absl::Status status = Open(OptionsFor(edited.path(), Verification::kAlways)).status();
  EXPECT_THAT(status, HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(std::string(status.message()), HasSubstr("public_keys"));
  EXPECT_TRUE(ReadFile(edited.path() + "/data.mdb") == before);
  EXPECT_THAT(Open(OptionsFor(edited.path(), Verification::kAfterCrash)), IsOk());
}

TEST_F(OpeningTest, ANewStoreIsSound) {
  TempDir folder;
  ASSERT_OK_AND_ASSIGN(const auto store, Open(OptionsFor(folder / "new", Verification::kAlways)));
  EXPECT_TRUE(store->report().verified);
}

}  // namespace
}  // namespace batonstore::recovery
