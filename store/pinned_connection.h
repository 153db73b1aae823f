// What a stream holds of a database: a connection that it has for itself, and perhaps a capture of
// what changes through it. Implemented by whoever has a database; see integrations/.

#ifndef BATONSTORE_STORE_PINNED_CONNECTION_H_
#define BATONSTORE_STORE_PINNED_CONNECTION_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace batonstore {

// A connection taken out of a pool for the life of one stream. Used by one thread at a time, which
// need not be the same one always; no lock of batonstore's is held during any of its calls. None of
// them may call CloseAll or Shut of the registry that the stream belongs to, which wait for them.
//
// Whoever has pinned it ends it like this, however the stream ends: Rollback, and then exactly one
// of ReturnToPool, if that was OK and in time, or Discard. Then it is destroyed.
class PinnedConnection {
 public:
  virtual ~PinnedConnection() = default;

  // Undoes the open transaction, if there is one, and takes back every mode that was set for the
  // stream (read only and the like), so that the next user finds the connection as new. Called
  // also for a stream that has committed, or has done nothing.
  //
  // `deadline` is a time of the wall clock, for the calls that want one; what counts is how long
  // this takes in elapsed time. It must return by then, since who closes the stream waits for it.
  // An error, an exception and being late all lead to Discard.
  virtual absl::Status Rollback(absl::Time deadline) = 0;

  // The connection is clean: others may have it.
  virtual void ReturnToPool() noexcept = 0;

  // Nobody knows what state the connection is in: close it.
  virtual void Discard() noexcept = 0;
};

// Records what a stream changes on its connection, for who takes it. Its destructor closes it,
// under the same rule. A stream closes the capture that nobody has taken before it rolls its
// connection back; who has taken it closes it before ending the turn, since it may be of no use, or
// not even safe to touch, once the connection is gone.
class Capture {
 public:
  virtual ~Capture() = default;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_PINNED_CONNECTION_H_
