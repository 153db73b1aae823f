// That docs/asvs.md leaves out no requirement of its catalogues and names tests that exist, and
// that the lists of keys and files in docs/threat_model.md are complete.

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/docs/requirement_table.h"
#include "tests/docs/test_sources.h"
#include "tests/support/subprocess.h"

namespace batonstore {
namespace {

using testing::Catalogue;
using ::testing::ElementsAre;
using testing::FaultsOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NamedTest;
using testing::ParseCatalogue;
using testing::Runfile;
using testing::TestsIn;
using testing::TestSources;

std::string TextOf(const std::string& path) {
  std::ifstream in(Runfile(path));
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// OWASP ASVS 5.0.0, chapter and section: how many requirements each section has.
std::vector<std::string> NumbersOf(int chapter, const std::vector<int>& sections) {
  std::vector<std::string> numbers;
  for (size_t section = 0; section < sections.size(); ++section) {
    for (int i = 1; i <= sections[section]; ++i) {
      numbers.push_back(absl::StrCat(chapter, ".", section + 1, ".", i));
    }
  }
  return numbers;
}

std::vector<std::string> AllNumbers() {
  // NIST SP 800-63B-4, section 5; in brackets the list of 5.1.
  std::vector<std::string> numbers = {"5.1",     "5.1 (1)", "5.1 (2)", "5.1 (3)",
                                      "5.1 (4)", "5.1 (5)", "5.1 (6)", "5.1.1",
                                      "5.1.2",   "5.2",     "5.3"};
  for (const std::vector<std::string>& chapter :
       {NumbersOf(7, {3, 4, 2, 5, 3, 2}), NumbersOf(9, {3, 4}),
        NumbersOf(11, {4, 5, 5, 4, 2, 2, 2})}) {
    numbers.insert(numbers.end(), chapter.begin(), chapter.end());
  }
  return numbers;
}

TEST(AsvsTest, NoRequirementIsMissingAndEveryTestExists) {
  TestSources sources(TextOf);
  const Catalogue catalogue = ParseCatalogue(TextOf("docs/asvs.md"));
  EXPECT_THAT(FaultsOf(catalogue, AllNumbers(),
                       [&](const NamedTest& test) { return sources.Has(test.target, test.name); }),
              IsEmpty());
  size_t tests = 0;
  for (const auto& requirement : catalogue.requirements) tests += requirement.tests.size();
  EXPECT_GE(tests, 80u);
}

TEST(AsvsTest, RequirementsOfAsvsHaveOneRowEach) {
  std::set<std::string> seen;
  for (const auto& requirement : ParseCatalogue(TextOf("docs/asvs.md")).requirements) {
    if (absl::StartsWith(requirement.number, "5.")) continue;  // NIST's have several
    EXPECT_TRUE(seen.insert(requirement.number).second) << requirement.number;
  }
  EXPECT_EQ(seen.size(), 50u);
}

// ---- The checker itself, on made-up texts ----

constexpr absl::string_view kHeading =
    "| # | requirement | how it is met | tests |\n|---|---|---|---|\n";

std::vector<std::string> FaultsOfRows(absl::string_view rows) {
  return FaultsOf(ParseCatalogue(absl::StrCat(kHeading, rows)), {"1.1"}, [](const NamedTest& test) {
    return test == NamedTest{"//tests/a:a_test", "ATest.Is"} ||
           test == NamedTest{"//tests/b:b_test", "BTest.Is"};
  });
}

TEST(RequirementTableTest, SoundRowsHaveNoFaults) {
  for (const char* row :
       {"| 1.1 | what | how | `//tests/a:a_test` `ATest.Is` |",
        "| 1.1 | what | how | `//tests/a:a_test` `ATest.Is` `//tests/b:b_test` `BTest.Is` |",
        "| 1.1 | what | The service's part: pages | |", "| 1.1 | what | Does not apply: none | |",
        "| 1.1 | what | Half of it. Not yet: the rest | |",
        "| 1.1 | one | Not yet | |\n| 1.1 | other | Not yet | |"}) {
    EXPECT_THAT(FaultsOfRows(row), IsEmpty()) << row;
  }
}

TEST(RequirementTableTest, EveryFaultIsFound) {
  const struct {
    const char* rows;
    const char* fault;
  } kFaulty[] = {
      {"| 1.1 | what | how | `//tests/a:a_test` `ATest.Was` |",
       "//tests/a:a_test has no test ATest.Was"},
      {"| 1.1 | what | how | `//tests/b:b_test` `ATest.Is` |",
       "//tests/b:b_test has no test ATest.Is"},
      {"| 1.1 | what | Not yet | `//tests/a:a_test` `ATest.Was` |", "has no test ATest.Was"},
      {"| 1.1 | what | how | |", "1.1 has no test and does not say why"},
      {"| 1.1 | what | how | `ATest.Is` |", "1.1 names its tests badly"},
      {"| 1.1 | what | how | `//tests/a:a_test` |", "1.1 names its tests badly"},
      {"| 1.1 | what | how | `//tests/a:a_test` ATest.Is |", "1.1 names its tests badly"},
      {"| 1.1 | what | how | `//tests/a:a_test` `Is` |", "1.1 names its tests badly"},
      {"| 1.1 | what | Not yet |", "a row without its columns"},
      {"| 1.1 | what | Not yet | | |", "a row without its columns"},
      {"| 1.1 | what | Not yet |  ", "a row without its columns"},
      {"| 1.1 | what | Not yet | ` ", "a row does not end"},
      {"| 1.1 | one | Not yet | |\n| 1.2 | other | Not yet | |",
       "1.2 is no number of the catalogue"},
      {"", "1.1 is missing"},
  };
  for (const auto& [rows, fault] : kFaulty) {
    EXPECT_THAT(FaultsOfRows(rows), ::testing::Contains(HasSubstr(fault))) << rows;
  }
}

TEST(TestSourcesTest, TestsAreWhatTheMacrosDefine) {
  EXPECT_THAT(TestsIn("TEST(A, One) {\n}\n"
                      "TEST_F(B, Two) {}\n"
                      "TEST_P(C,\n       Three) {}\n"
                      "RC_GTEST_PROP(D, Four,\n    (int i)) {}\n"
                      "RC_GTEST_FIXTURE_PROP(E, Five, ()) {}\n"
                      "// TEST(F, Six) {}\n"
                      "  TEST(G, Seven) {}\n"
                      "ATEST(H, Eight) {}\n"),
              ElementsAre("A.One", "B.Two", "C.Three", "D.Four", "E.Five"));
}

TEST(TestSourcesTest, ATestIsThatOfItsTarget) {
  TestSources sources([](const std::string& path) -> std::string {
    if (path == "tests/x/BUILD.bazel") {
      return "cc_test(\n    name = \"a_test\",\n    srcs = [\"a_test.cc\"],\n)\n\n"
             "cc_test(\n    name = \"b_test\",\n    srcs = [\n        \"b.cc\",\n        "
             "\"b_test.cc\",\n    ],\n)\n\n"
             "cc_library(\n    name = \"c\",\n    srcs = [\"a_test.cc\"],\n)\n";
    }
    if (path == "tests/x/a_test.cc") return "TEST(ATest, Is) {}\n";
    if (path == "tests/x/b_test.cc") return "TEST(BTest, Is) {}\n";
    return "";
  });
  EXPECT_TRUE(sources.Has("//tests/x:a_test", "ATest.Is"));
  EXPECT_TRUE(sources.Has("//tests/x:b_test", "BTest.Is"));
  EXPECT_FALSE(sources.Has("//tests/x:a_test", "BTest.Is"));
  EXPECT_FALSE(sources.Has("//tests/x:a_test", "ATest"));
  EXPECT_FALSE(sources.Has("//tests/x:c", "ATest.Is"));
  EXPECT_FALSE(sources.Has("//tests/x:d_test", "ATest.Is"));
  EXPECT_FALSE(sources.Has("//tests/y:a_test", "ATest.Is"));
  EXPECT_FALSE(sources.Has("tests/x:a_test", "ATest.Is"));
}

// ---- The inventory of docs/threat_model.md ----

// Path and text of every source of the library.
std::vector<std::pair<std::string, std::string>> LibrarySources() {
  std::vector<std::pair<std::string, std::string>> sources;
  for (const char* folder : {"base", "crypto", "integrations/sqlite", "recovery", "store"}) {
    for (const auto& entry : std::filesystem::directory_iterator(Runfile(folder))) {
      const std::string path = absl::StrCat(folder, "/", entry.path().filename().string());
      if (absl::EndsWith(path, ".cc") || absl::EndsWith(path, ".h")) {
        sources.emplace_back(path, TextOf(path));
      }
    }
  }
  EXPECT_GE(sources.size(), 150u);
  return sources;
}

TEST(InventoryTest, EveryUseOfTheLibraryIsListed) {
  const std::string inventory = TextOf("docs/threat_model.md");
  std::set<std::string> users;
  for (const auto& [path, text] : LibrarySources()) {
    if (absl::StrContains(text, "#include <openssl/")) users.insert(path);
  }
  EXPECT_GE(users.size(), 9u);
  for (const std::string& path : users) EXPECT_THAT(inventory, HasSubstr(path));

  // And nobody is listed who does not use it.
  for (const absl::string_view word : absl::StrSplit(inventory, absl::ByAnyChar(" ,\n"))) {
    if (!absl::EndsWith(word, ".cc")) continue;
    EXPECT_TRUE(users.count(std::string(word)) > 0) << word;
  }
}

TEST(InventoryTest, EveryDerivedKeyIsListed) {
  const std::string inventory = TextOf("docs/threat_model.md");
  std::set<std::string> uses;
  for (const auto& [path, text] : LibrarySources()) {
    for (const absl::string_view part : absl::StrSplit(text, '"')) {
      if (absl::StartsWith(part, "batonstore/1 ")) uses.emplace(part);
    }
  }
  EXPECT_GE(uses.size(), 7u);
  for (const std::string& use : uses) EXPECT_THAT(inventory, HasSubstr("`" + use + "`"));
}

}  // namespace
}  // namespace batonstore
