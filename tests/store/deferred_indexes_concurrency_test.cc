// Look-ups against writers while index entries are merged a few at a time: whoever was acknowledged
// before a look-up began must be found, by threads of the owner and by observers in another
// process.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/index_rules.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::Channel;
using testing::ForkedChild;
using testing::HastyIndexes;
using testing::IsOk;
using testing::LastingSpec;
using testing::OnThreads;
using testing::ScriptedKeys;
using testing::TempDir;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kSessions = 600;
#else
constexpr int kSessions = 4'000;
#endif
constexpr int kWriters = 3;
constexpr int kReaders = 3;

recovery::Options OptionsFor(const std::string& directory, const IndexRules& rules) {
  recovery::Options options;
  options.directory = directory;
  options.map_bytes = uint64_t{64} << 20;
  options.policy.indexes = rules;
  options.policy.retention = absl::ZeroDuration();
  options.sweep_every = absl::InfiniteDuration();
  return options;
}

SessionSpec SpecOf(uint64_t number) {
  SessionSpec spec = LastingSpec();
  spec.principal = absl::StrCat("principal ", number % 5);
  spec.database = absl::StrCat("database ", number % 3);
  if (number % 4 == 0) spec.idempotency_key = absl::StrCat("request ", number);
  return spec;
}

// Empty if the session is found by all that it is found by; else by what it is not.
std::string Missed(const SessionReader& sessions, const Session& session) {
  const absl::StatusOr<Session> by_key = sessions.FindByPublicKey(session.public_key);
  if (!by_key.ok()) return absl::StrCat("its public key: ", by_key.status().ToString());
  if (by_key->alias != session.alias) return "its public key: another";
  for (const bool by_principal : {true, false}) {
    ListFilter filter;
    if (by_principal) {
      filter.principal = session.principal;
    } else {
      filter.database = session.database;
    }
    const Alias before(session.alias.value() - 1);
    const absl::StatusOr<ListPage> page = sessions.List(filter, 1, before);
    if (!page.ok()) return page.status().ToString();
    if (page->sessions.empty() || page->sessions[0].alias != session.alias) {
      return by_principal ? "its principal" : "its database";
    }
  }
  return "";
}

// Empty if every page of the principal begins after the one before it.
std::string OutOfOrder(const SessionReader& sessions, const std::string& principal) {
  std::optional<Alias> after;
  Alias last;
  do {
    const absl::StatusOr<ListPage> page = sessions.List({.principal = principal}, 50, after);
    if (!page.ok()) return page.status().ToString();
    for (const Session& session : page->sessions) {
      if (session.alias <= last) return absl::StrCat(session.alias.ToString(), " is listed twice");
      last = session.alias;
    }
    after = page->next;
  } while (after.has_value());
  return "";
}

// Sessions that were acknowledged, and stay.
class Acknowledged {
 public:
  void Add(const Session& session) {
    MutexLock lock(mu_);
    sessions_.push_back(session);
  }
  // Mostly one of the last.
  std::optional<Session> Any(uint64_t random) const {
    MutexLock lock(mu_);
    if (sessions_.empty()) return std::nullopt;
    const size_t back = random % 4 == 0 ? random / 4 % sessions_.size() : random / 4 % 12;
    return sessions_[sessions_.size() - 1 - std::min(back, sessions_.size() - 1)];
  }

 private:
  mutable Mutex mu_;
  std::vector<Session> sessions_ ABSL_GUARDED_BY(mu_);
};

// Creates sessions, of which some are gone again soon; those that stay are acknowledged.
void Write(SessionStore& store, uint64_t writer, const std::function<void(const Session&)>& told) {
  for (uint64_t i = 0; i < kSessions / kWriters; ++i) {
    const absl::StatusOr<Session> made = store.ReserveAndCreate(SpecOf(i * kWriters + writer));
    ASSERT_THAT(made, IsOk());
    if (i % 7 == 3) {
      ASSERT_THAT(store.Revoke(made->alias), IsOk());
      ASSERT_THAT(store.Sweep(), IsOk());
    } else {
      told(*made);
    }
  }
}

