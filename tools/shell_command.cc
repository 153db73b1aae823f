#include "batonstore/tools/shell_command.h"

#include "batonstore/base/status_macros.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {

absl::StatusOr<Alias> AliasOf(const ShellLine& line) { return ParseAlias(line.Get("alias")); }

absl::StatusOr<std::optional<Alias>> AliasIfGiven(const ShellLine& line, const std::string& key) {
  if (!line.Has(key)) return std::nullopt;
  return ParseAlias(line.Get(key));
}

absl::StatusOr<SessionSpec> SpecOf(recovery::Store& store, const ShellLine& line) {
  SessionSpec spec;
  spec.label = line.Get("label");
  spec.principal = line.Get("principal");
  spec.database = line.Get("database");
  spec.intent = line.Get("intent");
  spec.idempotency_key = line.Get("idempotency-key");
  BATONSTORE_ASSIGN_OR_RETURN(spec.kind, ParseNumber(line.Get("kind", "0")));
  BATONSTORE_ASSIGN_OR_RETURN(spec.expires_at,
                              ParseExpiry(line.Get("expires"), store.sessions().clock().Now()));
  BATONSTORE_ASSIGN_OR_RETURN(spec.idle_timeout, ParseDuration(line.Get("idle", "never")));
  BATONSTORE_ASSIGN_OR_RETURN(spec.key_type, KeyTypeFromName(line.Get("key-type", "x25519")));
  BATONSTORE_ASSIGN_OR_RETURN(spec.group, AliasIfGiven(line, "group"));
  return spec;
}

std::vector<std::string> SpecKeys() {
  return {"label", "kind",   "principal",       "database", "idle",
          "group", "intent", "idempotency-key", "key-type"};
}

}  // namespace batonstore::tools
