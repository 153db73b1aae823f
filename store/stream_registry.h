// Streams: live uses of a database by a principal, each with a connection of its own for as long as
// it lives, addressed over stateless requests by a baton that changes at every use.
//
//   absl::StatusOr<StreamTurn> turn = streams.Open({.database = "accounts", .principal = "alice",
//                                                   .connect = ...});
//   ...
//   absl::StatusOr<std::string> baton = turn->Finish();  // to the client
//   ...                                                  // its next request, on another thread
//   absl::StatusOr<StreamTurn> next = streams.Resume(*baton, "accounts", "alice");
//
// Streams are in memory. A restart rolls all of them back, and their batons are LOST.

#ifndef BATONSTORE_STORE_STREAM_REGISTRY_H_
#define BATONSTORE_STORE_STREAM_REGISTRY_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/mutex.h"
#include "batonstore/store/deadline_queue.h"
#include "batonstore/store/pinned_connection.h"
#include "batonstore/store/stream_host.h"
#include "batonstore/store/stream_options.h"
#include "batonstore/store/stream_slots.h"
#include "batonstore/store/stream_turn.h"

namespace batonstore {

// Pins a connection, by `deadline` (of the wall clock; what counts is elapsed time). An error is
// handed to the caller of Open as it is.
using ConnectionFactory =
    std::function<absl::StatusOr<std::unique_ptr<PinnedConnection>>(absl::Time deadline)>;

struct OpenStream {
  std::string database = {};   // up to kMaxDatabaseBytes
  std::string principal = {};  // up to kMaxPrincipalBytes
  bool read_only = false;      // told to whoever asks; making it so is the connection's part

  // The connection: one that is pinned already, or a factory that is called once there is a place
  // for the stream. Or neither, but not both.
  std::unique_ptr<PinnedConnection> connection = nullptr;
  ConnectionFactory connect = nullptr;
  absl::Time deadline = absl::InfiniteFuture();

  // Lets go of the caller's hold on the database, taken before Open. Called exactly once, however
  // the stream ends, and also when it does not come to be: after the connection has gone back, with
  // no lock held, by the thread that ends the stream. Must not throw, nor call CloseAll or Shut.
  std::function<void()> on_release = nullptr;
};

struct StreamInfo {
  uint64_t id = 0;
  std::string database;
  std::string principal;
  bool read_only = false;
  bool busy = false;    // a turn is under way, or it is being opened, or ended
  absl::Duration age;   // since Open
  absl::Duration idle;  // since its last turn; zero while busy
};

// Every field that is set must match.
struct StreamFilter {
  std::optional<std::string> database = std::nullopt;
  std::optional<std::string> principal = std::nullopt;
  std::optional<bool> busy = std::nullopt;
};

enum class WhenBusy : uint8_t { kLeave, kKillWhenReleased };
enum class Killed : uint8_t {
  kNotFound,      // no such stream
  kBusy,          // in use, and left alone
  kKilled,        // it was idle; its rollback is over
  kWhenReleased,  // in use: it ends with its turn, and nobody can resume it any more; or somebody
                  // else is ending it at this moment
};

// Thread-safe. Resuming and finishing take no lock but the stream's own, so that different streams
// do not meet. Rollbacks, factories and callbacks run with no lock held.
//
// In a forked child the streams are the parent's: everything is refused, and nothing rolled back.
class StreamRegistry {
 public:
  // Host and clock must outlive the registry.
  StreamRegistry(const StreamHost& host, Clock& clock, const StreamOptions& options = {});

  // As Shut(). REQUIRES: every turn is over.
  ~StreamRegistry();
  StreamRegistry(const StreamRegistry&) = delete;
  StreamRegistry& operator=(const StreamRegistry&) = delete;

  // A new stream, in its first turn. The place under the database's limit is taken before the
  // connection is pinned. On every error the place is free again, the connection rolled back and
  // returned, the hold released, before this returns.
  //   INVALID   a field is too long, there are both a connection and a factory, or the factory gave
  //             none
  //   TOO_MANY  the database has as many streams as it may, or the process 2^20, or memory is short
  //   BUSY      the deadline has passed: before the factory was called, or when it returned
  //   IO        the factory threw
  //   POISONED, CLOSED  the store's own
  absl::StatusOr<StreamTurn> Open(OpenStream spec);

