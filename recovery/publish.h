// Making something beside its place, and putting it there by one rename: at every instant there is
// nothing, or the whole.

#ifndef BATONSTORE_RECOVERY_PUBLISH_H_
#define BATONSTORE_RECOVERY_PUBLISH_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace batonstore::recovery {

// Has `fill` fill a temporary folder beside `directory`, which then takes that name. `directory`
// must not exist or be an empty folder, and its parent must exist. What `fill` has made must be on
// the disk when it returns. Also removes what was left beside it by those that were cut off.
//   EXISTS     somebody else has published there first, or something else lies there
//   NOT_FOUND  there is no parent
//   IO         it is a mount point
absl::Status PublishFolder(const std::string& directory,
                           absl::FunctionRef<absl::Status(const std::string& folder)> fill);

// The same for a file, of mode 0600, of which `fill` gets path and descriptor.
absl::Status PublishFile(const std::string& path,
                         absl::FunctionRef<absl::Status(const std::string& path, int fd)> fill);

// Forces a folder's entries to the disk.
absl::Status SyncDirectory(const std::string& path);

// The same, and its own entry in its parent: whoever published it may have died before doing so.
absl::Status SyncEntries(const std::string& directory);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_PUBLISH_H_
