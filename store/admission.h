// Whether a new session may come in, and its coming in: all that is checked in the one transaction
// that inserts it. Idempotency key, group, key pair, limits, alias, fields.

#ifndef BATONSTORE_STORE_ADMISSION_H_
#define BATONSTORE_STORE_ADMISSION_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_table.h"

namespace batonstore {

// INVALID when a field is over its limit, or a time makes no sense.
absl::Status CheckSpec(const SessionSpec& spec, absl::Time now);

// A session that asks to come in, and what has become of it.
struct Applicant {
  // `spec_in` and `fields_in` must outlive the applicant.
  Applicant(const SessionSpec& spec_in, const Fields& fields_in, SessionRecord record_in,
            uint64_t epoch_in)
      : spec(spec_in), fields(fields_in), record(std::move(record_in)), epoch(epoch_in) {}

  const SessionSpec& spec;
  const Fields& fields;
  SessionRecord record;  // as asked for: what Admit fills in are alias and group
  const uint64_t epoch;  // of the owner

  enum class Outcome : uint8_t {
    kAdmitted,  // inserted: `session` and `version`
    kEarlier,   // an earlier request with the same idempotency key: `session` and `version` of that
    kKeyTaken,  // draw another key pair
    kRefused,   // by `refusal`
    kAgain,     // room is being made: commit this piece and admit again
  };
  Outcome outcome = Outcome::kRefused;
  Session session;
  uint64_t version = 0;
  absl::Status refusal;  // TOO_MANY
};

// What a spec asks for, as a record without alias and keys.
SessionRecord RecordFor(const SessionSpec& spec, State state);

// An error refuses, and nothing is to be committed. OK says that what the applicant's outcome tells
// is to be committed, whichever it is: a refusal at a limit leaves its event, and room that was
// made stays.
//   INVALID, EXISTS, UNKNOWN_GROUP, GROUP_ACTIVE
absl::Status Admit(Transaction& transaction, const SessionTable& table, Applicant& applicant,
                   absl::Time now);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ADMISSION_H_
