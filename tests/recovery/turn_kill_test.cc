// Turns through crashes: a client that loses every response once, and asks again.
//
// The owner of the store is a process of its own, which takes turns as a client asks it to. Each
// response of its is lost once: on the way, or because the owner is killed (SIGKILL) before, while
// or after it finishes the turn, or because it closes the store and another opens it. Then the
// client asks again, and gets the same reply and the same successor; what it asked for has happened
// once in the store. Outside the store, where each run of a turn leaves a line in a file, it has
// happened at least once or at most once, as was chosen.
//
// The seed is printed. To replay it, or to choose how often:
//   bazel test //tests/recovery:turn_kill_test --test_arg=--seed=7 --test_arg=--rounds=1000

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/sessions.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::Channel;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::LastingSpec;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kDefaultRounds = 60;
#else
constexpr int kDefaultRounds = 300;
#endif

struct Flags {
  uint64_t seed = std::random_device()();
  int rounds = kDefaultRounds;
};
Flags flags;

// ---- The owner, in a process of its own.

// Serves until it is told to close, or is killed. Understands, and answers with, lines of words:
//   create                     ALIAS BATON
//   ask BATON DIGEST CUT_OFF   turn REPLY NEXT | replay REPLY NEXT | unknown NEXT | VERDICT
//   count ALIAS                how many requests have happened
//   close                      closed
class Owner {
 public:
  Owner(const std::string& directory, const std::string& outside)
      : opened_(Open({.directory = directory, .sweep_every = absl::InfiniteDuration()})),
        outside_(outside) {}

  std::string Serve(Channel& client) {
    if (!opened_.ok()) return opened_.status().ToString();
    for (;;) {
      const std::string request = client.Receive();
      if (request.empty()) return "";
      if (request == "close") {
        const absl::Status closed = (*opened_)->Close();
        client.Send(closed.ok() ? "closed" : closed.ToString());
        return "";
      }
      const std::vector<std::string> words = absl::StrSplit(request, ' ');
      client.Send(words[0] == "create" ? Create() : words[0] == "ask" ? Ask(words) : Count(words));
    }
  }

 private:
  SessionStore& sessions() { return (*opened_)->sessions(); }

  static std::string Refusal(const absl::Status& status) {
    const std::optional<Verdict> verdict = VerdictOf(status);
    return verdict.has_value() ? std::string(VerdictName(*verdict)) : status.ToString();
  }

  std::string Create() {
    const absl::StatusOr<Session> session = sessions().ReserveAndCreate(LastingSpec());
    if (!session.ok()) return Refusal(session.status());
    const absl::StatusOr<std::string> baton = sessions().Issue(session->alias);
    if (!baton.ok()) return Refusal(baton.status());
    return absl::StrCat(session->alias.ToString(), " ", *baton);
  }

  std::string Ask(const std::vector<std::string>& words) {
    const std::string& digest = words[2];
    const CutOff cut_off = words[3] == "again" ? CutOff::kRunAgain : CutOff::kAtMostOnce;
    absl::StatusOr<Resumed> resumed = sessions().Resume(words[1], digest, "main", "alice", cut_off);
    if (!resumed.ok()) return Refusal(resumed.status());
    if (const auto* replay = std::get_if<TurnReplay>(&*resumed)) {
      return absl::StrCat("replay ", replay->reply, " ", replay->next_baton);
    }
    if (const auto* unknown = std::get_if<TurnUnknown>(&*resumed)) {
      return absl::StrCat("unknown ", unknown->next_baton);
    }
    SessionTurn& turn = std::get<SessionTurn>(*resumed);
    HappenOutside(digest);
    if (absl::Status kept = turn.Merge({{"count", Change::Add(1)}}); !kept.ok()) {
      return Refusal(kept);
    }
    const std::string reply = absl::StrCat(std::random_device()());  // each run has another
    const absl::StatusOr<std::string> next = turn.Finish(reply);
    return next.ok() ? absl::StrCat("turn ", reply, " ", *next) : Refusal(next.status());
  }

