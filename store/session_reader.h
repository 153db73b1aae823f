// The questions that a store answers without changing: what an owner and an observer have in
// common.

#ifndef BATONSTORE_STORE_SESSION_READER_H_
#define BATONSTORE_STORE_SESSION_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/indexes.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_table.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Keeps the keys of who only observes in step with those of the store, which its owner may replace.
class KeyFollower {
 public:
  virtual ~KeyFollower() = default;

  // Knows from then on every key that rows of the snapshot are sealed under. Thread-safe.
  virtual absl::Status Follow(Snapshot& snapshot) = 0;
};

// Thread-safe. Each call reads one consistent snapshot of what is committed, unless it says
// otherwise, and copies out of it. Any call may also return CORRUPT (a row was damaged or moved),
// CLOSED, POISONED, IO, TOO_MANY (no reader slot is left). One that cannot allocate what it returns
// throws std::bad_alloc.
class SessionReader {
 public:
  // Whether the tail has the entries of all sessions by itself, as that of the process that writes,
  // or has to be caught up for each question.
  enum class Tail : uint8_t { kIsComplete, kLagsBehind };

  // All must outlive the reader. Who writes follows nobody.
  SessionReader(Engine& engine, const StoreKeys& keys, const StoreTime& time, IndexTail& tail,
                Tail kind, const Policy& policy = {}, KeyFollower* follower = nullptr);
  SessionReader(const SessionReader&) = delete;
  SessionReader& operator=(const SessionReader&) = delete;

  // NOT_FOUND when no session has that alias. MOVED, with the new alias (MovedTo), for an old
  // identity that still tells it.
  absl::StatusOr<Session> Find(Alias alias) const;

  // The session whose own public key is exactly this. NOT_FOUND when there is none; MOVED as Find.
  absl::StatusOr<Session> FindByPublicKey(absl::string_view public_key) const;

  // Up to `page_size` (1 to kMaxPageSize, else INVALID) sessions that match, in the order of their
  // creation, those after the alias `after` if given. What is not of the principal, or else the
  // database, that the filter names is not looked at; of the rest, kMaxLookedAt at the most, so
  // that a page can be short: ListPage::next alone tells the end. A page that took long is put
  // together from several snapshots, so that it does not keep old pages of the file alive: a
  // session that changes meanwhile appears as it was at some moment of the call.
  absl::StatusOr<ListPage> List(const ListFilter& filter, size_t page_size,
                                std::optional<Alias> after = std::nullopt) const;

  // How many match. Looks at all of the principal's, or else the database's, or else the store's.
  absl::StatusOr<uint64_t> Count(const ListFilter& filter) const;

  // The fields of a session that has not ended; secret ones are withheld.
  //   NOT_FOUND, MOVED, REVOKED, EXPIRED
  absl::StatusOr<Attributes> Load(Alias alias) const;

  // Reservations that were taken away with an intent, in the order of their creation: up to `most`
  // after the alias `after`. Each stays until SessionStore::Acknowledge.
  absl::StatusOr<std::vector<Compensation>> PendingCompensations(
      size_t most = kMaxPageSize, std::optional<Alias> after = std::nullopt) const;

  // The group that a session belongs to: the alias of its first session. NOT_FOUND, MOVED.
  absl::StatusOr<Alias> GroupOf(Alias alias) const;

  // All sessions of a group, in the order of linking, the first session first. Where a session has
  // got a new identity, that stands in its place at the end; only the first stays, as the group's
  // name. UNKNOWN_GROUP when `group` is not the alias of a group's first session.
  absl::StatusOr<std::vector<Alias>> GroupMembers(Alias group) const;

  absl::StatusOr<StoreStats> Stats() const;

  // The store's time: see base/clock.h. How far the wall clock has moved away from it since the
  // opening is `clock.WallAhead()`.
  const StoreTime& clock() const { return time_; }

 protected:
  // As Find, for who decides for himself what becomes of what has ended or moved.
  absl::StatusOr<StoredSession> FindStored(Alias alias) const;

  // UNKNOWN_GROUP for what is no group.
  absl::StatusOr<std::vector<Alias>> MembersIn(Snapshot& snapshot, Alias group) const;

  Engine& engine_;
  const StoreKeys& keys_;
  const StoreTime& time_;
  const SessionTable table_;

 private:
  // A snapshot, and the keys for it.
  absl::StatusOr<std::unique_ptr<Snapshot>> Read() const;

  // Has the tail answer the question, and begins the snapshot of which to ask the rest.
  absl::StatusOr<std::unique_ptr<Snapshot>> ReadFor(IndexQuestion& question) const;

  // Gives `visit` what matches, from an alias on, until it says false; where to go on then, nothing
  // at the end. Each session that it looks at is taken off `rows`, and it stops at 0, or sooner, so
  // that its snapshot does not grow old.
  absl::StatusOr<std::optional<Alias>> Scan(const ListFilter& filter, Alias from, uint64_t& rows,
                                            absl::FunctionRef<bool(Session)> visit) const;

  IndexTail& tail_;
  const Tail kind_;
  KeyFollower* const follower_;  // may be null
  mutable Mutex catching_up_;    // of a tail that lags behind
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SESSION_READER_H_
