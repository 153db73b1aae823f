#include "batonstore/store/session_turn.h"

#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/attribute_rows.h"
#include "batonstore/store/session_store.h"

namespace batonstore {
namespace {

absl::Status TurnIsOver() {
  return Refuse(Verdict::kInvalid, "the turn is over; take another with the next baton");
}

}  // namespace

absl::Status SessionTurn::Merge(const Changes& changes) {
  if (!is_open()) return TurnIsOver();
  BATONSTORE_RETURN_IF_ERROR(CheckChanges(changes));
  changes_.push_back(changes);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SessionTurn::Finish(absl::string_view reply) {
  if (!is_open()) return TurnIsOver();
  absl::StatusOr<std::string> next_baton = store_->FinishTurn(*this, reply);
  if (next_baton.ok()) lease_.Release();
  return next_baton;
}

absl::Status TurnUnknown::status() const {
  return Refuse(Verdict::kUnknown,
                "the turn was cut off: find out whether it took effect, and go on with the next "
                "baton");
}

}  // namespace batonstore
