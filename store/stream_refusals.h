// What Resume, and the ends of turns and of streams, refuse with. Built once, so that a refusal
// allocates nothing: an attacker's flood is no load on the heap, and a stream can be ended when
// there is no memory.

#ifndef BATONSTORE_STORE_STREAM_REFUSALS_H_
#define BATONSTORE_STORE_STREAM_REFUSALS_H_

#include "absl/status/status.h"

namespace batonstore {

struct StreamRefusals {
  absl::Status not_a_stream, earlier_epoch, not_found, wrong_database, wrong_principal, expired,
      replayed, busy;
  absl::Status turn_is_over, killed, worn_out, has_capture, no_memory;
  absl::Status rollback_threw, rollback_was_late;
  absl::Status of_the_parent;
};

// The first call allocates; they live for ever.
const StreamRefusals& Refused();

}  // namespace batonstore

#endif  // BATONSTORE_STORE_STREAM_REFUSALS_H_
