// Values as people write them, on the command line and in the shell. What cannot be read is
// INVALID, with what was expected.

#ifndef BATONSTORE_TOOLS_VALUES_H_
#define BATONSTORE_TOOLS_VALUES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/session.h"

namespace batonstore::tools {

// 16 hex digits.
absl::StatusOr<Alias> ParseAlias(absl::string_view text);

// "created" and so on.
absl::StatusOr<State> ParseState(absl::string_view text);

// Decimal, 0 to 4294967295.
absl::StatusOr<uint32_t> ParseNumber(absl::string_view text);

// Decimal, 0 to 18446744073709551615.
absl::StatusOr<uint64_t> ParseNumber64(absl::string_view text);

// Decimal, of 64 bits, with a minus sign or without.
absl::StatusOr<int64_t> ParseInteger(absl::string_view text);

// "yes" or "no".
absl::StatusOr<bool> ParseFlag(absl::string_view text);

// Bytes, two hex digits each.
absl::StatusOr<std::string> ParseHex(absl::string_view text);

// A duration from `now` ("90m", "24h"), an RFC 3339 time ("2030-01-31T12:00:00Z"), or "never".
absl::StatusOr<absl::Time> ParseExpiry(absl::string_view text, absl::Time now);

// How long something takes: a duration ("90m"), not a negative one, or "never" for what does not
// end.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// RFC 3339 in UTC; "never" for the infinite future.
std::string TimeText(absl::Time time);

// "1h30m"; "never" for the infinite one.
std::string DurationText(absl::Duration duration);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_VALUES_H_
