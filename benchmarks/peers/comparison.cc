#include "benchmarks/peers/comparison.h"

#include <chrono>
#include <iostream>
#include <optional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "benchmarks/peers/find_on_path.h"

namespace batonstore::benchmarks {
namespace {

using Json = nlohmann::json;

// A store of up to so many sessions is filled anew for each round: what a round creates would make
// it another store, and the fastest peer's the largest.
constexpr int64_t kFilledAnew = 100'000;

// What a peer does in the background after it has written, such as to compact, is its own and not
// to fall onto the next one's measurement. (Its own is the shorter by that.)
constexpr std::chrono::milliseconds kPauseAfterWriting{300};

}  // namespace

void Comparison::ProbeAll() {
  const std::optional<std::string> strace = FindOnPath("strace");
  std::set<std::string> missing;
  for (const std::string& name : settings_.peers) {
    std::cerr << "looking at " << name << "\n";
    Probe& probe = probes_[name];
    probe = ProbePeer(absl::StrCat(settings_.programs, "/", name), NewFolder(name), strace);
    if (!probe.ready) std::cerr << "  left out: it " << probe.problem << "\n";
    if (!probe.missing.empty()) missing.insert(probe.missing);
    if (probe.ready && !probe.unchecked.empty()) {
      std::cerr << "  not checked whether it syncs: " << probe.unchecked << "\n";
    }
    if (probe.built && !probe.ready && probe.missing.empty()) has_failures_ = true;
    if (!probe.syncs.has_value()) continue;
    std::cerr << "  " << probe.syncs->syncs << " syncs for " << probe.syncs->creations
              << " creations\n";
    if (probe.syncs->is_durable()) continue;
    std::cerr << "  so what it acknowledges is not on the disk, and is not ranked\n";
    results_.MarkNotDurable(name);
  }
  if (!strace.has_value()) missing.insert("strace");
  if (!missing.empty()) {
    std::cerr << "To have all: apt-get install " << absl::StrJoin(missing, " ") << "\n";
  }
}

void Comparison::MeasureAll() {
  std::vector<std::string> names;
  std::vector<std::string> names_for_large;
  for (const std::string& name : settings_.peers) {
    if (!probes_.at(name).ready) continue;
    names.push_back(name);
    if (IsForLargeStores(name)) names_for_large.push_back(name);
  }
  for (const int64_t sessions : settings_.sizes) MeasureSize(names, sessions);
  if (settings_.large_size > 0) MeasureSize(names_for_large, settings_.large_size);
}

void Comparison::MeasureSize(const std::vector<std::string>& names, int64_t sessions) {
  Peers peers;
  for (int round = 0; round < settings_.repetitions; ++round) {
    const bool anew = sessions <= kFilledAnew;
    if (anew) peers.clear();
    if (anew || round == 0) peers = StartAll(names, sessions);
    if (round == 0) {
      for (auto& [name, peer] : peers) NoteSize(name, sessions, *peer);
    }
    MeasureRound(names, sessions, round, peers);
  }
}

void Comparison::MeasureRound(const std::vector<std::string>& names, int64_t sessions, int round,
                              Peers& peers) {
  for (const QuestionAsked& asked : settings_.questions) {
    const Point point{asked.question, asked.callers, sessions};
    std::cerr << "round " << round + 1 << " of " << settings_.repetitions << ": " << Title(point)
              << "\n";
    for (const std::string& name : names) {
      InterviewedPeer& peer = *peers.at(name);
      if (peer.Answers(asked.question)) MeasureOne(name, point, round, peer);
    }
  }
}

void Comparison::MeasureOne(const std::string& name, const Point& point, int round,
                            InterviewedPeer& peer) {
  std::optional<Json> measured = peer.Measure({point.question, point.callers}, settings_.seconds);
  if (!measured.has_value()) return NoteFailure(name, peer);
  results_.Add(point, name,
               {measured->value("per_second", 0.0), measured->value("p50_us", 0.0),
                measured->value("p99_us", 0.0), measured->value("cpu_us", 0.0)});
  (*measured)["peer"] = name;
  (*measured)["filled_with"] = point.sessions;
  (*measured)["round"] = round;
  samples_.push_back(*std::move(measured));
  if (IsDurable(point.question)) std::this_thread::sleep_for(kPauseAfterWriting);
}

Comparison::Peers Comparison::StartAll(const std::vector<std::string>& names, int64_t sessions) {
  Peers peers;
  for (const std::string& name : names) {
    std::cerr << "filling " << name << " with " << sessions << " sessions\n";
    auto& peer = peers[name];
    peer = std::make_unique<InterviewedPeer>(
        PeerStart{absl::StrCat(settings_.programs, "/", name), NewFolder(name), sessions});
    if (!peer->ready()) NoteFailure(name, *peer);
  }
  return peers;
}

void Comparison::NoteSize(const std::string& name, int64_t sessions, InterviewedPeer& peer) {
  if (!peer.ready()) return;
  const std::optional<Json> size = peer.Size();
  if (!size.has_value()) return NoteFailure(name, peer);
  sizes_.push_back({{"peer", name},
                    {"filled_with", sessions},
                    {"bytes", size->value("bytes", int64_t{0})},
                    {"fill_seconds", peer.introduction().value("fill_seconds", 0.0)}});
}

void Comparison::NoteFailure(const std::string& name, const InterviewedPeer& peer) {
  has_failures_ = true;
  std::cerr << name << " " << peer.problem() << "\n";
}

std::string Comparison::NewFolder(const std::string& name) {
  return absl::StrCat(settings_.folder, "/", name, "-", ++folders_);
}

}  // namespace batonstore::benchmarks
