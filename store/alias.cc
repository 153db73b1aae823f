#include "batonstore/store/alias.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "batonstore/store/number.h"

namespace batonstore {
namespace {

constexpr int kCounterBits = 22;
constexpr size_t kHexDigits = 16;
constexpr int64_t kMostMillis = (int64_t{1} << 42) - 1;

absl::Time Start() { return absl::FromUnixSeconds(1577836800); }  // 2020-01-01T00:00:00Z

}  // namespace

Alias Alias::FirstAt(absl::Time time) {
  const int64_t millis =
      std::clamp(absl::ToInt64Milliseconds(time - Start()), int64_t{0}, kMostMillis);
  return Alias(static_cast<uint64_t>(millis) << kCounterBits);
}

Alias Alias::Next(absl::Time now, Alias last) {
  return std::max(FirstAt(now), Alias(last.value_ + 1));
}

std::optional<Alias> Alias::Parse(absl::string_view text) {
  uint64_t value = 0;
  if (text.size() != kHexDigits || !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit) ||
      !absl::SimpleHexAtoi(text, &value)) {
    return std::nullopt;
  }
  return Alias(value);
}

std::string Alias::ToString() const { return absl::StrCat(absl::Hex(value_, absl::kZeroPad16)); }

std::string Alias::ToKey() const { return EncodeNumber(value_); }

std::optional<Alias> Alias::FromKey(absl::string_view key) {
  const std::optional<uint64_t> value = DecodeNumber(key);
  if (!value.has_value()) return std::nullopt;
  return Alias(*value);
}

absl::Time Alias::time() const {
  return Start() + absl::Milliseconds(static_cast<int64_t>(value_ >> kCounterBits));
}

}  // namespace batonstore
