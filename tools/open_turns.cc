#include "batonstore/tools/open_turns.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"

namespace batonstore::tools {
namespace {

absl::Status NoneOpen(uint64_t number) {
  return Refuse(Verdict::kNotFound, absl::StrCat("no turn ", number, " is open"));
}

}  // namespace

uint64_t OpenTurns::Keep(SessionTurn turn) {
  turns_.emplace(++last_number_, std::move(turn));
  return last_number_;
}

absl::StatusOr<SessionTurn*> OpenTurns::Find(uint64_t number) {
  const auto found = turns_.find(number);
  if (found == turns_.end()) return NoneOpen(number);
  return &found->second;
}

absl::Status OpenTurns::Drop(uint64_t number) {
  return turns_.erase(number) != 0 ? absl::OkStatus() : NoneOpen(number);
}

}  // namespace batonstore::tools
