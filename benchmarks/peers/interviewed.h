// A peer's program as the driver sees it.

#ifndef BATONSTORE_BENCHMARKS_PEERS_INTERVIEWED_H_
#define BATONSTORE_BENCHMARKS_PEERS_INTERVIEWED_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/peers/program.h"
#include "benchmarks/peers/roster.h"
#include "nlohmann/json.hpp"

namespace batonstore::benchmarks {

struct PeerStart {
  std::string program;  // its path
  std::string folder;   // is made, and removed at the end
  int64_t sessions = 0;
  std::vector<std::string> prefix = {};  // runs it by another program: strace, ...
};

// One that runs, or that has said why it does not. Not thread-safe.
class InterviewedPeer {
 public:
  // Starts the program and waits until it has filled its store.
  explicit InterviewedPeer(const PeerStart& start);
  ~InterviewedPeer();
  InterviewedPeer(const InterviewedPeer&) = delete;
  InterviewedPeer& operator=(const InterviewedPeer&) = delete;

  bool ready() const { return ready_; }
  const std::string& missing() const { return missing_; }  // packages; empty if not known
  const std::string& problem() const { return problem_; }  // why it does not run, or no longer does
  const nlohmann::json& introduction() const { return introduction_; }

  bool Answers(Question question) const;

  // What it measured, or nothing, and from then on the peer is not ready.
  std::optional<nlohmann::json> Measure(const QuestionAsked& asked, double seconds);
  std::optional<nlohmann::json> Size();

 private:
  std::optional<nlohmann::json> Ask(const std::string& line, double seconds);
  void Fail(const std::string& problem);

  const std::string folder_;
  std::unique_ptr<Program> program_;
  bool ready_ = false;
  std::string missing_;
  std::string problem_;
  nlohmann::json introduction_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_INTERVIEWED_H_
