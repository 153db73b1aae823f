// How many instructions each operation of a store takes, counted by valgrind and compared with what
// benchmarks/instructions.txt has on record: an operation that has become dearer, or cheaper, is
// noticed on any machine, also on a busy one. After a change that is meant to be one:
//
//   ./bazelw run //tests/benchmarks:instructions_test -- --update
//
// On another kind of machine, or with other tools, the numbers are others: then nothing is
// compared, and the reason printed.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

using ::batonstore::testing::Finished;
using ::batonstore::testing::Runfile;
using ::batonstore::testing::RunProgram;
using ::batonstore::testing::TempDir;

constexpr double kTolerance = 0.03;
constexpr char kRecord[] = "benchmarks/instructions.txt";
constexpr char kRecordHead[] =
    "# Instructions that one operation of a store takes on the kind of machine that the next line\n"
    "# names, the operating system's not counted. tests/benchmarks/instructions_test.cc compares,\n"
    "# and rewrites this file with --update. Valgrind hides some instructions of newer processors\n"
    "# (SHA-256 among them), so that hashing takes more here than there.\n";

struct Count {
  std::string name;
  double instructions = 0;  // of one operation
};

struct Counts {
  std::string kind;  // of machine, and of tools
  std::vector<Count> counts;
};

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The same environment for everybody: what is in it lies on the program's stack and moves the rest.
Finished RunInEmptyEnvironment(const std::string& folder, std::vector<std::string> arguments) {
  std::vector<std::string> all = {"/usr/bin/env", "-i", "PATH=/usr/bin:/bin:/usr/local/bin",
                                  "TMPDIR=" + folder, "LD_BIND_NOW=1"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return RunProgram(all);
}

// "valgrind-3.19.0"; empty if there is none.
std::string ValgrindVersion(const std::string& folder) {
  const Finished version = RunInEmptyEnvironment(folder, {"valgrind", "--version"});
  return version.status == 0 ? std::string(absl::StripAsciiWhitespace(version.out)) : "";
}

// Of the part with that number, from 1, of what callgrind has written.
double TotalOfPart(const std::string& out_file, size_t part) {
  const std::string path = absl::StrCat(out_file, ".", part);
  for (const absl::string_view line : absl::StrSplit(Contents(path), '\n')) {
    absl::string_view number = line;
    double total = 0;
    if (absl::ConsumePrefix(&number, "totals: ") && absl::SimpleAtod(number, &total)) return total;
  }
  ADD_FAILURE() << path << " has no total";
  return 0;
}

Counts CountNow(const TempDir& folder, const std::string& valgrind_version) {
  const std::string out_file = folder / "callgrind.out";
  const Finished run = RunInEmptyEnvironment(
      folder.path(),
      {"valgrind", "--tool=callgrind", "--toggle-collect=MeasuredPart", "--dump-after=MeasuredPart",
       "--callgrind-out-file=" + out_file, Runfile("benchmarks/operations_optimized")});
  EXPECT_EQ(run.status, 0) << run.err;
  Counts now;
  for (absl::string_view line : absl::StrSplit(run.out, '\n', absl::SkipEmpty())) {
    if (absl::ConsumePrefix(&line, "kind ")) {
      now.kind = absl::StrCat(line, ", ", valgrind_version);
      continue;
    }
    const std::pair<std::string, std::string> name_and_times = absl::StrSplit(line, ' ');
    double times = 0;
    EXPECT_TRUE(absl::SimpleAtod(name_and_times.second, &times)) << line;
    const double total = TotalOfPart(out_file, now.counts.size() + 1);
    now.counts.push_back({name_and_times.first, total / times});
  }
  return now;
}

Counts OnRecord() {
  Counts record;
  for (absl::string_view line :
       absl::StrSplit(Contents(Runfile(kRecord)), '\n', absl::SkipEmpty())) {
    if (absl::StartsWith(line, "#")) continue;
    if (absl::ConsumePrefix(&line, "kind ")) {
      record.kind = std::string(line);
      continue;
    }
    std::istringstream words{std::string(line)};
    Count count;
    words >> count.name >> count.instructions;
    record.counts.push_back(count);
  }
  return record;
}

std::string ToText(const Counts& counts) {
  std::string text = absl::StrCat(kRecordHead, "kind ", counts.kind, "\n");
  for (const Count& count : counts.counts) {
    absl::StrAppendFormat(&text, "%-20s %8.0f\n", count.name, count.instructions);
  }
  return text;
}

void Compare(const Counts& record, const Counts& now) {
  std::map<std::string, double> recorded;
  for (const Count& count : record.counts) recorded[count.name] = count.instructions;
  EXPECT_EQ(recorded.size(), now.counts.size()) << "operations have come or gone: --update";
  for (const Count& count : now.counts) {
    const double before = recorded[count.name];
    const double change = count.instructions / before - 1;
    std::cout << absl::StreamFormat("%-20s %8.0f  on record %8.0f  %+6.2f %%\n", count.name,
                                    count.instructions, before, 100 * change);
    EXPECT_LE(std::abs(change), kTolerance) << count.name << ": if that is meant, --update";
  }
}

class InstructionsTest : public ::testing::Test {
 protected:
  const TempDir folder_;
  const std::string valgrind_version_ = ValgrindVersion(folder_.path());
};

TEST_F(InstructionsTest, NoOperationHasChangedInWhatItCosts) {
  if (valgrind_version_.empty()) GTEST_SKIP() << "valgrind is not installed";
  const Counts record = OnRecord();
  const Counts now = CountNow(folder_, valgrind_version_);
  if (now.kind != record.kind) {
    GTEST_SKIP() << "another kind of machine\n  here:      " << now.kind
                 << "\n  on record: " << record.kind;
  }
  Compare(record, now);
}

int Update() {
  const char* const workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  const TempDir folder;
  const std::string valgrind_version = ValgrindVersion(folder.path());
  if (workspace == nullptr || valgrind_version.empty()) {
    std::cerr << "--update takes a bazel run, and valgrind\n";
    return 1;
  }
  const std::string text = ToText(CountNow(folder, valgrind_version));
  std::ofstream(absl::StrCat(workspace, "/", kRecord)) << text;
  std::cout << text;
  return 0;
}

}  // namespace
}  // namespace batonstore

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  batonstore::testing::KeepTempDirsInMemory();
  if (argc == 2 && absl::string_view(argv[1]) == "--update") return batonstore::Update();
  return RUN_ALL_TESTS();
}
