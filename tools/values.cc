#include "batonstore/tools/values.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "batonstore/base/verdict.h"

namespace batonstore::tools {
namespace {

constexpr absl::string_view kNever = "never";

absl::Status Not(absl::string_view text, absl::string_view expected) {
  return Refuse(Verdict::kInvalid,
                absl::StrCat("\"", absl::Utf8SafeCHexEscape(text), "\" is not ", expected));
}

bool IsDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace

absl::StatusOr<Alias> ParseAlias(absl::string_view text) {
  if (const std::optional<Alias> alias = Alias::Parse(text)) return *alias;
  return Not(text, "an alias: 16 hex digits, as list and reserve show them");
}

absl::StatusOr<State> ParseState(absl::string_view text) {
  if (const std::optional<State> state = StateFromName(text)) return *state;
  return Not(text, "a state: created, in_use, revoked, expired or reserved");
}

absl::StatusOr<uint32_t> ParseNumber(absl::string_view text) {
  uint32_t number = 0;
  if (IsDigits(text) && absl::SimpleAtoi(text, &number)) return number;
  return Not(text, "a number from 0 to 4294967295");
}

absl::StatusOr<uint64_t> ParseNumber64(absl::string_view text) {
  uint64_t number = 0;
  if (IsDigits(text) && absl::SimpleAtoi(text, &number)) return number;
  return Not(text, "a number from 0 to 18446744073709551615");
}

absl::StatusOr<int64_t> ParseInteger(absl::string_view text) {
  int64_t number = 0;
  if (IsDigits(absl::StripPrefix(text, "-")) && absl::SimpleAtoi(text, &number)) return number;
  return Not(text, "an integer of 64 bits");
}

absl::StatusOr<bool> ParseFlag(absl::string_view text) {
  if (text == "yes" || text == "no") return text == "yes";
  return Not(text, "yes or no");
}

absl::StatusOr<std::string> ParseHex(absl::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
  if (digits && text.size() % 2 == 0) return absl::HexStringToBytes(text);
  return Not(text, "bytes in hex, two digits each");
}

absl::StatusOr<absl::Time> ParseExpiry(absl::string_view text, absl::Time now) {
  if (text == kNever) return absl::InfiniteFuture();
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration)) return now + duration;
  absl::Time time;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) return time;
  return Not(text, "an expiry: a duration (24h), a time (2030-01-31T12:00:00Z) or never");
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  if (text == kNever) return absl::InfiniteDuration();
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration()) return duration;
  return Not(text, "a duration (30s, 24h) or never");
}

std::string TimeText(absl::Time time) {
  if (time == absl::InfiniteFuture()) return std::string(kNever);
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

std::string DurationText(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return std::string(kNever);
  return absl::FormatDuration(duration);
}

}  // namespace batonstore::tools
