#include "benchmarks/peers/probe.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "benchmarks/peers/interviewed.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kSessions = 1'000;
constexpr double kSeconds = 0.2;

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// sync_file_range() is left out: it does not have the disk empty its cache.
std::vector<std::string> Tracing(const std::string& strace, const std::string& trace) {
  return {strace,        "-f", "-qq", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,msync", "-e",
          "signal=none", "-o", trace};
}

Probe ProbeOf(const InterviewedPeer& peer) {
  Probe probe;
  probe.ready = peer.ready();
  probe.missing = peer.missing();
  probe.problem = peer.problem();
  probe.introduction = peer.introduction();
  return probe;
}

Probe NotBuilt() {
  Probe probe;
  probe.built = false;
  probe.problem = "was not built";
  return probe;
}

Probe ProbeUntraced(const std::string& program, const std::string& folder,
                    const std::string& why_untraced) {
  Probe probe = ProbeOf(InterviewedPeer({program, folder, kSessions}));
  probe.unchecked = why_untraced;
  return probe;
}

void CountIn(InterviewedPeer& peer, const std::string& trace, Probe& probe) {
  const int64_t before = CountSyncs(Contents(trace));
  const std::optional<nlohmann::json> measured = peer.Measure({Question::kCreate, 1}, kSeconds);
  if (!measured.has_value()) {
    probe.unchecked = absl::StrCat("under strace it ", peer.problem());
    return;
  }
  const auto operations = measured->value("operations", int64_t{0});
  probe.syncs = {measured->value("total", operations), CountSyncs(Contents(trace)) - before};
}

}  // namespace

Probe ProbePeer(const std::string& program, const std::string& folder,
                const std::optional<std::string>& strace) {
  if (!std::filesystem::exists(program)) return NotBuilt();
  if (!strace.has_value()) return ProbeUntraced(program, folder, "strace is not installed");
  const std::string trace = folder + ".trace";
  Probe probe;
  {
    InterviewedPeer peer({program, folder, kSessions, Tracing(*strace, trace)});
    probe = ProbeOf(peer);
    if (peer.Answers(Question::kCreate)) CountIn(peer, trace, probe);
  }
  std::error_code ignored;
  std::filesystem::remove(trace, ignored);
  if (probe.ready || !probe.missing.empty()) return probe;
  return ProbeUntraced(program, folder, absl::StrCat("under strace it ", probe.problem));
}

int64_t CountSyncs(absl::string_view trace) {
  int64_t syncs = 0;
  // A call that another thread's interrupts goes on in a second line, without "(".
  for (const absl::string_view line : absl::StrSplit(trace, '\n')) {
    const bool maps = absl::StrContains(line, "msync(") && absl::StrContains(line, "MS_SYNC");
    syncs += absl::StrContains(line, "fsync(") || absl::StrContains(line, "fdatasync(") || maps;
  }
  return syncs;
}

}  // namespace batonstore::benchmarks
