// What a session takes on the disk, and a live stream in memory.
//
//   ./bazelw run -c opt //benchmarks:size
//
// Makes 1,000,000 sessions one after another, as a service would, only that 64 callers share
// commits; then opens 1,000,000 streams. Everything counts: records, indexes, seals, and what LMDB
// has free inside the file. The claims: at most 460 bytes a session, and 256 a stream.

#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/stream_registry.h"
#include "benchmarks/counted_keys.h"
#include "benchmarks/scratch.h"
#include "tests/support/threads.h"

namespace batonstore::benchmarks {
namespace {

constexpr int kCallers = 64;
constexpr int64_t kSessionsOfPrincipal = 10;
constexpr char kDatabase[] = "accounts";

struct Arguments {
  int64_t sessions = 1'000'000;
  int64_t streams = 1'000'000;
};

std::string Principal(int64_t number) {
  return absl::StrFormat("principal-%06d@example.com", number / kSessionsOfPrincipal);
}

// Memory of the process's own, without the pages of files.
double MemoryBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    double kilobytes = 0;
    if (words >> name >> kilobytes && name == "RssAnon:") return kilobytes * 1024;
  }
  CheckThat(false, "the kernel tells how much memory the process has");
  return 0;
}

void Print(absl::string_view name, double bytes, int64_t count) {
  std::cout << absl::StreamFormat("%-48s %8.1f bytes\n", name, bytes / static_cast<double>(count))
            << std::flush;
}

void MakeSessions(SessionStore& sessions, int64_t count) {
  testing::OnThreads(kCallers, [&](int caller) {
    for (int64_t i = caller; i < count; i += kCallers) {
      SessionSpec spec;
      spec.label = "a benchmark's session";
      spec.principal = Principal(i);
      spec.database = kDatabase;
      spec.expires_at = absl::Now() + absl::Hours(24 * 365);
      CheckOk(sessions.ReserveAndCreate(spec).status());
    }
  });
}

void MeasureSessions(recovery::Store& store, const std::string& data_file, int64_t count) {
  const double memory_before = MemoryBytes();
  const uint64_t used_before = ValueOf(store.sessions().Stats()).used_bytes;
  MakeSessions(store.sessions(), count);
  const StoreStats stats = ValueOf(store.sessions().Stats());
  struct stat file {};
  CheckThat(stat(data_file.c_str(), &file) == 0, "the store has a data file");
  const auto used = static_cast<double>(stats.used_bytes - used_before);
  Print("a session, in use in the file", used, count);
  Print("a session, of the file (its reserve included)", static_cast<double>(file.st_size), count);
  Print("a session, of the disk (likewise)", static_cast<double>(file.st_blocks) * 512, count);
  Print("a session, in memory", MemoryBytes() - memory_before, count);
}

void MeasureStreams(StreamRegistry& streams, int64_t count) {
  const double before = MemoryBytes();
  for (int64_t i = 0; i < count; ++i) {
    StreamTurn turn = ValueOf(streams.Open({.database = kDatabase, .principal = Principal(i)}));
    CheckOk(turn.Finish().status());
  }
  Print("a live stream without a connection, in memory", MemoryBytes() - before, count);
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("What a session takes on the disk, and a live stream in memory");
  app.add_option("--sessions", arguments.sessions, "how many")->check(CLI::PositiveNumber);
  app.add_option("--streams", arguments.streams, "how many")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  const Folder folder;
  CountedKeys keys;
  recovery::Options options;
  options.directory = folder.path();
  options.streams.idle_timeout = absl::InfiniteDuration();
  options.streams.max_age = absl::InfiniteDuration();
  options.streams.max_per_database = arguments.streams;
  options.key_pairs = &keys;
  const std::unique_ptr<recovery::Store> store = ValueOf(recovery::Open(options));
  MeasureStreams(store->streams(), arguments.streams);
  MeasureSessions(*store, folder.path() + "/data.mdb", arguments.sessions);
  return 0;
}

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) { return batonstore::benchmarks::Main(argc, argv); }
