#include "tests/support/store_calls.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/keyring.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore::testing {
namespace {

constexpr std::array<const char*, kCalls> kNames = {"Reserve",
                                                    "ReserveAndCreate",
                                                    "SaveOrCreate",
                                                    "Create",
                                                    "Abandon",
                                                    "Shift",
                                                    "Touch",
                                                    "CycleKey",
                                                    "Revoke",
                                                    "RevokeGroup",
                                                    "RevokeAll",
                                                    "RevokeAllExcept",
                                                    "SaveIf",
                                                    "Merge",
                                                    "Load",
                                                    "Secret",
                                                    "SetRemotePublicKey",
                                                    "PrivateKey",
                                                    "Issue",
                                                    "Verify",
                                                    "Resume",
                                                    "MergeInTurn",
                                                    "FinishTurn",
                                                    "DropTurn",
                                                    "RotateSigningKey",
                                                    "RetireSigningKey",
                                                    "RotateDataKey",
                                                    "Reseal",
                                                    "Find",
                                                    "List",
                                                    "Count",
                                                    "GroupOf",
                                                    "GroupMembers",
                                                    "Sweep",
                                                    "Compensations",
                                                    "Acknowledge",
                                                    "AddConsumer",
                                                    "RemoveConsumer",
                                                    "ReadEvents",
                                                    "AcknowledgeEvents",
                                                    "Stats"};

// Of the call that this thread is making.
thread_local AroundCall* around_call = nullptr;

class ScopedAroundCall {
 public:
  explicit ScopedAroundCall(AroundCall& around) { around_call = &around; }
  ~ScopedAroundCall() { around_call = nullptr; }
  ScopedAroundCall(const ScopedAroundCall&) = delete;
  ScopedAroundCall& operator=(const ScopedAroundCall&) = delete;
};

// What `ask` gets from the store.
template <typename Ask>
auto Asking(Ask ask) {
  if (around_call != nullptr) around_call->Begin();
  auto answer = ask();
  if (around_call != nullptr) around_call->End();
  return answer;
}

Reply ReplyOf(const absl::Status& status) { return {TextOf(status)}; }

template <typename T>
Reply ReplyOf(const absl::StatusOr<T>& answer) {
  if (!answer.ok()) return ReplyOf(answer.status());
  return {TextOf(*answer)};
}

Reply FreshReply(const absl::StatusOr<Session>& session) {
  Reply reply = ReplyOf(session);
  if (session.ok()) reply.fresh = *session;
  return reply;
}

Reply ListAll(SessionStore& store, const ListFilter& filter) {
  std::vector<Session> all;
  std::optional<Alias> after;
  do {
    absl::StatusOr<ListPage> page = Asking([&] { return store.List(filter, 3, after); });
    if (!page.ok()) return ReplyOf(page.status());
    std::move(page->sessions.begin(), page->sessions.end(), std::back_inserter(all));
    after = page->next;
  } while (after.has_value());
  return {TextOf(all)};
}

Reply ListOnePage(SessionStore& store, const ListFilter& filter) {
  const absl::StatusOr<ListPage> page = Asking([&] { return store.List(filter, kMaxPageSize); });
  return page.ok() ? Reply{TextOf(page->sessions)} : ReplyOf(page.status());
}

// ---- Batons and turns ----

const Keyring& RingOf(const SessionStore& store) { return store.stream_host().Ring(); }

std::string BatonOf(const SessionStore& store, const Call& call) {
  const Presentation& presented = call.presentation;
  return RingOf(store).Mint(
      {presented.kind, call.alias.value(), presented.generation, presented.epoch});
}

std::string Decoded(const SessionStore& store, const std::string& baton) {
  const absl::StatusOr<BatonClaims> claims = RingOf(store).Verify(baton);
  const uint64_t key_id = ReadBatonAddress(baton).value_or(BatonAddress()).key_id;
  if (VerdictOf(claims.status()) == Verdict::kLost) return TextOfLostBaton(key_id);
  if (!claims.ok()) return TextOf(claims.status());
  if (claims->kind != BatonKind::kSession) return "a baton that is not of a session";
  return TextOfBaton(Alias(claims->id), claims->generation, claims->epoch, key_id);
}

Reply BatonReply(std::string text, std::string baton) {
  return {std::move(text), std::nullopt, std::nullopt, std::move(baton)};
}

Reply Issue(const SessionStore& store, Alias alias) {
  const absl::StatusOr<std::string> baton = Asking([&] { return store.Issue(alias); });
  return baton.ok() ? BatonReply(Decoded(store, *baton), *baton) : ReplyOf(baton.status());
}

Reply Resume(SessionStore& store, OpenTurns& turns, const Call& call) {
  const Presentation& presented = call.presentation;
  const std::string baton = BatonOf(store, call);
  turns.reserve(turns.size() + 1);
  absl::StatusOr<Resumed> resumed = Asking([&] {
    return store.Resume(baton, presented.digest, presented.database, presented.principal,
                        presented.cut_off);
  });
  if (!resumed.ok()) return ReplyOf(resumed.status());
  if (const auto* replay = std::get_if<TurnReplay>(&*resumed)) {
    return BatonReply(TextOfReplay(replay->reply, Decoded(store, replay->next_baton)),
                      replay->next_baton);
  }
  if (const auto* unknown = std::get_if<TurnUnknown>(&*resumed)) {
    return BatonReply(TextOfUnknown(Decoded(store, unknown->next_baton)), unknown->next_baton);
  }
  turns.push_back(std::get<SessionTurn>(*std::move(resumed)));
  return {TextOfTurn(turns.back().generation(), turns.back().session())};
}

// Whether the turn can still be finished, otherwise.
bool LeavesTurnOpen(const absl::Status& refusal) {
  const std::optional<Verdict> verdict = VerdictOf(refusal);
  return verdict == Verdict::kInvalid || verdict == Verdict::kConflict;
}

Reply FinishTurn(const SessionStore& store, OpenTurns& turns, const std::string& text) {
  if (turns.empty()) return {std::string(kNoTurn)};
  SessionTurn& turn = turns.back();
  const absl::StatusOr<std::string> next_baton = Asking([&] { return turn.Finish(text); });
  Reply reply = next_baton.ok() ? BatonReply(Decoded(store, *next_baton), *next_baton)
                                : ReplyOf(next_baton.status());
  reply.turn_of = turn.session().alias;
  if (LeavesTurnOpen(next_baton.status())) {
    turn.ForgetChanges();
  } else {
    turns.pop_back();
  }
  return reply;
}

Reply DropTurn(OpenTurns& turns) {
  if (turns.empty()) return {std::string(kNoTurn)};
  const Alias alias = turns.back().session().alias;
  turns.pop_back();
  return {"dropped", std::nullopt, alias};
}

}  // namespace

