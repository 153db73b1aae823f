// Which tests there are, by the text of their BUILD files and sources.

#ifndef BATONSTORE_TESTS_DOCS_TEST_SOURCES_H_
#define BATONSTORE_TESTS_DOCS_TEST_SOURCES_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace batonstore::testing {

// The text of a file of the workspace; empty if there is none.
using ReadFile = std::function<std::string(const std::string& path)>;

// The names ("Suite.Name") of what a C++ source defines by TEST, TEST_F, TEST_P, RC_GTEST_PROP or
// RC_GTEST_FIXTURE_PROP.
std::set<std::string> TestsIn(absl::string_view source);

// Looks into a target's own sources when it is first asked for. Not thread-safe.
class TestSources {
 public:
  explicit TestSources(ReadFile read) : read_(std::move(read)) {}

  // `target` is "//package:name" of a cc_test; `name` is "Suite.Name".
  bool Has(const std::string& target, const std::string& name);

 private:
  std::set<std::string> TestsOf(absl::string_view target) const;

  const ReadFile read_;
  std::map<std::string, std::set<std::string>> targets_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_DOCS_TEST_SOURCES_H_
