#include "batonstore/store/session.h"

#include <array>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

constexpr std::array<absl::string_view, 5> kNames = {"created", "in_use", "revoked", "expired",
                                                     "reserved"};

constexpr absl::string_view kMovedToUrl = "batonstore/moved-to";

}  // namespace

absl::string_view StateName(State state) { return kNames[static_cast<size_t>(state)]; }

std::optional<State> StateFromName(absl::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<State>(i);
  }
  return std::nullopt;
}

std::optional<Alias> MovedTo(const absl::Status& status) {
  if (VerdictOf(status) != Verdict::kMoved) return std::nullopt;
  const absl::optional<absl::Cord> payload = status.GetPayload(kMovedToUrl);
  if (!payload.has_value()) return std::nullopt;
  return Alias::Parse(std::string(*payload));
}

absl::Status Moved(Alias from, Alias to) {
  absl::Status status =
      Refuse(Verdict::kMoved, absl::StrCat("session ", from.ToString(), " has a new identity"));
  status.SetPayload(kMovedToUrl, absl::Cord(to.ToString()));
  return status;
}

}  // namespace batonstore
