#include "batonstore/tools/shell_line.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"

namespace batonstore::tools {
namespace {

absl::Status Invalid(absl::string_view message) { return Refuse(Verdict::kInvalid, message); }

// Takes what comes before the first white space.
std::string TakeWord(absl::string_view& text) {
  size_t end = 0;
  while (end < text.size() && !absl::ascii_isspace(text[end])) ++end;
  const std::string word(text.substr(0, end));
  text.remove_prefix(end);
  return word;
}

// Takes `"..."` and what it means.
absl::StatusOr<std::string> TakeQuoted(absl::string_view& text) {
  size_t end = 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  if (end >= text.size()) return Invalid("a value has no closing quote");
  std::string value;
  std::string error;
  if (!absl::CUnescape(text.substr(1, end - 1), &value, &error)) {
    return Invalid(absl::StrCat("a quoted value has a bad escape: ", error));
  }
  text.remove_prefix(end + 1);
  if (text.empty() || absl::ascii_isspace(text.front())) return value;
  return Invalid("after a closing quote comes a space or the end");
}

absl::StatusOr<std::pair<std::string, std::string>> TakeArgument(absl::string_view& text) {
  const size_t equals = text.find('=');
  const absl::string_view key = text.substr(0, equals);
  if (equals == absl::string_view::npos || key.empty() ||
      key.find_first_of(" \t\v\f\r\"") != absl::string_view::npos) {
    return Invalid(absl::StrCat("\"", absl::Utf8SafeCHexEscape(TakeWord(text)),
                                "\" is not of the form key=value"));
  }
  text.remove_prefix(equals + 1);
  if (text.empty() || text.front() != '"') return std::pair(std::string(key), TakeWord(text));
  BATONSTORE_ASSIGN_OR_RETURN(std::string value, TakeQuoted(text));
  return std::pair(std::string(key), std::move(value));
}

}  // namespace

std::string ShellLine::Get(const std::string& key, const std::string& otherwise) const {
  const auto found = arguments.find(key);
  return found == arguments.end() ? otherwise : found->second;
}

absl::StatusOr<ShellLine> ParseShellLine(absl::string_view text) {
  ShellLine line;
  text = absl::StripAsciiWhitespace(text);
  if (text.empty() || text.front() == '#') return line;
  line.command = TakeWord(text);
  for (text = absl::StripLeadingAsciiWhitespace(text); !text.empty();
       text = absl::StripLeadingAsciiWhitespace(text)) {
    BATONSTORE_ASSIGN_OR_RETURN(auto argument, TakeArgument(text));
    const auto [place, is_new] = line.arguments.insert(std::move(argument));
    if (!is_new) return Invalid(absl::StrCat("the key ", place->first, " is given twice"));
  }
  return line;
}

}  // namespace batonstore::tools
