// Why the store refused: a machine-readable reason that travels inside an absl::Status.
//
//   absl::StatusOr<Session> session = store.Find(alias);
//   if (VerdictOf(session.status()) == Verdict::kNotFound) ...
//
// Every error that batonstore returns carries exactly one verdict. Branch on the verdict; the
// message is for people, says what to do, and may change. Messages never hold a secret, a baton or
// a value.

#ifndef BATONSTORE_BASE_VERDICT_H_
#define BATONSTORE_BASE_VERDICT_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace batonstore {

// The numbers are part of the interface: they are never reused and never change.
//
//                             absl::StatusCode       the caller should
enum class Verdict : uint8_t {
  kInvalid = 1,          // INVALID_ARGUMENT       mend the argument that the message names
  kNotFound = 2,         // NOT_FOUND              treat the thing as absent
  kExists = 3,           // ALREADY_EXISTS         choose another name, or use what is there
  kReserved = 4,         // FAILED_PRECONDITION    create the session first: it is still Reserved
  kMoved = 5,            // FAILED_PRECONDITION    use the new identity
  kBusy = 6,             // UNAVAILABLE            retry
  kForged = 7,           // UNAUTHENTICATED        refuse: this store never signed it
  kReplayed = 8,         // UNAUTHENTICATED        refuse: an old generation
  kReused = 9,           // UNAUTHENTICATED        refuse: the predecessor with another request
  kExpired = 10,         // UNAUTHENTICATED        log in again
  kRevoked = 11,         // UNAUTHENTICATED        log in again
  kLost = 12,            // UNAUTHENTICATED        authentic, but what it named is gone: start anew
  kUnknown = 13,         // ABORTED                find out whether the cut-off turn took effect
  kWrongPrincipal = 14,  // PERMISSION_DENIED      refuse: bound to another principal
  kWrongDatabase = 15,   // PERMISSION_DENIED      refuse: bound to another database
  kTooMany = 16,         // RESOURCE_EXHAUSTED     a limit or the machine's memory: free some, retry
  kGroupActive = 17,     // FAILED_PRECONDITION    end the group's other sessions first
  kUnknownGroup = 18,    // FAILED_PRECONDITION    link to the alias of a group's first session
  kIllegalShift = 19,    // FAILED_PRECONDITION    the session's state does not allow this
  kConflict = 20,        // ABORTED                load again and retry: somebody else saved
  kKeysExhausted = 21,   // RESOURCE_EXHAUSTED     look at the key source: it repeats itself
  kCorrupt = 22,         // DATA_LOSS              stop, verify, restore a backup
  kWrongKey = 23,        // FAILED_PRECONDITION    give the key-encryption key of this store
  kWrongFormat = 24,     // FAILED_PRECONDITION    not a store, or written by a newer batonstore
  kPoisoned = 25,        // UNAVAILABLE            close the store and open it again
  kFull = 26,            // RESOURCE_EXHAUSTED     free disk space or raise the size limit
  kIo = 27,              // UNAVAILABLE            look at the named system call's error
  kNotOwner = 28,        // FAILED_PRECONDITION    another process (its pid is named) owns the store
  kClosed = 29,          // FAILED_PRECONDITION    this handle is closed, or belongs to the parent
  kUnsupported = 30,     // UNIMPLEMENTED          move the store: file system, or pid namespace
};

// "NOT_FOUND" and so on: the enumerator's name in capitals.
absl::string_view VerdictName(Verdict verdict);

// The status code that goes with a verdict (the table above).
absl::StatusCode VerdictCode(Verdict verdict);

// Every verdict, in the order of their numbers.
absl::Span<const Verdict> AllVerdicts();

// A status with that verdict, its code, and a message that starts with the verdict's name.
absl::Status Refuse(Verdict verdict, absl::string_view message);

// TOO_MANY: there was not enough memory, and nothing has changed. Takes none itself: it was made
// when the program began.
const absl::Status& NoMemory();

// The verdict inside `status`; nothing for OK and for statuses that are not ours.
std::optional<Verdict> VerdictOf(const absl::Status& status);

// The same status, sharing nothing with `status`: to hand it to another thread. Copies of one share
// a count that prebuilt Abseil counts where ThreadSanitizer cannot see it.
absl::Status Unshared(const absl::Status& status);

// What a client on the wire may learn. FORGED, REPLAYED and NOT_FOUND come back as equal statuses,
// byte for byte (code, message, payload), so that a thief cannot tell a wrong guess from an old
// baton or a deleted session; every other status keeps its verdict and loses its message. Equal
// bytes are promised here, equal timing is not.
absl::Status WireStatus(const absl::Status& status);

}  // namespace batonstore

#endif  // BATONSTORE_BASE_VERDICT_H_
