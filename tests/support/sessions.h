// Sessions in tests: what to ask for when it does not matter, and how to compare them.

#ifndef BATONSTORE_TESTS_SUPPORT_SESSIONS_H_
#define BATONSTORE_TESTS_SUPPORT_SESSIONS_H_

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/store/session.h"

namespace batonstore::testing {

// Asks for a session that is valid and never ends.
inline SessionSpec LastingSpec() {
  return {.label = "phone",
          .kind = 7,
          .principal = "alice",
          .database = "main",
          .expires_at = absl::InfiniteFuture()};
}

inline SessionSpec SpecInGroup(Alias group) {
  SessionSpec spec = LastingSpec();
  spec.group = group;
  return spec;
}

// Every field of a session, one a line: two sessions are the same if their descriptions are.
inline std::string Describe(const Session& session) {
  const auto text = [](absl::Time time) {
    return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
  };
  const std::string revoked_at =
      session.revoked_at.has_value() ? text(*session.revoked_at) : "never";
  return absl::StrCat(
      "alias: ", session.alias.ToString(), "\nstate: ", StateName(session.state),
      "\ngroup: ", session.group.ToString(), "\nlabel: ", absl::CEscape(session.label),
      "\nkind: ", session.kind, "\nprincipal: ", absl::CEscape(session.principal),
      "\ndatabase: ", absl::CEscape(session.database), "\ncreated_at: ", text(session.created_at),
      "\nexpires_at: ", text(session.expires_at),
      "\nidle_timeout: ", absl::FormatDuration(session.idle_timeout),
      "\ndeadline: ", text(session.deadline), "\nrevoked_at: ", revoked_at,
      "\nkey_type: ", KeyTypeName(session.key_type),
      "\npublic_key: ", absl::BytesToHexString(session.public_key),
      "\nremote_public_key: ", absl::BytesToHexString(session.remote_public_key));
}

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_SESSIONS_H_
