#include "benchmarks/peers/results.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "benchmarks/peers/roster.h"

namespace batonstore::benchmarks {
namespace {

std::string WithCommas(int64_t number) {
  const std::string digits = absl::StrCat(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

double MedianOf(const std::vector<Sample>& samples, double Sample::*number) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*number);
  return Median(std::move(values));
}

Line LineOf(const std::string& peer, const std::vector<Sample>& samples) {
  Line line;
  line.peer = peer;
  line.median = {MedianOf(samples, &Sample::per_second), MedianOf(samples, &Sample::p50_us),
                 MedianOf(samples, &Sample::p99_us), MedianOf(samples, &Sample::cpu_us)};
  const auto [least, most] = std::minmax_element(
      samples.begin(), samples.end(),
      [](const Sample& a, const Sample& b) { return a.per_second < b.per_second; });
  if (line.median.per_second > 0) {
    line.spread = (most->per_second - least->per_second) / line.median.per_second;
  }
  return line;
}

}  // namespace

void Results::Add(const Point& point, const std::string& peer, const Sample& sample) {
  if (std::find(points_.begin(), points_.end(), point) == points_.end()) points_.push_back(point);
  samples_[{point, peer}].push_back(sample);
}

std::vector<Line> Results::Lines(const Point& point) const {
  std::vector<Line> lines;
  std::optional<double> ours;
  for (const auto& [key, samples] : samples_) {
    if (key.first != point) continue;
    lines.push_back(LineOf(key.second, samples));
    lines.back().durable = !IsDurable(point.question) || !not_durable_.contains(key.second);
    if (key.second == kOurPeer && lines.back().durable) ours = lines.back().median.per_second;
  }
  for (Line& line : lines) {
    if (ours.has_value() && line.durable && line.median.per_second > 0) {
      line.ratio = *ours / line.median.per_second;
    }
  }
  std::sort(lines.begin(), lines.end(),
            [](const Line& a, const Line& b) { return a.median.per_second > b.median.per_second; });
  return lines;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string Title(const Point& point) {
  return absl::StrCat(QuestionName(point.question), ", ", point.callers,
                      point.callers == 1 ? " caller, " : " callers, ", WithCommas(point.sessions),
                      " sessions");
}

std::string ReadableNumber(double number) {
  if (number >= 100) return WithCommas(std::llround(number));
  return absl::StrFormat(number >= 10 ? "%.1f" : number >= 1 ? "%.2f" : "%.3f", number);
}

std::string Table(const Results& results) {
  std::string table;
  for (const Point& point : results.points()) {
    absl::StrAppendFormat(&table, "\n%-46s %11s %7s %13s %10s %10s %9s\n", Title(point),
                          "per second", "spread", "batonstore is", "p50 us", "p99 us", "CPU us");
    for (const Line& line : results.Lines(point)) {
      const std::string ratio = line.ratio.has_value() ? absl::StrFormat("%.2f x", *line.ratio)
                                : line.durable         ? "-"
                                                       : "not durable";
      absl::StrAppendFormat(&table, "  %-44s %11s %6.0f%% %13s %10s %10s %9s\n", line.peer,
                            ReadableNumber(line.median.per_second), line.spread * 100, ratio,
                            ReadableNumber(line.median.p50_us), ReadableNumber(line.median.p99_us),
                            ReadableNumber(line.median.cpu_us));
    }
  }
  return table;
}

}  // namespace batonstore::benchmarks
