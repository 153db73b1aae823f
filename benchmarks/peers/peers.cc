// Measures batonstore beside what one would pick instead, in one run on one machine:
//
//   ./bazelw run -c opt //benchmarks:peers -- [--quick] [--large] [--only=batonstore,leveldb]
//       [--out=FOLDER] [--data=FOLDER]
//
// Runs the peers that are installed, and says which are missing and how to get them. First counts
// the sync calls of each (with strace): one that acknowledges what it has not synchronised is
// shown, and not ranked. Then fills every store and asks all of them the same questions in turns
// (comparison.h), several rounds; the figures are the medians of the rounds, and what counts is the
// ratio to batonstore, since all of a round hits the same machine.
//
// Prints one table, a line for each peer and question, and writes peers.json (every sample),
// peers.txt and a chart (SVG) for each question to the folder --out. The stores lie below $TMPDIR
// (or /tmp), or in the folder --data: put that on the disk to be measured. They are removed at the
// end, and no process is left behind. The whole of it takes twenty minutes, with --quick some two
// minutes, and 20 GB at times, with --quick under one.

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "batonstore/tools/paths.h"
#include "benchmarks/peers/comparison.h"
#include "benchmarks/peers/keeper.h"
#include "benchmarks/peers/machine.h"
#include "benchmarks/peers/question.h"
#include "benchmarks/peers/report.h"
#include "benchmarks/peers/roster.h"

ABSL_FLAG(bool, quick, false, "one small store, short measurements, 3 rounds");
ABSL_FLAG(bool, large, false, "10,000,000 sessions too, in batonstore and LevelDB alone");
ABSL_FLAG(std::vector<std::string>, only, {}, "the peers to measure, instead of all");
ABSL_FLAG(std::vector<std::string>, questions, {}, "the questions to ask, instead of all");
ABSL_FLAG(std::vector<std::string>, sizes, {},
          "sessions to fill the stores with; 10000,1000000 unless told, or 10000 if quick");
ABSL_FLAG(int, repetitions, 0, "rounds; 5 unless told, or 3 if quick");
ABSL_FLAG(double, seconds, 0, "for each measurement; 1 unless told, or 0.2 if quick");
ABSL_FLAG(std::string, out, "benchmarks-out", "where to write the files");
ABSL_FLAG(std::string, data, "", "where the stores lie; $TMPDIR, or /tmp, unless told");

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kLargeSize = 10'000'000;

// The peers' programs lie beside this one.
std::string ProgramsFolder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

// False for a name that no peer has.
bool ReadPeers(std::vector<std::string>& peers) {
  const std::vector<std::string> only = absl::GetFlag(FLAGS_only);
  for (const std::string& name : AllPeers()) {
    const bool named = std::find(only.begin(), only.end(), name) != only.end();
    if (only.empty() || named) peers.push_back(name);
  }
  if (only.empty() || peers.size() == only.size()) return true;
  std::cerr << "--only takes some of " << absl::StrJoin(AllPeers(), ",") << "\n";
  return false;
}

bool ReadQuestions(std::vector<QuestionAsked>& questions) {
  const std::vector<std::string> names = absl::GetFlag(FLAGS_questions);
  for (const std::string& name : names) {
    if (QuestionFromName(name).has_value()) continue;
    std::cerr << "there is no question " << name << "\n";
    return false;
  }
  for (const QuestionAsked& asked : AllQuestionsAsked()) {
    const bool named =
        std::find(names.begin(), names.end(), QuestionName(asked.question)) != names.end();
    if (names.empty() || named) questions.push_back(asked);
  }
  return true;
}

bool ReadSizes(bool quick, std::vector<int64_t>& sizes) {
  constexpr int64_t kFewest = 1'000;
  for (const std::string& word : absl::GetFlag(FLAGS_sizes)) {
    int64_t size = 0;
    if (!absl::SimpleAtoi(word, &size) || size < kFewest) {
      std::cerr << "--sizes are numbers from " << kFewest << "\n";
      return false;
    }
    sizes.push_back(size);
  }
  if (!sizes.empty()) return true;
  sizes.push_back(10'000);
  if (!quick) sizes.push_back(1'000'000);
  return true;
}

std::optional<ComparisonSettings> ReadSettings() {
  const bool quick = absl::GetFlag(FLAGS_quick);
  ComparisonSettings settings;
  if (!ReadPeers(settings.peers) || !ReadQuestions(settings.questions) ||
      !ReadSizes(quick, settings.sizes)) {
    return std::nullopt;
  }
  if (absl::GetFlag(FLAGS_large)) settings.large_size = kLargeSize;
  const int repetitions = absl::GetFlag(FLAGS_repetitions);
  settings.repetitions = repetitions > 0 ? repetitions : quick ? 3 : 5;
  const double seconds = absl::GetFlag(FLAGS_seconds);
  settings.seconds = seconds > 0 ? seconds : quick ? 0.2 : 1;
  settings.programs = ProgramsFolder();
  return settings;
}

int Compare(const ComparisonSettings& settings) {
  const std::string out = tools::FromWorkingDirectory(absl::GetFlag(FLAGS_out));
  const Machine machine = DescribeMachine(settings.folder);
  Comparison comparison(settings);
  comparison.ProbeAll();
  comparison.MeasureAll();
  WriteReport(out, machine, comparison);
  std::cout << Heading(machine, comparison) << Table(comparison.results()) << SizeTable(comparison)
            << "\nwritten to " << out << std::endl;
  return comparison.has_failures() ? 1 : 0;
}

int Main() {
  std::optional<ComparisonSettings> settings = ReadSettings();
  if (!settings.has_value()) return 2;
  const std::string data = absl::GetFlag(FLAGS_data);
  const std::string place = data.empty() ? std::filesystem::temp_directory_path().string()
                                         : tools::FromWorkingDirectory(data);
  return RunAndCleanUp(place, [&](const std::string& folder) {
    settings->folder = folder;
    return Compare(*settings);
  });
}

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("measures batonstore beside other stores; see --helpfull");
  absl::ParseCommandLine(argc, argv);
  return batonstore::benchmarks::Main();
}