  void HappenOutside(const std::string& digest) {
    const int fd = open(outside_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const std::string line = digest + "\n";
    if (write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
    close(fd);
  }

  std::string Count(const std::vector<std::string>& words) {
    const absl::StatusOr<Attributes> attributes = sessions().Load(Alias::Parse(words[1]).value());
    if (!attributes.ok()) return Refusal(attributes.status());
    const auto count = attributes->fields.find("count");
    return count == attributes->fields.end() ? "0" : count->second.bytes();
  }

  const absl::StatusOr<std::unique_ptr<Store>> opened_;
  const std::string outside_;
};

// ---- The client.

struct Answer {
  std::string how;  // "turn", "replay" or "unknown"
  std::string reply;
  std::string next_baton;
};

std::optional<Answer> ParseAnswer(const std::string& line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (words.size() == 3) return Answer{words[0], words[1], words[2]};
  if (words.size() == 2 && words[0] == "unknown") return Answer{words[0], "", words[1]};
  return std::nullopt;
}

class TurnKillTest : public ::testing::Test {
 protected:
  // The owner that serves; a new one if there is none.
  Channel& owner() {
    if (owner_ == nullptr) {
      owner_ = std::make_unique<ForkedChild>(
          [this](Channel& client) { return Owner(directory_, outside_).Serve(client); });
    }
    return owner_->channel();
  }
  std::string Call(const std::string& request) {
    owner().Send(request);
    return owner().Receive();
  }

  void Kill() {
    owner_.reset();
    ++kills_;
  }
  void RestartInOrder() {
    ASSERT_EQ(Call("close"), "closed");
    ASSERT_EQ(owner_->Join(), "");
    owner_.reset();
  }

  // Asks, and loses the response; what it said, if the owner got so far.
  std::optional<Answer> AskInVain(const std::string& request) {
    switch (random_() % 4) {
      case 0:  // lost on the way
        return ParseAnswer(Call(request));
      case 1: {  // lost on the way, and the store is closed and opened
        std::optional<Answer> answer = ParseAnswer(Call(request));
        RestartInOrder();
        return answer;
      }
      case 2: {  // the owner is killed after it
        std::optional<Answer> answer = ParseAnswer(Call(request));
        Kill();
        return answer;
      }
      default: {                  // the owner is killed on the way to it
        Call("count " + alias_);  // it is up and serving
        owner().Send(request);
        absl::SleepFor(absl::Microseconds(random_() % 2500));
        owner_->Kill();
        std::optional<Answer> answer = ParseAnswer(owner().Receive());
        (answer.has_value() ? killed_after_ : killed_before_) += 1;
        Kill();
        return answer;
      }
    }
  }

  size_t HappenedOutside(const std::string& digest) {
    std::ifstream lines(outside_);
    size_t times = 0;
    for (std::string line; std::getline(lines, line);) times += line == digest;
    return times;
  }

  // One request, until it is answered for good.
  void Request(int round) {
    const std::string digest = absl::StrCat("request-", round);
    const bool again = random_() % 2 == 0;
    const std::string request =
        absl::StrCat("ask ", baton_, " ", digest, again ? " again" : " once");
    const std::optional<Answer> lost = AskInVain(request);
    const std::string line = Call(request);
    const std::optional<Answer> answer = ParseAnswer(line);
    ASSERT_TRUE(answer.has_value()) << line;
    if (lost.has_value()) {
      EXPECT_EQ(answer->how, "replay");
      EXPECT_EQ(answer->reply, lost->reply);
      EXPECT_EQ(answer->next_baton, lost->next_baton);
    }
    const bool unknown = answer->how == "unknown";
    EXPECT_FALSE(unknown && again);
    unknown_ += unknown;
    happened_ += !unknown;

    if (random_() % 2 == 0) RestartInOrder();
    const std::optional<Answer> once_more = ParseAnswer(Call(request));
    ASSERT_TRUE(once_more.has_value());
    EXPECT_EQ(once_more->how, unknown ? "unknown" : "replay");
    EXPECT_EQ(once_more->reply, answer->reply);
    EXPECT_EQ(once_more->next_baton, answer->next_baton);

    EXPECT_EQ(Call("count " + alias_), absl::StrCat(happened_)) << "one effect for each request";
    const size_t outside = HappenedOutside(digest);
    EXPECT_TRUE(again ? outside >= 1 : outside <= 1) << outside;
    EXPECT_TRUE(unknown || outside >= 1);
    EXPECT_EQ(Call(absl::StrCat("ask ", baton_, " another-request again")), "REUSED");
    if (!before_.empty()) {
      EXPECT_EQ(Call(absl::StrCat("ask ", before_, " ", digest, " again")), "REPLAYED");
    }
    before_ = std::exchange(baton_, answer->next_baton);
  }

  testing::TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const std::string outside_ = folder_ / "outside";
  std::mt19937_64 random_{flags.seed};
  std::unique_ptr<ForkedChild> owner_;
  std::string alias_;
  std::string baton_;   // the current one
  std::string before_;  // its predecessor
  int happened_ = 0;
  int unknown_ = 0;
  int kills_ = 0;
  int killed_before_ = 0;
  int killed_after_ = 0;
};

TEST_F(TurnKillTest, WhoLosesEveryResponseOnceHearsItAgainAndItHasHappenedOnce) {
  printf("rounds: %d, replay with --test_arg=--seed=%llu\n", flags.rounds,
         static_cast<unsigned long long>(flags.seed));
  const std::vector<std::string> created = absl::StrSplit(Call("create"), ' ');
  ASSERT_EQ(created.size(), 2u) << absl::StrJoin(created, " ");
  alias_ = created[0];
  baton_ = created[1];
  for (int round = 0; round < flags.rounds && !HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    Request(round);
  }
  printf("kills: %d, of them %d before a response and %d after; unknown: %d\n", kills_,
         killed_before_, killed_after_, unknown_);
  EXPECT_GT(killed_before_, 0) << "no kill has met a turn: the test tests too little";
  EXPECT_GT(kills_, killed_before_);
}

}  // namespace

int Main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::pair<absl::string_view, absl::string_view> flag =
        absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    bool understood = false;
    if (flag.first == "--seed") understood = absl::SimpleAtoi(flag.second, &flags.seed);
    if (flag.first == "--rounds") understood = absl::SimpleAtoi(flag.second, &flags.rounds);
    if (understood) continue;
    fprintf(stderr, "unknown argument %s\n", argv[i]);
    return 2;
  }
  return RUN_ALL_TESTS();
}

}  // namespace batonstore::recovery

int main(int argc, char** argv) { return batonstore::recovery::Main(argc, argv); }
