// Owners that are killed with SIGKILL under load, again and again: nothing acknowledged is lost,
// nothing revoked revives, nothing Reserved stays.
//
// Each round starts this program anew as the owner of the store. Several threads use it and say on
// a pipe what was acknowledged to them; once some number of lines has come, and a moment more has
// passed, the owner is killed, and the test opens the store itself.
//
// The seed is printed. To replay it, or to choose how often to kill:
//   bazel test //tests/recovery:kill_test --test_arg=--seed=7 --test_arg=--rounds=1000

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/recovery/open.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kDefaultRounds = 40;  // starting an instrumented process is slow
#else
constexpr int kDefaultRounds = 200;
#endif
constexpr int kThreads = 4;

struct Flags {
  uint64_t seed = std::random_device()();
  int rounds = kDefaultRounds;
};
Flags flags;

// ---- The owner, in a process of its own.

// Says what happened, a line each: "created ALIAS PUBLIC_KEY", "revoking ALIAS", "revoked ALIAS",
// "issued ALIAS BATON", "reserved ALIAS". One write of less than PIPE_BUF is never torn or mixed.
void Say(int pipe, const std::string& line) {
  const std::string whole = line + "\n";
  if (write(pipe, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) _exit(3);
}

void Require(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "the owner failed: %s\n", status.ToString().c_str());
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
  const std::unique_ptr<Store> store = Require(Open({.directory = directory}));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&store, pipe, seed, i] {
      UseSessions(store->sessions(), pipe, seed + static_cast<uint64_t>(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

// ---- The test.

class OwnerProcess {
 public:
  OwnerProcess(const std::string& directory, uint64_t seed) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    std::array<std::string, 4> words = {"kill_test", absl::StrCat("--owner=", directory),
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
  ~OwnerProcess() { close(pipe_); }
  OwnerProcess(const OwnerProcess&) = delete;
  OwnerProcess& operator=(const OwnerProcess&) = delete;

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

class KillTest : public ::testing::Test {
 protected:
  // One life of an owner, from its start to its death; what it acknowledged is noted.
  void LiveAndDie() {
    OwnerProcess owner(directory_, random_());
    // Every fourth is killed while it opens the store, the others under load.
    const size_t lines = random_() % 4 == 0 ? 0 : 1 + random_() % 60;
    owner.Listen(lines, absl::Microseconds(random_() % (lines == 0 ? 40'000 : 5'000)));
    ASSERT_TRUE(owner.Kill()) << "the owner ended by itself";
    for (const std::string& line : owner.heard()) Note(line, known_);
    lines_heard_ += owner.heard().size();
  }

  void OpenAndCheck(int round) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Open({.directory = directory_}));
    SessionStore& sessions = store->sessions();
    CheckNothingReserved(sessions);
    removed_ += store->report().removed.size();
    for (const RemovedReservation& removed : store->report().removed) {
      EXPECT_FALSE(known_.created.contains(removed.alias)) << "removed what was created";
    }
    for (; reserved_checked_ < known_.reserved.size(); ++reserved_checked_) {
      EXPECT_THAT(sessions.Find(known_.reserved[reserved_checked_]),
                  HasVerdict(Verdict::kNotFound));
    }
    // All that is new and some that earlier rounds have seen; in the end, everything.
    constexpr size_t kSeenBefore = 200;
    const bool last_round = round + 1 == flags.rounds;
    size_t left = last_round ? SIZE_MAX : known_.created.size() - created_before_ + kSeenBefore;
    created_before_ = known_.created.size();
    for (auto entry = known_.created.rbegin(); entry != known_.created.rend() && left > 0;
         ++entry, --left) {
      CheckSession(sessions, entry->first, entry->second);
    }
    // The same alias would have replaced a row, and the count would be short.
    ASSERT_OK_AND_ASSIGN(const StoreStats stats, sessions.Stats());
    EXPECT_GE(stats.sessions, known_.created.size());
    EXPECT_EQ(known_.duplicates, 0u);
  }

  testing::TempDir folder_;
  const std::string directory_ = folder_ / "store";
  std::mt19937_64 random_{flags.seed};
  Acknowledged known_;
  size_t created_before_ = 0;
  size_t reserved_checked_ = 0;
  size_t lines_heard_ = 0;
  size_t removed_ = 0;
};

TEST_F(KillTest, NothingAcknowledgedIsLostNothingReservedStays) {
  printf("kills: %d, replay with --test_arg=--seed=%llu\n", flags.rounds,
         static_cast<unsigned long long>(flags.seed));
  for (int round = 0; round < flags.rounds && !HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    LiveAndDie();
    if (HasFailure()) break;
    OpenAndCheck(round);
  }
  printf("acknowledgements: %zu, sessions created: %zu, reservations removed: %zu\n", lines_heard_,
         known_.created.size(), removed_);
  EXPECT_GT(known_.created.size(), 0u);
  EXPECT_GT(removed_, 0u) << "no kill has met a reservation: the test tests too little";
}

}  // namespace

int Main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  std::optional<std::string> owner_of;
  int pipe = -1;
  for (int i = 1; i < argc; ++i) {
    const std::pair<absl::string_view, absl::string_view> flag =
        absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    bool understood = false;
    if (flag.first == "--seed") understood = absl::SimpleAtoi(flag.second, &flags.seed);
    if (flag.first == "--rounds") understood = absl::SimpleAtoi(flag.second, &flags.rounds);
    if (flag.first == "--pipe") understood = absl::SimpleAtoi(flag.second, &pipe);
    if (flag.first == "--owner") understood = !owner_of.emplace(flag.second).empty();
    if (understood) continue;
    fprintf(stderr, "unknown argument %s\n", argv[i]);
    return 2;
  }
  return owner_of.has_value() ? RunOwner(*owner_of, pipe, flags.seed) : RUN_ALL_TESTS();
}

}  // namespace batonstore::recovery

int main(int argc, char** argv) { return batonstore::recovery::Main(argc, argv); }
