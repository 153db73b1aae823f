// Owners and observers that are killed with SIGKILL, again and again: nothing acknowledged is lost,
// nothing revoked revives, nothing Reserved stays, and the file is sound after each death.
//
// Each round starts this program anew as the owner of the store, and others beside it as observers.
// Threads of the owner use it and say on a pipe what was acknowledged to them; once some number of
// lines has come, and a moment more has passed, observers are killed in the middle of reading, then
// the owner. Up to three more owners are killed while they open and recover what that one left.
// Then the file is verified, and the test opens the store itself.
//
// The seed is printed. To replay it (but for the instants), or to choose how often to kill:
//   bazel test //tests/recovery:kill_test --test_arg=--seed=7 --test_arg=--kills=10000

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/index_rules.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::AnyIndexRules;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kDefaultKills = 120;  // starting an instrumented process is slow
#else
constexpr uint64_t kDefaultKills = 500;
#endif
constexpr int kRoundsPerStore = 25;  // then a new one, so that it stays small
constexpr int kThreads = 4;

struct Flags {
  uint64_t seed = std::random_device()();
  uint64_t kills = kDefaultKills;
};
Flags flags;

// ---- The owner, in a process of its own.

// Says what happens, a line each: "opening", "opened"; then "created ALIAS PUBLIC_KEY", "revoking
// ALIAS", "revoked ALIAS", "issued ALIAS BATON", "reserved ALIAS". One write of less than PIPE_BUF
// is never torn or mixed.
void Say(int pipe, const std::string& line) {
  const std::string whole = line + "\n";
  if (write(pipe, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) _exit(3);
}

void Require(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "a child failed: %s\n", status.ToString().c_str());
  _exit(2);
}
template <typename T>
T Require(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

void UseSessions(SessionStore& sessions, int pipe, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Alias> live;
  const auto created = [&](const Session& session) {
    Say(pipe, absl::StrCat("created ", session.alias.ToString(), " ",
                           absl::BytesToHexString(session.public_key)));
    live.push_back(session.alias);
  };
  for (;;) {
    switch (random() % 5) {
      case 0:
        created(Require(sessions.ReserveAndCreate(LastingSpec())));
        break;
      case 1: {
        const Session session = Require(sessions.Reserve(LastingSpec()));
        Require(sessions.Create(session.alias));
        created(session);
        break;
      }
      case 2: {
        const Session session = Require(sessions.Reserve(LastingSpec()));
        Say(pipe, absl::StrCat("reserved ", session.alias.ToString()));
        break;
      }
      case 3: {
        if (live.empty()) break;
        const Alias alias = live.back();
        live.pop_back();
        Say(pipe, absl::StrCat("revoking ", alias.ToString()));
        Require(sessions.Revoke(alias));
        Say(pipe, absl::StrCat("revoked ", alias.ToString()));
        break;
      }
      case 4: {
        if (live.empty()) break;
        const Alias alias = live[random() % live.size()];
        Say(pipe, absl::StrCat("issued ", alias.ToString(), " ", Require(sessions.Issue(alias))));
        break;
      }
    }
  }
}

// Never returns: somebody kills it.
int RunOwner(const std::string& directory, int pipe, uint64_t seed) {
  Say(pipe, "opening");
  const Policy policy = {.indexes = AnyIndexRules(seed)};
  const std::unique_ptr<Store> store = Require(Open({.directory = directory, .policy = policy}));
  Say(pipe, "opened");
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&store, pipe, seed, i] {
      UseSessions(store->sessions(), pipe, seed + static_cast<uint64_t>(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

// ---- An observer, in a process of its own.

// Reads everything, and each session by itself. What it sees at one moment must fit together.
void ReadAll(const SessionReader& sessions) {
  std::optional<Alias> after;
  do {
    const ListPage page = Require(sessions.List({}, kMaxPageSize, after));
    for (const Session& session : page.sessions) {
      const absl::StatusOr<Session> found = sessions.Find(session.alias);
      if (VerdictOf(found.status()) == Verdict::kNotFound) continue;  // removed by a recovery
      if (Require(found).public_key != session.public_key) _exit(4);
      const absl::StatusOr<Session> by_key = sessions.FindByPublicKey(session.public_key);
      if (VerdictOf(by_key.status()) == Verdict::kNotFound) {  // only if it has gone meanwhile
        if (sessions.Find(session.alias).ok()) _exit(6);
      } else if (Require(by_key).alias != session.alias) {
        _exit(7);
      }
    }
    after = page.next;
  } while (after.has_value());
  const StoreStats stats = Require(sessions.Stats());
  if (stats.live > stats.sessions) _exit(5);
}

// Never returns: somebody kills it.
int RunObserver(const std::string& directory, int pipe) {
  const std::unique_ptr<Observer> observer = Require(OpenReadOnly({.directory = directory}));
  std::thread other([&observer] {
    for (;;) ReadAll(observer->sessions());
  });
  ReadAll(observer->sessions());
  Say(pipe, "reading");
  for (;;) ReadAll(observer->sessions());
}

// ---- The test.

// This program, in another of its parts.
class Process {
 public:
  Process(const std::string& part, const std::string& directory, uint64_t seed) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    std::array<std::string, 4> words = {"kill_test", absl::StrCat("--", part, "=", directory),
                                        absl::StrCat("--pipe=", ends[1]),
                                        absl::StrCat("--seed=", seed)};
    std::array<char*, 5> argv = {words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                                 nullptr};
    pid_ = fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      fcntl(ends[1], F_SETFD, 0);  // the one descriptor that the new program inherits
      execv("/proc/self/exe", argv.data());
      _exit(127);
    }
    close(ends[1]);
    pipe_ = ends[0];
  }
  ~Process() {
    if (pid_ > 0) Kill();
    close(pipe_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Listens until `lines` have come, and for `then` from there.
  void Listen(size_t lines, absl::Duration then) {
    while (heard_.size() < lines && Hear(absl::InfiniteDuration())) {
    }
    const absl::Time end = absl::Now() + then;
    while (absl::Now() < end && Hear(end - absl::Now())) {
    }
  }

  // Ends it. True if it was alive until then.
  bool Kill() {
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    while (Hear(absl::InfiniteDuration())) {
    }
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

  const std::vector<std::string>& heard() const { return heard_; }

 private:
  // False when there is nothing more to hear, or nothing came in time.
  bool Hear(absl::Duration patience) {
    pollfd readable{pipe_, POLLIN, 0};
    const timespec timeout = absl::ToTimespec(patience);
    if (ppoll(&readable, 1, patience == absl::InfiniteDuration() ? nullptr : &timeout, nullptr) <=
        0) {
      return false;
    }
    std::array<char, 65536> bytes;
    const ssize_t size = read(pipe_, bytes.data(), bytes.size());
    if (size <= 0) return false;
    partial_.append(bytes.data(), static_cast<size_t>(size));
    std::vector<std::string> lines = absl::StrSplit(partial_, '\n');
    partial_ = std::move(lines.back());
    lines.pop_back();
    for (std::string& line : lines) heard_.push_back(std::move(line));
    return true;
  }

  pid_t pid_ = -1;
  int pipe_ = -1;
  std::string partial_;
  std::vector<std::string> heard_;
};

// What owners have been told is durable.
struct Acknowledged {
  struct Entry {
    std::string public_key;  // hex
    bool revoking = false;   // asked for, so it may or may not have happened
    bool revoked = false;
    std::vector<std::string> batons;
  };
  std::map<Alias, Entry> created;
  std::vector<Alias> reserved;  // seen, and never created
  size_t duplicates = 0;
};

Alias ParseAlias(const std::string& text) { return Alias::Parse(text).value(); }

void Note(const std::string& line, Acknowledged& known) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (words.size() == 1) return;  // of the opening
  const Alias alias = ParseAlias(words.at(1));
  if (words[0] == "created") {
    known.duplicates += known.created.contains(alias);
    known.created[alias].public_key = words.at(2);
  } else if (words[0] == "reserved") {
    known.reserved.push_back(alias);
  } else if (words[0] == "revoking") {
    known.created.at(alias).revoking = true;
  } else if (words[0] == "revoked") {
    known.created.at(alias).revoked = true;
  } else {
    ASSERT_EQ(words[0], "issued");
    known.created.at(alias).batons.push_back(words.at(2));
  }
}

// One acknowledged session is as it was promised.
void CheckSession(SessionStore& sessions, Alias alias, const Acknowledged::Entry& entry) {
  SCOPED_TRACE(absl::StrCat("session ", alias.ToString()));
  ASSERT_OK_AND_ASSIGN(const Session session, sessions.Find(alias));
  EXPECT_EQ(absl::BytesToHexString(session.public_key), entry.public_key);
  ASSERT_OK_AND_ASSIGN(const Session by_key, sessions.FindByPublicKey(session.public_key));
  EXPECT_EQ(by_key.alias, alias);

  const bool revoked = session.state == State::kRevoked;
  EXPECT_TRUE(revoked || session.state == State::kCreated) << StateName(session.state);
  EXPECT_TRUE(revoked || !entry.revoked) << "a revocation was lost";
  EXPECT_TRUE(entry.revoking || !revoked) << "nobody asked for this revocation";

  const absl::StatusOr<SecretBytes> private_key = sessions.PrivateKey(alias);
  if (revoked) {
    EXPECT_THAT(private_key, HasVerdict(Verdict::kRevoked));
  } else {
    ASSERT_THAT(private_key, IsOk());
    ASSERT_OK_AND_ASSIGN(const std::string public_key, PublicKeyOf(session.key_type, *private_key));
    EXPECT_EQ(public_key, session.public_key);
  }
  for (const std::string& baton : entry.batons) {
    const absl::StatusOr<Session> verified = sessions.Verify(baton, "main", "alice");
    if (revoked) {
      EXPECT_THAT(verified, HasVerdict(Verdict::kRevoked));
    } else {
      EXPECT_THAT(verified, IsOk());
    }
  }
}

// Nothing Reserved is left, in the records as in the table of reservations.
void CheckNothingReserved(SessionStore& sessions) {
  ASSERT_OK_AND_ASSIGN(const StoreStats stats, sessions.Stats());
  EXPECT_EQ(stats.reservations, 0u);
  ASSERT_OK_AND_ASSIGN(const ListPage reserved, sessions.List({.state = State::kReserved}, 1));
  EXPECT_THAT(reserved.sessions, ::testing::IsEmpty());
}

struct Tally {
  uint64_t owners = 0;       // killed under load
  uint64_t in_recovery = 0;  // while they opened the store
  uint64_t observers = 0;    // while they read
  uint64_t acknowledged = 0;
  uint64_t created = 0;
  uint64_t removed = 0;  // reservations, by openings that were not killed
  uint64_t verified = 0;

  uint64_t kills() const { return owners + in_recovery + observers; }
};

// One store, and what it has promised.
class KilledStore {
 public:
  KilledStore(std::mt19937_64& random, Tally& tally) : random_(random), tally_(tally) {}
  ~KilledStore() { tally_.created += known_.created.size(); }

  // Ends with a store that was opened and found to be as promised; of the last round, all of it.
  void Round(bool is_last) {
    KillUnderLoad();
    for (uint64_t i = random_() % 4; i > 0 && !HasFailure(); --i) KillInRecovery();
    if (HasFailure()) return;
    if (random_() % 2 == 0) KillObservers();  // else they see the next owner too
    VerifyFile();
    if (!HasFailure()) OpenAndCheck(is_last);
  }

 private:
  static bool HasFailure() { return ::testing::Test::HasFailure(); }

  void KillUnderLoad() {
    Process owner("owner", directory_, random_());
    owner.Listen(2, absl::ZeroDuration());  // it is open
    while (observers_.size() < random_() % 3) {
      observers_.push_back(std::make_unique<Process>("observer", directory_, 0));
    }
    size_t lines = 3 + random_() % 60;
    owner.Listen(lines, absl::Microseconds(random_() % 1'500));
    if (random_() % 2 == 0 && !observers_.empty()) {
      KillObservers();
      // Beside the dead, it goes on.
      owner.Listen(owner.heard().size() + random_() % 60, absl::Microseconds(random_() % 1'500));
    }
    Kill(owner);
  }

  // It takes about as long.
  void KillInRecovery() {
    Process owner("owner", directory_, random_());
    owner.Listen(1, absl::Microseconds(random_() % 1'000));
    Kill(owner);
  }

  void Kill(Process& owner) {
    ASSERT_TRUE(owner.Kill()) << "the owner ended by itself";
    for (const std::string& line : owner.heard()) Note(line, known_);
    const bool was_open = owner.heard().size() > 1;
    ++(was_open ? tally_.owners : tally_.in_recovery);
    if (was_open) tally_.acknowledged += owner.heard().size() - 2;
  }

  void KillObservers() {
    for (const std::unique_ptr<Process>& observer : observers_) {
      observer->Listen(1, absl::Microseconds(random_() % 2'000));
      ASSERT_TRUE(observer->Kill()) << "an observer ended by itself";
      ++tally_.observers;
    }
    observers_.clear();
  }

  // As the dead have left it: before any recovery.
  void VerifyFile() {
    ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.directory = directory_}));
    EXPECT_THAT(report.ToStatus(), IsOk());
    ++tally_.verified;
  }

  void OpenAndCheck(bool is_last) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Open({.directory = directory_}));
    SessionStore& sessions = store->sessions();
    CheckNothingReserved(sessions);
    tally_.removed += store->report().removed.size();
    for (const RemovedReservation& removed : store->report().removed) {
      EXPECT_FALSE(known_.created.contains(removed.alias)) << "removed what was created";
    }
    for (; reserved_checked_ < known_.reserved.size(); ++reserved_checked_) {
      EXPECT_THAT(sessions.Find(known_.reserved[reserved_checked_]),
                  HasVerdict(Verdict::kNotFound));
    }
    // All that is new and some that earlier rounds have seen; in the end, everything.
    constexpr size_t kSeenBefore = 100;
    size_t left = is_last ? SIZE_MAX : known_.created.size() - created_before_ + kSeenBefore;
    created_before_ = known_.created.size();
    for (auto entry = known_.created.rbegin(); entry != known_.created.rend() && left > 0;
         ++entry, --left) {
      CheckSession(sessions, entry->first, entry->second);
    }
    // The same alias would have replaced a row, and the count would be short.
    ASSERT_OK_AND_ASSIGN(const StoreStats stats, sessions.Stats());
    EXPECT_GE(stats.sessions, known_.created.size());
    EXPECT_EQ(known_.duplicates, 0u);
    if (!is_last) return;
    EXPECT_THAT(store->Close(), IsOk());
    CheckLimits();
  }

  // They count right whatever is merged: one more may come, and then nobody.
  void CheckLimits() {
    Policy policy = {.indexes = AnyIndexRules(random_())};
    uint64_t live = 0;
    for (const auto& [alias, entry] : known_.created) live += !entry.revoking;
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Open({.directory = directory_}));
    ListFilter created = {.state = State::kCreated, .principal = "alice"};
    ASSERT_OK_AND_ASSIGN(const uint64_t of_principal, store->sessions().Count(created));
    EXPECT_GE(of_principal, live);
    created = {.state = State::kCreated, .database = "main"};
    ASSERT_OK_AND_ASSIGN(const uint64_t of_database, store->sessions().Count(created));
    EXPECT_EQ(of_database, of_principal);
    ASSERT_THAT(store->Close(), IsOk());
    store.reset();
    policy.limits = {.per_principal = of_principal + 1, .per_database = of_principal + 2};
    ASSERT_OK_AND_ASSIGN(store, Open({.directory = directory_, .policy = policy}));
    EXPECT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
    EXPECT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), HasVerdict(Verdict::kTooMany));
    SessionSpec of_another = LastingSpec();
    of_another.principal = "bob";
    EXPECT_THAT(store->sessions().ReserveAndCreate(of_another), IsOk());
    EXPECT_THAT(store->sessions().ReserveAndCreate(of_another), HasVerdict(Verdict::kTooMany));
  }

  std::mt19937_64& random_;
  Tally& tally_;
  testing::TempDir folder_;
  const std::string directory_ = folder_ / "store";
  std::vector<std::unique_ptr<Process>> observers_;
  Acknowledged known_;
  size_t created_before_ = 0;
  size_t reserved_checked_ = 0;
};

TEST(KillTest, NothingAcknowledgedIsLostNothingReservedStays) {
  testing::KeepTempDirsInMemory();
  printf("kills: %llu, replay with --test_arg=--seed=%llu\n",
         static_cast<unsigned long long>(flags.kills), static_cast<unsigned long long>(flags.seed));
  const absl::Time began = absl::Now();
  std::mt19937_64 random(flags.seed);
  Tally tally;
  while (tally.kills() < flags.kills && !HasFailure()) {
    KilledStore store(random, tally);
    for (int round = 1; round <= kRoundsPerStore && !HasFailure(); ++round) {
      SCOPED_TRACE(absl::StrCat("round ", round));
      const bool is_last = round == kRoundsPerStore || tally.kills() >= flags.kills;
      store.Round(is_last);
      if (is_last) break;
    }
  }
  absl::PrintF(
      "kill_test: %s kills=%d (owners under load %d, in recovery %d, observers %d) "
      "acknowledged=%d created=%d reservations_removed=%d verified=%d seconds=%d seed=%d\n",
      HasFailure() ? "FAILED" : "ok", tally.kills(), tally.owners, tally.in_recovery,
      tally.observers, tally.acknowledged, tally.created, tally.removed, tally.verified,
      absl::ToInt64Seconds(absl::Now() - began), flags.seed);
  if (flags.kills < kDefaultKills) return;
  EXPECT_GT(tally.created, 0u);
  EXPECT_GT(tally.in_recovery, 0u);
  EXPECT_GT(tally.observers, 0u);
  EXPECT_GT(tally.removed, 0u) << "no kill has met a reservation: the test tests too little";
}

// What a dead observer was reading is not kept: the file stays as large as it is.
TEST(KillTest, ObserversThatDieReadingDoNotMakeTheFileGrow) {
  testing::KeepTempDirsInMemory();
  const testing::TempDir folder;
  const std::string directory = folder / "store";
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store,
                       Open({.directory = directory, .reserved_bytes = 0}));
  std::vector<Alias> sessions;
  for (int i = 0; i < 300; ++i) {
    ASSERT_OK_AND_ASSIGN(const Session session, store->sessions().ReserveAndCreate(LastingSpec()));
    sessions.push_back(session.alias);
  }
  std::mt19937_64 random(flags.seed);
  const auto commit = [&](int times) {
    for (int i = 0; i < times; ++i) {
      const Alias alias = sessions[random() % sessions.size()];
      ASSERT_THAT(store->sessions().Merge(alias, {{"n", Change::Add(1)}}), IsOk());
    }
  };
  constexpr int kObservers = 20;
  constexpr int kCommitsEach = 200;  // some 3 MiB, if no page were used again
  commit(kCommitsEach);
  for (int i = 0; i < kObservers; ++i) {
    Process observer("observer", directory, 0);
    observer.Listen(1, absl::Microseconds(random() % 1'000));
    ASSERT_NO_FATAL_FAILURE(commit(10));
    ASSERT_TRUE(observer.Kill()) << "an observer ended by itself";
    ASSERT_NO_FATAL_FAILURE(commit(kCommitsEach));
  }
  const uintmax_t bytes = std::filesystem::file_size(directory + "/data.mdb");
  printf("observers killed: %d, the file has %ju bytes\n", kObservers, bytes);
  EXPECT_LT(bytes, uintmax_t{8} << 20);
}

}  // namespace

int Main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  std::optional<std::string> owner_of;
  std::optional<std::string> observer_of;
  int pipe = -1;
  for (int i = 1; i < argc; ++i) {
    const std::pair<absl::string_view, absl::string_view> flag =
        absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    bool understood = false;
    if (flag.first == "--seed") understood = absl::SimpleAtoi(flag.second, &flags.seed);
    if (flag.first == "--kills") understood = absl::SimpleAtoi(flag.second, &flags.kills);
    if (flag.first == "--pipe") understood = absl::SimpleAtoi(flag.second, &pipe);
    if (flag.first == "--owner") understood = !owner_of.emplace(flag.second).empty();
    if (flag.first == "--observer") understood = !observer_of.emplace(flag.second).empty();
    if (understood) continue;
    fprintf(stderr, "unknown argument %s\n", argv[i]);
    return 2;
  }
  if (observer_of.has_value()) return RunObserver(*observer_of, pipe);
  return owner_of.has_value() ? RunOwner(*owner_of, pipe, flags.seed) : RUN_ALL_TESTS();
}

}  // namespace batonstore::recovery

int main(int argc, char** argv) { return batonstore::recovery::Main(argc, argv); }
