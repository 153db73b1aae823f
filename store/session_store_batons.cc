// The part of the session store that issues and verifies batons, and takes and finishes turns.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/session_store.h"

namespace batonstore {

namespace {

absl::Status Replayed() { return Refuse(Verdict::kReplayed, "the baton is of an old generation"); }

absl::Status Ahead(Alias alias) {
  return Refuse(Verdict::kCorrupt,
                absl::StrCat("an authentic baton of session ", alias.ToString(),
                             " is newer than the store, which is an older copy of itself; restore "
                             "the last one"));
}

absl::Status CheckDigest(absl::string_view digest) {
  if (!digest.empty() && digest.size() <= kMaxDigestBytes) return absl::OkStatus();
  return Refuse(Verdict::kInvalid, absl::StrCat("a request's digest has 1 to ", kMaxDigestBytes,
                                                " bytes; this one has ", digest.size()));
}

// Of what cannot be used, or is of the past.
absl::Status RefusalOf(const Judged& judged) {
  if (!judged.usable.ok()) return judged.usable;
  if (judged.standing == Standing::kReplayed) return Replayed();
  return Refuse(Verdict::kReused, "the baton has been used for another request");
}

bool SomebodyListens(const EventLog& events) {
  const absl::StatusOr<std::vector<Consumer>> consumers = events.Consumers();
  return consumers.ok() && !consumers->empty();
}

Presented PresentedBy(const BatonClaims& claims, absl::string_view digest,
                      absl::string_view database, absl::string_view principal) {
  return {Alias(claims.id), claims.generation, digest, database, principal};
}

}  // namespace

absl::StatusOr<BatonClaims> SessionStore::ClaimsOf(absl::string_view baton) const {
  BATONSTORE_ASSIGN_OR_RETURN(const BatonClaims claims, Ring().Verify(baton));
  if (claims.kind == BatonKind::kSession) return claims;
  return Refuse(Verdict::kForged, "the baton is not one of a session");
}

std::string SessionStore::Mint(Alias alias, uint64_t generation) const {
  return Ring().Mint({BatonKind::kSession, alias.value(), generation, recovered_.epoch});
}

absl::StatusOr<Judged> SessionStore::JudgeNow(const Presented& presented) const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  return Judge(*snapshot, table_, presented, time_.Now());
}

absl::StatusOr<std::string> SessionStore::Issue(Alias alias) const {
  TurnRecord turn;
  {
    BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
    const absl::Time now = time_.Now();
    BATONSTORE_ASSIGN_OR_RETURN(const StoredSession session, table_.Get(*snapshot, alias, now));
    BATONSTORE_RETURN_IF_ERROR(CheckUsable(session, now));
    BATONSTORE_ASSIGN_OR_RETURN(turn, table_.TurnOf(*snapshot, session));
  }
  if (ClaimsOf(turn.successor).ok()) return turn.successor;
  return Mint(alias, turn.generation);
}

// A store that cannot be used counts nothing: a forked child's lock may be held for ever.
void SessionStore::NoteRefusal(const absl::Status& answer,
                               const PresentedBaton& presented) const noexcept {
  if (engine_.Usable().ok()) refusals_.Note(answer, presented, time_.Now());
}

absl::StatusOr<Session> SessionStore::Verify(absl::string_view baton, absl::string_view database,
                                             absl::string_view principal) {
  absl::StatusOr<Session> session = Check(baton, database, principal);
  if (!session.ok()) {
    NoteRefusal(session.status(), {BatonKind::kSession, baton, database, principal});
  }
  return session;
}

