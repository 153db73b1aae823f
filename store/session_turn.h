// Durable turns on a session: a baton that rotates at every use, forgives a lost response, and
// survives restarts.
//
//   absl::StatusOr<Resumed> resumed =
//       sessions.Resume(baton, DigestOf(request), "accounts", "alice");
//   if (!resumed.ok()) return WireStatus(resumed.status());
//   if (auto* replay = std::get_if<TurnReplay>(&*resumed)) {   // asked before: the same answer
//     return Respond(replay->reply, replay->next_baton);
//   }
//   if (auto* unknown = std::get_if<TurnUnknown>(&*resumed)) { // cut off, after kAtMostOnce
//     return Respond("it may have happened: look", unknown->next_baton);
//   }
//   SessionTurn& turn = std::get<SessionTurn>(*resumed);
//   std::string reply = Handle(request);
//   turn.Merge({{"orders", Change::Add(1)}});                  // with the reply, or not at all
//   absl::StatusOr<std::string> next_baton = turn.Finish(reply);
//   return Respond(reply, *next_baton);
//
// Each Finish makes a new generation of the session's baton. The one before it, its predecessor, is
// good for one thing: with the same request it is given the same reply and the same successor, byte
// for byte, for as long as that successor has not been used to the end. So a client that got no
// response just asks again, and what it asked for has happened once.

#ifndef BATONSTORE_STORE_SESSION_TURN_H_
#define BATONSTORE_STORE_SESSION_TURN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/busy_sessions.h"
#include "batonstore/store/session.h"

namespace batonstore {

class SessionStore;

// The digest of a request, by which the store knows it again: 1 to 64 bytes, of SHA-256 for
// instance. The caller computes it over all that makes two requests the same one.
inline constexpr size_t kMaxDigestBytes = 64;

// What becomes of a turn that began and never finished, because its process died or because its
// handler dropped it. Matters for effects outside the store alone: what a turn merges and replies
// is there exactly if the turn has finished.
enum class CutOff : uint8_t {
  // The same baton takes the turn again: effects happen at least once. One commit a turn.
  kRunAgain,

  // The beginning is committed too, and the same request is then told that its outcome is unknown,
  // with a successor to go on with: effects happen at most once. Two commits a turn.
  kAtMostOnce,
};

// One request's hold on a session, from Resume to Finish. Meanwhile every other turn on the session
// is refused with BUSY. Destroying one that has not finished gives the hold up and rotates nothing:
// see CutOff for what the client gets then.
//
// Move-only; not thread-safe, but may go from thread to thread. REQUIRES: it does not outlive its
// store.
class SessionTurn {
 public:
  SessionTurn(SessionTurn&&) = default;
  SessionTurn& operator=(SessionTurn&&) = default;

  // As it was when the turn was taken.
  const Session& session() const { return session_; }

  // Of the baton that took the turn.
  uint64_t generation() const { return generation_; }

  // Until Finish has succeeded.
  bool is_open() const { return lease_.held(); }

  // Keeps changes of the session's attributes for Finish, which makes them after those that were
  // kept before; nobody sees them until then. What depends on the stored values (a compare-and-set)
  // is checked there, against what they are then.
  //   INVALID        as SessionStore::Merge, or the turn is over; nothing is kept of these changes
  absl::Status Merge(const Changes& changes);

  // Forgets what Merge has kept.
  void ForgetChanges() { changes_.clear(); }

  // Commits, in one transaction: the changes, the reply, the next generation of the baton, and a
  // start of the idle clock anew (as SessionStore::Touch, written down when it moves the deadline
  // by enough). Then the turn is over, and the next baton is returned, for the client. Whatever is
  // refused has changed nothing and leaves the turn open, to be finished otherwise or dropped:
  //   INVALID              the reply is longer than TurnRules::max_reply_bytes; a change would
  //                        break a limit; or the turn is over
  //   CONFLICT             a compare-and-set found something else
  //   REVOKED, MOVED,      the session ended, or got a new identity, during the turn: drop it
  //   EXPIRED, NOT_FOUND
  //   CORRUPT              the session's row is not where the turn left it
  //   FULL, TOO_MANY, IO,  as every write
  //   CLOSED
  // POISONED leaves open whether the turn has finished: the client finds out by asking again, once
  // the store has been opened again.
  absl::StatusOr<std::string> Finish(absl::string_view reply);

 private:
  friend class SessionStore;
  SessionTurn(SessionStore& store, BusySessions::Lease lease, Session session, uint64_t generation,
              std::string digest, CutOff cut_off)
      : store_(&store),
        lease_(std::move(lease)),
        session_(std::move(session)),
        generation_(generation),
        digest_(std::move(digest)),
        cut_off_(cut_off) {}

  SessionStore* store_;
  BusySessions::Lease lease_;
  Session session_;
  uint64_t generation_;
  std::string digest_;
  CutOff cut_off_;
  std::vector<Changes> changes_;
};

// The request has been answered before: the same answer again.
struct TurnReplay {
  std::string reply;
  std::string next_baton;

  friend bool operator==(const TurnReplay&, const TurnReplay&) = default;
};

// The verdict UNKNOWN, with a way to go on: a turn of CutOff::kAtMostOnce was cut off, so that what
// the request does outside the store has happened, or not, or in part. What it would have merged
// has not.
struct TurnUnknown {
  std::string next_baton;  // the same at every asking

  absl::Status status() const;  // UNKNOWN, for who answers with a status

  friend bool operator==(const TurnUnknown&, const TurnUnknown&) = default;
};

using Resumed = std::variant<SessionTurn, TurnReplay, TurnUnknown>;

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SESSION_TURN_H_
