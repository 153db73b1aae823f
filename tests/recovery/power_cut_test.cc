// Real power cuts: an owner with several threads works on an ext4 in an image, which is cut off at
// a random moment as a power failure cuts it off, mounted again and opened. Whatever was
// acknowledged is there, nothing revoked revives, nothing Reserved stays, and the file is sound.
// Some cuts come while the store is made, some while it is opened and recovered.
//
// Needs root, loop devices and mkfs.ext4; where they are not to be had the test says so and is
// skipped. The seed is printed. To replay it, or to choose how often to cut:
//   bazel test //tests/recovery:power_cut_test --test_arg=--seed=7 --test_arg=--cuts=1000
// (The moment of a cut is the kernel's to choose, so that a replay does the same, but not more.)

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/mounts.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::CutOff;
using ::batonstore::testing::EnterPrivateMounts;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::MakeExt4Image;
using ::batonstore::testing::MountExt4Image;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::Unmount;

constexpr int kThreads = 4;

struct Flags {
  uint64_t seed = std::random_device()();
  int cuts = 40;
};
Flags flags;

Options OptionsFor(const std::string& directory) {
  return {.directory = directory,
          .reserved_bytes = uint64_t{1} << 20,
          .sweep_every = absl::InfiniteDuration(),
          .streams = {.reap_every = absl::InfiniteDuration()}};
}

// ---- The owner, in a process of its own. It ends with the first call that fails, as all do after
// the cut.

class Owner {
 public:
  Owner(const std::string& directory, int pipe, uint64_t seed)
      : directory_(directory), pipe_(pipe), seed_(seed) {}

  void Run() {
    const absl::StatusOr<std::unique_ptr<Store>> store = Open(OptionsFor(directory_));
    if (!store.ok()) return;
    Say("opened");
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] { Use((*store)->sessions(), seed_ + static_cast<uint64_t>(i)); });
    }
    for (std::thread& thread : threads) thread.join();
    _exit(0);  // the store is not closed: the power is gone
  }

 private:
  // One write of less than PIPE_BUF is never torn or mixed.
  void Say(const std::string& line) {
    const std::string whole = line + "\n";
    if (write(pipe_, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) _exit(3);
  }

  void Use(SessionStore& sessions, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<Alias> live;
    // A session whose baton rotates.
    const absl::StatusOr<Session> own = sessions.ReserveAndCreate(LastingSpec());
    if (!own.ok()) return;
    const absl::StatusOr<std::string> issued = sessions.Issue(own->alias);
    if (!issued.ok()) return;
    std::string baton = *issued;
    Say(absl::StrCat("baton ", own->alias.ToString(), " ", baton));
    for (uint64_t step = 0;; ++step) {
      const bool goes_on = random() % 3 == 0
                               ? Rotate(sessions, own->alias, baton, absl::StrCat("request ", step))
                               : Change(sessions, random, live);
      if (!goes_on) return;
    }
  }

  bool Rotate(SessionStore& sessions, Alias alias, std::string& baton, const std::string& request) {
    absl::StatusOr<Resumed> resumed = sessions.Resume(baton, request, "main", "alice");
    if (!resumed.ok() || !std::holds_alternative<SessionTurn>(*resumed)) return false;
    Say(absl::StrCat("turn ", alias.ToString(), " ", absl::StrReplaceAll(request, {{" ", "_"}})));
    absl::StatusOr<std::string> next = std::get<SessionTurn>(*resumed).Finish("reply");
    if (!next.ok()) return false;
    baton = *std::move(next);
    Say(absl::StrCat("baton ", alias.ToString(), " ", baton));
    return true;
  }

  bool Change(SessionStore& sessions, std::mt19937_64& random, std::vector<Alias>& live) {
    const uint64_t choice = random() % 4;
    if (choice == 0 && !live.empty()) {
      const Alias alias = live.back();
      live.pop_back();
      Say(absl::StrCat("revoking ", alias.ToString()));
      if (!sessions.Revoke(alias).ok()) return false;
      Say(absl::StrCat("revoked ", alias.ToString()));
      return true;
    }
    if (choice == 1) {
      const absl::StatusOr<Session> session = sessions.Reserve(LastingSpec());
      if (!session.ok()) return false;
      Say(absl::StrCat("reserved ", session->alias.ToString()));
      return true;
    }
    const absl::StatusOr<Session> session = sessions.ReserveAndCreate(LastingSpec());
    if (!session.ok()) return false;
    Say(absl::StrCat("created ", session->alias.ToString()));
    live.push_back(session->alias);
    return true;
  }

  const std::string directory_;
  const int pipe_;
  const uint64_t seed_;
};

