// Fuzzing where there is no libFuzzer: tries every file of a corpus, and then random mutations of
// them. It knows nothing of the code's branches, and so finds less; but it is there in every run of
// the tests. Prints its seed; what it was trying when a promise broke it prints in hex.
//
//   --corpus=FOLDER       the corpus
//   --runs=N              so many mutations
//   --seed=S              the same ones again
//   --write-seeds=FOLDER  writes the seeds that the fuzzer makes up there, and tries nothing

#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/support/fuzz_target.h"

namespace batonstore::testing {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string corpus;
  std::string write_seeds;
  uint64_t runs = 1000;
  uint64_t seed = std::random_device()();
};

bool Parse(absl::string_view arg, Flags& flags) {
  if (absl::ConsumePrefix(&arg, "--runs=")) return absl::SimpleAtoi(arg, &flags.runs);
  if (absl::ConsumePrefix(&arg, "--seed=")) return absl::SimpleAtoi(arg, &flags.seed);
  if (absl::ConsumePrefix(&arg, "--corpus=")) return flags.corpus = std::string(arg), true;
  if (absl::ConsumePrefix(&arg, "--write-seeds="))
    return flags.write_seeds = std::string(arg), true;
  return false;
}

// ---- The corpus ----

int WriteSeeds(const std::string& folder) {
  fs::create_directories(folder);
  for (const auto& [name, bytes] : MakeSeeds()) {
    std::ofstream(fs::path(folder) / name, std::ios::binary) << bytes;
  }
  return 0;
}

std::vector<fs::path> FilesOf(const std::string& corpus) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(corpus)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());  // the same seed means the same mutations
  return files;
}

std::string Read(const fs::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(bytes).str();
}

// ---- Trying ----

std::string input;  // that is being tried

// Not a handler that could go on: the program is about to end.
void PrintInput(int) { std::cerr << "the input: " << absl::BytesToHexString(input) << std::endl; }

bool Try(std::string bytes) {
  input = std::move(bytes);
  return TryInput(input);
}

// ---- Mutations ----

class Mutator {
 public:
  // Both must outlive it.
  Mutator(const std::vector<std::string>& seeds, std::mt19937_64& random)
      : seeds_(seeds), random_(random) {}

  std::string Next() {
    std::string bytes = AnySeed();
    for (size_t more = Below(4) + 1; more > 0; --more) Mutate(bytes);
    return bytes;
  }

 private:
  static constexpr size_t kMostInserted = 16;
  static constexpr size_t kMostErased = 64;

  size_t Below(size_t end) { return random_() % std::max<size_t>(end, 1); }
  char AnyByte() { return static_cast<char>(random_()); }
  const std::string& AnySeed() { return seeds_[Below(seeds_.size())]; }

  void Mutate(std::string& bytes) {
    const size_t at = Below(bytes.size());
    switch (Below(bytes.empty() ? 1 : 7)) {
      case 0:
        for (size_t more = Below(kMostInserted) + 1; more > 0; --more)
          bytes.insert(at, 1, AnyByte());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << Below(8)));
        break;
      case 2:
        bytes[at] = std::array{'\0', '\1', '\x7f', '\x80', '\xff'}[Below(5)];
        break;
      case 3:
        bytes[at] = AnyByte();
        break;
      case 4:
        bytes.erase(at, Below(kMostErased) + 1);
        break;
      case 5:  // a piece of itself
        bytes.insert(at, bytes.substr(Below(bytes.size()), Below(kMostErased) + 1));
        break;
      case 6: {  // another's end
        const std::string& other = AnySeed();
        bytes.replace(at, bytes.size(), other.substr(Below(other.size())));
        break;
      }
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64& random_;
};

int Run(const Flags& flags) {
  std::vector<std::string> seeds;
  int stale = 0;
  for (const fs::path& file : FilesOf(flags.corpus)) {
    seeds.push_back(Read(file));
    if (Try(seeds.back())) continue;
    std::cerr << file << " is stale: it does not get past the first check" << std::endl;
    ++stale;
  }
  if (seeds.empty()) std::cerr << flags.corpus << " is empty" << std::endl;
  if (seeds.empty() || stale > 0) return 1;
  std::mt19937_64 random(flags.seed);
  Mutator mutator(seeds, random);
  uint64_t past = 0;
  for (uint64_t i = 0; i < flags.runs; ++i) past += Try(mutator.Next()) ? 1 : 0;
  std::cout << seeds.size() << " seeds, " << flags.runs << " mutations, " << past
            << " past the first check" << std::endl;
  return 0;
}

}  // namespace
}  // namespace batonstore::testing

int main(int argc, char** argv) {
  namespace testing = batonstore::testing;
  testing::Flags flags;
  for (int i = 1; i < argc; ++i) {
    if (testing::Parse(argv[i], flags)) continue;
    std::cerr << "what is " << argv[i] << "?" << std::endl;
    return 2;
  }
  if (!flags.write_seeds.empty()) return testing::WriteSeeds(flags.write_seeds);
  std::cout << "seed " << flags.seed << std::endl;
  signal(SIGABRT, testing::PrintInput);
  return testing::Run(flags);
}
