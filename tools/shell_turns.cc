// The shell's commands on turns: taken with a baton, and held open between lines, so that one can
// see what others get meanwhile and what a crash leaves.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/session_turn.h"
#include "batonstore/tools/answers.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/field_word.h"
#include "batonstore/tools/open_turns.h"
#include "batonstore/tools/shell_command.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using Words = ShellCommand::Words;

absl::StatusOr<uint64_t> NumberOf(const ShellLine& line) { return ParseNumber64(line.Get("turn")); }

absl::StatusOr<SessionTurn*> TurnOf(OpenTurns& turns, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t number, NumberOf(line));
  return turns.Find(number);
}

JsonObject Outcome(absl::string_view outcome) { return Ok().Text("outcome", outcome); }

JsonObject Replayed(const TurnReplay& replay) {
  return Outcome("replay").Bytes("reply", replay.reply).Text("baton", replay.next_baton);
}

JsonObject Unknown(const TurnUnknown& unknown) {
  return Outcome("unknown").Text("baton", unknown.next_baton);
}

JsonObject Taken(OpenTurns& turns, SessionTurn turn) {
  const JsonObject session = Describe(turn.session());
  const uint64_t generation = turn.generation();
  return Outcome("turn")
      .Number("turn", turns.Keep(std::move(turn)))
      .Number("generation", generation)
      .Object("session", session);
}

Answer Resume(OpenTurns& turns, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const bool at_most_once, ParseFlag(line.Get("at-most-once", "no")));
  BATONSTORE_ASSIGN_OR_RETURN(
      Resumed resumed,
      turns.sessions().Resume(line.Get("baton"), Sha256(line.Get("request")), line.Get("database"),
                              line.Get("principal"),
                              at_most_once ? CutOff::kAtMostOnce : CutOff::kRunAgain));
  if (const auto* replay = std::get_if<TurnReplay>(&resumed)) return Replayed(*replay);
  if (const auto* unknown = std::get_if<TurnUnknown>(&resumed)) return Unknown(*unknown);
  return Taken(turns, std::get<SessionTurn>(std::move(resumed)));
}

Answer MergeInTurn(OpenTurns& turns, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(SessionTurn* const turn, TurnOf(turns, line));
  BATONSTORE_ASSIGN_OR_RETURN(const Changes changes, ChangesOf(*line.words));
  return OkIf(turn->Merge(changes));
}

Answer ForgetChanges(OpenTurns& turns, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(SessionTurn* const turn, TurnOf(turns, line));
  turn->ForgetChanges();
  return Ok();
}

// A turn that could not be finished stays open, to be finished otherwise.
Answer Finish(OpenTurns& turns, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t number, NumberOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(SessionTurn* const turn, turns.Find(number));
  BATONSTORE_ASSIGN_OR_RETURN(const std::string baton, turn->Finish(line.Get("reply")));
  BATONSTORE_RETURN_IF_ERROR(turns.Drop(number));
  return Ok().Text("baton", baton);
}

Answer Drop(OpenTurns& turns, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t number, NumberOf(line));
  return OkIf(turns.Drop(number));
}

}  // namespace

std::vector<ShellCommand> TurnShellCommands() {
  return {
      {"resume",
       {"baton", "request"},
       {"principal", "database", "at-most-once"},
       "Take a turn for a request, or be given the same answer again; BUSY while another is open; "
       "at most once (yes): what is cut off is unknown, and does not run again",
       Resume},
      {"merge-in-turn",
       {"turn"},
       {},
       "Change fields when the turn finishes, all or none, and nothing until then",
       MergeInTurn,
       Words::kChanges},
      {"forget-changes",
       {"turn"},
       {},
       "Take back what merge-in-turn has said so far",
       ForgetChanges},
      {"finish",
       {"turn", "reply"},
       {},
       "Commit the changes, the reply and the next baton; refused, the turn stays open",
       Finish},
      {"drop",
       {"turn"},
       {},
       "Give a turn up, as a crash does: what it was to change has not happened",
       Drop},
  };
}

}  // namespace batonstore::tools
