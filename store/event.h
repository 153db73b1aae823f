// What has happened in a store, for those who follow it.

#ifndef BATONSTORE_STORE_EVENT_H_
#define BATONSTORE_STORE_EVENT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/store/alias.h"

namespace batonstore {

// The numbers are stored: never reused, never changed.
enum class EventType : uint8_t {
  // A session was inserted as Reserved.
  kReserved = 1,
  // A session was inserted as Created, or shifted from Reserved to Created.
  kCreated = 2,
  // A session shifted to Revoked.
  kRevoked = 3,
  // A session shifted to Expired: noted by a sweep, by a call of Shift, or at a limit.
  kExpired = 4,
  // A session's record is gone: abandoned, never created, or past its retention.
  kRemoved = 5,
  // A session gets a new identity: `other` is its new alias. The old one's kRevoked and the new
  // one's
  // kCreated follow.
  kMoved = 6,
  // All of the principal's sessions up to `other` are revoked, but `alias` if that is not 0. A
  // kRevoked
  // for each follows when it is swept.
  kRevokedAll = 7,
  // A limit was hit, which `detail` names ("principal", "database", "group", "store"): a new
  // session was
  // refused, or `alias` is revoked for it.
  kLimitHit = 8,
  // A reservation was taken away whose intent, the `detail`, is to be undone.
  kCompensation = 9,
  // An authentic baton of the past was presented: of an identity that the session has given up for
  // `other`, or, with a `detail`, of a generation that has been used with another request
  // ("reused") or is older still ("replayed"). Each time, as long as there is a consumer: an event
  // and a commit, so who serves the public should limit how often one client may ask.
  kReplaySeen = 10,
};

// "created" and so on.
absl::string_view EventTypeName(EventType type);

struct Event {
  uint64_t sequence = 0;  // rises by one from event to event, over restarts too
  EventType type = EventType::kCreated;
  absl::Time at;  // the store's time of the change
  Alias alias;    // of the session; 0 if there is none
  Alias other;    // as the type says; 0 if there is none
  std::string principal;
  std::string database;
  std::string detail;

  friend bool operator==(const Event&, const Event&) = default;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_EVENT_H_
