// What a failed system call says.

#ifndef BATONSTORE_BASE_SYSTEM_ERROR_H_
#define BATONSTORE_BASE_SYSTEM_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace batonstore {

// The status for `error` (an errno) of `what` ("open /var/lib/store"): FULL when space ran out,
// TOO_MANY when memory or descriptors did, NOT_FOUND for ENOENT, else IO; with what to do where
// that is plain.
absl::Status SystemError(int error, absl::string_view what);

}  // namespace batonstore

#endif  // BATONSTORE_BASE_SYSTEM_ERROR_H_
