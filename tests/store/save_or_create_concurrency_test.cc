// Any number of clients that create at once, in a real file.

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/scripted_keys.h"
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
using testing::SameFirstDraws;
using testing::ScriptedKeys;

constexpr int kThreads = 32;

class SaveOrCreateConcurrencyTest : public FileStoreFixture {
 protected:
  void OpenWith(KeyPairSource& keys) {
    options_.key_pairs = &keys;
    Open();
  }
};

TEST_F(SaveOrCreateConcurrencyTest, ClientsThatDrawTheSameKeysFirstAllSucceed) {
  for (const int same : {1, 3, SessionStore::kKeyPairDraws - 1}) {
    ScriptedKeys keys(SameFirstDraws(static_cast<uint64_t>(same)));
    options_.directory = folder_ / absl::StrCat("store", same);
    ASSERT_NO_FATAL_FAILURE(OpenWith(keys));
    OnThreads(kThreads, [&](int thread) {
      const Fields fields = {{"thread", absl::StrCat(thread)}};
      for (int i = 0; i < 3; ++i) {
        const absl::StatusOr<Saved> saved = store().SaveOrCreate(LastingSpec(), fields);
        ASSERT_THAT(saved, IsOk());
        EXPECT_TRUE(saved->created);
        const absl::StatusOr<Attributes> loaded = store().Load(saved->session.alias);
        ASSERT_THAT(loaded, IsOk());
        EXPECT_EQ(loaded->fields, fields);
      }
    });
    std::set<std::string> public_keys;
    for (const Session& session : ListAll()) public_keys.insert(session.public_key);
    EXPECT_EQ(public_keys.size(), size_t{kThreads} * 3);
    EXPECT_GT(keys.draws(), uint64_t{kThreads} * 3) << "nobody had to draw again";
    Close();  // before its keys
  }
}

TEST_F(SaveOrCreateConcurrencyTest, ASourceThatHasOneKeyMakesOneSession) {
  ScriptedKeys keys([](uint64_t) { return 0; });
  ASSERT_NO_FATAL_FAILURE(OpenWith(keys));
  std::atomic<int> succeeded = 0;
  OnThreads(kThreads, [&](int) {
    const absl::StatusOr<Saved> saved = store().SaveOrCreate(LastingSpec(), {{"a", "1"}});
    if (saved.ok()) {
      ++succeeded;
    } else {
      EXPECT_THAT(saved, HasVerdict(Verdict::kKeysExhausted));
    }
  });
  EXPECT_EQ(succeeded, 1);
  EXPECT_EQ(store().Stats()->sessions, 1u);
  EXPECT_EQ(keys.draws(), 1u + (kThreads - 1) * SessionStore::kKeyPairDraws);
  EXPECT_EQ(RowsIn(Table::kAttributes), 2u);
  Close();
}

TEST_F(SaveOrCreateConcurrencyTest, OneRequestOfManyThreadsMakesOneSession) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    SessionSpec spec = LastingSpec();
    spec.idempotency_key = absl::StrCat("request ", round);
    std::vector<absl::StatusOr<Saved>> answers(kThreads);
    OnThreads(kThreads, [&](int thread) {
      answers[thread] = store().SaveOrCreate(spec, {{"thread", absl::StrCat(thread)}});
    });
    std::set<Alias> aliases;
    int created = 0;
    int creator = 0;
    for (int thread = 0; thread < kThreads; ++thread) {
      ASSERT_THAT(answers[thread], IsOk());
      aliases.insert(answers[thread]->session.alias);
      EXPECT_EQ(answers[thread]->version, 1u);
      if (!answers[thread]->created) continue;
      ++created;
      creator = thread;
    }
    ASSERT_EQ(aliases.size(), 1u);
    EXPECT_EQ(created, 1);
    EXPECT_EQ(store().Load(*aliases.begin())->fields.at("thread"), Value(absl::StrCat(creator)));
    EXPECT_EQ(store().Stats()->sessions, static_cast<uint64_t>(round) + 1) << "there are others";
  }
}

TEST_F(SaveOrCreateConcurrencyTest, OneKeyForTwoRequestsServesTheFirst) {
  for (int round = 0; round < 20; ++round) {
    std::vector<absl::StatusOr<Saved>> answers(kThreads);
    OnThreads(kThreads, [&](int thread) {
      SessionSpec spec = LastingSpec();
      spec.idempotency_key = absl::StrCat("request ", round);
      spec.database = absl::StrCat(thread % 2);
      answers[thread] = store().SaveOrCreate(spec, {});
    });
    std::set<Alias> aliases;
    std::set<std::string> databases;
    int succeeded = 0;
    for (const absl::StatusOr<Saved>& answer : answers) {
      if (answer.ok()) {
        ++succeeded;
        aliases.insert(answer->session.alias);
        databases.insert(answer->session.database);
      } else {
        EXPECT_THAT(answer, HasVerdict(Verdict::kExists));
      }
    }
    EXPECT_EQ(succeeded, kThreads / 2);
    EXPECT_EQ(aliases.size(), 1u);
    EXPECT_EQ(databases.size(), 1u);
  }
}

TEST_F(SaveOrCreateConcurrencyTest, EachPrincipalsRequestIsItsOwn) {
  constexpr int kPrincipals = 4;
  std::vector<absl::StatusOr<Saved>> answers(kThreads);
  OnThreads(kThreads, [&](int thread) {
    SessionSpec spec = LastingSpec();
    spec.idempotency_key = "request";
    spec.principal = absl::StrCat(thread % kPrincipals);
    answers[thread] = store().SaveOrCreate(spec, {});
  });
  std::set<Alias> aliases;
  for (const absl::StatusOr<Saved>& answer : answers) {
    ASSERT_THAT(answer, IsOk());
    aliases.insert(answer->session.alias);
  }
  EXPECT_EQ(aliases.size(), size_t{kPrincipals});
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(store().Stats()->sessions, uint64_t{kPrincipals});
}

}  // namespace
}  // namespace batonstore
