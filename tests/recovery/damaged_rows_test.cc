// Rows that were changed, moved or swapped behind the store's back, and a store that was opened
// without looking for such things (Verification::kNever): whatever is read is right, or CORRUPT.

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/fake_clock.h"
#include "tests/support/full_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::EditRows;
using ::batonstore::testing::FakeClock;
using ::batonstore::testing::FileRows;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::MakeFullStore;
using ::batonstore::testing::ReadFileRows;
using ::batonstore::testing::RootRow;
using ::batonstore::testing::TempDir;

constexpr Table kSealed[] = {Table::kSessions,   Table::kReservations, Table::kTurns,
                             Table::kAttributes, Table::kRevoked,      Table::kCompensations,
                             Table::kOutbox};

// What is asked -> what is answered.
using Answers = std::map<std::string, std::string>;

constexpr char kCorrupt[] = "CORRUPT";

template <typename T>
void Note(Answers& answers, const std::string& question, const absl::StatusOr<T>& answer) {
  const bool is_corrupt = VerdictOf(answer.status()) == Verdict::kCorrupt;
  answers[question] = is_corrupt    ? kCorrupt
                      : answer.ok() ? testing::TextOf(*answer)
                                    : testing::TextOf(answer.status());
}

// Asks for everything that a sealed row says.
Answers Ask(SessionStore& store, const std::vector<Alias>& aliases) {
  Answers answers;
  for (const Alias alias : aliases) {
    const std::string of = absl::StrCat(" ", alias.ToString());
    Note(answers, "Find" + of, store.Find(alias));
    Note(answers, "Load" + of, store.Load(alias));
    Note(answers, "Secret" + of, store.Secret(alias, "pin"));
    Note(answers, "PrivateKey" + of, store.PrivateKey(alias));
    const absl::StatusOr<std::string> baton = store.Issue(alias);
    if (!baton.ok()) Note<Alias>(answers, "Issue" + of, baton.status());
  }
  Note(answers, "PendingCompensations", store.PendingCompensations());
  for (const char* consumer : {"mailer", "auditor"}) {
    Note(answers, absl::StrCat("events for ", consumer), store.events().Read(consumer, 1000));
  }
  return answers;
}

class DamagedRowsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempDir;
    MakeFullStore(*folder_ / "store");
    rows_ = *ReadFileRows(*folder_ / "store" + "/data.mdb");
    for (const auto& [row, value] : rows_) {
      if (row.first == Table::kSessions) aliases_.push_back(*Alias::FromKey(row.second));
    }
    opened_at_ = absl::Now();
    TempDir copy;
    right_ = AskDamaged(copy, [](Transaction&) {});
  }
  static void TearDownTestSuite() { delete folder_; }

  // The answers of a copy with these rows changed; none if it does not open.
  static Answers AskDamaged(const TempDir& scratch, const std::function<void(Transaction&)>& edit) {
    const std::string directory = scratch / "store";
    fs::remove_all(directory);
    fs::copy(*folder_ / "store", directory, fs::copy_options::recursive);
    EditRows(directory, edit, RootRow::kLeft);
    FakeClock clock(opened_at_);  // what opening itself writes is the same each time
    const auto store = Open({.directory = directory,
                             .map_bytes = uint64_t{64} << 20,
                             .sweep_every = absl::InfiniteDuration(),
                             .clock = &clock});
    if (!store.ok()) {
      EXPECT_THAT(store, testing::HasVerdict(Verdict::kCorrupt));
      return {};
    }
    return Ask((*store)->sessions(), aliases_);
  }

  // Right, or CORRUPT, and that at least once.
  void ExpectNoticed(const std::function<void(Transaction&)>& edit) {
    const Answers answers = AskDamaged(scratch_, edit);
    if (answers.empty()) return;  // it did not open
    int corrupt = 0;
    for (const auto& [question, answer] : answers) {
      corrupt += answer == kCorrupt;
      if (answer == kCorrupt) continue;
      const auto right = right_.find(question);
      ASSERT_NE(right, right_.end()) << question << ": " << answer;
      EXPECT_EQ(answer, right->second) << question;
    }
    EXPECT_GT(corrupt, 0) << "nobody has noticed";
  }

  // Rows of one sealed table.
  static std::vector<std::pair<std::string, std::string>> RowsOf(Table table) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const auto& [row, value] : rows_) {
      if (row.first == table) rows.emplace_back(row.second, value);
    }
    return rows;
  }

  static std::string NameOf(Table table, const std::string& key) {
    return absl::StrCat(TableName(table), " ", absl::BytesToHexString(key));
  }

  static inline TempDir* folder_ = nullptr;
  static inline FileRows rows_;
  static inline std::vector<Alias> aliases_;
  static inline Answers right_;
  static inline absl::Time opened_at_;

  TempDir scratch_;
};

TEST_F(DamagedRowsTest, ARowThatWasChangedIsCorruptWhenItIsRead) {
  for (const Table table : kSealed) {
    for (const auto& [key, value] : RowsOf(table)) {
      SCOPED_TRACE(NameOf(table, key));
      std::string changed = value;
      changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 0x10);
      ExpectNoticed([&, key = key, table](Transaction& transaction) {
        EXPECT_THAT(transaction.Put(table, key, changed), IsOk());
      });
    }
  }
}

TEST_F(DamagedRowsTest, RowsThatWereSwappedAreCorruptWhenTheyAreRead) {
  for (const Table table : kSealed) {
    const auto rows = RowsOf(table);
    for (size_t i = 0; i + 1 < rows.size(); ++i) {
      SCOPED_TRACE(NameOf(table, rows[i].first));
      ExpectNoticed([&](Transaction& transaction) {
        EXPECT_THAT(transaction.Put(table, rows[i].first, rows[i + 1].second), IsOk());
        EXPECT_THAT(transaction.Put(table, rows[i + 1].first, rows[i].second), IsOk());
      });
    }
  }
}

// Over another row of its table: a session that was revoked takes the place of one that is live.
TEST_F(DamagedRowsTest, ARowThatWasMovedIsCorruptWhenItIsRead) {
  for (const Table table : kSealed) {
    const auto rows = RowsOf(table);
    for (size_t i = 0; i + 1 < rows.size(); ++i) {
      SCOPED_TRACE(NameOf(table, rows[i].first));
      ExpectNoticed([&](Transaction& transaction) {
        EXPECT_THAT(transaction.Put(table, rows[i + 1].first, rows[i].second), IsOk());
      });
    }
  }
}

}  // namespace
}  // namespace batonstore::recovery
