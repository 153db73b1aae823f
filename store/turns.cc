#include "batonstore/store/turns.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/attribute_rows.h"

namespace batonstore {
namespace {

constexpr uint64_t kLastGeneration = std::numeric_limits<uint64_t>::max();

// The row as it is when it has been used at this moment.
TurnRecord UsedAt(absl::Time now, const StoredSession& session, TurnRecord turn) {
  const bool clock_stays = session.turn.has_value() && !IsWorthTouching(session, now);
  if (!clock_stays) turn.last_used = now;
  return turn;
}

// Whether the row is where this turn, which nobody could disturb, has left it.
bool Awaits(const TurnRecord& stored, const FinishedTurn& turn) {
  if (!turn.begun) return stored.generation == turn.generation;
  return stored.generation == turn.generation + 1 && stored.last == TurnRecord::Last::kBegun &&
         stored.digest == turn.digest;
}

}  // namespace

Standing StandingOf(const TurnRecord& turn, uint64_t generation, absl::string_view digest) {
  if (generation > turn.generation) return Standing::kAhead;
  if (generation == turn.generation) {
    return generation == kLastGeneration ? Standing::kWornOut : Standing::kCurrent;
  }
  if (generation + 1 < turn.generation || digest.empty()) return Standing::kReplayed;
  if (!EqualInConstantTime(digest, turn.digest)) return Standing::kReused;
  return turn.last == TurnRecord::Last::kFinished ? Standing::kAnswered : Standing::kCutOff;
}

bool Judged::is_past() const {
  if (!usable.ok()) {
    return session.record.moved_to != Alias() && VerdictOf(usable) == Verdict::kRevoked;
  }
  return standing == Standing::kReused || standing == Standing::kReplayed;
}

absl::StatusOr<Judged> Judge(Snapshot& snapshot, const SessionTable& table,
                             const Presented& presented, absl::Time now) {
  Judged judged;
  BATONSTORE_ASSIGN_OR_RETURN(judged.session, table.Get(snapshot, presented.alias, now));
  const Session& session = judged.session.record.session;
  if (session.database != presented.database) {
    return Refuse(Verdict::kWrongDatabase, "the baton is bound to another database");
  }
  if (session.principal != presented.principal) {
    return Refuse(Verdict::kWrongPrincipal, "the baton is bound to another principal");
  }
  judged.usable = CheckUsable(judged.session, now);
  if (!judged.usable.ok()) return judged;
  BATONSTORE_ASSIGN_OR_RETURN(judged.turn, table.TurnOf(snapshot, judged.session));
  judged.standing = StandingOf(judged.turn, presented.generation, presented.digest);
  return judged;
}

absl::Status BeginTurn(Transaction& transaction, const SessionTable& table, Judged& judged,
                       absl::string_view digest, absl::string_view successor, absl::Time now) {
  TurnRecord begun;
  begun.last_used = judged.turn.last_used;
  begun.generation = judged.turn.generation + 1;
  begun.last = TurnRecord::Last::kBegun;
  begun.digest = std::string(digest);
  begun.successor = std::string(successor);
  return table.PutTurn(transaction, judged.session, UsedAt(now, judged.session, std::move(begun)));
}

absl::StatusOr<std::string> FinishTurn(Transaction& transaction, const SessionTable& table,
                                       const FinishedTurn& turn, absl::string_view successor,
                                       absl::Time now) {
  BATONSTORE_ASSIGN_OR_RETURN(StoredSession session, table.Get(transaction, turn.alias, now));
  BATONSTORE_RETURN_IF_ERROR(CheckUsable(session, now));
  BATONSTORE_ASSIGN_OR_RETURN(TurnRecord stored, table.TurnOf(transaction, session));
  if (!Awaits(stored, turn)) {
    return Refuse(Verdict::kCorrupt, absl::StrCat("the baton of session ", turn.alias.ToString(),
                                                  " rotated during a turn; restore a backup"));
  }
  for (const Changes& changes : turn.changes) {
    BATONSTORE_RETURN_IF_ERROR(
        ApplyChanges(transaction, table.keys(), turn.alias, changes).status());
  }
  if (!turn.begun) stored.successor = std::string(successor);
  stored.generation = turn.generation + 1;
  stored.last = TurnRecord::Last::kFinished;
  stored.digest = std::string(turn.digest);
  stored.reply = std::string(turn.reply);
  std::string handed_on = stored.successor;
  BATONSTORE_RETURN_IF_ERROR(
      table.PutTurn(transaction, session, UsedAt(now, session, std::move(stored))));
  return handed_on;
}

}  // namespace batonstore
