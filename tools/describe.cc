#include "batonstore/tools/describe.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/finding.h"
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

JsonObject Describe(const recovery::Finding& finding) {
  JsonObject object;
  object.Text("table", finding.table).Text("key", absl::BytesToHexString(finding.key));
  if (finding.page.has_value()) {
    object.Number("page", *finding.page);
  } else {
    object.Null("page");
  }
  return object.Text("what", finding.what);
}

void AddAlias(JsonObject& object, absl::string_view name, Alias alias) {
  if (alias == Alias()) {
    object.Null(name);
  } else {
    object.Text(name, alias.ToString());
  }
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
      .Text("expires_at", TimeText(session.expires_at))
      .Text("idle_timeout", DurationText(session.idle_timeout))
      .Text("deadline", TimeText(session.deadline));
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
      .Number("live", stats.live)
      .Number("reservations", stats.reservations)
      .Number("linked", stats.linked)
      .Number("revocations", stats.revocations)
      .Number("compensations", stats.compensations)
      .Number("events", stats.events)
      .Number("consumers", stats.consumers)
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

JsonObject Describe(const recovery::VerifyReport& report) {
  std::vector<JsonObject> findings;
  for (const recovery::Finding& finding : report.findings) findings.push_back(Describe(finding));
  JsonObject object;
  object.Flag("sound", report.is_sound())
      .Number("damages", report.damages)
      .Flag("rows_checked", report.rows_checked)
      .Number("transaction", report.transaction_id)
      .Number("bytes", report.bytes)
      .Number("pages", report.pages)
      .Number("sessions", report.sessions)
      .Number("rows", report.rows)
      .Text("duration", absl::FormatDuration(report.duration))
      .Objects("findings", findings);
  return object;
}

JsonObject Describe(const Keyring::KeyInfo& key) {
  JsonObject object;
  object.Number("key_id", key.id).Text("status", StatusName(key.status));
  return object;
}

JsonObject Describe(const Compensation& compensation) {
  JsonObject object;
  object.Text("alias", compensation.alias.ToString())
      .Number("epoch", compensation.epoch)
      .Text("at", TimeText(compensation.at))
      .Text("principal", compensation.principal)
      .Text("database", compensation.database)
      .Text("intent", compensation.intent);
  return object;
}

JsonObject Describe(const Consumer& consumer) {
  JsonObject object;
  object.Text("consumer", consumer.name).Number("acknowledged", consumer.acknowledged);
  return object;
}

JsonObject Describe(const Event& event) {
  JsonObject object;
  object.Number("sequence", event.sequence)
      .Text("type", EventTypeName(event.type))
      .Text("at", TimeText(event.at));
  AddAlias(object, "alias", event.alias);
  AddAlias(object, "other", event.other);
  return object.Text("principal", event.principal)
      .Text("database", event.database)
      .Text("detail", event.detail);
}

JsonObject Describe(const Swept& swept) {
  JsonObject object;
  object.Number("expired", swept.expired)
      .Number("revoked", swept.revoked)
      .Number("removed", swept.removed)
      .Number("trimmed", swept.trimmed);
  return object;
}

JsonObject Describe(const Attributes& attributes) {
  JsonObject fields;
  JsonObject fields_by_hex;
  bool all_are_utf8 = true;
  for (const auto& [field, value] : attributes.fields) {
    const bool is_utf8 = IsUtf8(field);
    all_are_utf8 = all_are_utf8 && is_utf8;
    AddValue(is_utf8 ? fields : fields_by_hex, is_utf8 ? field : absl::BytesToHexString(field),
             value);
  }
  JsonObject object;
  object.Number("version", attributes.version).Object("fields", fields);
  return all_are_utf8 ? object : object.Object("fields_by_hex", fields_by_hex);
}

void AddValue(JsonObject& object, absl::string_view name, const Value& value) {
  if (value.is_secret()) {
    object.Object(name, JsonObject().Flag("withheld", true));
  } else {
    object.Bytes(name, value.bytes());
  }
}

JsonObject Describe(const absl::Status& status) {
  JsonObject object;
  object.Flag("ok", status.ok());
  if (status.ok()) return object;
  const std::optional<Verdict> verdict = VerdictOf(status);
  const std::string name = verdict.has_value() ? std::string(VerdictName(*verdict))
                                               : absl::StatusCodeToString(status.code());
  object.Text("verdict", name)
      .Text("message", absl::StripPrefix(status.message(), absl::StrCat(name, ": ")));
  const std::optional<Alias> moved_to = MovedTo(status);
  return moved_to.has_value() ? object.Text("moved_to", moved_to->ToString()) : object;
}

}  // namespace batonstore::tools
