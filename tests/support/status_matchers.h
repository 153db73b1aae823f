// GoogleTest matchers for statuses and their verdicts.
//
//   EXPECT_THAT(store.Create(alias), IsOk());
//   EXPECT_THAT(store.Find(alias), HasVerdict(Verdict::kNotFound));
//   ASSERT_OK_AND_ASSIGN(const Session session, store.Find(alias));

#ifndef BATONSTORE_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define BATONSTORE_TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/base/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace batonstore::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << "which is " << StatusOf(arg);
  return StatusOf(arg).ok();
}

MATCHER_P(HasVerdict, verdict, "has the verdict " + std::string(VerdictName(verdict))) {
  *result_listener << "which is " << StatusOf(arg);
  return VerdictOf(StatusOf(arg)) == verdict && StatusOf(arg).code() == VerdictCode(verdict);
}

}  // namespace batonstore::testing

#define ASSERT_OK_AND_ASSIGN(declaration, expr) \
  ASSERT_OK_AND_ASSIGN_(BATONSTORE_TEST_CONCAT_(status_or_, __LINE__), declaration, expr)
#define ASSERT_OK_AND_ASSIGN_(status_or, declaration, expr) \
  auto status_or = (expr);                                  \
  ASSERT_THAT(status_or, ::batonstore::testing::IsOk());    \
  declaration = *std::move(status_or)
#define BATONSTORE_TEST_CONCAT_(a, b) BATONSTORE_TEST_CONCAT_INNER_(a, b)
#define BATONSTORE_TEST_CONCAT_INNER_(a, b) a##b

#endif  // BATONSTORE_TESTS_SUPPORT_STATUS_MATCHERS_H_
