// Peers measured in turns: a round asks every peer the first question, then every peer the second,
// and so on, so that whatever else the machine does hits all alike. Only one works at a time.

#ifndef BATONSTORE_BENCHMARKS_PEERS_COMPARISON_H_
#define BATONSTORE_BENCHMARKS_PEERS_COMPARISON_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/peers/interviewed.h"
#include "benchmarks/peers/probe.h"
#include "benchmarks/peers/results.h"
#include "benchmarks/peers/roster.h"
#include "nlohmann/json.hpp"

namespace batonstore::benchmarks {

struct ComparisonSettings {
  std::vector<std::string> peers;  // of AllPeers()
  std::vector<QuestionAsked> questions;
  std::vector<int64_t> sizes;  // sessions that the stores are filled with
  int64_t large_size = 0;      // 0, or one more for those that it is not too large for
  int repetitions = 5;
  double seconds = 1;    // for which a question is measured
  std::string programs;  // the folder of the peers' programs
  std::string folder;    // for the stores
};

// Not thread-safe.
class Comparison {
 public:
  explicit Comparison(const ComparisonSettings& settings) : settings_(settings) {}

  // Finds out who is there. To be called first.
  void ProbeAll();

  void MeasureAll();

  const std::map<std::string, Probe>& probes() const { return probes_; }
  const Results& results() const { return results_; }
  const nlohmann::json& samples() const { return samples_; }  // an array, as they came
  const nlohmann::json& sizes() const { return sizes_; }      // likewise: bytes and fill seconds

  // A peer that was there has ended, or answered what is no answer; told to standard error.
  bool has_failures() const { return has_failures_; }

 private:
  using Peers = std::map<std::string, std::unique_ptr<InterviewedPeer>>;

  void MeasureSize(const std::vector<std::string>& names, int64_t sessions);
  void MeasureRound(const std::vector<std::string>& names, int64_t sessions, int round,
                    Peers& peers);
  void MeasureOne(const std::string& name, const Point& point, int round, InterviewedPeer& peer);
  Peers StartAll(const std::vector<std::string>& names, int64_t sessions);
  void NoteSize(const std::string& name, int64_t sessions, InterviewedPeer& peer);
  void NoteFailure(const std::string& name, const InterviewedPeer& peer);
  std::string NewFolder(const std::string& name);

  const ComparisonSettings settings_;
  std::map<std::string, Probe> probes_;
  Results results_;
  nlohmann::json samples_ = nlohmann::json::array();
  nlohmann::json sizes_ = nlohmann::json::array();
  bool has_failures_ = false;
  int folders_ = 0;  // made so far
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_COMPARISON_H_
