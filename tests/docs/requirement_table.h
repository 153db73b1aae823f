// A catalogue of requirements, as docs/asvs.md writes it: tables whose rows are
//
//   | number | requirement | how it is met | tests |
//
// The last column names tests after the target that they belong to: `//tests/store:limits_test`
// `LimitsTest.ZeroIsNoLimit` `LimitsTest.TheStoresLimitCountsEverybody`. It may be empty if the one
// before says why.

#ifndef BATONSTORE_TESTS_DOCS_REQUIREMENT_TABLE_H_
#define BATONSTORE_TESTS_DOCS_REQUIREMENT_TABLE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace batonstore::testing {

struct NamedTest {
  std::string target;
  std::string name;  // Suite.Name

  friend bool operator==(const NamedTest&, const NamedTest&) = default;
};

struct Requirement {
  std::string number;
  std::string how;
  std::vector<NamedTest> tests;
};

struct Catalogue {
  std::vector<Requirement> requirements;
  std::vector<std::string> faults;  // rows that cannot be understood, and why
};

Catalogue ParseCatalogue(absl::string_view text);

using TestExists = std::function<bool(const NamedTest&)>;

// Everything that is wrong with a catalogue, in words: what cannot be understood, tests that do not
// exist, rows that name none and do not say why, and numbers that are missing or foreign. A number
// may have several rows.
std::vector<std::string> FaultsOf(const Catalogue& catalogue,
                                  const std::vector<std::string>& numbers,
                                  const TestExists& exists);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_DOCS_REQUIREMENT_TABLE_H_