TEST(DeferredIndexesConcurrencyTest, ThreadsFindWhoeverWasAcknowledged) {
  testing::KeepTempDirsInMemory();
  for (const IndexRules& rules : {HastyIndexes(2, 3), HastyIndexes(8, 40), HastyIndexes(64, 30)}) {
    TempDir folder;
    ScriptedKeys keys([](uint64_t draw) { return draw; });
    recovery::Options options = OptionsFor(folder / "store", rules);
    options.key_pairs = &keys;
    ASSERT_OK_AND_ASSIGN(const auto opened, recovery::Open(options));
    SessionStore& store = opened->sessions();
    Acknowledged acknowledged;
    std::atomic<int> writing = kWriters;
    std::atomic<uint64_t> looked_up = 0;
    OnThreads(kWriters + kReaders, [&](int thread) {
      if (thread < kWriters) {
        Write(store, static_cast<uint64_t>(thread),
              [&](const Session& session) { acknowledged.Add(session); });
        --writing;
        return;
      }
      std::mt19937_64 random(static_cast<uint64_t>(thread));
      while (writing > 0 && !::testing::Test::HasFailure()) {
        const std::optional<Session> session = acknowledged.Any(random());
        if (!session.has_value()) continue;
        ASSERT_EQ(Missed(store, *session), "") << session->alias.ToString();
        ++looked_up;
        if (random() % 64 != 0) continue;
        ASSERT_EQ(OutOfOrder(store, session->principal), "");
      }
    });
    EXPECT_GT(looked_up, 0u);
  }
}

TEST(DeferredIndexesConcurrencyTest, ObserversFindWhomTheySee) {
  testing::KeepTempDirsInMemory();
  for (const IndexRules& rules : {HastyIndexes(2, 3), HastyIndexes(16, 100)}) {
    TempDir folder;
    const recovery::Options options = OptionsFor(folder / "store", rules);
    ForkedChild owner([&](Channel& parent) -> std::string {
      ScriptedKeys keys([](uint64_t draw) { return draw; });
      recovery::Options own = options;
      own.key_pairs = &keys;
      const auto opened = recovery::Open(own);
      if (!opened.ok()) return opened.status().ToString();
      parent.Send("serving");
      if (parent.Receive() != "go") return "the observer is gone";
      OnThreads(kWriters, [&](int writer) {
        Write((*opened)->sessions(), static_cast<uint64_t>(writer), [](const Session&) {});
      });
      parent.Send("done");
      return parent.Receive() == "enough" ? "" : "the observer is gone";
    });
    ASSERT_EQ(owner.channel().Receive(), "serving");
    ASSERT_OK_AND_ASSIGN(const auto observer, recovery::OpenReadOnly(options));
    const SessionReader& sessions = observer->sessions();
    owner.channel().Send("go");
    std::atomic<bool> is_done = false;
    std::atomic<uint64_t> looked_up = 0;
    std::atomic<uint64_t> gone = 0;
    OnThreads(kReaders + 1, [&](int thread) {
      if (thread == kReaders) {
        EXPECT_EQ(owner.channel().Receive(), "done");
        is_done = true;
        return;
      }
      Alias after;
      while (!is_done && !::testing::Test::HasFailure()) {
        ASSERT_OK_AND_ASSIGN(const ListPage page, sessions.List({}, kMaxPageSize, after));
        if (page.sessions.empty()) continue;
        const Session& newest = page.sessions.back();
        after = newest.alias;
        const std::string missed = Missed(sessions, newest);
        const bool is_gone = !missed.empty() &&
                             VerdictOf(sessions.Find(newest.alias).status()) == Verdict::kNotFound;
        ASSERT_TRUE(missed.empty() || is_gone) << newest.alias.ToString() << " by " << missed;
        ++(is_gone ? gone : looked_up);
      }
    });
    EXPECT_GT(looked_up, 0u);
    owner.channel().Send("enough");
    EXPECT_EQ(owner.Join(), "");
  }
}

}  // namespace
}  // namespace batonstore
