// What was measured, and what it comes to.

#ifndef BATONSTORE_BENCHMARKS_PEERS_RESULTS_H_
#define BATONSTORE_BENCHMARKS_PEERS_RESULTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/peers/question.h"

namespace batonstore::benchmarks {

// What all peers were asked alike.
struct Point {
  Question question = Question::kCreate;
  int callers = 1;
  int64_t sessions = 0;

  friend auto operator<=>(const Point&, const Point&) = default;
};

struct Sample {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;
};

// A peer at a point: the median of each number.
struct Line {
  std::string peer;
  Sample median;
  double spread = 0;            // of per_second: from least to most, as a share of the median
  bool durable = true;          // or it does not do what was asked, and is not ranked
  std::optional<double> ratio;  // how many times this peer's rate batonstore's is; if ranked
};

class Results {
 public:
  void Add(const Point& point, const std::string& peer, const Sample& sample);

  // The peer acknowledges what is not on the disk.
  void MarkNotDurable(const std::string& peer) { not_durable_.insert(peer); }

  // In the order of their first samples.
  const std::vector<Point>& points() const { return points_; }

  // Of all peers that were asked, the fastest first.
  std::vector<Line> Lines(const Point& point) const;

 private:
  std::vector<Point> points_;
  std::map<std::pair<Point, std::string>, std::vector<Sample>> samples_;
  std::set<std::string> not_durable_;
};

// 0 of none; of an even number, the mean of the two in the middle.
double Median(std::vector<double> values);

// "create, 64 callers, 10,000 sessions".
std::string Title(const Point& point);

// "1,234,567", "12.3", "0.123": three digits and more.
std::string ReadableNumber(double number);

// One table, a line for each peer and question.
std::string Table(const Results& results);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_RESULTS_H_