std::string TextOf(const absl::Status& status) {
  if (status.ok()) return "OK";
  const std::optional<Alias> moved = MovedTo(status);
  return absl::StrCat(VerdictName(*VerdictOf(status)),
                      moved.has_value() ? absl::StrCat(" to ", moved->ToString()) : "");
}

std::string TextOf(const Session& session) { return Describe(session); }

std::string TextOf(const Saved& saved) {
  return absl::StrCat(Describe(saved.session), "\nversion: ", saved.version,
                      "\ncreated: ", saved.created);
}

std::string TextOf(uint64_t number) { return absl::StrCat(number); }
std::string TextOf(Alias alias) { return alias.ToString(); }
std::string TextOf(const SecretBytes& secret) { return absl::BytesToHexString(secret.Reveal()); }

std::string TextOf(const std::vector<Session>& sessions) {
  return absl::StrJoin(sessions, "\n\n", [](std::string* out, const Session& session) {
    absl::StrAppend(out, Describe(session));
  });
}

std::string TextOf(const std::vector<Alias>& aliases) {
  return absl::StrJoin(
      aliases, " ", [](std::string* out, Alias alias) { absl::StrAppend(out, alias.ToString()); });
}

std::string TextOfBaton(Alias alias, uint64_t generation, uint64_t epoch, uint64_t key_id) {
  return absl::StrCat("baton of ", alias.ToString(), ", generation ", generation, ", epoch ", epoch,
                      ", key ", key_id);
}

std::string TextOfLostBaton(uint64_t key_id) {
  return absl::StrCat("baton of the retired key ", key_id);
}

std::string TextOfTurn(uint64_t generation, const Session& session) {
  return absl::StrCat("turn of generation ", generation, "\n", Describe(session));
}

std::string TextOfReplay(absl::string_view reply, absl::string_view baton) {
  return absl::StrCat("replay of \"", reply, "\", ", baton);
}

std::string TextOfUnknown(absl::string_view baton) { return absl::StrCat("UNKNOWN, ", baton); }

std::string TextOf(const Attributes& attributes) {
  std::string text = absl::StrCat("version ", attributes.version);
  for (const auto& [field, value] : attributes.fields) {
    absl::StrAppend(&text, "\n", absl::CEscape(field),
                    value.is_withheld() ? " withheld"
                    : value.is_secret() ? " secret "
                                        : " = ",
                    absl::CEscape(value.bytes()));
  }
  return text;
}

std::string TextOf(const std::vector<Compensation>& compensations) {
  return absl::StrJoin(compensations, "\n", [](std::string* out, const Compensation& c) {
    absl::StrAppend(out, c.alias.ToString(), " epoch ", c.epoch, " at ", absl::ToUnixMicros(c.at),
                    " of ", c.principal, " on ", c.database, ": ", c.intent);
  });
}