  // Takes the next turn of the stream that `baton` names. Checked in this order, so that a stolen
  // baton tells a thief nothing; a refusal uses nothing up, refreshes nothing, changes nothing:
  //   FORGED    the form, the key id, the tag or the kind is wrong
  //   LOST      authentic, but of an earlier epoch, or its signing key is retired
  //   NOT_FOUND the stream has ended, or ends with the turn that is under way
  //   WRONG_DATABASE, WRONG_PRINCIPAL
  //   EXPIRED   idle for too long, or too old, whether or not the reaper has been there. (What the
  //             machine slept through counts at the latest once the reaper comes.)
  //   REPLAYED  a baton of an earlier turn
  //   BUSY      another turn is under way: retry
  //   POISONED, CLOSED  the store's own; before all others
  // To a client, answer with WireStatus() of what comes back. A refusal is counted for who
  // presented the baton (refusals.h), which is all that may allocate here.
  absl::StatusOr<StreamTurn> Resume(absl::string_view baton, absl::string_view database,
                                    absl::string_view principal);

  // Every stream that has a place, each as it is when it is looked at.
  std::vector<StreamInfo> List(const StreamFilter& filter = {}) const;

  // How many List() would find. At once for no filter, or for one of the database alone.
  size_t Count(const StreamFilter& filter = {}) const;

  // Ends an idle stream, and waits for its rollback. What becomes of a busy one is the caller's
  // choice, and not waited for.
  Killed Kill(uint64_t id, WhenBusy when_busy = WhenBusy::kKillWhenReleased);

  // Ends every idle stream and waits until all that are being ended, by anyone, are rolled back;
  // busy ones end with their turns. How many it ended itself.
  size_t CloseAll();

  // CloseAll(), and every later Open is CLOSED. Doing it twice is the same as once.
  void Shut();

  // Ends what has been idle for too long or is too old, but for busy streams, and waits for the
  // rollbacks; how many. Costs nothing for what is not due, but that a stream in use is looked at
  // once every idle timeout. Ends all streams of a store that is POISONED or CLOSED.
  size_t Reap();

 private:
  friend class StreamTurn;
  friend class StreamRegistryPeer;  // a test's, who cannot take 2^64 turns

  // Streams that have a place. Not Abseil's, whose hash maps do not survive a failed allocation.
  using Databases = std::unordered_map<std::string, int64_t>;

  absl::Status Pin(const OpenStream& spec, absl::Duration timeout, StreamHoldings& holdings) const;
  absl::StatusOr<StreamSlot*> Occupy(OpenStream& spec);
  absl::StatusOr<StreamSlot*> TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Vacate(StreamSlot& slot);

  absl::StatusOr<StreamTurn> TakeTurn(absl::string_view baton, absl::string_view database,
                                      absl::string_view principal);
  absl::StatusOr<StreamTurn> ResumeUnexpected(absl::string_view baton, absl::string_view database,
                                              absl::string_view principal, absl::Duration now);
  absl::StatusOr<StreamTurn> Take(StreamSlot& slot, absl::string_view database,
                                  absl::string_view principal, uint64_t generation,
                                  absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot.mu);

  absl::Status HandOn(StreamSlot& slot, absl::string_view baton);
  absl::Status EndTurn(StreamSlot& slot);
  absl::Status End(StreamSlot& slot);

  bool ReapOne(uint32_t index, absl::Duration now);
  std::optional<uint32_t> NextDue(absl::Duration now);
  void WaitWhileEnding(StreamSlot& slot);
  bool IsForkedChild() const;

  // From when on a stream has lived for too long; and from when on one that is idle is over.
  absl::Duration TooOld(const StreamSlot& slot) const;
  absl::Duration Due(const StreamSlot& slot) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot.mu);

  // Constant after construction.
  const StreamHost& host_;
  Clock& clock_;
  const StreamOptions options_;  // with defaults
  const uint64_t epoch_;
  const pid_t pid_;

  // Grows under mu_, is read without. Its slots have locks of their own: mu_ may be held when one
  // of them is taken, never the other way round.
  StreamSlots slots_;

  mutable Mutex mu_;
  CondVar ended_;  // a slot has become free
  bool shut_ ABSL_GUARDED_BY(mu_) = false;
  Databases databases_ ABSL_GUARDED_BY(mu_);  // only those that have a stream
  size_t taken_ ABSL_GUARDED_BY(mu_) = 0;     // slots
  uint32_t first_free_ ABSL_GUARDED_BY(mu_) = StreamSlot::kMaxSlots;  // a list through next_free

  // At most one entry for each slot, which stays when the slot changes hands: whoever comes next
  // is due later. So resuming and finishing leave the queue alone; the reaper, finding a slot that
  // is not due yet, puts it back.
  DeadlineQueue queue_ ABSL_GUARDED_BY(mu_);
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_REGISTRY_H_
