// The part of the model that knows batons and turns.

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "batonstore/base/verdict.h"
#include "tests/support/store_model.h"

namespace batonstore::testing {
namespace {

std::string Text(Verdict verdict) { return std::string(VerdictName(verdict)); }

}  // namespace

uint64_t StoreModel::GenerationOf(Alias alias) const {
  const auto found = entries_.find(alias);
  return found == entries_.end() ? 0 : found->second.rotation.generation;
}

bool StoreModel::IsBusy(Alias alias) const {
  return std::any_of(turns_.begin(), turns_.end(),
                     [alias](const Turn& turn) { return turn.alias == alias; });
}

std::vector<StoreModel::Turn>::iterator StoreModel::LastTurnOf(int caller) {
  auto last = turns_.end();
  for (auto turn = turns_.begin(); turn != turns_.end(); ++turn) {
    if (turn->caller == caller) last = turn;
  }
  return last;
}

// ---- Batons ----

// The current baton, as the last turn has handed it on.
std::string StoreModel::HandedOn(const Entry& entry) const {
  const Rotation& rotation = entry.rotation;
  if (retired_keys_.contains(rotation.key_id)) return TextOfLostBaton(rotation.key_id);
  return TextOfBaton(entry.session.alias, rotation.generation, rotation.epoch, rotation.key_id);
}

std::string StoreModel::Issue(Alias alias) const {
  if (const auto unusable = Unusable(alias); unusable.has_value()) return *unusable;
  const Entry& entry = entries_.at(alias);
  const Rotation& rotation = entry.rotation;
  const bool is_fresh =
      rotation.last == Rotation::Last::kNone || retired_keys_.contains(rotation.key_id);
  return is_fresh ? TextOfBaton(alias, rotation.generation, epoch_, primary_key_id_)
                  : HandedOn(entry);
}

std::string StoreModel::RetireSigningKey(uint64_t key_id) {
  if (key_id == 0 || key_id > primary_key_id_) return Text(Verdict::kNotFound);
  if (key_id == primary_key_id_) return Text(Verdict::kInvalid);
  retired_keys_.insert(key_id);
  Wrote();
  return "OK";
}

// What stands in the way of an authentic baton, whichever generation it is of.
std::optional<std::string> StoreModel::CheckBaton(const Call& call) {
  const Presentation& presented = call.presentation;
  if (presented.kind != BatonKind::kSession) return Text(Verdict::kForged);
  const auto found = entries_.find(call.alias);
  if (found == entries_.end()) return Text(Verdict::kNotFound);
  const Entry& entry = found->second;
  if (entry.session.database != presented.database) return Text(Verdict::kWrongDatabase);
  if (entry.session.principal != presented.principal) return Text(Verdict::kWrongPrincipal);
  const std::optional<std::string> unusable = Unusable(call.alias);
  if (unusable == Text(Verdict::kRevoked) && entry.moved_to != Alias()) {
    Tell(EventType::kReplaySeen, entry.session, entry.moved_to);
  }
  return unusable;
}

std::string StoreModel::Verify(const Call& call) {
  if (const auto refusal = CheckBaton(call); refusal.has_value()) return *refusal;
  const Entry& entry = entries_.at(call.alias);
  const uint64_t generation = call.presentation.generation;
  if (generation > entry.rotation.generation) return Text(Verdict::kCorrupt);
  if (generation == entry.rotation.generation) return TextOf(Seen(entry));
  Tell(EventType::kReplaySeen, entry.session, Alias(), "replayed");
  return Text(Verdict::kReplayed);
}

// ---- Turns ----

bool StoreModel::AsksForTheSession(const Call& resume) const {
  StoreModel alone = *this;
  alone.turns_.clear();
  const std::string answer = alone.Resume(resume);
  return !alone.turns_.empty() || absl::StartsWith(answer, TextOfUnknown(""));
}

std::string StoreModel::Resume(const Call& call) {
  const Presentation& presented = call.presentation;
  if (presented.digest.empty() || presented.digest.size() > kMaxDigestBytes) {
    return Text(Verdict::kInvalid);
  }
  if (const auto refusal = CheckBaton(call); refusal.has_value()) return *refusal;
  const Entry& entry = entries_.at(call.alias);
  const Rotation& rotation = entry.rotation;
  if (presented.generation > rotation.generation) return Text(Verdict::kCorrupt);
  if (presented.generation == rotation.generation) {
    return IsBusy(call.alias) ? Text(Verdict::kBusy) : TakeTurn(call);
  }
  if (presented.generation + 1 < rotation.generation) {
    return RefuseReplay(call.alias, Verdict::kReplayed);
  }
  if (presented.digest != rotation.digest) return RefuseReplay(call.alias, Verdict::kReused);
  if (rotation.last == Rotation::Last::kFinished) {
    return TextOfReplay(rotation.reply, HandedOn(entry));
  }
  return IsBusy(call.alias) ? Text(Verdict::kBusy) : TextOfUnknown(HandedOn(entry));
}

std::string StoreModel::TakeTurn(const Call& call) {
  const Presentation& presented = call.presentation;
  Entry& entry = entries_.at(call.alias);
  if (presented.cut_off == CutOff::kAtMostOnce) {
    entry.rotation = {presented.generation + 1, Rotation::Last::kBegun, presented.digest, epoch_,
                      primary_key_id_};
    Use(entry);
    Wrote();
  }
  turns_.push_back(
      {call.caller, call.alias, presented.generation, presented.digest, presented.cut_off});
  return TextOfTurn(presented.generation, Seen(entry));
}

std::string StoreModel::RefuseReplay(Alias alias, Verdict verdict) {
  Entry& entry = entries_.at(alias);
  Tell(EventType::kReplaySeen, entry.session, Alias(),
       verdict == Verdict::kReused ? "reused" : "replayed");
  switch (policy_.turns.on_replay) {
    case TurnRules::OnReplay::kRefuse:
      break;
    case TurnRules::OnReplay::kRevokeSession:
      End(entry, State::kRevoked, now_);
      break;
    case TurnRules::OnReplay::kRevokeGroup:
      RevokeGroup(entry.session.group);
      break;
  }
  return Text(verdict);
}

std::string StoreModel::MergeInTurn(const Call& call) {
  const auto turn = LastTurnOf(call.caller);
  if (turn == turns_.end()) return std::string(kNoTurn);
  turn->changes.push_back(call.changes);
  return "OK";
}

std::string StoreModel::FinishTurn(const Call& call) {
  const auto turn = LastTurnOf(call.caller);
  if (turn == turns_.end()) return std::string(kNoTurn);
  const std::string answer = CommitTurn(*turn, call.text);
  if (answer == Text(Verdict::kInvalid) || answer == Text(Verdict::kConflict)) {
    turn->changes.clear();  // the caller forgets them, and may finish without
  } else {
    turns_.erase(turn);
  }
  return answer;
}

std::string StoreModel::CommitTurn(const Turn& turn, const std::string& reply) {
  if (reply.size() > policy_.turns.max_reply_bytes) return Text(Verdict::kInvalid);
  if (const auto unusable = Unusable(turn.alias); unusable.has_value()) return *unusable;
  Entry& entry = entries_.at(turn.alias);
  Attributes attributes = entry.attributes;
  for (const Changes& changes : turn.changes) {
    if (const std::string refusal = Apply(changes, attributes); !refusal.empty()) return refusal;
  }
  entry.attributes = std::move(attributes);
  Rotation& rotation = entry.rotation;
  if (turn.cut_off == CutOff::kRunAgain) {  // else its beginning has done so
    rotation = {turn.generation + 1, Rotation::Last::kNone, turn.digest, epoch_, primary_key_id_};
  }
  rotation.last = Rotation::Last::kFinished;
  rotation.reply = reply;
  Use(entry);
  Wrote();
  return HandedOn(entry);
}

std::string StoreModel::DropTurn(const Call& call) {
  const auto turn = LastTurnOf(call.caller);
  if (turn == turns_.end()) return std::string(kNoTurn);
  turns_.erase(turn);
  return "dropped";
}

}  // namespace batonstore::testing
