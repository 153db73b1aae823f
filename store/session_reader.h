// The questions that a store answers without changing: what an owner and an observer have in
// common.

#ifndef BATONSTORE_STORE_SESSION_READER_H_
#define BATONSTORE_STORE_SESSION_READER_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/indexes.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Thread-safe. Each call reads one consistent snapshot of what is committed, unless it says
// otherwise, and copies out of it. Any call may also return CORRUPT (a row was damaged or moved),
// CLOSED, POISONED, IO, TOO_MANY (no reader slot is left). One that cannot allocate what it returns
// throws std::bad_alloc.
class SessionReader {
 public:
  // All must outlive the reader.
  SessionReader(Engine& engine, const StoreKeys& keys, const StoreTime& time);
  SessionReader(const SessionReader&) = delete;
  SessionReader& operator=(const SessionReader&) = delete;

  // NOT_FOUND when no session has that alias.
  absl::StatusOr<Session> Find(Alias alias) const;

  // The session whose own public key is exactly this. NOT_FOUND when there is none.
  absl::StatusOr<Session> FindByPublicKey(absl::string_view public_key) const;

  // Up to `page_size` (1 to kMaxPageSize, else INVALID) sessions that match, in the order of their
  // creation, those after the alias `after` if given. A page that took long is put together from
  // several snapshots, so that it does not keep old pages of the file alive: a session that changes
  // meanwhile appears as it was at some moment of the call.
  absl::StatusOr<ListPage> List(const ListFilter& filter, size_t page_size,
                                std::optional<Alias> after = std::nullopt) const;

  // The group that a session belongs to: the alias of its first session. NOT_FOUND.
  absl::StatusOr<Alias> GroupOf(Alias alias) const;

  // All sessions of a group, in the order of linking, the first session first. UNKNOWN_GROUP when
  // `group` is not the alias of a group's first session.
  absl::StatusOr<std::vector<Alias>> GroupMembers(Alias group) const;

  absl::StatusOr<StoreStats> Stats() const;

  // The store's time: see base/clock.h. How far the wall clock has moved away from it since the
  // opening is `clock.WallAhead()`.
  const StoreTime& clock() const { return time_; }

 protected:
  // The record as stored; NOT_FOUND when there is none.
  absl::StatusOr<SessionRecord> Load(Snapshot& snapshot, Alias alias) const;

  // The record that an index names; CORRUPT when there is none.
  absl::StatusOr<SessionRecord> LoadIndexed(Snapshot& snapshot, Alias alias) const;

  // What callers see: a session past its deadline is Expired.
  static Session AsOf(absl::Time now, Session session);

  Engine& engine_;
  const StoreKeys& keys_;
  const StoreTime& time_;
  const Indexes indexes_;

 private:
  absl::StatusOr<std::optional<Alias>> FillPage(const ListFilter& filter, size_t page_size,
                                                Alias from, std::vector<Session>& page) const;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SESSION_READER_H_
