#include "tests/docs/requirement_table.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace batonstore::testing {
namespace {

constexpr size_t kColumns = 4;

// Why a requirement may have no test.
constexpr std::array<absl::string_view, 3> kExcuses = {"the service's part", "does not apply",
                                                       "not yet"};

bool HasExcuse(const Requirement& requirement) {
  const std::string how = absl::AsciiStrToLower(requirement.how);
  return std::any_of(kExcuses.begin(), kExcuses.end(),
                     [&](absl::string_view excuse) { return absl::StrContains(how, excuse); });
}

// The cells of a row of a table; nothing for any other line.
std::vector<std::string> CellsOf(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line);
  if (!absl::ConsumePrefix(&line, "|") || !absl::ConsumeSuffix(&line, "|")) return {};
  std::vector<std::string> cells = absl::StrSplit(line, '|');
  for (std::string& cell : cells) absl::StripAsciiWhitespace(&cell);
  return cells;
}

bool IsHeading(const std::vector<std::string>& cells) {
  return cells[0] == "#" || absl::StartsWith(cells[0], "-");
}

// Puts the tests of a cell into `requirement`. False if there is anything else in it.
bool ParseTests(absl::string_view cell, Requirement& requirement) {
  std::string target;
  for (absl::string_view word : absl::StrSplit(cell, ' ', absl::SkipEmpty())) {
    if (!absl::ConsumePrefix(&word, "`") || !absl::ConsumeSuffix(&word, "`")) return false;
    if (absl::StartsWith(word, "//")) {
      target = std::string(word);
    } else if (target.empty() || !absl::StrContains(word, '.')) {
      return false;
    } else {
      requirement.tests.push_back({target, std::string(word)});
    }
  }
  return target.empty() || !requirement.tests.empty();
}

}  // namespace

Catalogue ParseCatalogue(absl::string_view text) {
  Catalogue catalogue;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> cells = CellsOf(line);
    if (cells.empty()) {
      if (absl::StartsWith(line, "|")) {
        catalogue.faults.push_back(absl::StrCat("a row does not end: ", line));
      }
      continue;
    }
    if (IsHeading(cells)) continue;
    if (cells.size() != kColumns || cells[0].empty() || cells[1].empty() || cells[2].empty()) {
      catalogue.faults.push_back(absl::StrCat("a row without its columns: ", line));
      continue;
    }
    Requirement requirement{cells[0], cells[2], {}};
    if (!ParseTests(cells[3], requirement)) {
      catalogue.faults.push_back(absl::StrCat(cells[0], " names its tests badly: ", cells[3]));
    }
    catalogue.requirements.push_back(std::move(requirement));
  }
  return catalogue;
}

std::vector<std::string> FaultsOf(const Catalogue& catalogue,
                                  const std::vector<std::string>& numbers,
                                  const TestExists& exists) {
  std::vector<std::string> faults = catalogue.faults;
  std::set<std::string> missing(numbers.begin(), numbers.end());
  for (const Requirement& requirement : catalogue.requirements) {
    missing.erase(requirement.number);
    if (std::find(numbers.begin(), numbers.end(), requirement.number) == numbers.end()) {
      faults.push_back(absl::StrCat(requirement.number, " is no number of the catalogue"));
    }
    if (requirement.tests.empty() && !HasExcuse(requirement)) {
      faults.push_back(absl::StrCat(requirement.number, " has no test and does not say why"));
    }
    for (const NamedTest& test : requirement.tests) {
      if (!exists(test)) {
        faults.push_back(
            absl::StrCat(requirement.number, ": ", test.target, " has no test ", test.name));
      }
    }
  }
  for (const std::string& number : missing) faults.push_back(absl::StrCat(number, " is missing"));
  return faults;
}

}  // namespace batonstore::testing
