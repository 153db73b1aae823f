// Attributes under many threads, in a real file.

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::FileStoreFixture;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::OnThreads;

constexpr int kThreads = 25;

class AttributesConcurrencyTest : public FileStoreFixture {
 protected:
  Attributes Load(Alias alias) {
    const absl::StatusOr<Attributes> attributes = store().Load(alias);
    EXPECT_THAT(attributes, IsOk());
    return attributes.ok() ? *attributes : Attributes();
  }

  Alias CreateWith(const Fields& fields) {
    const absl::StatusOr<Saved> saved = store().SaveOrCreate(LastingSpec(), fields);
    EXPECT_THAT(saved, IsOk());
    return saved.ok() ? saved->session.alias : Alias();
  }

  enum Ending { kRevoke, kShift, kRevokeGroup, kRevokeAll, kEndings };
  absl::Status End(int ending, Alias alias) {
    switch (ending) {
      case kRevoke:
        return store().Revoke(alias);
      case kShift:
        return store().Shift(alias, State::kExpired).status();
      case kRevokeGroup:
        return store().RevokeGroup(alias).status();
      default: {
        const absl::Status revoked = store().RevokeAll("alice");
        return revoked.ok() ? store().Sweep().status() : revoked;
      }
    }
  }
};

TEST_F(AttributesConcurrencyTest, MergesOfDifferentFieldsAllTakeEffect) {
  const Alias alias = Create().alias;
  OnThreads(kThreads, [&](int thread) {
    EXPECT_THAT(
        store().Merge(alias, {{absl::StrCat("field", thread), Change::Set(absl::StrCat(thread))}}),
        IsOk());
  });
  const Attributes attributes = Load(alias);
  EXPECT_EQ(attributes.version, uint64_t{kThreads});
  ASSERT_EQ(attributes.fields.size(), size_t{kThreads});
  for (int thread = 0; thread < kThreads; ++thread) {
    EXPECT_EQ(attributes.fields.at(absl::StrCat("field", thread)), Value(absl::StrCat(thread)));
  }
}

TEST_F(AttributesConcurrencyTest, OfSavesOfOneVersionOneSucceedsAndTheOthersConflict) {
  const Alias alias = Create().alias;
  const Alias another = Create().alias;
  for (int round = 0; round < 20; ++round) {
    const uint64_t version = Load(alias).version;
    std::vector<absl::StatusOr<uint64_t>> answers(kThreads);
    std::atomic<int> answered = 0;
    OnThreads(kThreads + 1, [&](int thread) {
      if (thread == kThreads) {  // keeps the writer busy, so that the others share a commit
        while (answered < kThreads) {
          ASSERT_THAT(store().Merge(another, {{"n", Change::Add(1)}}), IsOk());
        }
        return;
      }
      answers[thread] = store().SaveIf(alias, version, {{"winner", absl::StrCat(thread)}});
      ++answered;
    });
    int succeeded = 0;
    const Attributes after = Load(alias);
    for (int thread = 0; thread < kThreads; ++thread) {
      if (answers[thread].ok()) {
        ++succeeded;
        EXPECT_EQ(*answers[thread], after.version);
        EXPECT_EQ(after.fields.at("winner"), Value(absl::StrCat(thread)));
      } else {
        EXPECT_THAT(answers[thread], HasVerdict(Verdict::kConflict));
      }
    }
    EXPECT_EQ(succeeded, 1);
  }
}

TEST_F(AttributesConcurrencyTest, EveryAddCounts) {
  constexpr int kEach = 40;
  const Alias alias = Create().alias;
  OnThreads(kThreads, [&](int thread) {
    for (int i = 0; i < kEach; ++i) {
      EXPECT_THAT(store().Merge(alias, {{"up", Change::Add(1)}, {"down", Change::Add(-thread)}}),
                  IsOk());
    }
  });
  const Attributes attributes = Load(alias);
  EXPECT_EQ(attributes.fields.at("up"), Value(absl::StrCat(kThreads * kEach)));
  EXPECT_EQ(attributes.fields.at("down"),
            Value(absl::StrCat(-kEach * kThreads * (kThreads - 1) / 2)));
}