class OwnerProcess {
 public:
  OwnerProcess(const std::string& directory, uint64_t seed) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      close(ends[0]);
      Owner(directory, ends[1], seed).Run();
      _exit(1);
    }
    close(ends[1]);
    pipe_ = ends[0];
  }
  ~OwnerProcess() { close(pipe_); }
  OwnerProcess(const OwnerProcess&) = delete;
  OwnerProcess& operator=(const OwnerProcess&) = delete;

  // Listens until so many lines have come, and for `then` from there.
  void Listen(size_t lines, absl::Duration then) {
    while (heard_.size() < lines && Hear(absl::InfiniteDuration())) {
    }
    const absl::Time end = absl::Now() + then;
    while (absl::Now() < end && Hear(end - absl::Now())) {
    }
  }

  // What it said up to its end.
  const std::vector<std::string>& ListenToTheEnd() {
    while (Hear(absl::InfiniteDuration())) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "a signal ended the owner: " << status;
    return heard_;
  }

 private:
  // False when there is nothing more to hear, or nothing came in time.
  bool Hear(absl::Duration patience) {
    pollfd readable{pipe_, POLLIN, 0};
    const timespec timeout = absl::ToTimespec(patience);
    const bool is_patient = patience == absl::InfiniteDuration();
    if (ppoll(&readable, 1, is_patient ? nullptr : &timeout, nullptr) <= 0) return false;
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

// ---- What was acknowledged.

struct Known {
  enum class Revocation : uint8_t { kNone, kAsked, kDone };
  std::map<Alias, Revocation> created;
  std::set<Alias> reserved;
  struct Rotating {
    std::string baton;
    std::string request;  // of a turn that was not acknowledged
  };
  std::map<Alias, Rotating> rotating;
  bool opened = false;
  size_t lines = 0;

  void Note(const std::string& line) {
    ++lines;
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words[0] == "opened") {
      opened = true;
      return;
    }
    const Alias alias = Alias::Parse(words.at(1)).value();
    if (words[0] == "created") created[alias] = Revocation::kNone;
    if (words[0] == "reserved") reserved.insert(alias);
    if (words[0] == "revoking") created.at(alias) = Revocation::kAsked;
    if (words[0] == "revoked") created.at(alias) = Revocation::kDone;
    if (words[0] == "turn") {
      rotating[alias].request = absl::StrReplaceAll(words.at(2), {{"_", " "}});
    }
    if (words[0] == "baton") rotating[alias] = {words.at(2), ""};
  }
};

void CheckBaton(SessionStore& sessions, const Known::Rotating& rotating) {
  // It is current, or was used by the one request that nobody has heard the answer of.
  const std::string request = rotating.request.empty() ? "another" : rotating.request;
  const absl::StatusOr<Resumed> resumed = sessions.Resume(rotating.baton, request, "main", "alice");
  ASSERT_THAT(resumed, IsOk()) << "a rotation was lost, or made without being asked for";
  const bool is_turn = std::holds_alternative<SessionTurn>(*resumed);
  EXPECT_TRUE(is_turn || !rotating.request.empty()) << "nobody has used it";
}

void CheckAll(SessionStore& sessions, Known& known) {
  for (const auto& [alias, revocation] : known.created) {
    ASSERT_OK_AND_ASSIGN(const Session session, sessions.Find(alias));
    const bool is_revoked = session.state == State::kRevoked;
    ASSERT_TRUE(is_revoked || session.state == State::kCreated) << StateName(session.state);
    ASSERT_TRUE(is_revoked || revocation != Known::Revocation::kDone) << "a revocation was lost";
    ASSERT_TRUE(!is_revoked || revocation != Known::Revocation::kNone) << "nobody revoked it";
  }
  for (const Alias alias : known.reserved) {
    ASSERT_EQ(VerdictOf(sessions.Find(alias).status()), Verdict::kNotFound);
  }
  for (const auto& [alias, rotating] : known.rotating) CheckBaton(sessions, rotating);
  known.rotating.clear();  // each cut's owners have sessions of their own
  ASSERT_OK_AND_ASSIGN(const StoreStats stats, sessions.Stats());
  EXPECT_EQ(stats.reservations, 0u);
}

class PowerCutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(disk_);
    absl::Status mounted = EnterPrivateMounts();
    if (mounted.ok()) mounted = MakeExt4Image(image_, uint64_t{256} << 20);
    if (mounted.ok()) mounted = MountExt4Image(image_, disk_);
    if (!mounted.ok()) {
      printf("power_cut: skipped: %s\n", mounted.ToString().c_str());
      GTEST_SKIP() << "this machine does not allow it: " << mounted;
    }
  }

  // An owner of the store in `directory` works until so many lines and a moment later; then the
  // power fails, and comes back.
  void WorkAndCut(const std::string& directory, size_t lines, Known& known) {
    OwnerProcess owner(directory, random_());
    owner.Listen(lines, absl::Microseconds(random_() % 8'000));
    ASSERT_THAT(CutOff(disk_), IsOk());
    for (const std::string& line : owner.ListenToTheEnd()) known.Note(line);
    ASSERT_THAT(Unmount(disk_), IsOk());
    ASSERT_THAT(MountExt4Image(image_, disk_), IsOk());
  }

  void OpenAndCheck(const std::string& directory, Known& known) {
    ASSERT_TRUE(!known.opened || fs::exists(directory + "/data.mdb")) << "the store is gone";
    {
      ASSERT_OK_AND_ASSIGN(const auto store, Open(OptionsFor(directory)));
      CheckAll(store->sessions(), known);
      ASSERT_THAT(store->sessions().ReserveAndCreate(LastingSpec()), IsOk());
    }
    ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.directory = directory}));
    ASSERT_TRUE(report.is_sound()) << report.ToStatus();
  }

  TempDir folder_;
  const std::string image_ = folder_ / "image";
  const std::string disk_ = folder_ / "disk";
  std::mt19937_64 random_{flags.seed};
};

TEST_F(PowerCutTest, NothingAcknowledgedIsLost) {
  const absl::Time began = absl::Now();
  const std::string lasting = disk_ + "/store";
  Known known;
  size_t lines = 0;
  int in_creation = 0;
  int in_recovery = 0;
  for (int cut = 0; cut < flags.cuts; ++cut) {
    SCOPED_TRACE(absl::StrCat("cut ", cut));
    if (cut % 4 == 3) {  // a store that is being made
      const std::string fresh = absl::StrCat(disk_, "/fresh");
      Known of_fresh;
      WorkAndCut(fresh, 0, of_fresh);
      if (HasFatalFailure()) return;
      OpenAndCheck(fresh, of_fresh);
      if (HasFatalFailure()) return;
      fs::remove_all(fresh);
      lines += of_fresh.lines;
      ++in_creation;
      continue;
    }
    WorkAndCut(lasting, 1 + random_() % 200, known);
    if (HasFatalFailure()) return;
    if (cut % 4 == 2) {  // once more, in what the last cut has left to be recovered
      WorkAndCut(lasting, 0, known);
      if (HasFatalFailure()) return;
      ++in_recovery;
    }
    OpenAndCheck(lasting, known);
    if (HasFatalFailure()) return;
  }
  ASSERT_THAT(Unmount(disk_), IsOk());
  printf(
      "power_cut: ok cuts=%d in_creation=%d in_recovery=%d acknowledged=%zu seed=%llu "
      "seconds=%.1f\n",
      flags.cuts + in_recovery, in_creation, in_recovery, lines + known.lines,
      static_cast<unsigned long long>(flags.seed), absl::ToDoubleSeconds(absl::Now() - began));
}

}  // namespace
}  // namespace batonstore::recovery

int main(int argc, char** argv) {
  using batonstore::recovery::flags;
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    absl::string_view word = argv[i];
    const bool known =
        (absl::ConsumePrefix(&word, "--seed=") && absl::SimpleAtoi(word, &flags.seed)) ||
        (absl::ConsumePrefix(&word, "--cuts=") && absl::SimpleAtoi(word, &flags.cuts) &&
         flags.cuts > 0);
    if (known) continue;
    fprintf(stderr, "flags: --seed=N --cuts=N\n");
    return 2;
  }
  printf("power_cut: seed=%llu\n", static_cast<unsigned long long>(flags.seed));
  return RUN_ALL_TESTS();
}
