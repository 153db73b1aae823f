#include "batonstore/store/event.h"

#include <array>
#include <cstddef>

namespace batonstore {
namespace {

constexpr std::array<absl::string_view, 10> kNames = {
    "reserved", "created",     "revoked",   "expired",      "removed",
    "moved",    "revoked_all", "limit_hit", "compensation", "replay_seen"};

}  // namespace

absl::string_view EventTypeName(EventType type) { return kNames[static_cast<size_t>(type) - 1]; }

}  // namespace batonstore
