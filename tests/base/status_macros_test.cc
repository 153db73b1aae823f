#include "batonstore/base/status_macros.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/base/verdict.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;

absl::Status PassOn(const absl::Status& status, bool& went_on) {
  BATONSTORE_RETURN_IF_ERROR(status);
  went_on = true;
  return absl::OkStatus();
}

TEST(ReturnIfErrorTest, OkGoesOn) {
  bool went_on = false;
  EXPECT_THAT(PassOn(absl::OkStatus(), went_on), IsOk());
  EXPECT_TRUE(went_on);
}

TEST(ReturnIfErrorTest, ErrorIsReturnedUnchanged) {
  bool went_on = false;
  const absl::Status error = Refuse(Verdict::kBusy, "retry");
  EXPECT_EQ(PassOn(error, went_on), error);
  EXPECT_FALSE(went_on);
}

TEST(ReturnIfErrorTest, EvaluatesItsArgumentOnce) {
  int evaluated = 0;
  const auto run = [&]() -> absl::Status {
    BATONSTORE_RETURN_IF_ERROR((++evaluated, Refuse(Verdict::kBusy, "retry")));
    return absl::OkStatus();
  };
  EXPECT_THAT(run(), HasVerdict(Verdict::kBusy));
  EXPECT_EQ(evaluated, 1);
}

absl::StatusOr<int> Sum(absl::StatusOr<std::unique_ptr<int>> a, absl::StatusOr<int> b) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<int> left, std::move(a));
  int right = 0;
  BATONSTORE_ASSIGN_OR_RETURN(right, b);
  return *left + right;
}

TEST(AssignOrReturnTest, DeclaresOrAssignsTheValueAlsoWhenItOnlyMoves) {
  const absl::StatusOr<int> sum = Sum(std::make_unique<int>(40), 2);
  ASSERT_THAT(sum, IsOk());
  EXPECT_EQ(*sum, 42);
}

TEST(AssignOrReturnTest, FirstErrorIsReturned) {
  const absl::Status first = Refuse(Verdict::kFull, "first");
  const absl::Status second = Refuse(Verdict::kIo, "second");
  EXPECT_EQ(Sum(first, second).status(), first);
  EXPECT_EQ(Sum(std::make_unique<int>(1), second).status(), second);
}

}  // namespace
}  // namespace batonstore
