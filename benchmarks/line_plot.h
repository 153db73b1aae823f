// Lines over a common axis, as a picture (SVG): for what grows, or should not.

#ifndef BATONSTORE_BENCHMARKS_LINE_PLOT_H_
#define BATONSTORE_BENCHMARKS_LINE_PLOT_H_

#include <string>
#include <utility>
#include <vector>

namespace batonstore::benchmarks {

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by ascending x
};

struct LinePlot {
  std::string title = "";
  std::string x_label = "";
  std::string y_label = "";
  bool log_x = false;  // every x is above 0 then
  std::vector<Line> lines = {};
};

// The y axis begins at 0. REQUIRES: there is a point, and no y is below 0.
std::string ToSvg(const LinePlot& plot);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_LINE_PLOT_H_
