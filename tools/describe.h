// What the library answers, as JSON objects: the words of every command's output.

#ifndef BATONSTORE_TOOLS_DESCRIBE_H_
#define BATONSTORE_TOOLS_DESCRIBE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/recovery/recovery_pass.h"
#include "batonstore/recovery/verify_report.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/event.h"
#include "batonstore/store/outbox.h"
#include "batonstore/store/session.h"
#include "batonstore/store/sweep.h"
#include "batonstore/tools/json.h"

namespace batonstore::tools {

// Public keys are hex, times RFC 3339 in UTC or "never"; what is not set is null.
JsonObject Describe(const Session& session);
JsonObject Describe(const StoreStats& stats);
JsonObject Describe(const recovery::RecoveryReport& report);
JsonObject Describe(const recovery::VerifyReport& report);
JsonObject Describe(const Keyring::KeyInfo& key);
JsonObject Describe(const Compensation& compensation);
JsonObject Describe(const Consumer& consumer);
JsonObject Describe(const Event& event);
JsonObject Describe(const Swept& swept);

// The version, and the fields by name: a value is a text, {"hex":"..."} if it is not UTF-8, or
// {"withheld":true} for a secret. Fields whose name is not UTF-8, if there are any, are apart,
// under fields_by_hex.
JsonObject Describe(const Attributes& attributes);

// Adds a value to `object`, as above.
void AddValue(JsonObject& object, absl::string_view name, const Value& value);

// {"ok":true}, to be added to, or {"ok":false,"verdict":"NOT_FOUND","message":"..."}; of what is
// MOVED also "moved_to", the new alias.
JsonObject Describe(const absl::Status& status);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DESCRIBE_H_