absl::StatusOr<Session> SessionStore::Check(absl::string_view baton, absl::string_view database,
                                            absl::string_view principal) try {
  BATONSTORE_ASSIGN_OR_RETURN(const BatonClaims claims, ClaimsOf(baton));
  const Presented presented = PresentedBy(claims, /*digest=*/"", database, principal);
  BATONSTORE_ASSIGN_OR_RETURN(Judged judged, JudgeNow(presented));
  const bool is_current =
      judged.standing == Standing::kCurrent || judged.standing == Standing::kWornOut;
  if (judged.usable.ok() && is_current) return std::move(judged.session).Seen();
  if (judged.usable.ok() && judged.standing == Standing::kAhead) return Ahead(Alias(claims.id));
  return RefuseAndTell(presented, judged, TurnRules::OnReplay::kRefuse);
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::StatusOr<Resumed> SessionStore::Resume(absl::string_view baton, absl::string_view digest,
                                             absl::string_view database,
                                             absl::string_view principal, CutOff cut_off) {
  absl::StatusOr<Resumed> resumed = TakeTurn(baton, digest, database, principal, cut_off);
  if (!resumed.ok()) {
    NoteRefusal(resumed.status(), {BatonKind::kSession, baton, database, principal});
  }
  return resumed;
}

absl::StatusOr<Resumed> SessionStore::TakeTurn(absl::string_view baton, absl::string_view digest,
                                               absl::string_view database,
                                               absl::string_view principal, CutOff cut_off) try {
  BATONSTORE_RETURN_IF_ERROR(CheckDigest(digest));
  BATONSTORE_ASSIGN_OR_RETURN(const BatonClaims claims, ClaimsOf(baton));
  const Presented presented = PresentedBy(claims, digest, database, principal);
  std::string of_request(digest);  // now: once the beginning is committed, memory might be short
  BATONSTORE_ASSIGN_OR_RETURN(Judged judged, JudgeNow(presented));
  BusySessions::Lease lease;
  const bool is_current = judged.standing == Standing::kCurrent;
  if (judged.usable.ok() && (is_current || judged.standing == Standing::kCutOff)) {
    lease = busy_.Take(presented.alias);
    if (!lease.held()) {
      return Refuse(Verdict::kBusy, "a turn of this session is under way; ask again");
    }
    // Another turn may have come and gone in between; none can from here on.
    BATONSTORE_ASSIGN_OR_RETURN(judged, is_current && cut_off == CutOff::kAtMostOnce
                                            ? BeginIfCurrent(presented)
                                            : JudgeNow(presented));
  }
  if (judged.is_past() || !judged.usable.ok()) {
    return RefuseAndTell(presented, judged, table_.policy().turns.on_replay);
  }
  switch (judged.standing) {
    case Standing::kCurrent:
      return SessionTurn(*this, std::move(lease), std::move(judged.session).Seen(),
                         presented.generation, std::move(of_request), cut_off);
    case Standing::kAnswered:
      return TurnReplay{std::move(judged.turn.reply), std::move(judged.turn.successor)};
    case Standing::kCutOff:
      return TurnUnknown{std::move(judged.turn.successor)};
    case Standing::kWornOut:
      return Refuse(Verdict::kExpired, "the baton cannot rotate any more; log in again");
    case Standing::kAhead:
      return Ahead(presented.alias);
    case Standing::kReused:
    case Standing::kReplayed:
      break;  // of the past: refused above
  }
  return Replayed();
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::StatusOr<Judged> SessionStore::BeginIfCurrent(const Presented& presented) {
  const std::string successor = Mint(presented.alias, presented.generation + 1);
  absl::StatusOr<Judged> judged;
  BATONSTORE_RETURN_IF_ERROR(Commit([&](Transaction& transaction) -> absl::Status {
    const absl::Time now = time_.Now();
    judged = Judge(transaction, table_, presented, now);
    BATONSTORE_RETURN_IF_ERROR(judged.status());
    if (!judged->usable.ok() || judged->standing != Standing::kCurrent) return absl::OkStatus();
    return BeginTurn(transaction, table_, *judged, presented.digest, successor, now);
  }));
  return judged;
}

absl::StatusOr<std::string> SessionStore::FinishTurn(const SessionTurn& turn,
                                                     absl::string_view reply) try {
  const size_t most = std::min(table_.policy().turns.max_reply_bytes, kMaxReplyBytes);
  if (reply.size() > most) {
    return Refuse(Verdict::kInvalid, absl::StrCat("the reply has ", reply.size(),
                                                  " bytes; at most ", most, " are kept"));
  }
  const FinishedTurn finished{turn.session_.alias,
                              turn.generation_,
                              turn.cut_off_ == CutOff::kAtMostOnce,
                              turn.digest_,
                              reply,
                              turn.changes_};
  const std::string successor = Mint(finished.alias, finished.generation + 1);
  absl::StatusOr<std::string> handed_on;
  BATONSTORE_RETURN_IF_ERROR(Commit([&](Transaction& transaction) {
    handed_on = batonstore::FinishTurn(transaction, table_, finished, successor, time_.Now());
    return handed_on.status();
  }));
  return handed_on;
} catch (const std::bad_alloc&) {
  return NoMemory();
}

// Refuses what cannot be used, or is of the past; tells of it, and revokes what the rule says. A
// baton may have grown older since it was judged, and its session may have ended: where something
// is written, the refusal is of that moment too.
absl::Status SessionStore::RefuseAndTell(const Presented& presented, const Judged& judged,
                                         TurnRules::OnReplay rule) {
  const bool revokes = judged.usable.ok() && rule != TurnRules::OnReplay::kRefuse;
  // Whoever is refused is not to wait for the writer when nobody listens.
  if (!judged.is_past() || (!revokes && !SomebodyListens(events_))) return RefusalOf(judged);
  absl::Status refusal = RefusalOf(judged);  // never after the commit: memory might be short then
  const absl::Status written = Commit(
      [&](Transaction& transaction) -> absl::Status {
        const absl::Time now = time_.Now();
        absl::StatusOr<Judged> again = Judge(transaction, table_, presented, now);
        refusal = again.ok() ? RefusalOf(*again) : again.status();
        if (!again.ok() || !again->is_past()) return again.status();
        BATONSTORE_RETURN_IF_ERROR(TellOfReplayIn(transaction, *again, now));
        return again->usable.ok() ? RevokeIn(transaction, again->session, rule, now)
                                  : absl::OkStatus();
      },
      revokes ? Room::kFrees : Room::kTakes);
  // That the event alone could not be written does not change the refusal.
  if (revokes) BATONSTORE_RETURN_IF_ERROR(written);
  return refusal;
}

absl::Status SessionStore::RevokeIn(Transaction& transaction, StoredSession& session,
                                    TurnRules::OnReplay rule, absl::Time now) const {
  switch (rule) {
    case TurnRules::OnReplay::kRefuse:
      break;
    case TurnRules::OnReplay::kRevokeSession:
      return table_.End(transaction, session, State::kRevoked, now, now);
    case TurnRules::OnReplay::kRevokeGroup:
      return RevokeGroupIn(transaction, session.record.session.group, now).status();
  }
  return absl::OkStatus();
}

absl::Status SessionStore::TellOfReplayIn(Transaction& transaction, const Judged& judged,
                                          absl::Time now) const {
  const SessionRecord& record = judged.session.record;
  const absl::string_view detail = !judged.usable.ok()                    ? ""
                                   : judged.standing == Standing::kReused ? "reused"
                                                                          : "replayed";
  return table_.Tell(transaction, EventType::kReplaySeen, record.session, now, record.moved_to,
                     detail);
}

}  // namespace batonstore
