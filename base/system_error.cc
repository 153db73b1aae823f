#include "batonstore/base/system_error.h"

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

struct Meaning {
  Verdict verdict;
  absl::string_view advice;
};

Meaning MeaningOf(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return {Verdict::kFull, "; free some disk space"};
    case EFBIG:
      return {Verdict::kFull, "; raise the limit on file sizes"};
    case ENOMEM:
      return {Verdict::kTooMany, "; free some memory"};
    case EMFILE:
    case ENFILE:
      return {Verdict::kTooMany, "; raise the limit on open files"};
    case ENOENT:
      return {Verdict::kNotFound, ""};
    case EACCES:
    case EPERM:
      return {Verdict::kIo, "; give this user the permission"};
    case EROFS:
      return {Verdict::kIo, "; mount the file system writable"};
    default:
      return {Verdict::kIo, ""};
  }
}

}  // namespace

absl::Status SystemError(int error, absl::string_view what) {
  const Meaning meaning = MeaningOf(error);
  return Refuse(meaning.verdict,
                absl::StrCat(what, ": ", std::generic_category().message(error), meaning.advice));
}

}  // namespace batonstore