TEST_F(AttributesConcurrencyTest, SetIfAbsentHasOneWinner) {
  for (int round = 0; round < 20; ++round) {
    const Alias alias = Create().alias;
    std::atomic<int> winner = -1;
    OnThreads(kThreads, [&](int thread) {
      const absl::StatusOr<uint64_t> merged =
          store().Merge(alias, {{"a", Change::SetIfAbsent(absl::StrCat(thread))}});
      if (merged.ok()) {
        EXPECT_EQ(winner.exchange(thread), -1) << "two set it";
      } else {
        EXPECT_THAT(merged, HasVerdict(Verdict::kConflict));
      }
    });
    EXPECT_EQ(Load(alias).fields.at("a"), Value(absl::StrCat(winner.load())));
  }
}

TEST_F(AttributesConcurrencyTest, CountingByCompareAndSetLosesNothing) {
  constexpr int kEach = 5;
  const Alias alias = CreateWith({{"n", "0"}});
  OnThreads(kThreads, [&](int) {
    for (int done = 0; done < kEach;) {
      const std::string before = Load(alias).fields.at("n").bytes();
      int number = 0;
      ASSERT_TRUE(absl::SimpleAtoi(before, &number));
      const absl::StatusOr<uint64_t> merged =
          store().Merge(alias, {{"n", Change::CompareAndSet(before, absl::StrCat(number + 1))}});
      if (merged.ok()) {
        ++done;
      } else {
        ASSERT_THAT(merged, HasVerdict(Verdict::kConflict));
      }
    }
  });
  EXPECT_EQ(Load(alias).fields.at("n"), Value(absl::StrCat(kThreads * kEach)));
}

TEST_F(AttributesConcurrencyTest, WhoReadsMeanwhileSeesNoHalfOfAMerge) {
  const Alias alias = CreateWith({{"a", "0"}, {"z", "0"}});
  std::atomic<int> writing = 5;
  OnThreads(kThreads, [&](int thread) {
    if (thread < 5) {
      for (int i = 0; i < 40; ++i) {
        EXPECT_THAT(store().Merge(alias, {{"a", Change::Add(1)}, {"z", Change::Add(1)}}), IsOk());
      }
      --writing;
      return;
    }
    uint64_t last_version = 0;
    while (writing > 0) {
      const Attributes attributes = Load(alias);
      EXPECT_EQ(attributes.fields.at("a"), attributes.fields.at("z"));
      EXPECT_EQ(attributes.fields.at("a"), Value(absl::StrCat(attributes.version - 1)));
      EXPECT_GE(attributes.version, last_version);
      last_version = attributes.version;
    }
  });
}

// However the session ends: the saves that were under way bring nothing back.
TEST_F(AttributesConcurrencyTest, SavesThatRaceWithTheEndBringNothingBack) {
  for (int round = 0; round < 4 * kEndings; ++round) {
    const Alias alias = CreateWith({{"a", "1"}, {"s", Value::Secret("2")}});
    const int ending = round % kEndings;
    const Verdict verdict = ending == kShift ? Verdict::kExpired : Verdict::kRevoked;
    OnThreads(kThreads, [&](int thread) {
      if (thread == 0) {
        while (Load(alias).version < 20) std::this_thread::yield();
        EXPECT_THAT(End(ending, alias), IsOk());
        return;
      }
      for (;;) {
        absl::StatusOr<uint64_t> saved;
        if (thread % 2 == 0) {
          saved = store().Merge(alias, {{absl::StrCat(thread), Change::Add(1)}});
        } else {
          const absl::StatusOr<Attributes> loaded = store().Load(alias);
          saved = loaded.ok() ? store().SaveIf(alias, loaded->version, loaded->fields)
                              : loaded.status();
        }
        if (saved.ok() || VerdictOf(saved.status()) == Verdict::kConflict) continue;
        EXPECT_THAT(saved, HasVerdict(verdict));
        return;
      }
    });
    EXPECT_THAT(store().Load(alias), HasVerdict(verdict));
    EXPECT_EQ(RowsIn(Table::kAttributes), 0u) << "something came back";
  }
}

}  // namespace
}  // namespace batonstore
