#include "batonstore/tools/field_word.h"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/json.h"
#include "batonstore/tools/values.h"
#include "batonstore/tools/words.h"

namespace batonstore::tools {
namespace {

using Verb = FieldWord::Verb;

constexpr absl::string_view kMarks = "+-?*~";

absl::Status Invalid(absl::string_view message) { return Refuse(Verdict::kInvalid, message); }

absl::Status NotAWord() {
  return Invalid(
      "not of the form FIELD=VALUE, nor of those that \"batonstore merge --help\" lists");
}

absl::Status NothingToKeep() {
  return Invalid(
      "FIELD* keeps a secret where all fields are replaced; here the others stay anyway");
}

absl::Status Twice(absl::string_view field) {
  return Invalid(absl::StrCat("the field \"", Printable(field), "\" is named twice"));
}

// What a mark means before an = or, alone, at the end of the word; 0 is no mark.
std::optional<Verb> VerbOf(char mark, bool has_value) {
  switch (mark) {
    case 0:
      return has_value ? std::optional(Verb::kSet) : std::nullopt;
    case '*':
      return has_value ? Verb::kSetSecret : Verb::kKeep;
    case '-':
      return has_value ? Verb::kSubtract : Verb::kRemove;
    case '+':
      return has_value ? std::optional(Verb::kAdd) : std::nullopt;
    case '?':
      return has_value ? std::optional(Verb::kSetIfAbsent) : std::nullopt;
    case '~':
      return has_value ? std::optional(Verb::kExpect) : std::nullopt;
    default:
      return std::nullopt;
  }
}

// Takes name and mark, up to the = or the end of the word.
absl::StatusOr<FieldWord> TakeName(absl::string_view& text, bool in_line) {
  FieldWord word;
  const bool is_quoted = absl::StartsWith(text, "\"");
  if (is_quoted) {
    BATONSTORE_ASSIGN_OR_RETURN(word.field, TakeQuoted(text));
  }
  size_t end = 0;
  while (end < text.size() && text[end] != '=' &&
         !(in_line && absl::ascii_isspace(static_cast<unsigned char>(text[end])))) {
    ++end;
  }
  absl::string_view name = text.substr(0, end);
  text.remove_prefix(end);
  char mark = 0;
  if (!name.empty() && absl::StrContains(kMarks, name.back())) {
    mark = name.back();
    name.remove_suffix(1);
  }
  if (is_quoted ? !name.empty() : in_line && absl::StrContains(name, '"')) return NotAWord();
  if (!is_quoted) word.field = std::string(name);
  const std::optional<Verb> verb = VerbOf(mark, absl::StartsWith(text, "="));
  if (!verb.has_value()) return NotAWord();
  word.verb = *verb;
  BATONSTORE_RETURN_IF_ERROR(CheckFieldName(word.field));
  return word;
}

// Takes the value after the =.
absl::StatusOr<std::string> TakeValue(absl::string_view& text, bool in_line) {
  if (!in_line) return std::string(std::exchange(text, absl::string_view()));
  if (!absl::StartsWith(text, "\"")) return TakeWord(text);
  BATONSTORE_ASSIGN_OR_RETURN(std::string value, TakeQuoted(text));
  BATONSTORE_RETURN_IF_ERROR(CheckWordEnds(text));
  return value;
}

absl::StatusOr<FieldWord> Take(absl::string_view& text, bool in_line) {
  BATONSTORE_ASSIGN_OR_RETURN(FieldWord word, TakeName(text, in_line));
  if (!absl::StartsWith(text, "=")) return word;
  text.remove_prefix(1);
  BATONSTORE_ASSIGN_OR_RETURN(word.value, TakeValue(text, in_line));
  return word;
}

absl::StatusOr<int64_t> DeltaOf(const FieldWord& word) {
  const absl::StatusOr<int64_t> number = ParseInteger(word.value);
  const bool subtract = word.verb == Verb::kSubtract;
  if (!number.ok() || (subtract && *number == std::numeric_limits<int64_t>::min())) {
    return Invalid(absl::StrCat("what is to be added to or subtracted from the field \"",
                                Printable(word.field), "\" is not an integer of 64 bits"));
  }
  return subtract ? -*number : *number;
}

Value ValueOf(const FieldWord& word) {
  return word.verb == Verb::kSetSecret ? Value::Secret(word.value) : Value(word.value);
}

// Of a word that is no expectation; `expected` is what stands beside it.
absl::StatusOr<Change> ChangeOf(const FieldWord& word, const std::string* expected) {
  const bool sets = word.verb == Verb::kSet || word.verb == Verb::kSetSecret;
  if (expected != nullptr && !sets) {
    return Invalid(absl::StrCat("beside \"", Printable(word.field), "\"~= comes a plain = or *="));
  }
  switch (word.verb) {
    case Verb::kSet:
    case Verb::kSetSecret:
      return expected != nullptr ? Change::CompareAndSet(*expected, ValueOf(word))
                                 : Change::Set(ValueOf(word));
    case Verb::kSetIfAbsent:
      return Change::SetIfAbsent(ValueOf(word));
    case Verb::kAdd:
    case Verb::kSubtract: {
      BATONSTORE_ASSIGN_OR_RETURN(const int64_t delta, DeltaOf(word));
      return Change::Add(delta);
    }
    case Verb::kRemove:
      return Change::Remove();
    case Verb::kKeep:
    case Verb::kExpect:
      break;
  }
  return NothingToKeep();
}

}  // namespace

absl::Status CheckFieldName(absl::string_view field) {
  if (!field.empty() && field.size() <= kMaxFieldNameBytes) return absl::OkStatus();
  return Invalid(absl::StrCat("a field's name has 1 to ", kMaxFieldNameBytes,
                              " bytes; this one has ", field.size()));
}

absl::StatusOr<std::vector<FieldWord>> ParseFieldWords(const std::vector<std::string>& words) {
  std::vector<FieldWord> parsed;
  for (absl::string_view text : words) {
    BATONSTORE_ASSIGN_OR_RETURN(FieldWord word, Take(text, /*in_line=*/false));
    if (!text.empty()) return NotAWord();
    parsed.push_back(std::move(word));
  }
  return parsed;
}

absl::StatusOr<FieldWord> TakeFieldWord(absl::string_view& text) {
  return Take(text, /*in_line=*/true);
}

absl::StatusOr<Fields> FieldsOf(const std::vector<FieldWord>& words) {
  Fields fields;
  for (const FieldWord& word : words) {
    const bool keeps = word.verb == Verb::kKeep;
    if (!keeps && word.verb != Verb::kSet && word.verb != Verb::kSetSecret) {
      return Invalid(absl::StrCat("the field \"", Printable(word.field),
                                  "\" can only be given as FIELD=VALUE or FIELD*=VALUE here"));
    }
    const bool is_new =
        fields.emplace(word.field, keeps ? Value::Withheld() : ValueOf(word)).second;
    if (!is_new) return Twice(word.field);
  }
  return fields;
}

absl::StatusOr<Fields> FieldsToSet(const std::vector<FieldWord>& words, bool secret) {
  if (words.empty()) return Invalid("there is nothing to set");
  BATONSTORE_ASSIGN_OR_RETURN(Fields fields, FieldsOf(words));
  for (auto& [field, value] : fields) {
    if (value.is_withheld()) return NothingToKeep();
    if (secret) value = Value::Secret(value.bytes());
  }
  return fields;
}

absl::StatusOr<Changes> ChangesOf(const std::vector<FieldWord>& words) {
  std::map<std::string, std::string> expectations;
  for (const FieldWord& word : words) {
    if (word.verb != Verb::kExpect) continue;
    if (!expectations.emplace(word.field, word.value).second) return Twice(word.field);
  }
  Changes changes;
  for (const FieldWord& word : words) {
    if (word.verb == Verb::kExpect) continue;
    if (changes.contains(word.field)) return Twice(word.field);
    const auto expected = expectations.find(word.field);
    BATONSTORE_ASSIGN_OR_RETURN(
        Change change,
        ChangeOf(word, expected != expectations.end() ? &expected->second : nullptr));
    changes.emplace(word.field, std::move(change));
  }
  for (const auto& [field, value] : expectations) {
    if (changes.contains(field)) continue;
    return Invalid(absl::StrCat("beside \"", Printable(field), "\"~= comes the value to set"));
  }
  if (changes.empty()) return Invalid("there is nothing to change");
  return changes;
}

}  // namespace batonstore::tools
