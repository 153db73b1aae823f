#include "benchmarks/soak_report.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "benchmarks/line_plot.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr double kMegabyte = 1 << 20;
constexpr double kMostFileGrowth = 1.05;
constexpr double kMostLatencyGrowth = 1.25;

using Value = std::function<double(const SoakMoment&)>;

// A line of /proc/self/status, such as "RssAnon:   1234 kB", in megabytes.
double StatusMegabytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string first;
    double kilobytes = 0;
    if (words >> first >> kilobytes && first == name + ":") return kilobytes / 1024;
  }
  return 0;
}

// Every number of a moment, by its name.
std::vector<std::pair<std::string, Value>> Values() {
  std::vector<std::pair<std::string, Value>> values = {
      {"minutes", [](const SoakMoment& m) { return m.minutes; }},
      {"operations_a_second", [](const SoakMoment& m) { return m.operations_a_second; }},
      {"file_mb", [](const SoakMoment& m) { return m.file_mb; }},
      {"allocated_mb", [](const SoakMoment& m) { return m.allocated_mb; }},
      {"used_mb", [](const SoakMoment& m) { return m.used_mb; }},
      {"memory_mb", [](const SoakMoment& m) { return m.memory_mb; }},
      {"resident_mb", [](const SoakMoment& m) { return m.resident_mb; }},
      {"live", [](const SoakMoment& m) { return static_cast<double>(m.live); }},
      {"sessions", [](const SoakMoment& m) { return static_cast<double>(m.sessions); }},
  };
  for (size_t kind = 0; kind < kKinds; ++kind) {
    const std::string name = kKindNames[kind];
    values.emplace_back(name + "_p50_us", [kind](const SoakMoment& m) { return m.p50_us[kind]; });
    values.emplace_back(name + "_p99_us", [kind](const SoakMoment& m) { return m.p99_us[kind]; });
  }
  return values;
}

std::string Csv(const std::vector<SoakMoment>& moments) {
  const auto values = Values();
  const auto name = [](std::string* out, const auto& value) { out->append(value.first); };
  std::string csv = absl::StrJoin(values, ",", name) + "\n";
  for (const SoakMoment& moment : moments) {
    const auto number = [&moment](std::string* out, const auto& value) {
      absl::StrAppend(out, value.second(moment));
    };
    absl::StrAppend(&csv, absl::StrJoin(values, ",", number), "\n");
  }
  return csv;
}

std::string Json(const std::vector<SoakMoment>& moments, const SoakVerdict& verdict) {
  nlohmann::ordered_json json;
  json["flat"] = verdict.flat;
  for (const SoakVerdict::Ratio& ratio : verdict.ratios) {
    nlohmann::ordered_json& entry = json["last_third_to_first"][ratio.name];
    entry["ratio"] = ratio.last_to_first;
    if (ratio.at_most > 0) entry["at_most"] = ratio.at_most;
  }
  for (const SoakMoment& moment : moments) {
    nlohmann::ordered_json entry;
    for (const auto& [name, value] : Values()) entry[name] = value(moment);
    json["moments"].push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

Line LineOf(const std::vector<SoakMoment>& moments, const std::string& name, const Value& value) {
  Line line{name, {}};
  for (const SoakMoment& moment : moments) line.points.emplace_back(moment.minutes, value(moment));
  return line;
}

std::string SizePicture(const std::vector<SoakMoment>& moments) {
  LinePlot plot{.title = "Size under a steady load", .x_label = "minutes", .y_label = "MB"};
  for (const auto& [name, value] : Values()) {
    if (name == "resident_mb") continue;  // it goes with the page cache
    if (absl::EndsWith(name, "_mb")) {
      plot.lines.push_back(LineOf(moments, name, value));
    }
  }
  return ToSvg(plot);
}

std::string LatencyPicture(const std::vector<SoakMoment>& moments) {
  LinePlot plot{.title = "Latency under a steady load", .x_label = "minutes", .y_label = "us"};
  for (const auto& [name, value] : Values()) {
    if (absl::EndsWith(name, "_us")) {
      plot.lines.push_back(LineOf(moments, name, value));
    }
  }
  return ToSvg(plot);
}

double Mean(const std::vector<SoakMoment>& moments, size_t from, size_t until, const Value& value) {
  double sum = 0;
  for (size_t i = from; i < until; ++i) sum += value(moments[i]);
  return sum / static_cast<double>(until - from);
}

}  // namespace

SoakMoment MomentOf(KindLatencies latencies, const StoreStats& stats, const std::string& data_file,
                    absl::Duration interval) {
  struct stat file {};
  CheckThat(stat(data_file.c_str(), &file) == 0, "the store has a data file");
  SoakMoment moment;
  size_t operations = 0;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    operations += latencies[kind].count();
    moment.p50_us[kind] = latencies[kind].Microseconds(0.5);
    moment.p99_us[kind] = latencies[kind].Microseconds(0.99);
  }
  moment.operations_a_second = static_cast<double>(operations) / absl::ToDoubleSeconds(interval);
  moment.file_mb = static_cast<double>(file.st_size) / kMegabyte;
  moment.allocated_mb = static_cast<double>(file.st_blocks) * 512 / kMegabyte;
  moment.used_mb = static_cast<double>(stats.used_bytes) / kMegabyte;
  moment.memory_mb = StatusMegabytes("RssAnon");
  moment.resident_mb = StatusMegabytes("VmRSS");
  moment.live = stats.live;
  moment.sessions = stats.sessions;
  return moment;
}