std::string TextOf(const Swept& swept) {
  return absl::StrCat("expired ", swept.expired, ", revoked ", swept.revoked, ", removed ",
                      swept.removed, swept.more ? ", more" : "");
}

std::string TextOf(const StoreStats& stats) {
  return absl::StrCat("sessions ", stats.sessions, ", live ", stats.live, ", reservations ",
                      stats.reservations, ", linked ", stats.linked, ", revocations ",
                      stats.revocations, ", compensations ", stats.compensations, ", events ",
                      stats.events, ", consumers ", stats.consumers, ", epoch ", stats.epoch,
                      ", last alias ", stats.last_alias.ToString());
}

std::string TextOf(std::vector<Event> events) {
  const uint64_t first = events.empty() ? 0 : events.front().sequence;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].sequence != first + i) return "the sequence has a gap";
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tie(a.at, a.alias, a.type, a.other, a.principal, a.database, a.detail) <
           std::tie(b.at, b.alias, b.type, b.other, b.principal, b.database, b.detail);
  });
  return absl::StrCat(
      "from ", first, "\n", absl::StrJoin(events, "\n", [](std::string* out, const Event& event) {
        absl::StrAppend(out, EventTypeName(event.type), " at ", absl::ToUnixMicros(event.at), ": ",
                        event.alias.ToString(), " ", event.other.ToString(), " of ",
                        event.principal, " on ", event.database, ": ", event.detail);
      }));
}

Reply Reseal(SessionStore& store) {
  const absl::StatusOr<ResealProgress> before = store.DataKeyRotation();
  const absl::StatusOr<ResealProgress> after = Asking([&] { return store.Reseal(); });
  if (after.ok() && before.ok() && !before->is_rotating) return Reply{std::string(kNothingToDo)};
  return ReplyOf(after.status());
}

Reply MakeCall(SessionStore& store, OpenTurns& turns, const Call& call) {
  switch (call.what) {
    case Do::kReserve:
      return FreshReply(Asking([&] { return store.Reserve(call.spec); }));
    case Do::kReserveAndCreate:
      return FreshReply(Asking([&] { return store.ReserveAndCreate(call.spec); }));
    case Do::kSaveOrCreate: {
      const absl::StatusOr<Saved> saved =
          Asking([&] { return store.SaveOrCreate(call.spec, call.fields); });
      Reply reply = ReplyOf(saved);
      if (saved.ok()) reply.fresh = saved->session;
      return reply;
    }
    case Do::kCreate:
      return ReplyOf(Asking([&] { return store.Create(call.alias); }));
    case Do::kAbandon:
      return ReplyOf(Asking([&] { return store.Abandon(call.alias); }));
    case Do::kShift:
      return ReplyOf(Asking([&] { return store.Shift(call.alias, call.state); }));
    case Do::kTouch:
      return ReplyOf(Asking([&] { return store.Touch(call.alias); }));
    case Do::kCycleKey:
      return FreshReply(Asking([&] { return store.CycleKey(call.alias, call.cycle); }));
    case Do::kRevoke:
      return ReplyOf(Asking([&] { return store.Revoke(call.alias); }));
    case Do::kRevokeGroup:
      return ReplyOf(Asking([&] { return store.RevokeGroup(call.alias); }));
    case Do::kRevokeAll:
      return ReplyOf(Asking([&] { return store.RevokeAll(call.text); }));
    case Do::kRevokeAllExcept:
      return ReplyOf(Asking([&] { return store.RevokeAllExcept(call.text, call.alias); }));
    case Do::kSaveIf:
      return ReplyOf(Asking([&] { return store.SaveIf(call.alias, call.number, call.fields); }));
    case Do::kMerge:
      return ReplyOf(Asking([&] { return store.Merge(call.alias, call.changes); }));
    case Do::kLoad:
      return ReplyOf(Asking([&] { return store.Load(call.alias); }));
    case Do::kSecret:
      return ReplyOf(Asking([&] { return store.Secret(call.alias, call.text); }));
    case Do::kSetRemotePublicKey:
      return ReplyOf(Asking([&] { return store.SetRemotePublicKey(call.alias, call.text); }));
    case Do::kPrivateKey:
      return ReplyOf(Asking([&] { return store.PrivateKey(call.alias); }).status());
    case Do::kIssue:
      return Issue(store, call.alias);
    case Do::kVerify: {
      const std::string baton = BatonOf(store, call);
      return ReplyOf(Asking([&] {
        return store.Verify(baton, call.presentation.database, call.presentation.principal);
      }));
    }
    case Do::kResume:
      return Resume(store, turns, call);
    case Do::kMergeInTurn:
      return turns.empty() ? Reply{std::string(kNoTurn)}
                           : ReplyOf(Asking([&] { return turns.back().Merge(call.changes); }));
    case Do::kFinishTurn:
      return FinishTurn(store, turns, call.text);
    case Do::kDropTurn:
      return DropTurn(turns);
    case Do::kRotateSigningKey:
      return ReplyOf(Asking([&] { return store.RotateSigningKey(); }));
    case Do::kRetireSigningKey:
      return ReplyOf(
          Asking([&] { return store.RetireSigningKey(static_cast<uint32_t>(call.number)); }));
    case Do::kRotateDataKey:
      return ReplyOf(Asking([&] { return store.RotateDataKey(); }));
    case Do::kReseal:
      return Reseal(store);
    case Do::kFind:
      return ReplyOf(Asking([&] { return store.Find(call.alias); }));
    case Do::kList:
      return call.number == 0 ? ListOnePage(store, call.filter) : ListAll(store, call.filter);
    case Do::kCount:
      return ReplyOf(Asking([&] { return store.Count(call.filter); }));
    case Do::kGroupOf:
      return ReplyOf(Asking([&] { return store.GroupOf(call.alias); }));
    case Do::kGroupMembers:
      return ReplyOf(Asking([&] { return store.GroupMembers(call.alias); }));
    case Do::kSweep:
      return ReplyOf(Asking([&] { return store.Sweep(); }));
    case Do::kCompensations:
      return ReplyOf(Asking([&] { return store.PendingCompensations(); }));
    case Do::kAcknowledge:
      return ReplyOf(Asking([&] { return store.Acknowledge(call.alias); }));
    case Do::kAddConsumer:
      return ReplyOf(Asking([&] { return store.events().AddConsumer(call.text); }));
    case Do::kRemoveConsumer:
      return ReplyOf(Asking([&] { return store.events().RemoveConsumer(call.text); }));
    case Do::kReadEvents:
      return ReplyOf(Asking([&] { return store.events().Read(call.text, kMaxEventsRead); }));
    case Do::kAcknowledgeEvents:
      return ReplyOf(Asking([&] { return store.events().Acknowledge(call.text, call.number); }));
    case Do::kStats:
      return ReplyOf(Asking([&] { return store.Stats(); }));
  }
  return {"no such call"};
}

