#include "benchmarks/peers/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "benchmarks/peers/bar_chart.h"
#include "benchmarks/peers/question.h"
#include "benchmarks/peers/results.h"
#include "benchmarks/peers/roster.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

using Json = nlohmann::ordered_json;

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  CheckThat(file.flush().good(), absl::StrCat("there is room for ", path));
}

std::string MachineLine(const Machine& machine) {
  return absl::StrFormat("%s, %d cores, %d MiB, %s, data on %s, %s UTC, load before %.2f",
                         machine.processor, machine.cores, machine.memory_bytes >> 20,
                         machine.kernel, machine.file_system, machine.date, machine.load);
}

Json ToJson(const Probe& probe) {
  Json json;
  json["ready"] = probe.ready;
  if (probe.introduction.contains("version")) json["version"] = probe.introduction["version"];
  if (!probe.missing.empty()) json["missing"] = probe.missing;
  if (!probe.problem.empty()) json["problem"] = probe.problem;
  if (!probe.unchecked.empty()) json["syncs_unchecked"] = probe.unchecked;
  if (probe.syncs.has_value()) {
    json["sync_check"] = {{"creations", probe.syncs->creations},
                          {"syncs", probe.syncs->syncs},
                          {"durable", probe.syncs->is_durable()}};
  }
  return json;
}

Json MediansOf(const Results& results) {
  Json medians = Json::array();
  for (const Point& point : results.points()) {
    for (const Line& line : results.Lines(point)) {
      Json median{{"question", std::string(QuestionName(point.question))},
                  {"callers", point.callers},
                  {"filled_with", point.sessions},
                  {"peer", line.peer},
                  {"per_second", line.median.per_second},
                  {"p50_us", line.median.p50_us},
                  {"p99_us", line.median.p99_us},
                  {"cpu_us", line.median.cpu_us},
                  {"spread", line.spread},
                  {"durable", line.durable}};
      if (line.ratio.has_value()) median["batonstore_is"] = *line.ratio;
      medians.push_back(std::move(median));
    }
  }
  return medians;
}

Json ToJson(const Machine& machine, const Comparison& comparison) {
  Json json;
  json["machine"] = {{"processor", machine.processor},       {"cores", machine.cores},
                     {"memory_bytes", machine.memory_bytes}, {"kernel", machine.kernel},
                     {"file_system", machine.file_system},   {"date", machine.date},
                     {"load_before", machine.load}};
  for (const auto& [name, probe] : comparison.probes()) json["peers"][name] = ToJson(probe);
  json["medians"] = MediansOf(comparison.results());
  json["sizes"] = comparison.sizes();
  json["samples"] = comparison.samples();
  return json;
}

Bar::Kind KindOf(const Line& line) {
  if (line.peer == kOurPeer) return Bar::Kind::kOurs;
  return line.durable ? Bar::Kind::kTheirs : Bar::Kind::kNotRanked;
}

std::string TextOf(const Line& line) {
  std::string text = absl::StrCat(ReadableNumber(line.median.per_second), "/s");
  if (!line.durable) return absl::StrCat(text, " (not durable)");
  if (line.ratio.has_value() && line.peer != kOurPeer) {
    absl::StrAppendFormat(&text, " (batonstore is %.2f x)", *line.ratio);
  }
  return text;
}

BarGroup GroupOf(const Results& results, const Point& point) {
  BarGroup group{Title(point), {}};
  for (const Line& line : results.Lines(point)) {
    group.bars.push_back({line.peer, line.median.per_second, TextOf(line), KindOf(line)});
  }
  return group;
}

void WriteCharts(const std::string& folder, const std::string& note, const Results& results) {
  std::map<Question, std::vector<BarGroup>> groups;
  for (const Point& point : results.points()) {
    groups[point.question].push_back(GroupOf(results, point));
  }
  for (const auto& [question, of_question] : groups) {
    const std::string name(QuestionName(question));
    WriteFile(absl::StrCat(folder, "/", name, ".svg"),
              BarChart(absl::StrCat(name, ": per second, more is better"), note, of_question));
  }
}

