// Plain bar charts, as SVG.

#ifndef BATONSTORE_BENCHMARKS_PEERS_BAR_CHART_H_
#define BATONSTORE_BENCHMARKS_PEERS_BAR_CHART_H_

#include <string>
#include <vector>

namespace batonstore::benchmarks {

struct Bar {
  enum class Kind { kOurs, kTheirs, kNotRanked };

  std::string label;
  double value = 0;  // not negative
  std::string text;  // at its end
  Kind kind = Kind::kTheirs;
};

// Bars that are compared with each other: the longest of them fills the width.
struct BarGroup {
  std::string title;
  std::vector<Bar> bars;
};

std::string BarChart(const std::string& title, const std::string& note,
                     const std::vector<BarGroup>& groups);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_BAR_CHART_H_