Reply MakeCall(SessionStore& store, OpenTurns& turns, const Call& call, AroundCall& around) {
  const ScopedAroundCall scoped(around);
  return MakeCall(store, turns, call);
}

Reply MakeCall(SessionStore& store, const Call& call) {
  OpenTurns turns;
  return MakeCall(store, turns, call);
}

namespace {

std::string Describe(const Presentation& presented) {
  return absl::StrCat(presented.kind == BatonKind::kStream ? "a stream's, " : "", "generation ",
                      presented.generation, ", epoch ", presented.epoch, ", principal ",
                      presented.principal, ", database ", presented.database, ", digest \"",
                      presented.digest, "\"",
                      presented.cut_off == CutOff::kAtMostOnce ? ", at most once" : "");
}

}  // namespace

std::string Describe(const Call& call) {
  std::string text =
      absl::StrCat(kNames[static_cast<size_t>(call.what)], "(alias ", call.alias.ToString(), ", \"",
                   absl::CEscape(call.text), "\", ", call.number, ", ", StateName(call.state),
                   ", caller ", call.caller);
  switch (call.what) {
    case Do::kReserve:
    case Do::kReserveAndCreate:
    case Do::kSaveOrCreate:
      absl::StrAppend(&text, ", principal ", call.spec.principal, ", database ", call.spec.database,
                      ", group ",
                      call.spec.group.has_value() ? call.spec.group->ToString() : "none",
                      ", expires ", absl::FormatTime(call.spec.expires_at), ", idle ",
                      absl::FormatDuration(call.spec.idle_timeout), ", reserve for ",
                      absl::FormatDuration(call.spec.reserve_for), ", idempotency key \"",
                      call.spec.idempotency_key, "\", intent \"", call.spec.intent, "\"");
      break;
    case Do::kCycleKey:
      absl::StrAppend(&text, ", redirect for ", absl::FormatDuration(call.cycle.redirect_for),
                      call.cycle.privilege_change ? ", privilege change" : "");
      break;
    case Do::kVerify:
    case Do::kResume:
      absl::StrAppend(&text, ", ", Describe(call.presentation));
      break;
    case Do::kMergeInTurn:
    case Do::kMerge:
      for (const auto& [field, change] : call.changes) {
        absl::StrAppend(&text, ", ", field, " #", change.what().index());
      }
      break;
    default:
      break;
  }
  return absl::StrCat(text, ")");
}

}  // namespace batonstore::testing
