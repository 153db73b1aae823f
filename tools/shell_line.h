// One line of the shell: a command, its arguments and, after --, what to do to fields.
//
//   reserve expires=24h principal=alice label="Alice's \"old\" phone"
//   merge alias=0ca1e29d5c000000 -- theme=dark visits+=1 "a field"-
//
// Words are separated by white space. A value in double quotes may hold any, with C's escapes.

#ifndef BATONSTORE_TOOLS_SHELL_LINE_H_
#define BATONSTORE_TOOLS_SHELL_LINE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/tools/field_word.h"

namespace batonstore::tools {

struct ShellLine {
  std::string command;                           // empty for a blank line or a # comment
  std::map<std::string, std::string> arguments;  // key -> value
  std::optional<std::vector<FieldWord>> words;   // after --, if there is one

  bool Has(const std::string& key) const { return arguments.count(key) != 0; }
  std::string Get(const std::string& key, const std::string& otherwise = "") const;
};

// INVALID, with what is wrong where, for anything else.
absl::StatusOr<ShellLine> ParseShellLine(absl::string_view text);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_SHELL_LINE_H_
