#include "batonstore/store/session.h"

#include <array>

namespace batonstore {
namespace {

constexpr std::array<absl::string_view, 5> kNames = {"created", "in_use", "revoked", "expired",
                                                     "reserved"};

}  // namespace

absl::string_view StateName(State state) { return kNames[static_cast<size_t>(state)]; }

std::optional<State> StateFromName(absl::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<State>(i);
  }
  return std::nullopt;
}

}  // namespace batonstore
