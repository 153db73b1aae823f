#include "batonstore/tools/describe.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

absl::string_view StatusName(Keyring::KeyStatus status) {
  switch (status) {
    case Keyring::KeyStatus::kPrimary:
      return "primary";
    case Keyring::KeyStatus::kActive:
      return "active";
    case Keyring::KeyStatus::kRetired:
      return "retired";
  }
  return "unknown";
}

JsonObject Describe(const recovery::RemovedReservation& removed) {
  JsonObject object;
  object.Text("alias", removed.alias.ToString())
      .Number("epoch", removed.epoch)
      .Text("principal", removed.principal)
      .Text("database", removed.database)
      .Text("intent", removed.intent);
  return object;
}

}  // namespace

JsonObject Describe(const Session& session) {
  JsonObject object;
  object.Text("alias", session.alias.ToString())
      .Text("state", StateName(session.state))
      .Text("group", session.group.ToString())
      .Text("label", session.label)
      .Number("kind", session.kind)
      .Text("principal", session.principal)
      .Text("database", session.database)
      .Text("created_at", TimeText(session.created_at))
      .Text("expires_at", TimeText(session.expires_at));
  if (session.revoked_at.has_value()) {
    object.Text("revoked_at", TimeText(*session.revoked_at));
  } else {
    object.Null("revoked_at");
  }
  object.Text("key_type", KeyTypeName(session.key_type))
      .Text("public_key", absl::BytesToHexString(session.public_key));
  if (session.remote_public_key.empty()) return object.Null("remote_public_key");
  return object.Text("remote_public_key", absl::BytesToHexString(session.remote_public_key));
}

JsonObject Describe(const StoreStats& stats) {
  JsonObject object;
  object.Number("sessions", stats.sessions)
      .Number("reservations", stats.reservations)
      .Number("linked", stats.linked)
      .Number("epoch", stats.epoch)
      .Text("last_alias", stats.last_alias.ToString())
      .Number("used_bytes", stats.used_bytes)
      .Number("map_bytes", stats.map_bytes);
  return object;
}

JsonObject Describe(const recovery::RecoveryReport& report) {
  std::vector<JsonObject> removed;
  for (const recovery::RemovedReservation& reservation : report.removed) {
    removed.push_back(Describe(reservation));
  }
  JsonObject object;
  object.Number("epoch", report.epoch)
      .Flag("crashed", report.crashed)
      .Flag("extended", report.extended)
      .Number("readers_cleared", static_cast<uint64_t>(report.readers_cleared))
      .Text("duration", absl::FormatDuration(report.duration))
      .Objects("removed", removed);
  return object;
}

JsonObject Describe(const Keyring::KeyInfo& key) {
  JsonObject object;
  object.Number("key_id", key.id).Text("status", StatusName(key.status));
  return object;
}

JsonObject Describe(const absl::Status& status) {
  JsonObject object;
  object.Flag("ok", status.ok());
  if (status.ok()) return object;
  const std::optional<Verdict> verdict = VerdictOf(status);
  const std::string name = verdict.has_value() ? std::string(VerdictName(*verdict))
                                               : absl::StatusCodeToString(status.code());
  return object.Text("verdict", name)
      .Text("message", absl::StripPrefix(status.message(), absl::StrCat(name, ": ")));
}

}  // namespace batonstore::tools
