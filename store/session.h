// What a session is, and what may be asked of one: the words of the store's interface.

#ifndef BATONSTORE_STORE_SESSION_H_
#define BATONSTORE_STORE_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/store/alias.h"

namespace batonstore {

// Limits, in bytes. Longer is refused with INVALID.
inline constexpr size_t kMaxLabelBytes = 255;
inline constexpr size_t kMaxPrincipalBytes = 255;
inline constexpr size_t kMaxDatabaseBytes = 255;
inline constexpr size_t kMaxIntentBytes = 4096;
inline constexpr size_t kMaxRemotePublicKeyBytes = 133;  // P-521, uncompressed
inline constexpr size_t kMaxIdempotencyKeyBytes = 255;

// Shifts that are legal; a shift to the same state succeeds and changes nothing (but that a
// deadline that is past is noted, and the private key shredded, by a shift to Expired); any other
// is ILLEGAL_SHIFT.
//
//   Reserved -> Created; or removed: by Abandon, its deadline, recovery
//   Created  -> Revoked, Expired
//   InUse    -> Revoked, Expired    only in imported data; nothing of ours sets it
//   Revoked, Expired                terminal: kept as tombstones, without attributes and private
//                                   key, until the retention ends
//
// A session past its deadline counts as Expired everywhere, whatever its record says, and one that
// a RevokeAll covers counts as Revoked, a Reserved one included. The numbers are stored: never
// reused, never changed.
enum class State : uint8_t {
  kCreated = 0,
  kInUse = 1,
  kRevoked = 2,
  kExpired = 3,
  kReserved = 4,
};

// "created", "in_use", "revoked", "expired", "reserved".
absl::string_view StateName(State state);
std::optional<State> StateFromName(absl::string_view name);

constexpr bool IsTerminal(State state) {
  return state == State::kRevoked || state == State::kExpired;
}

// What the caller asks for.
struct SessionSpec {
  std::string label = {};      // for people; up to kMaxLabelBytes of any bytes
  uint32_t kind = 0;           // the application's own classification
  std::string principal = {};  // whom it belongs to
  std::string database = {};   // what it may be used on

  // When the session ends, to the microsecond; absl::InfiniteFuture() for never. There is no
  // default: a session that ends nobody-knows-when is a mistake. Past or unset is INVALID.
  absl::Time expires_at = {};

  // When a Created session ends that nobody touches (SessionStore::Touch, or a turn), from a
  // microsecond upwards. A touch is written down only when it moves the deadline by a sixteenth to
  // an eighth of this (which part, differs from session to session, so that those of one moment do
  // not all write at another), so a session can end up to an eighth earlier than its last touch
  // says.
  absl::Duration idle_timeout = absl::InfiniteDuration();

  KeyType key_type = KeyType::kX25519;

  // The group (the alias of its first session) to join; all its other sessions must be terminal.
  // Without one, the session is the first of a group of its own.
  std::optional<Alias> group = std::nullopt;

  // What the caller is about to register elsewhere, up to kMaxIntentBytes: when recovery, the
  // deadline or a RevokeAll takes the reservation away, this is kept as a compensation, so that the
  // outside half can be undone.
  std::string intent = {};

  // How long a reservation waits for Create; from then on it counts as Expired, and a sweep removes
  // it. absl::InfiniteDuration(): as long as this owner serves.
  absl::Duration reserve_for = absl::Hours(1);

  // The caller's name for this request, up to kMaxIdempotencyKeyBytes. Asked again with the same
  // one by the same principal, the store gives the session that it gave the first time, as it is
  // now, for as long as its record is kept.
  std::string idempotency_key = {};
};

// One session as it stands. A value: it does not change when the store does.
struct Session {
  Alias alias;
  State state = State::kReserved;  // kExpired when past its deadline
  Alias group;                     // the alias of the group's first session; its own if that is it
  std::string label;
  uint32_t kind = 0;
  std::string principal;
  std::string database;
  absl::Time created_at;
  absl::Time expires_at;  // at the latest
  absl::Duration idle_timeout = absl::InfiniteDuration();
  absl::Time deadline;                   // when it ends if nothing happens; when it did, once ended
  std::optional<absl::Time> revoked_at;  // only when it was revoked
  KeyType key_type = KeyType::kX25519;
  std::string public_key;
  std::string remote_public_key;  // of the other side; empty until SetRemotePublicKey
};

// A reservation that was taken away before it was created, by recovery, its deadline or a
// RevokeAll: what its intent announced may have happened outside, and is the caller's to undo.
struct Compensation {
  Alias alias;
  uint64_t epoch = 0;  // of the owner that reserved it
  absl::Time at;       // when it was taken away
  std::string principal;
  std::string database;
  std::string intent;
};

// Which sessions to list: those that match every condition that is set.
struct ListFilter {
  std::optional<State> state = std::nullopt;
  std::optional<uint32_t> kind = std::nullopt;
  std::optional<std::string> principal = std::nullopt;
  std::optional<std::string> database = std::nullopt;
};

inline constexpr size_t kMaxPageSize = 1000;

// Sessions that List looks at for one page: a page of a filter that few match can have fewer than
// asked for, or none, and still be followed by another.
inline constexpr size_t kMaxLookedAt = 10'000;

struct ListPage {
  std::vector<Session> sessions;  // in the order of their creation
  std::optional<Alias> next;      // pass as `after` for what follows; nothing at the end
};

// The new alias that a status of Verdict::kMoved carries; nothing for any other.
std::optional<Alias> MovedTo(const absl::Status& status);

// The status for a session that has got the new identity `to`.
absl::Status Moved(Alias from, Alias to);

struct StoreStats {
  uint64_t sessions = 0;       // records, tombstones included
  uint64_t live = 0;           // not ended yet, or not noted as ended by a sweep yet
  uint64_t reservations = 0;   // of them, still Reserved
  uint64_t linked = 0;         // members of groups, first sessions not counted
  uint64_t revocations = 0;    // RevokeAll calls whose sessions are not all shredded yet
  uint64_t compensations = 0;  // not acknowledged yet
  uint64_t events = 0;         // not read by all consumers yet
  uint64_t consumers = 0;
  uint64_t epoch = 0;
  Alias last_alias;
  uint64_t used_bytes = 0;  // of the data file
  uint64_t map_bytes = 0;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SESSION_H_
