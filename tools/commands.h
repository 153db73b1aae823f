// The commands that look at a store or do one thing to it: what each answers, or why it refused.

#ifndef BATONSTORE_TOOLS_COMMANDS_H_
#define BATONSTORE_TOOLS_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session.h"
#include "batonstore/tools/json.h"

namespace batonstore::tools {

// Where the store is.
struct StoreLocation {
  std::string directory;
  std::string key_file;  // of the key-encryption key; empty for the one inside the folder
};

recovery::Options OpenOptions(const StoreLocation& location, bool create_if_missing);

struct ListRequest {
  ListFilter filter;
  std::optional<uint64_t> limit;     // all, if not set
  std::optional<std::string> after;  // an alias
};

enum class ListFormat { kTable, kJsonLines };

// As an observer. Sessions go to `out` page after page as they are read; the answer is their number
// and, if a limit left some out, the alias to go on after.
absl::StatusOr<JsonObject> List(const StoreLocation& location, const ListRequest& request,
                                ListFormat format, std::ostream& out);

// As observers. `Show` adds the members of the session's group.
absl::StatusOr<JsonObject> Show(const StoreLocation& location, const std::string& alias);
absl::StatusOr<JsonObject> ShowByPublicKey(const StoreLocation& location, const std::string& key);
absl::StatusOr<JsonObject> Stats(const StoreLocation& location);

// As the owner: opening recovers the store, and the answer tells what that did.
absl::StatusOr<JsonObject> Revoke(const StoreLocation& location, const std::string& alias);
absl::StatusOr<JsonObject> Recover(const StoreLocation& location);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_COMMANDS_H_
