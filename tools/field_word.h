// What to do to a field of a session, in one word of the command line or of the shell.
//
//   FIELD=VALUE   set it                        FIELD+=N   add to it; no value counts as 0
//   FIELD*=VALUE  set it, as a secret           FIELD-=N   subtract from it
//   FIELD?=VALUE  set it, if there is none      FIELD-     remove it
//   FIELD~=OLD    with FIELD=NEW beside it: set it, if it is OLD
//   FIELD*        where all fields are replaced: keep the secret that is there
//
// A name ends before the first =, or before the mark in front of that, so that a value can be
// anything. A name with other things in it than that allows goes in double quotes, with C's
// escapes: "a=b"=1. So may a value in the shell, where words end at white space; on the command
// line a value is what it is.

#ifndef BATONSTORE_TOOLS_FIELD_WORD_H_
#define BATONSTORE_TOOLS_FIELD_WORD_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/attributes.h"

namespace batonstore::tools {

struct FieldWord {
  enum class Verb { kSet, kSetSecret, kSetIfAbsent, kExpect, kAdd, kSubtract, kRemove, kKeep };

  std::string field;
  Verb verb = Verb::kSet;
  std::string value;  // empty for the verbs that have none
};

// The name of a field by itself. INVALID if it is empty or too long.
absl::Status CheckFieldName(absl::string_view field);

// INVALID, with what is wrong, for anything else. No refusal repeats a value: it may be a secret.
absl::StatusOr<std::vector<FieldWord>> ParseFieldWords(const std::vector<std::string>& words);

// Takes one from the front of a line of the shell.
absl::StatusOr<FieldWord> TakeFieldWord(absl::string_view& text);

// For what replaces all fields: =, *= and *. INVALID for other verbs and fields named twice.
absl::StatusOr<Fields> FieldsOf(const std::vector<FieldWord>& words);

// For what sets some fields, all as secrets if that is asked for: = and *=. INVALID as above, and
// if there is none.
absl::StatusOr<Fields> FieldsToSet(const std::vector<FieldWord>& words, bool secret);

// For what changes some fields: all verbs but *. INVALID if there is none, for fields named twice,
// for numbers that are none, and for a ~= that stands alone.
absl::StatusOr<Changes> ChangesOf(const std::vector<FieldWord>& words);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_FIELD_WORD_H_
