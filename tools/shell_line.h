// One line of the shell: a command and its arguments.
//
//   reserve expires=24h principal=alice label="Alice's \"old\" phone"
//
// Words are separated by white space. A value in double quotes may hold any, with C's escapes.

#ifndef BATONSTORE_TOOLS_SHELL_LINE_H_
#define BATONSTORE_TOOLS_SHELL_LINE_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace batonstore::tools {

struct ShellLine {
  std::string command;                           // empty for a blank line or a # comment
  std::map<std::string, std::string> arguments;  // key -> value

  bool Has(const std::string& key) const { return arguments.count(key) != 0; }
  std::string Get(const std::string& key, const std::string& otherwise = "") const;
};

// INVALID, with what is wrong where, for anything else.
absl::StatusOr<ShellLine> ParseShellLine(absl::string_view text);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_SHELL_LINE_H_
