// What the command line and the shell both answer, on a store that is open.

#ifndef BATONSTORE_TOOLS_ANSWERS_H_
#define BATONSTORE_TOOLS_ANSWERS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/session_store.h"
#include "batonstore/tools/json.h"

namespace batonstore::tools {

// {"ok":true,...}, or why it was refused.
using Answer = absl::StatusOr<JsonObject>;

JsonObject Ok();
Answer OkIf(const absl::Status& status);
Answer SessionOr(const absl::StatusOr<Session>& session);
Answer VersionOr(const absl::StatusOr<uint64_t>& version);

// All fields of a session, or one: NOT_FOUND if there is none of that name.
Answer GetFields(const SessionReader& sessions, Alias alias,
                 const std::optional<std::string>& field);

// Sets these fields and leaves the others; given a version, CONFLICT if they have another by now.
Answer SetFields(SessionStore& sessions, Alias alias, const Fields& fields,
                 std::optional<uint64_t> if_version);

// Sweeps until nothing is left; how much that was.
Answer SweepAll(SessionStore& sessions);

Answer RevokeAllOf(SessionStore& sessions, absl::string_view principal, std::optional<Alias> keep);
Answer RevokeMembers(SessionStore& sessions, Alias group);

Answer EventConsumers(SessionStore& sessions);
Answer UnreadEvents(SessionStore& sessions, absl::string_view consumer, size_t limit);

// The compensations that are pending, those after an alias if it is given: all, or up to `limit`,
// and then also where to go on.
Answer Compensations(const SessionReader& sessions, std::optional<uint64_t> limit,
                     std::optional<Alias> after);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_ANSWERS_H_
