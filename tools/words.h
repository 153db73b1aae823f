// Words and quoted strings, taken from the front of a line.

#ifndef BATONSTORE_TOOLS_WORDS_H_
#define BATONSTORE_TOOLS_WORDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace batonstore::tools {

// Takes what comes before the first white space.
std::string TakeWord(absl::string_view& text);

// Takes `"..."`, with which `text` starts; what it means, by C's escapes. INVALID without a closing
// quote or with a bad escape.
absl::StatusOr<std::string> TakeQuoted(absl::string_view& text);

// INVALID unless a word may end here: at white space or the end of the line.
absl::Status CheckWordEnds(absl::string_view text);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_WORDS_H_