std::string SoakHead() {
  std::string head =
      absl::StrFormat("%7s %8s %8s %8s %8s %8s %8s %8s %8s", "minute", "ops/s", "file MB",
                      "disk MB", "used MB", "mem MB", "RSS MB", "live", "records");
  for (const char* const kind : kKindNames) {
    absl::StrAppendFormat(&head, " %17s", absl::StrCat(kind, " p50/99 us"));
  }
  return head;
}

std::string SoakLine(const SoakMoment& moment) {
  std::string line = absl::StrFormat("%7.2f %8.0f %8.1f %8.1f %8.1f %8.1f %8.1f %8d %8d",
                                     moment.minutes, moment.operations_a_second, moment.file_mb,
                                     moment.allocated_mb, moment.used_mb, moment.memory_mb,
                                     moment.resident_mb, moment.live, moment.sessions);
  for (size_t kind = 0; kind < kKinds; ++kind) {
    absl::StrAppendFormat(&line, " %8.1f/%8.1f", moment.p50_us[kind], moment.p99_us[kind]);
  }
  return line;
}

SoakVerdict JudgeSoak(const std::vector<SoakMoment>& moments) {
  const auto settled =
      std::find_if(moments.begin(), moments.end(), [](const auto& m) { return m.minutes > 0; });
  const auto first = static_cast<size_t>(settled - moments.begin());
  const size_t third = (moments.size() - first) / 3;
  CheckThat(third > 0, "the soak was long enough to be judged");
  SoakVerdict verdict;
  verdict.flat = true;
  for (const auto& [name, value] : Values()) {
    if (name == "minutes") continue;
    const double before = Mean(moments, first, first + third, value);
    const double after = Mean(moments, moments.size() - third, moments.size(), value);
    double at_most = 0;
    if (name == "file_mb" || name == "allocated_mb") at_most = kMostFileGrowth;
    if (absl::EndsWith(name, "_p50_us")) at_most = kMostLatencyGrowth;
    const double ratio = before > 0 ? after / before : 0;
    verdict.ratios.push_back({name, ratio, at_most});
    if (at_most > 0 && ratio > at_most) verdict.flat = false;
  }
  return verdict;
}

void WriteSoak(const std::string& folder, const std::vector<SoakMoment>& moments,
               const SoakVerdict& verdict) {
  std::ofstream(folder + "/soak.csv") << Csv(moments);
  std::ofstream(folder + "/soak.json") << Json(moments, verdict);
  std::ofstream(folder + "/soak_size.svg") << SizePicture(moments);
  std::ofstream(folder + "/soak_latency.svg") << LatencyPicture(moments);
}

}  // namespace batonstore::benchmarks
