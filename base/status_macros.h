// The two macros that pass an error on. Included by .cc files only.

#ifndef BATONSTORE_BASE_STATUS_MACROS_H_
#define BATONSTORE_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"

// Returns from the enclosing function if `expr`, a status, is not OK. `expr` may hold a lambda that
// uses the macro itself: the name of the variable is a new one each time.
#define BATONSTORE_RETURN_IF_ERROR(expr) \
  BATONSTORE_RETURN_IF_ERROR_(BATONSTORE_CONCAT_(_status_, __COUNTER__), expr)

#define BATONSTORE_RETURN_IF_ERROR_(status, expr)                  \
  do {                                                             \
    if (absl::Status status = (expr); !status.ok()) return status; \
  } while (false)

// `BATONSTORE_ASSIGN_OR_RETURN(auto value, F());` declares `value`, or returns F()'s error.
#define BATONSTORE_ASSIGN_OR_RETURN(declaration, expr) \
  BATONSTORE_ASSIGN_OR_RETURN_(BATONSTORE_CONCAT_(_status_or_, __LINE__), declaration, expr)

#define BATONSTORE_ASSIGN_OR_RETURN_(status_or, declaration, expr) \
  auto status_or = (expr);                                         \
  if (!status_or.ok()) return std::move(status_or).status();       \
  declaration = *std::move(status_or)

#define BATONSTORE_CONCAT_(a, b) BATONSTORE_CONCAT_INNER_(a, b)
#define BATONSTORE_CONCAT_INNER_(a, b) a##b

#endif  // BATONSTORE_BASE_STATUS_MACROS_H_
