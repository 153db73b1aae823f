#include "batonstore/base/verdict.h"

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using Code = absl::StatusCode;
using testing::HasVerdict;

constexpr absl::string_view kPayloadUrl = "batonstore/verdict";

// The table that the header publishes, once more: a number, a name or a code that changes by
// mistake shows up here.
constexpr struct {
  int number;
  absl::string_view name;
  Code code;
} kPublished[] = {
    {1, "INVALID", Code::kInvalidArgument},
    {2, "NOT_FOUND", Code::kNotFound},
    {3, "EXISTS", Code::kAlreadyExists},
    {4, "RESERVED", Code::kFailedPrecondition},
    {5, "MOVED", Code::kFailedPrecondition},
    {6, "BUSY", Code::kUnavailable},
    {7, "FORGED", Code::kUnauthenticated},
    {8, "REPLAYED", Code::kUnauthenticated},
    {9, "REUSED", Code::kUnauthenticated},
    {10, "EXPIRED", Code::kUnauthenticated},
    {11, "REVOKED", Code::kUnauthenticated},
    {12, "LOST", Code::kUnauthenticated},
    {13, "UNKNOWN", Code::kAborted},
    {14, "WRONG_PRINCIPAL", Code::kPermissionDenied},
    {15, "WRONG_DATABASE", Code::kPermissionDenied},
    {16, "TOO_MANY", Code::kResourceExhausted},
    {17, "GROUP_ACTIVE", Code::kFailedPrecondition},
    {18, "UNKNOWN_GROUP", Code::kFailedPrecondition},
    {19, "ILLEGAL_SHIFT", Code::kFailedPrecondition},
    {20, "CONFLICT", Code::kAborted},
    {21, "KEYS_EXHAUSTED", Code::kResourceExhausted},
    {22, "CORRUPT", Code::kDataLoss},
    {23, "WRONG_KEY", Code::kFailedPrecondition},
    {24, "WRONG_FORMAT", Code::kFailedPrecondition},
    {25, "POISONED", Code::kUnavailable},
    {26, "FULL", Code::kResourceExhausted},
    {27, "IO", Code::kUnavailable},
    {28, "NOT_OWNER", Code::kFailedPrecondition},
    {29, "CLOSED", Code::kFailedPrecondition},
    {30, "UNSUPPORTED", Code::kUnimplemented},
};

TEST(VerdictTest, EveryVerdictHasThePublishedNumberNameAndCode) {
  ASSERT_EQ(AllVerdicts().size(), std::size(kPublished));
  for (size_t i = 0; i < std::size(kPublished); ++i) {
    const Verdict verdict = AllVerdicts()[i];
    EXPECT_EQ(static_cast<int>(verdict), kPublished[i].number);
    EXPECT_EQ(VerdictName(verdict), kPublished[i].name);
    EXPECT_EQ(VerdictCode(verdict), kPublished[i].code) << VerdictName(verdict);
  }
}

TEST(VerdictTest, NoTwoVerdictsShareAName) {
  std::set<absl::string_view> names;
  for (const Verdict verdict : AllVerdicts()) names.insert(VerdictName(verdict));
  EXPECT_EQ(names.size(), AllVerdicts().size());
}

TEST(RefuseTest, CarriesItsVerdictAndAMessageThatBeginsWithTheName) {
  for (const Verdict verdict : AllVerdicts()) {
    const absl::Status status = Refuse(verdict, "do this");
    EXPECT_THAT(status, HasVerdict(verdict));
    EXPECT_EQ(status.message(), std::string(VerdictName(verdict)) + ": do this");
    EXPECT_EQ(status.GetPayload(kPayloadUrl), absl::Cord(VerdictName(verdict)));
  }
}

TEST(VerdictOfTest, NothingForOkAndForStatusesThatAreNotOurs) {
  EXPECT_EQ(VerdictOf(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(VerdictOf(absl::NotFoundError("NOT_FOUND: only looks like ours")), std::nullopt);

  absl::Status elsewhere = absl::InternalError("");
  elsewhere.SetPayload("somebody.else/verdict", absl::Cord("FORGED"));
  EXPECT_EQ(VerdictOf(elsewhere), std::nullopt);
}

TEST(VerdictOfTest, NothingForAPayloadThatNamesNoVerdict) {
  for (const char* payload : {"", "forged", "FORGED ", "FORGE", "FORGEDX", "7"}) {
    absl::Status status = absl::InternalError("");
    status.SetPayload(kPayloadUrl, absl::Cord(payload));
    EXPECT_EQ(VerdictOf(status), std::nullopt) << payload;
  }
}

bool HidesOnTheWire(Verdict verdict) {
  return verdict == Verdict::kForged || verdict == Verdict::kReplayed ||
         verdict == Verdict::kNotFound;
}

TEST(UnsharedTest, IsTheSameStatus) {
  absl::Status status = Refuse(Verdict::kConflict, "somebody else saved");
  status.SetPayload("another/payload", absl::Cord("more"));
  EXPECT_EQ(Unshared(status), status);
  EXPECT_EQ(Unshared(absl::OkStatus()), absl::OkStatus());
}

TEST(WireStatusTest, ForgedReplayedAndNotFoundAreTheSameBytes) {
  const absl::Status expected = WireStatus(Refuse(Verdict::kNotFound, "no session 17"));
  EXPECT_THAT(expected, HasVerdict(Verdict::kNotFound));
  for (const Verdict verdict : AllVerdicts()) {
    if (!HidesOnTheWire(verdict)) continue;
    absl::Status refused = Refuse(verdict, "a telling message");
    refused.SetPayload("a telling payload", absl::Cord("generation 7"));
    const absl::Status wire = WireStatus(refused);
    EXPECT_EQ(wire, expected);  // code, message and every payload
    EXPECT_EQ(wire.ToString(absl::StatusToStringMode::kWithEverything),
              expected.ToString(absl::StatusToStringMode::kWithEverything));
  }
}

TEST(WireStatusTest, EveryOtherVerdictStaysAndLosesItsMessageAndForeignPayloads) {
  for (const Verdict verdict : AllVerdicts()) {
    if (HidesOnTheWire(verdict)) continue;
    absl::Status refused = Refuse(verdict, "a telling message");
    refused.SetPayload("a telling payload", absl::Cord("generation 7"));
    const absl::Status wire = WireStatus(refused);
    EXPECT_THAT(wire, HasVerdict(verdict));
    EXPECT_EQ(wire.message(), VerdictName(verdict));
    EXPECT_EQ(wire.GetPayload("a telling payload"), absl::nullopt);
  }
}

TEST(WireStatusTest, OkStaysOkAndForeignStatusesKeepOnlyTheirCode) {
  EXPECT_EQ(WireStatus(absl::OkStatus()), absl::OkStatus());
  absl::Status foreign = absl::InternalError("a telling message");
  foreign.SetPayload("a telling payload", absl::Cord("generation 7"));
  EXPECT_EQ(WireStatus(foreign), absl::Status(Code::kInternal, ""));
}

}  // namespace
}  // namespace batonstore
