// One request's hold on a stream.
//
//   absl::StatusOr<StreamTurn> turn = streams.Resume(baton, "accounts", "alice");
//   if (!turn.ok()) return WireStatus(turn.status());
//   turn->connection<SqliteConnection>()->Execute(...);
//   return turn->Finish();  // the next baton; without it the stream ends here, rolled back

#ifndef BATONSTORE_STORE_STREAM_TURN_H_
#define BATONSTORE_STORE_STREAM_TURN_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/pinned_connection.h"

namespace batonstore {

class SqlCache;
class StreamRegistry;
struct StreamExtras;
struct StreamSlot;

// Made by StreamRegistry::Open and Resume. While it lives nobody else can use the stream, the
// reaper passes it by, and Kill and CloseAll wait for its end. Used by one thread at a time, but
// that several may race for TakeCapture(). Must end before the registry does.
//
// A turn that has been finished, closed or moved from is over. All that REQUIRES a turn under way
// is marked so; the rest refuses with INVALID.
class StreamTurn {
 public:
  StreamTurn(StreamTurn&& other) noexcept;
  StreamTurn& operator=(StreamTurn&& other) noexcept;  // ends the turn that was here, as if dropped

  // A turn that is dropped closes its stream, with a rollback. In a forked child it does nothing:
  // the stream is the parent's.
  ~StreamTurn();

  // Ends the turn: the stream waits for the next one, its idle clock starts anew. The baton for it,
  // the only one that is good from here on.
  //   LOST      the stream was killed, or all were closed, while the turn was under way
  //   EXPIRED   the stream has handed on all the batons it may (StreamOptions::max_batons)
  //   TOO_MANY  no memory for the baton
  //   POISONED, CLOSED  the store's own
  // An error closes the stream, with a rollback.
  absl::StatusOr<std::string> Finish();

  // The baton that Finish() will return, byte for byte, for a response that begins before the turn
  // ends. Whoever presents it early is BUSY. Again gives the same.
  //   EXPIRED, TOO_MANY  as in Finish(); the turn goes on
  absl::StatusOr<std::string> PeekBaton();

  // Ends the turn and the stream: the capture is closed, the connection rolled back and returned
  // (or discarded), the release callback called: all of that, whatever is returned, which is what
  // the rollback said; BUSY if it was late, IO if it threw.
  absl::Status Close();

  bool is_under_way() const { return slot_ != nullptr; }
  uint64_t id() const { return id_; }  // of the stream, for Kill and List; no secret

  // REQUIRES, all of these: the turn is under way.
  const std::string& database() const;
  absl::string_view principal() const;
  bool read_only() const;

  // The pinned connection, if it is a T; null if it is not, or if there is none. REQUIRES: the turn
  // is under way; valid until it ends. Leave it open and whole: it is the stream's.
  template <typename T>
  T* connection() const {
    return dynamic_cast<T*>(pinned());
  }

  // SQL texts of the stream, by numbers of the client's choice; they outlive the turn.
  //   EXISTS    the id is in use: drop it first
  //   TOO_MANY  as many texts, or bytes of text, as StreamOptions allows
  absl::Status StoreSql(int32_t id, absl::string_view text);
  //   NOT_FOUND. Valid until the id is dropped or the stream ends
  absl::StatusOr<absl::string_view> LookupSql(int32_t id) const;
  // False if there was none.
  bool DropSql(int32_t id);

  // A capture of what the stream changes, which outlives the turn. There can be one at a time.
  //   EXISTS    there is one: take it first
  absl::Status SetCapture(std::unique_ptr<Capture> capture);
  bool HasCapture() const;
  // The capture, for exactly one taker: null for everyone else, and if there is none. Its owner
  // from then on closes it before the turn ends.
  std::unique_ptr<Capture> TakeCapture();

 private:
  friend class StreamRegistry;
  StreamTurn(StreamRegistry& registry, StreamSlot& slot, uint64_t id, uint64_t next_generation)
      : registry_(&registry), slot_(&slot), id_(id), next_generation_(next_generation) {}

  PinnedConnection* pinned() const;
  StreamExtras& Extras();
  SqlCache* Sql() const;  // null if there is none
  absl::Status MintNext();

  StreamRegistry* registry_;
  StreamSlot* slot_;  // null once over
  uint64_t id_;
  uint64_t next_generation_;
  std::string next_;  // the baton to hand on; empty until somebody asks
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_TURN_H_
