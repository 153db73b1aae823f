// What streams ask of the store that they belong to.

#ifndef BATONSTORE_STORE_STREAM_HOST_H_
#define BATONSTORE_STORE_STREAM_HOST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/store/refusals.h"

namespace batonstore {

// Thread-safe; asked at every turn.
class StreamHost {
 public:
  virtual ~StreamHost() = default;

  // The epoch that batons carry: an authentic one of another epoch is LOST. Always the same.
  virtual uint64_t Epoch() const = 0;

  // The ring in force. One that was replaced stays valid as long as the host.
  virtual const Keyring& Ring() const = 0;

  // OK, or why the streams are lost: POISONED or CLOSED. Takes no lock and no memory.
  virtual absl::Status Usable() const = 0;

  // Counts the refusal of a baton (refusals.h). Called with no lock held.
  virtual void NoteRefusal(const absl::Status& answer,
                           const PresentedBaton& presented) const noexcept = 0;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_HOST_H_
