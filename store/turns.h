// The rules by which a session's baton rotates: who gets a turn, who gets an answer again, who is
// refused, and what each step makes of the session's row of `turns`.
//
//   generation g                                              generation g + 1
//   kNone or kFinished  ---------------- Finish -------------> kFinished: digest, reply, successor
//                       -- Begin --> kBegun -- Finish ------>
//
// A turn that commits its beginning makes the new generation there, and fills in the reply when it
// finishes. Either way the row holds what the last turn left: the predecessor of the current baton
// can be answered from it, and nothing older.

#ifndef BATONSTORE_STORE_TURNS_H_
#define BATONSTORE_STORE_TURNS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/session_table.h"

namespace batonstore {

// Where a baton and its request stand in the rotation.
enum class Standing : uint8_t {
  kCurrent,   // the current baton: takes the turn
  kWornOut,   // the current baton, but there is no generation after it
  kAnswered,  // its predecessor, with the request that it was used for: is answered again
  kCutOff,    // the same, but that turn has only begun: it is under way, or was cut off
  kReused,    // its predecessor, with another request
  kReplayed,  // an older one, or the predecessor without a request
  kAhead,     // a newer one than this store has ever handed out
};

Standing StandingOf(const TurnRecord& turn, uint64_t generation, absl::string_view digest);

// What an authentic baton says, and what it has to fit.
struct Presented {
  Alias alias;
  uint64_t generation = 0;
  absl::string_view digest;  // of the request; empty for none, which is no turn's
  absl::string_view database;
  absl::string_view principal;
};

// A session that is there, and whose database and principal are those presented.
struct Judged {
  StoredSession session;
  absl::Status usable;  // RESERVED, MOVED, REVOKED, EXPIRED
  TurnRecord turn;
  Standing standing = Standing::kAhead;  // only if usable

  // An authentic baton of the past: of an identity that was given up, or of an old generation.
  bool is_past() const;
};

// In the order of checks: NOT_FOUND, WRONG_DATABASE, WRONG_PRINCIPAL, then what Judged says.
absl::StatusOr<Judged> Judge(Snapshot& snapshot, const SessionTable& table,
                             const Presented& presented, absl::Time now);

// Writes that the current turn has begun: its baton is the predecessor from here on. Frees the
// reply that was kept. `judged` is as it stands then.
// REQUIRES: the baton is current.
absl::Status BeginTurn(Transaction& transaction, const SessionTable& table, Judged& judged,
                       absl::string_view digest, absl::string_view successor, absl::Time now);

// A turn that was taken, and what it hands on.
struct FinishedTurn {
  Alias alias;
  uint64_t generation = 0;  // of its baton
  bool begun = false;       // its beginning is committed
  absl::string_view digest;
  absl::string_view reply;
  absl::Span<const Changes> changes;  // of the attributes, to be made in this order
};

// Writes that the turn has finished; what was begun keeps the successor that it began with. Starts
// the idle clock anew, if that moves the deadline by enough. Returns the successor, which the
// caller may hand out once this is committed.
//   NOT_FOUND, MOVED, REVOKED, EXPIRED     the session ended meanwhile
//   CORRUPT                                the row is not where the turn left it
//   CONFLICT, INVALID                      a change cannot be made
absl::StatusOr<std::string> FinishTurn(Transaction& transaction, const SessionTable& table,
                                       const FinishedTurn& turn, absl::string_view successor,
                                       absl::Time now);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_TURNS_H_
