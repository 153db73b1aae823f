// What a stream holds of a database: a connection for a transaction over many requests, and the
// capture of its changes. Implemented by the integrations.

#ifndef BATONSTORE_STORE_PINNED_CONNECTION_H_
#define BATONSTORE_STORE_PINNED_CONNECTION_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace batonstore {

// One connection to a database, pinned by a stream for a transaction over many requests.
class PinnedConnection {
 public:
  virtual ~PinnedConnection() = default;
  // Undoes what is open, by `deadline`; an error when it could not (then Discard follows).
  virtual absl::Status Rollback(absl::Time deadline) = 0;
  // Gives the connection back, clean. Called once, after a Rollback that was OK or when nothing is
  // open.
  virtual void ReturnToPool() = 0;
  // Closes the connection for good. Called once instead of ReturnToPool.
  virtual void Discard() = 0;
};

// Captures what a stream changes; closed (destroyed) before its connection goes back.
class Capture {
 public:
  virtual ~Capture() = default;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_PINNED_CONNECTION_H_
