#include "batonstore/base/verdict.h"

#include <algorithm>
#include <array>
#include <new>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace batonstore {
namespace {

constexpr absl::string_view kPayloadUrl = "batonstore/verdict";

struct Row {
  Verdict verdict;
  absl::string_view name;
  absl::StatusCode code;
};

using Code = absl::StatusCode;

constexpr std::array<Row, 30> kTable = {{
    {Verdict::kInvalid, "INVALID", Code::kInvalidArgument},
    {Verdict::kNotFound, "NOT_FOUND", Code::kNotFound},
    {Verdict::kExists, "EXISTS", Code::kAlreadyExists},
    {Verdict::kReserved, "RESERVED", Code::kFailedPrecondition},
    {Verdict::kMoved, "MOVED", Code::kFailedPrecondition},
    {Verdict::kBusy, "BUSY", Code::kUnavailable},
    {Verdict::kForged, "FORGED", Code::kUnauthenticated},
    {Verdict::kReplayed, "REPLAYED", Code::kUnauthenticated},
    {Verdict::kReused, "REUSED", Code::kUnauthenticated},
    {Verdict::kExpired, "EXPIRED", Code::kUnauthenticated},
    {Verdict::kRevoked, "REVOKED", Code::kUnauthenticated},
    {Verdict::kLost, "LOST", Code::kUnauthenticated},
    {Verdict::kUnknown, "UNKNOWN", Code::kAborted},
    {Verdict::kWrongPrincipal, "WRONG_PRINCIPAL", Code::kPermissionDenied},
    {Verdict::kWrongDatabase, "WRONG_DATABASE", Code::kPermissionDenied},
    {Verdict::kTooMany, "TOO_MANY", Code::kResourceExhausted},
    {Verdict::kGroupActive, "GROUP_ACTIVE", Code::kFailedPrecondition},
    {Verdict::kUnknownGroup, "UNKNOWN_GROUP", Code::kFailedPrecondition},
    {Verdict::kIllegalShift, "ILLEGAL_SHIFT", Code::kFailedPrecondition},
    {Verdict::kConflict, "CONFLICT", Code::kAborted},
    {Verdict::kKeysExhausted, "KEYS_EXHAUSTED", Code::kResourceExhausted},
    {Verdict::kCorrupt, "CORRUPT", Code::kDataLoss},
    {Verdict::kWrongKey, "WRONG_KEY", Code::kFailedPrecondition},
    {Verdict::kWrongFormat, "WRONG_FORMAT", Code::kFailedPrecondition},
    {Verdict::kPoisoned, "POISONED", Code::kUnavailable},
    {Verdict::kFull, "FULL", Code::kResourceExhausted},
    {Verdict::kIo, "IO", Code::kUnavailable},
    {Verdict::kNotOwner, "NOT_OWNER", Code::kFailedPrecondition},
    {Verdict::kClosed, "CLOSED", Code::kFailedPrecondition},
    {Verdict::kUnsupported, "UNSUPPORTED", Code::kUnimplemented},
}};

const Row& RowOf(Verdict verdict) { return kTable[static_cast<size_t>(verdict) - 1]; }

absl::Status WithPayload(Verdict verdict, absl::string_view message) {
  absl::Status status(VerdictCode(verdict), message);
  status.SetPayload(kPayloadUrl, absl::Cord(VerdictName(verdict)));
  return status;
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) { return RowOf(verdict).name; }

absl::StatusCode VerdictCode(Verdict verdict) { return RowOf(verdict).code; }

absl::Span<const Verdict> AllVerdicts() {
  static constexpr auto kAll = [] {
    std::array<Verdict, kTable.size()> all{};
    for (size_t i = 0; i < all.size(); ++i) all[i] = kTable[i].verdict;
    return all;
  }();
  return kAll;
}

absl::Status Refuse(Verdict verdict, absl::string_view message) {
  return WithPayload(verdict, absl::StrCat(VerdictName(verdict), ": ", message));
}

namespace {

const absl::Status* const no_memory =
    new absl::Status(Refuse(Verdict::kTooMany, "not enough memory for this; it changed nothing"));

}  // namespace

const absl::Status& NoMemory() { return *no_memory; }

std::optional<Verdict> VerdictOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::string name(*payload);
  const auto row =
      std::find_if(kTable.begin(), kTable.end(), [&](const Row& r) { return r.name == name; });
  if (row == kTable.end()) return std::nullopt;
  return row->verdict;
}

absl::Status Unshared(const absl::Status& status) {
  try {
    absl::Status unshared(status.code(), status.message());
    status.ForEachPayload([&unshared](absl::string_view url, const absl::Cord& payload) {
      unshared.SetPayload(url, absl::Cord(std::string(payload)));
    });
    return unshared;
  } catch (const std::bad_alloc&) {
    return status;  // sharing needs no memory
  }
}

absl::Status WireStatus(const absl::Status& status) {
  const std::optional<Verdict> verdict = VerdictOf(status);
  if (!verdict.has_value()) return absl::Status(status.code(), "");
  switch (*verdict) {
    case Verdict::kForged:
    case Verdict::kReplayed:
    case Verdict::kNotFound:
      return WithPayload(Verdict::kNotFound, VerdictName(Verdict::kNotFound));
    default:
      return WithPayload(*verdict, VerdictName(*verdict));
  }
}

}  // namespace batonstore
