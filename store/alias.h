// A session's short public name. Never a secret and never an authority: that is the baton's part.
//
// 64 bits: milliseconds since 2020-01-01T00:00:00Z in the high 42 (until the year 2159), a counter
// in the low 22. Written as 16 lower-case hex digits. Aliases only rise, so their order is the
// order of creation, and new sessions lie side by side in the store.

#ifndef BATONSTORE_STORE_ALIAS_H_
#define BATONSTORE_STORE_ALIAS_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace batonstore {

class Alias {
 public:
  constexpr Alias() = default;  // 0: no session has it
  constexpr explicit Alias(uint64_t value) : value_(value) {}

  // The first alias of the millisecond that `time` lies in; of 2020 or 2159 if it lies outside.
  static Alias FirstAt(absl::Time time);

  // The alias to give now: the first of this moment, or the successor of the last one given if that
  // is later (many at a moment, or a clock that stands still or runs backwards).
  static Alias Next(absl::Time now, Alias last);

  // Exactly 16 hex digits, of either case; nothing for anything else.
  static std::optional<Alias> Parse(absl::string_view text);
  std::string ToString() const;

  // The key of its rows: 8 bytes, big-endian.
  std::string ToKey() const;
  static std::optional<Alias> FromKey(absl::string_view key);

  // When the session was created, to the millisecond; later only if the clock stood behind the last
  // alias given.
  absl::Time time() const;

  constexpr uint64_t value() const { return value_; }

  friend constexpr auto operator<=>(const Alias&, const Alias&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const Alias& alias) {
    return H::combine(std::move(state), alias.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, const Alias& alias) {
    return out << alias.ToString();
  }

 private:
  uint64_t value_ = 0;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ALIAS_H_
