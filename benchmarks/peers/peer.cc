#include "benchmarks/peers/peer.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iostream>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "benchmarks/peers/measurement.h"
#include "benchmarks/scratch.h"
#include "nlohmann/json.hpp"

ABSL_FLAG(std::string, folder, "", "an empty folder for the store");
ABSL_FLAG(int64_t, sessions, 10'000, "how many sessions to fill it with");
ABSL_FLAG(int, callers, 64, "the most callers that will ask at a time");

namespace batonstore::benchmarks {

using Json = nlohmann::ordered_json;

namespace {

void NotAsked(Question question) {
  CheckThat(false, absl::StrCat("the peer answers \"", QuestionName(question), "\""));
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

Json ToJson(Question question, int callers, const Measurement& measured) {
  return {{"question", std::string(QuestionName(question))},
          {"callers", callers},
          {"operations", measured.operations},
          {"total", measured.total},
          {"seconds", measured.seconds},
          {"per_second", measured.per_second()},
          {"p50_us", measured.p50_us},
          {"p99_us", measured.p99_us},
          {"cpu_us", measured.cpu_us}};
}

void Say(const Json& json) { std::cout << json.dump() << std::endl; }

}  // namespace

double Peer::CpuSeconds() {
  rusage usage{};
  CheckThat(getrusage(RUSAGE_SELF, &usage) == 0, "the system tells the time used");
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

int64_t Peer::DiskBytes() { return DiskBytesOf(options_.folder); }

void Peer::Create(Caller&) { NotAsked(Question::kCreate); }
void Peer::ReserveAndCreate(Caller&) { NotAsked(Question::kReserveCreate); }
void Peer::Turn(Caller&, int64_t, uint64_t) { NotAsked(Question::kTurn); }
void Peer::Find(Caller&, int64_t) { NotAsked(Question::kFind); }
void Peer::FindByPublicKey(Caller&, int64_t) { NotAsked(Question::kFindKey); }
void Peer::ListOfPrincipal(Caller&, int64_t) { NotAsked(Question::kList); }
void Peer::Verify(Caller&, int64_t) { NotAsked(Question::kVerify); }
void Peer::VerifyAndFind(Caller&, int64_t) { NotAsked(Question::kVerifyFind); }
void Peer::StreamTurn(Caller&) { NotAsked(Question::kStreamTurn); }
void Peer::Hmac(Caller&) { NotAsked(Question::kHmac); }

// The driver's side of the talk, as one peer hears it.
class Interview {
 public:
  Interview(Peer& peer, PeerOptions options)
      : peer_(peer), sessions_(options.sessions), most_callers_(options.callers) {
    peer_.options_ = std::move(options);
    for (int i = 0; i < most_callers_; ++i) {
      callers_.push_back({i, 1, sessions_, std::mt19937_64(static_cast<uint64_t>(i) + 1)});
    }
    generations_.assign(static_cast<size_t>(sessions_), 1);
  }

  void Begin() {
    const auto before = std::chrono::steady_clock::now();
    peer_.Fill(peer_.options_);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
    std::vector<std::string> questions;
    for (const Question question : peer_.Questions()) {
      questions.emplace_back(QuestionName(question));
    }
    Say({{"ready", true},
         {"peer", peer_.Name()},
         {"version", peer_.Version()},
         {"questions", questions},
         {"fill_seconds", took.count()}});
  }

  // False at the end.
  bool Obey(const std::string& line) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipWhitespace());
    if (words.size() == 1 && words[0] == "quit") return false;
    if (words.size() == 1 && words[0] == "size") {
      Say({{"bytes", peer_.DiskBytes()}, {"sessions", sessions_ + created_}});
    } else if (words.size() == 4 && words[0] == "measure") {
      Say(Measure(words[1], words[2], words[3]));
    } else {
      Say({{"error", absl::StrCat("no such command: ", line)}});
    }
    return true;
  }

 private:
  Json Measure(const std::string& name, const std::string& callers_word,
               const std::string& seconds_word) {
    const std::optional<Question> question = QuestionFromName(name);
    if (!question.has_value() || !Has(*question)) {
      return {{"error", absl::StrCat("no such question: ", name)}};
    }
    int callers = 0;
    double seconds = 0;
    if (!absl::SimpleAtoi(callers_word, &callers) || callers < 1 || callers > most_callers_ ||
        !absl::SimpleAtod(seconds_word, &seconds) || !(seconds > 0)) {
      return {{"error", absl::StrCat("1 to ", most_callers_, " callers, and some seconds")}};
    }
    for (Caller& caller : callers_) caller.callers = callers;
    peer_.Prepare(*question);
    const Measurement measured =
        benchmarks::Measure({.callers = callers,
                             .seconds = seconds,
                             .block = QuestionsInBlock(*question),
                             .ask = Asking(*question),
                             .cpu_seconds = [this] { return peer_.CpuSeconds(); }});
    const bool creates = *question == Question::kCreate || *question == Question::kReserveCreate;
    if (creates) created_ += measured.total;
    return ToJson(*question, callers, measured);
  }

  bool Has(Question question) const {
    for (const Question answered : peer_.Questions()) {
      if (answered == question) return true;
    }
    return false;
  }

  std::function<void(int)> Asking(Question question) {
    switch (question) {
      case Question::kCreate:
        return [this](int i) { peer_.Create(caller(i)); };
      case Question::kReserveCreate:
        return [this](int i) { peer_.ReserveAndCreate(caller(i)); };
      case Question::kTurn:
        return [this](int i) { TakeTurn(caller(i)); };
      case Question::kFind:
        return [this](int i) { peer_.Find(caller(i), Draw(caller(i))); };
      case Question::kFindKey:
        return [this](int i) { peer_.FindByPublicKey(caller(i), Draw(caller(i))); };
      case Question::kList:
        return [this](int i) {
          peer_.ListOfPrincipal(caller(i), FilledSessions(sessions_).PrincipalOf(Draw(caller(i))));
        };
      case Question::kVerify:
        return [this](int i) { peer_.Verify(caller(i), Draw(caller(i))); };
      case Question::kVerifyFind:
        return [this](int i) { peer_.VerifyAndFind(caller(i), Draw(caller(i))); };
      case Question::kStreamTurn:
        return [this](int i) { peer_.StreamTurn(caller(i)); };
      case Question::kHmac:
        return [this](int i) { peer_.Hmac(caller(i)); };
    }
    return nullptr;
  }

  Caller& caller(int index) { return callers_[static_cast<size_t>(index)]; }

  int64_t Draw(Caller& caller) const {
    return static_cast<int64_t>(caller.random() % static_cast<uint64_t>(sessions_));
  }

  void TakeTurn(Caller& caller) {
    // Sessions that no other caller draws.
    const int64_t share = sessions_ / caller.callers;
    const int64_t session =
        static_cast<int64_t>(caller.random() % static_cast<uint64_t>(share)) * caller.callers +
        caller.index;
    uint64_t& generation = generations_[static_cast<size_t>(session)];
    peer_.Turn(caller, session, generation);
    ++generation;
  }

  Peer& peer_;
  const int64_t sessions_;
  const int most_callers_;
  int64_t created_ = 0;
  std::vector<Caller> callers_;
  std::vector<uint64_t> generations_;  // of each session
};

int PeerMain(int argc, char** argv, Peer& peer) {
  // Nothing of a measurement outlives the driver.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  absl::ParseCommandLine(argc, argv);
  PeerOptions options{absl::GetFlag(FLAGS_folder), absl::GetFlag(FLAGS_sessions),
                      absl::GetFlag(FLAGS_callers)};
  CheckThat(!options.folder.empty(), "--folder names a folder");
  CheckThat(options.callers >= 1, "--callers is at least 1");
  CheckThat(options.sessions >= options.callers, "--sessions is at least --callers");
  Interview interview(peer, std::move(options));
  interview.Begin();
  for (std::string line; std::getline(std::cin, line) && interview.Obey(line);) {
  }
  return 0;
}

double CpuSecondsOf(int pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

int64_t DiskBytesOf(const std::string& folder) {
  constexpr int64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's are
  int64_t bytes = 0;
  std::error_code gone;  // a file that goes while we look
  std::filesystem::recursive_directory_iterator files(folder, gone);
  for (const std::filesystem::directory_entry& entry : files) {
    struct stat status {};
    if (lstat(entry.path().c_str(), &status) == 0) bytes += status.st_blocks * kBlockBytes;
  }
  return bytes;
}

}  // namespace batonstore::benchmarks
