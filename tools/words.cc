#include "batonstore/tools/words.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore::tools {

std::string TakeWord(absl::string_view& text) {
  size_t end = 0;
  while (end < text.size() && !absl::ascii_isspace(static_cast<unsigned char>(text[end]))) ++end;
  std::string word(text.substr(0, end));
  text.remove_prefix(end);
  return word;
}

absl::StatusOr<std::string> TakeQuoted(absl::string_view& text) {
  size_t end = 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  if (end >= text.size()) {
    return Refuse(Verdict::kInvalid, "a double quote is not followed by a closing one");
  }
  std::string value;
  std::string error;
  if (!absl::CUnescape(text.substr(1, end - 1), &value, &error)) {
    return Refuse(Verdict::kInvalid, absl::StrCat("what is quoted has a bad escape: ", error));
  }
  text.remove_prefix(end + 1);
  return value;
}

absl::Status CheckWordEnds(absl::string_view text) {
  if (text.empty() || absl::ascii_isspace(static_cast<unsigned char>(text.front())))
    return absl::OkStatus();
  return Refuse(Verdict::kInvalid, "after a closing quote comes a space or the end");
}

}  // namespace batonstore::tools
