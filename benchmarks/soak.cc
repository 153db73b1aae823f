// A mixed load on a steady number of sessions, for as long as you like: does the file grow, do the
// answers become slow?
//
//   ./bazelw run -c opt //benchmarks:soak -- --minutes=60 --sessions=200000 --out=/tmp/soak
//
// Makes the sessions, lets the load settle, then prints a line each minute, and in the end what the
// last third of the time has become beside the first; fails when the file has grown by more than
// 5 %, or the median of an operation by more than 25 %. Every session ends by itself, is revoked at
// times, and is followed by another; the store's own thread sweeps, and tombstones are kept for a
// tenth of a lifetime. The store is below $TMPDIR (or /tmp). With --rate it leaves the machine to
// others: as many operations a second, and no more.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/tools/paths.h"
#include "benchmarks/scratch.h"
#include "benchmarks/soak_load.h"
#include "benchmarks/soak_report.h"

namespace batonstore::benchmarks {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSecondsOfLine = 60;  // or a twelfth of the whole time
constexpr double kSettlingShare = 1.0 / 6;

struct Arguments {
  double minutes = 60;
  double lifetime_minutes = 0;
  std::string out = ".";
  SoakOptions load;
};

std::unique_ptr<recovery::Store> OpenIn(const Folder& folder, const Arguments& arguments) {
  recovery::Options options;
  options.directory = folder.path();
  options.policy.retention = arguments.load.lifetime / 10;
  options.sweep_every = std::min(options.sweep_every, options.policy.retention / 2);
  return ValueOf(recovery::Open(options));
}

// The next interval's, which begins where the last one ended.
class Watch {
 public:
  Watch(SoakLoad& load, const SessionStore& sessions, std::string data_file, double minutes)
      : load_(load),
        sessions_(sessions),
        data_file_(std::move(data_file)),
        interval_(std::chrono::duration<double>(std::min(kSecondsOfLine, minutes * 60 / 12))) {}

  // The moments until then, in minutes from now; before 0 if they are for settling.
  void Run(double minutes, bool settling, std::vector<SoakMoment>& moments) {
    const Clock::time_point begin = Clock::now();
    const auto whole = std::chrono::duration<double>(minutes * 60);
    Clock::time_point last = begin;
    while (last - begin < whole - interval_ / 2) {
      std::this_thread::sleep_until(last + std::chrono::duration_cast<Clock::duration>(interval_));
      const Clock::time_point now = Clock::now();
      const double elapsed = std::chrono::duration<double>(now - begin).count() / 60;
      SoakMoment moment = MomentOf(load_.Collect(), ValueOf(sessions_.Stats()), data_file_,
                                   absl::FromChrono(now - last));
      moment.minutes = settling ? elapsed - minutes : elapsed;
      if (settling) moment.minutes = std::min(moment.minutes, 0.0);
      std::cout << SoakLine(moment) << std::endl;
      moments.push_back(moment);
      last = now;
    }
  }

 private:
  SoakLoad& load_;
  const SessionStore& sessions_;
  const std::string data_file_;
  const std::chrono::duration<double> interval_;
};

bool Soak(const Arguments& arguments) {
  const Folder folder;
  const std::unique_ptr<recovery::Store> store = OpenIn(folder, arguments);
  std::cout << absl::StreamFormat("making %d sessions\n", arguments.load.sessions) << std::flush;
  SoakLoad load(store->sessions(), arguments.load);
  load.Start();
  std::cout << "settling, until minute 0\n" << SoakHead() << std::endl;
  std::vector<SoakMoment> moments;
  Watch watch(load, store->sessions(), folder.path() + "/data.mdb", arguments.minutes);
  watch.Run(arguments.minutes * kSettlingShare, /*settling=*/true, moments);
  watch.Run(arguments.minutes, /*settling=*/false, moments);
  const SoakVerdict verdict = JudgeSoak(moments);
  std::cout << "the last third beside the first:\n";
  for (const SoakVerdict::Ratio& ratio : verdict.ratios) {
    std::cout << absl::StreamFormat("  %-20s %6.3f", ratio.name, ratio.last_to_first);
    if (ratio.at_most > 0) {
      std::cout << absl::StreamFormat("  at most %.2f%s", ratio.at_most,
                                      ratio.last_to_first > ratio.at_most ? ": broken" : "");
    }
    std::cout << "\n";
  }
  std::cout << (verdict.flat ? "flat\n" : "not flat\n") << std::flush;
  WriteSoak(arguments.out, moments, verdict);
  return verdict.flat;
}

// How long sessions live on average, if nobody says: as long as the load settles, but not so short
// that the creations that follow them are more than a tenth of what is asked for, or of what any
// disk does.
absl::Duration DefaultLifetime(const Arguments& arguments) {
  constexpr double kSlowestDisk = 5'000;  // operations a second, of several callers
  const double rate = arguments.load.rate > 0 ? arguments.load.rate : kSlowestDisk;
  const double turnover_seconds = static_cast<double>(arguments.load.sessions) / (rate / 10);
  return std::max(absl::Minutes(arguments.minutes * kSettlingShare),
                  absl::Seconds(turnover_seconds));
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("A mixed load on a steady number of sessions");
  app.add_option("--minutes", arguments.minutes, "how long, once it has settled")
      ->check(CLI::PositiveNumber);
  app.add_option("--sessions", arguments.load.sessions, "how many, at any moment");
  app.add_option("--callers", arguments.load.callers, "how many threads")
      ->check(CLI::PositiveNumber);
  app.add_option("--rate", arguments.load.rate, "operations a second at the most; 0: no limit");
  app.add_option("--lifetime", arguments.lifetime_minutes, "of a session, on average, in minutes");
  app.add_option("--seed", arguments.load.seed, "for what is drawn at random");
  app.add_option("--out", arguments.out, "the folder for soak.csv, soak.json and the pictures");
  CLI11_PARSE(app, argc, argv);
  if (arguments.load.sessions < arguments.load.callers) {
    return app.exit(CLI::ValidationError("--sessions", "there are more callers than that"));
  }
  arguments.load.lifetime = arguments.lifetime_minutes > 0
                                ? absl::Minutes(arguments.lifetime_minutes)
                                : DefaultLifetime(arguments);
  arguments.out = tools::FromWorkingDirectory(arguments.out);
  std::filesystem::create_directories(arguments.out);
  return Soak(arguments) ? 0 : 1;
}

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) { return batonstore::benchmarks::Main(argc, argv); }