struct Size {
  std::string peer;
  double bytes_per_session = 0;
  double fill_seconds = 0;
};

// By the number of sessions; smallest first. Without those that keep nothing on the disk.
std::map<int64_t, std::vector<Size>> SizesOf(const Comparison& comparison) {
  std::map<int64_t, std::vector<Size>> sizes;
  for (const nlohmann::json& noted : comparison.sizes()) {
    const auto sessions = noted["filled_with"].get<int64_t>();
    const double bytes = noted["bytes"].get<double>();
    if (bytes == 0) continue;
    sizes[sessions].push_back({noted["peer"].get<std::string>(),
                               bytes / static_cast<double>(sessions),
                               noted["fill_seconds"].get<double>()});
  }
  for (auto& [sessions, of_these] : sizes) {
    std::sort(of_these.begin(), of_these.end(), [](const Size& a, const Size& b) {
      return a.bytes_per_session < b.bytes_per_session;
    });
  }
  return sizes;
}

void WriteSizeChart(const std::string& folder, const std::string& note,
                    const Comparison& comparison) {
  std::vector<BarGroup> groups;
  for (const auto& [sessions, of_these] : SizesOf(comparison)) {
    BarGroup group{absl::StrCat(ReadableNumber(static_cast<double>(sessions)), " sessions"), {}};
    for (const Size& size : of_these) {
      group.bars.push_back({size.peer, size.bytes_per_session,
                            absl::StrCat(ReadableNumber(size.bytes_per_session), " bytes"),
                            size.peer == kOurPeer ? Bar::Kind::kOurs : Bar::Kind::kTheirs});
    }
    groups.push_back(std::move(group));
  }
  if (groups.empty()) return;
  WriteFile(folder + "/size.svg",
            BarChart("size: bytes on the disk per session, less is better", note, groups));
}

}  // namespace

std::string Heading(const Machine& machine, const Comparison& comparison) {
  std::string heading = absl::StrCat(MachineLine(machine), "\n");
  if (machine.file_system == "tmpfs") {
    heading += "The data lies in memory, where a sync costs nothing: no figure of a disk.\n";
  }
  for (const auto& [name, probe] : comparison.probes()) {
    if (!probe.ready) absl::StrAppend(&heading, "left out: ", name, " ", probe.problem);
    if (!probe.missing.empty()) absl::StrAppend(&heading, " (apt-get install ", probe.missing, ")");
    if (!probe.ready) heading += "\n";
    if (probe.ready && !probe.unchecked.empty()) {
      absl::StrAppend(&heading, "not checked whether ", name, " syncs: ", probe.unchecked, "\n");
    }
  }
  return heading;
}

std::string SizeTable(const Comparison& comparison) {
  std::string table;
  for (const auto& [sessions, of_these] : SizesOf(comparison)) {
    absl::StrAppendFormat(
        &table, "\n%-46s %17s %12s\n",
        absl::StrCat("size, ", ReadableNumber(static_cast<double>(sessions)), " sessions"),
        "bytes per session", "fill seconds");
    for (const Size& size : of_these) {
      absl::StrAppendFormat(&table, "  %-44s %17s %12s\n", size.peer,
                            ReadableNumber(size.bytes_per_session),
                            ReadableNumber(size.fill_seconds));
    }
  }
  return table;
}

void WriteReport(const std::string& folder, const Machine& machine, const Comparison& comparison) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  CheckThat(!error, absl::StrCat("there is room for ", folder));
  WriteFile(folder + "/peers.json", ToJson(machine, comparison).dump(1) + "\n");
  WriteFile(folder + "/peers.txt",
            absl::StrCat(Heading(machine, comparison), Table(comparison.results()),
                         SizeTable(comparison)));
  WriteCharts(folder, MachineLine(machine), comparison.results());
  WriteSizeChart(folder, MachineLine(machine), comparison);
}

}  // namespace batonstore::benchmarks
