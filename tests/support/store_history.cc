#include "tests/support/store_history.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "tests/support/index_rules.h"

namespace batonstore::testing {
namespace {

bool IsBusy(const CallAndReply& made) {
  return made.call.what == Do::kResume && made.reply.text == VerdictName(Verdict::kBusy);
}

// The session that the call may have held for itself, for a moment at least.
std::optional<Alias> HeldBy(const CallAndReply& made) {
  if (IsBusy(made)) return std::nullopt;
  return made.call.what == Do::kResume ? made.call.alias : made.reply.turn_of;
}

// The calls, weighed so that much happens to few sessions.
Do AnyDo(uint32_t number) {
  static const std::vector<std::pair<Do, int>>& weights =
      *new std::vector<std::pair<Do, int>>{{Do::kReserve, 6},
                                           {Do::kReserveAndCreate, 8},
                                           {Do::kSaveOrCreate, 5},
                                           {Do::kCreate, 6},
                                           {Do::kAbandon, 3},
                                           {Do::kShift, 3},
                                           {Do::kTouch, 5},
                                           {Do::kCycleKey, 6},
                                           {Do::kRevoke, 4},
                                           {Do::kRevokeGroup, 2},
                                           {Do::kRevokeAll, 3},
                                           {Do::kRevokeAllExcept, 3},
                                           {Do::kSaveIf, 8},
                                           {Do::kMerge, 12},
                                           {Do::kLoad, 10},
                                           {Do::kSecret, 3},
                                           {Do::kSetRemotePublicKey, 2},
                                           {Do::kPrivateKey, 2},
                                           {Do::kIssue, 4},
                                           {Do::kVerify, 5},
                                           {Do::kResume, 24},
                                           {Do::kMergeInTurn, 3},
                                           {Do::kFinishTurn, 6},
                                           {Do::kDropTurn, 3},
                                           {Do::kRotateDataKey, 1},
                                           {Do::kReseal, 5},
                                           {Do::kFind, 8},
                                           {Do::kList, 3},
                                           {Do::kCount, 3},
                                           {Do::kGroupOf, 2},
                                           {Do::kGroupMembers, 3},
                                           {Do::kSweep, 3},
                                           {Do::kCompensations, 3},
                                           {Do::kAcknowledge, 2},
                                           {Do::kAddConsumer, 1},
                                           {Do::kRemoveConsumer, 1},
                                           {Do::kReadEvents, 3},
                                           {Do::kAcknowledgeEvents, 2},
                                           {Do::kStats, 3}};
  int sum = 0;
  for (const auto& [what, weight] : weights) sum += weight;
  int left = static_cast<int>(number % static_cast<uint32_t>(sum));
  for (const auto& [what, weight] : weights) {
    if (left < weight) return what;
    left -= weight;
  }
  return Do::kStats;
}

// What a caller does next, who may have a turn: mostly it goes on with that.
Do AnyDoAfter(Do last, uint32_t number) {
  const uint32_t chance = number / 1024 % 8;
  if (last == Do::kResume && chance < 2) return Do::kMergeInTurn;
  if (last == Do::kResume && chance == 2) return Do::kDropTurn;
  if (last == Do::kResume && chance < 6) return Do::kFinishTurn;
  if (last == Do::kMergeInTurn && chance < 6) return Do::kFinishTurn;
  return AnyDo(number);
}

bool EndsATurn(Do what) { return what == Do::kFinishTurn || what == Do::kDropTurn; }

}  // namespace

void MarkThoseThatMayHaveMet(StoreHistory& history) {
  for (HistoryEntry<CallAndReply>& entry : history) {
    if (!IsBusy(entry.operation)) continue;
    const auto meets = [&entry](const HistoryEntry<CallAndReply>& other) {
      return other.invoked < entry.answered && entry.invoked < other.answered &&
             HeldBy(other.operation) == entry.operation.call.alias;
    };
    entry.operation.may_have_met_another = std::any_of(history.begin(), history.end(), meets);
  }
}

bool AnswersTheSame(StoreModel& model, const CallAndReply& made) {
  if (made.may_have_met_another && model.AsksForTheSession(made.call)) return true;
  return model.Answer(made.call, made.reply) == made.reply.text;
}

Policy AnyPolicy(std::mt19937_64& random) {
  Policy policy;
  policy.retention = absl::Seconds(random() % 8);
  policy.limits = {.per_principal = random() % 5,
                   .per_database = random() % 8,
                   .per_store = random() % 2 * 10,
                   .per_group = random() % 5};
  if (random() % 2 == 0) policy.limits.at_limit = Limits::AtLimit::kRevokeOldest;
  policy.turns.on_replay = static_cast<TurnRules::OnReplay>(random() % 3);
  policy.turns.max_reply_bytes = 9;  // now and then a reply is longer
  policy.indexes = AnyIndexRules(random());
  return policy;
}

Surroundings SurroundingsOf(const StoreModel& model, const std::vector<Alias>& given) {
  return {.now = model.now(),
          .aliases = given,
          .version_of = [&model](Alias alias) { return model.VersionOf(alias); },
          .last_event = model.last_event(),
          .epoch = model.epoch(),
          .generation_of = [&model](Alias alias) { return model.GenerationOf(alias); },
          .find = [&model](Alias alias) { return model.Find(alias); }};
}

std::vector<Call> AnyCallsOf(int caller, size_t count, bool has_turn,
                             const std::optional<Call>& first, const Surroundings& surroundings,
                             std::mt19937_64& random) {
  std::vector<Call> calls;
  std::optional<Call> asked;
  Do last = has_turn ? Do::kResume : Do::kFind;
  while (calls.size() < count) {
    const auto what = static_cast<uint32_t>(random());
    const auto which = static_cast<uint32_t>(random() % 1'000'000);
    const auto detail = static_cast<uint32_t>(random() % 1'000'000);
    Call call = AnyCall(AnyDoAfter(last, what), which, detail, surroundings);
    // One page is one snapshot; a list of several pages is not one moment, and does not claim it.
    if (call.what == Do::kList) call.number = 0;
    // As if its answer had been lost.
    const bool asks_again = asked.has_value() && EndsATurn(last) && detail % 2 == 0;
    if (asks_again) call = *asked;
    if (calls.empty() && first.has_value()) call = *first;
    call.caller = caller;
    if (call.what == Do::kResume) asked = call;
    last = call.what;
    calls.push_back(std::move(call));
  }
  return calls;
}

}  // namespace batonstore::testing
