#include "batonstore/tools/shell_line.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/words.h"

namespace batonstore::tools {
namespace {

constexpr absl::string_view kSeparator = "--";

absl::Status Invalid(absl::string_view message) { return Refuse(Verdict::kInvalid, message); }

// Whether the next word is the one that ends the arguments.
bool StartsWithSeparator(absl::string_view text) { return TakeWord(text) == kSeparator; }

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
  BATONSTORE_RETURN_IF_ERROR(CheckWordEnds(text));
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
    if (line.words.has_value()) {
      BATONSTORE_ASSIGN_OR_RETURN(FieldWord word, TakeFieldWord(text));
      line.words->push_back(std::move(word));
      continue;
    }
    if (StartsWithSeparator(text)) {
      text.remove_prefix(kSeparator.size());
      line.words.emplace();
      continue;
    }
    BATONSTORE_ASSIGN_OR_RETURN(auto argument, TakeArgument(text));
    const auto [place, is_new] = line.arguments.insert(std::move(argument));
    if (!is_new) return Invalid(absl::StrCat("the key ", place->first, " is given twice"));
  }
  return line;
}

}  // namespace batonstore::tools
