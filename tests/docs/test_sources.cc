#include "tests/docs/test_sources.h"

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace batonstore::testing {
namespace {

// The rule of a BUILD file that begins like that and has that name; empty if there is none.
std::string RuleOf(const std::string& build, absl::string_view kind, absl::string_view name) {
  for (const absl::string_view rule : absl::StrSplit(build, "\n)\n")) {
    if (absl::StrContains(rule, absl::StrCat("\n", kind, "(\n    name = \"", name, "\",\n"))) {
      return std::string(rule);
    }
  }
  return "";
}

// The names of its C++ sources, in one line or in several.
std::vector<std::string> SourcesOf(absl::string_view rule) {
  constexpr absl::string_view kBegin = "\n    srcs = [";
  const size_t begin = rule.find(kBegin);
  if (begin == absl::string_view::npos) return {};
  rule.remove_prefix(begin + kBegin.size());
  std::vector<std::string> names;
  for (const absl::string_view part : absl::StrSplit(rule.substr(0, rule.find(']')), '"')) {
    if (absl::EndsWith(part, ".cc")) names.emplace_back(part);
  }
  return names;
}

// Takes a word off the front of `text`, and the sign after it if that is one of `ends`. Nothing if
// there is something else.
std::optional<std::string> TakeWord(absl::string_view& text, absl::string_view ends) {
  text = absl::StripLeadingAsciiWhitespace(text);
  size_t size = 0;
  while (size < text.size() && (absl::ascii_isalnum(text[size]) || text[size] == '_')) ++size;
  std::string word(text.substr(0, size));
  text = absl::StripLeadingAsciiWhitespace(text.substr(size));
  if (word.empty() || text.empty() || !absl::StrContains(ends, text[0])) return std::nullopt;
  text.remove_prefix(1);
  return word;
}

// The test that is defined at the front of `text`, if there is one.
std::optional<std::string> TestAt(absl::string_view text) {
  for (const absl::string_view macro :
       {"TEST(", "TEST_F(", "TEST_P(", "RC_GTEST_PROP(", "RC_GTEST_FIXTURE_PROP("}) {
    if (!absl::ConsumePrefix(&text, macro)) continue;
    const std::optional<std::string> suite = TakeWord(text, ",");
    if (!suite.has_value()) return std::nullopt;
    const std::optional<std::string> name = TakeWord(text, ",)");
    if (!name.has_value()) return std::nullopt;
    return absl::StrCat(*suite, ".", *name);
  }
  return std::nullopt;
}

}  // namespace

std::set<std::string> TestsIn(absl::string_view source) {
  std::set<std::string> tests;
  // At the beginning of a line, so not in a comment.
  for (size_t line = 0, end = 0; end != absl::string_view::npos; line = end + 1) {
    if (const std::optional<std::string> test = TestAt(source.substr(line))) tests.insert(*test);
    end = source.find('\n', line);
  }
  return tests;
}

bool TestSources::Has(const std::string& target, const std::string& name) {
  const auto [at, is_new] = targets_.try_emplace(target);
  if (is_new) at->second = TestsOf(target);
  return at->second.count(name) > 0;
}

std::set<std::string> TestSources::TestsOf(absl::string_view target) const {
  if (!absl::ConsumePrefix(&target, "//")) return {};
  const std::pair<std::string, std::string> label = absl::StrSplit(target, absl::MaxSplits(':', 1));
  const std::string build = "\n" + read_(label.first + "/BUILD.bazel");
  std::set<std::string> tests;
  for (const std::string& source : SourcesOf(RuleOf(build, "cc_test", label.second))) {
    tests.merge(TestsIn(read_(absl::StrCat(label.first, "/", source))));
  }
  return tests;
}

}  // namespace batonstore::testing
