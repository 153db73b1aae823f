#include "batonstore/store/stream_refusals.h"

#include "batonstore/base/verdict.h"

namespace batonstore {

const StreamRefusals& Refused() {
  static const StreamRefusals* const kRefusals = new StreamRefusals{
      .not_a_stream = Refuse(Verdict::kForged, "the baton is not one of a stream"),
      .earlier_epoch =
          Refuse(Verdict::kLost, "the store was opened anew, which rolled the stream back"),
      .not_found = Refuse(Verdict::kNotFound, "the stream has ended"),
      .wrong_database = Refuse(Verdict::kWrongDatabase, "the baton is bound to another database"),
      .wrong_principal =
          Refuse(Verdict::kWrongPrincipal, "the baton is bound to another principal"),
      .expired = Refuse(Verdict::kExpired, "the stream was idle for too long, or is too old"),
      .replayed = Refuse(Verdict::kReplayed, "the baton is of an earlier turn"),
      .busy = Refuse(Verdict::kBusy, "another turn of the stream is under way; retry"),
      .turn_is_over = Refuse(Verdict::kInvalid, "this turn is over"),
      .killed = Refuse(Verdict::kLost, "the stream was killed while its turn was under way"),
      .worn_out = Refuse(Verdict::kExpired, "the stream has handed on as many batons as it may"),
      .has_capture =
          Refuse(Verdict::kExists, "the stream has a capture already; take that one first"),
      .no_memory = Refuse(Verdict::kTooMany, "no memory for that"),
      .rollback_threw = Refuse(Verdict::kIo, "the rollback threw, so its connection was discarded"),
      .rollback_was_late =
          Refuse(Verdict::kBusy, "the rollback was late, so its connection was discarded"),
      .of_the_parent = Refuse(Verdict::kClosed, "the stream belongs to the parent of this process"),
  };
  return *kRefusals;
}

}  // namespace batonstore
