// The commands that look at a store or do one thing to it: what each answers, or why it refused.

#ifndef BATONSTORE_TOOLS_COMMANDS_H_
#define BATONSTORE_TOOLS_COMMANDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/tools/json.h"

namespace batonstore::tools {

// Where the store is, and the rules to open it by.
struct StoreLocation {
  std::string directory;
  std::string key_file;  // of the key-encryption key; empty for the one inside the folder
  Policy policy = {};
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

// As observers. `Show` adds the members of the session's group; `Get` gives all fields, or one.
absl::StatusOr<JsonObject> Show(const StoreLocation& location, const std::string& alias);
absl::StatusOr<JsonObject> ShowByPublicKey(const StoreLocation& location, const std::string& key);
absl::StatusOr<JsonObject> Get(const StoreLocation& location, const std::string& alias,
                               const std::optional<std::string>& field);
absl::StatusOr<JsonObject> Stats(const StoreLocation& location);

// As an observer; shows its progress on a terminal. Of a damaged store the answer is
// {"ok":false,"verdict":"CORRUPT",...} with the same report as of a sound one.
struct Verified {
  JsonObject answer;
  bool is_sound = false;
};
absl::StatusOr<Verified> VerifyStore(const StoreLocation& location);

// Beside its owner, or of a store that nobody owns; shows its progress on a terminal.
absl::StatusOr<JsonObject> BackUp(const StoreLocation& location, const std::string& file);

// Makes a store in the location's folder; its key file is the backup's.
struct Restoring {
  std::string file;
  std::string next_key_file;  // what the store opens with; empty for a new one inside the folder
  bool revoke_everything = false;
};
absl::StatusOr<JsonObject> RestoreStore(const StoreLocation& location, const Restoring& restoring);

// The same of what can still be read of a damaged data file, or backup; tells what is lost.
absl::StatusOr<JsonObject> SalvageStore(const StoreLocation& location, const Restoring& restoring,
                                        bool keep_doubtful);

absl::StatusOr<JsonObject> ListPending(const StoreLocation& location, std::optional<uint64_t> limit,
                                       const std::optional<std::string>& after);

// ---- As the owner: opening recovers the store, and the answer tells what that did. What cannot be
// understood is refused before that. ----

// The words are those of field_word.h.
struct SetRequest {
  std::vector<std::string> words = {};
  bool secret = false;                                // all of them
  std::optional<uint64_t> if_version = std::nullopt;  // refuse if the fields have another
};
absl::StatusOr<JsonObject> Set(const StoreLocation& location, const std::string& alias,
                               const SetRequest& request);
absl::StatusOr<JsonObject> Merge(const StoreLocation& location, const std::string& alias,
                                 const std::vector<std::string>& words);

absl::StatusOr<JsonObject> Touch(const StoreLocation& location, const std::string& alias);
absl::StatusOr<JsonObject> Cycle(const StoreLocation& location, const std::string& alias,
                                 const CycleOptions& options);

absl::StatusOr<JsonObject> Revoke(const StoreLocation& location, const std::string& alias);
absl::StatusOr<JsonObject> RevokeGroup(const StoreLocation& location, const std::string& group);
absl::StatusOr<JsonObject> RevokeAll(const StoreLocation& location, const std::string& principal,
                                     const std::optional<std::string>& except);  // an alias

absl::StatusOr<JsonObject> Recover(const StoreLocation& location);
absl::StatusOr<JsonObject> SweepStore(const StoreLocation& location);

// Which key to replace, and, of the key-encryption key, by which file; empty for the one inside the
// folder. A new data key takes until every row is sealed under it.
enum class WhichKey { kSigning, kData, kKeyEncryption };
absl::StatusOr<JsonObject> Rotate(const StoreLocation& location, WhichKey which,
                                  const std::string& next_key_file);

absl::StatusOr<JsonObject> AcknowledgePending(const StoreLocation& location,
                                              const std::string& alias);

// What to do with the consumers of events; without a name, they are listed.
struct EventsRequest {
  enum class What { kRead, kAcknowledge, kAdd, kRemove };

  std::optional<std::string> consumer = std::nullopt;
  What what = What::kRead;
  size_t limit = 100;     // to read
  uint64_t sequence = 0;  // to acknowledge
};
absl::StatusOr<JsonObject> Events(const StoreLocation& location, const EventsRequest& request);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_COMMANDS_H_
