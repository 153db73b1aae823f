// What the library answers, as JSON objects: the words of every command's output.

#ifndef BATONSTORE_TOOLS_DESCRIBE_H_
#define BATONSTORE_TOOLS_DESCRIBE_H_

#include "absl/status/status.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/recovery/recovery_pass.h"
#include "batonstore/store/session.h"
#include "batonstore/tools/json.h"

namespace batonstore::tools {

// Public keys are hex, times RFC 3339 in UTC or "never"; what is not set is null.
JsonObject Describe(const Session& session);
JsonObject Describe(const StoreStats& stats);
JsonObject Describe(const recovery::RecoveryReport& report);
JsonObject Describe(const Keyring::KeyInfo& key);

// {"ok":true}, to be added to, or {"ok":false,"verdict":"NOT_FOUND","message":"..."}.
JsonObject Describe(const absl::Status& status);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DESCRIBE_H_
