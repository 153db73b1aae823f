// How creation and turns fare as a store grows: by 64 callers on 10,000 to 10,000,000 sessions, and
// turns of streams, by one caller, on 10,000 to 1,000,000 streams.
//
//   ./bazelw run -c opt //benchmarks:growth -- --out=/tmp/growth
//
// Then one caller makes so many sessions that, on all but the largest store, its indexes are merged
// from beginning to end: the longest of these calls had to wait for a slice (store/index_merge.h),
// which is to take 20 ms at the most.
//
// Each other number is the median of some short runs. Every session and every stream that takes a
// turn is drawn at random. Stores lie below $TMPDIR (or /tmp), one at a time: the largest takes
// some 5 GB and minutes to fill; name the sizes that you want with --sessions. Writes growth.json,
// growth.svg and growth_streams.svg.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/session_turn.h"
#include "batonstore/store/stream_registry.h"
#include "batonstore/tools/paths.h"
#include "benchmarks/filled_store.h"
#include "benchmarks/latencies.h"
#include "benchmarks/line_plot.h"
#include "benchmarks/scratch.h"
#include "tests/support/threads.h"

namespace batonstore::benchmarks {
namespace {

constexpr int kCallers = 64;
constexpr char kDatabase[] = "accounts";

struct Arguments {
  std::vector<int64_t> sessions = {10'000, 100'000, 1'000'000, 10'000'000};
  std::vector<int64_t> streams = {10'000, 100'000, 1'000'000};
  int runs = 5;
  int64_t alone = 60'000;
  std::string out = ".";
};

std::string Principal(int64_t number) {
  return absl::StrFormat("principal-%06d@example.com", number / 10 % 1'000'000);
}

SessionSpec SpecOf(int64_t number) {
  SessionSpec spec;
  spec.label = "a benchmark's session";
  spec.principal = Principal(number);
  spec.database = kDatabase;
  spec.expires_at = absl::Now() + absl::Hours(24 * 365);
  return spec;
}

// What one operation takes on average, in seconds, when `run` does so many.
double SecondsOfOne(int64_t operations, const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return elapsed.count() / static_cast<double>(operations);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double MedianOf(int runs, const std::function<double()>& run) {
  std::vector<double> values;
  for (int i = 0; i < runs; ++i) values.push_back(run());
  return Median(values);
}

// So many that all callers share many commits, and so few that the size stays what it is: all runs
// together make a small store twice as large at the most, a large one not noticeably so.
int64_t OperationsOfRun(int64_t sessions) {
  return std::clamp<int64_t>(sessions / 10, 2'000, 20'000);
}

double SecondsOfCreation(FilledStore& store, int64_t operations) {
  return SecondsOfOne(operations, [&] {
    testing::OnThreads(kCallers, [&](int caller) {
      for (int64_t i = caller; i < operations; i += kCallers) {
        CheckOk(store.sessions().ReserveAndCreate(SpecOf(i * 7919)).status());
      }
    });
  });
}

Latencies CreateAlone(FilledStore& store, int64_t operations) {
  Latencies latencies;
  for (int64_t i = 0; i < operations; ++i) {
    CheckOk(latencies.Measure(
        [&] { return store.sessions().ReserveAndCreate(SpecOf(i * 7919)).status(); }));
  }
  return latencies;
}

// A session, and the baton and the name that its client has.
struct Client {
  std::string baton;
  std::string principal;
};

double SecondsOfDurableTurn(FilledStore& store, int64_t operations, std::mt19937_64& random) {
  std::vector<Client> clients;
  std::vector<size_t> drawn;
  const std::vector<Alias>& aliases = store.aliases();
  for (int64_t i = 0; i < operations; ++i) drawn.push_back(random() % aliases.size());
  std::sort(drawn.begin(), drawn.end());  // for each to come once
  drawn.erase(std::unique(drawn.begin(), drawn.end()), drawn.end());
  std::shuffle(drawn.begin(), drawn.end(), random);
  for (const size_t place : drawn) {
    clients.push_back(
        {ValueOf(store.sessions().Issue(aliases[place])), Principal(static_cast<int64_t>(place))});
  }
  const std::string digest(32, 'd');
  const std::string reply(200, 'r');
  return SecondsOfOne(static_cast<int64_t>(clients.size()), [&] {
    testing::OnThreads(kCallers, [&](int caller) {
      for (auto i = static_cast<size_t>(caller); i < clients.size(); i += kCallers) {
        Resumed resumed = ValueOf(
            store.sessions().Resume(clients[i].baton, digest, kDatabase, clients[i].principal));
        CheckOk(std::get<SessionTurn>(resumed).Finish(reply).status());
      }
    });
  });
}

double SecondsOfStreamTurn(StreamRegistry& streams, std::vector<std::string>& batons,
                           std::mt19937_64& random) {
  std::shuffle(batons.begin(), batons.end(), random);
  const size_t turns = std::min<size_t>(batons.size(), 100'000);
  return SecondsOfOne(static_cast<int64_t>(turns), [&] {
    for (size_t i = 0; i < turns; ++i) {
      StreamTurn turn = ValueOf(streams.Resume(batons[i], kDatabase, "alice"));
      batons[i] = ValueOf(turn.Finish());
    }
  });
}

class Growth {
 public:
  explicit Growth(const Arguments& arguments) : arguments_(arguments) {}

  void Measure() {
    for (const int64_t size : arguments_.sessions) MeasureSessions(size);
    for (const int64_t size : arguments_.streams) MeasureStreams(size);
  }

  void Write() const {
    const std::string path = arguments_.out + "/growth";
    std::ofstream(path + ".json") << json_.dump(2) << "\n";
    if (!creations_.points.empty()) {
      const LinePlot plot{.title = "Creations and durable turns by 64 callers",
                          .x_label = "sessions in the store",
                          .y_label = "a second",
                          .log_x = true,
                          .lines = {creations_, turns_}};
      std::ofstream(path + ".svg") << ToSvg(plot);
    }
    if (!stream_turns_.points.empty()) {
      const LinePlot plot{.title = "A stream's turn, by one caller",
                          .x_label = "live streams",
                          .y_label = "ns",
                          .log_x = true,
                          .lines = {stream_turns_}};
      std::ofstream(path + "_streams.svg") << ToSvg(plot);
    }
  }

 private:
  void MeasureSessions(int64_t size) {
    std::cout << absl::StreamFormat("filling a store of %d sessions\n", size) << std::flush;
    FilledStore store({.sessions = size, .spec = SpecOf});
    const int64_t operations = OperationsOfRun(size);
    const double turn =
        MedianOf(arguments_.runs, [&] { return SecondsOfDurableTurn(store, operations, random_); });
    const double creation =
        MedianOf(arguments_.runs, [&] { return SecondsOfCreation(store, operations); });
    std::cout << absl::StreamFormat("  %8d sessions: %8.0f creations/s %8.0f durable turns/s\n",
                                    size, 1 / creation, 1 / turn)
              << std::flush;
    Latencies alone = CreateAlone(store, arguments_.alone);
    std::cout << absl::StreamFormat(
                     "  %8s alone: median %.0f us, 99 of 100 within %.0f, longest %.0f\n", "",
                     alone.Microseconds(0.5), alone.Microseconds(0.99), alone.Microseconds(1))
              << std::flush;
    const auto x = static_cast<double>(size);
    creations_.points.emplace_back(x, 1 / creation);
    turns_.points.emplace_back(x, 1 / turn);
    json_["sessions"].push_back({{"size", size},
                                 {"creations_a_second", 1 / creation},
                                 {"durable_turns_a_second", 1 / turn},
                                 {"alone_median_us", alone.Microseconds(0.5)},
                                 {"alone_p99_us", alone.Microseconds(0.99)},
                                 {"alone_longest_us", alone.Microseconds(1)}});
  }

  void MeasureStreams(int64_t size) {
    const Folder folder;
    recovery::Options options;
    options.directory = folder.path();
    options.streams.idle_timeout = absl::InfiniteDuration();
    options.streams.max_age = absl::InfiniteDuration();
    options.streams.max_per_database = size;
    const std::unique_ptr<recovery::Store> store = ValueOf(recovery::Open(options));
    std::vector<std::string> batons;
    for (int64_t i = 0; i < size; ++i) {
      StreamTurn turn =
          ValueOf(store->streams().Open({.database = kDatabase, .principal = "alice"}));
      batons.push_back(ValueOf(turn.Finish()));
    }
    const double turn = MedianOf(
        arguments_.runs, [&] { return SecondsOfStreamTurn(store->streams(), batons, random_); });
    std::cout << absl::StreamFormat("  %8d streams: %8.0f ns a turn\n", size, 1e9 * turn)
              << std::flush;
    stream_turns_.points.emplace_back(static_cast<double>(size), 1e9 * turn);
    json_["streams"].push_back({{"size", size}, {"turn_ns", 1e9 * turn}});
  }

  const Arguments& arguments_;
  std::mt19937_64 random_;
  nlohmann::ordered_json json_;
  Line creations_{"creations", {}};
  Line turns_{"durable turns", {}};
  Line stream_turns_{"stream turns", {}};
};

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("How creation and turns fare as a store grows");
  app.add_option("--sessions", arguments.sessions, "sizes of stores")->delimiter(',');
  app.add_option("--streams", arguments.streams, "numbers of streams")->delimiter(',');
  app.add_option("--runs", arguments.runs, "of which the median is taken")
      ->check(CLI::PositiveNumber);
  app.add_option("--alone", arguments.alone, "creations by one caller")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--out", arguments.out, "the folder for growth.json and the pictures");
  CLI11_PARSE(app, argc, argv);
  arguments.out = tools::FromWorkingDirectory(arguments.out);
  std::filesystem::create_directories(arguments.out);
  Growth growth(arguments);
  growth.Measure();
  growth.Write();
  return 0;
}

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) { return batonstore::benchmarks::Main(argc, argv); }
