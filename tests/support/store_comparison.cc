#include "tests/support/store_comparison.h"

#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/support/index_rules.h"
#include "tests/support/sessions.h"

namespace batonstore::testing {
namespace {

void Require(bool condition, const std::string& what) {
  if (!condition) throw Difference(what);
}

}  // namespace

void MemoryWorld::Restart(bool orderly) {
  if (orderly) Require(store().Close().ok(), "the store does not close");
  store_ = std::make_unique<MemoryStore>(store_->Crash(), keys_, policy_);
}

IndexMark MemoryWorld::mark() {
  const absl::StatusOr<std::unique_ptr<Snapshot>> snapshot = store_->engine().Read();
  Require(snapshot.ok(), "the engine cannot be read");
  return *GetIndexMark(**snapshot);
}

Policy AnyPolicy(uint32_t number) {
  Policy policy;
  policy.indexes = AnyIndexRules(number / 60);
  policy.retention = number % 3 == 0 ? absl::InfiniteDuration() : absl::Seconds(number % 5 * 3);
  policy.turns.on_replay = static_cast<TurnRules::OnReplay>(number / 5 % 3);
  policy.turns.max_reply_bytes = 9;  // now and then a reply is longer
  if (number % 4 == 0) return policy;
  policy.limits = {.per_principal = number % 4,
                   .per_database = number % 6,
                   .per_store = number % 2 * 8,
                   .per_group = number % 5};
  if (number % 10 < 5) policy.limits.at_limit = Limits::AtLimit::kRevokeOldest;
  return policy;
}

void StoreComparison::Take(const Step& step) {
  if (step.what < kCalls) {
    return Make(CallOf(static_cast<Do>(step.what), step));
  }
  const auto milliseconds = static_cast<int64_t>(step.detail % 8000);
  switch (static_cast<Between>(step.what - kCalls)) {
    case Between::kAdvance:
      // In steps that meet deadlines exactly.
      world_.clock().Advance(absl::Milliseconds(milliseconds / 1000 * 500));
      return model_.Advance(absl::Milliseconds(milliseconds / 1000 * 500));
    case Between::kJumpWall:
      world_.clock().JumpWall(absl::Milliseconds(milliseconds - 4000));
      return model_.JumpWall(absl::Milliseconds(milliseconds - 4000));
    case Between::kAdoptWall:
      return Same(TextOf(store().AdoptWallClock()), model_.AdoptWall() ? "OK" : "INVALID");
    case Between::kRestart:
      return Restart(step.detail % 2 == 0);
    case Between::kAskTwice:
      return AskTwice(step);
  }
}

void StoreComparison::CompareAll() {
  Make({.what = Do::kStats});
  Make({.what = Do::kList});
  Make({.what = Do::kList, .number = 1});
  Make({.what = Do::kCompensations});
  for (const Alias alias : given_) {
    for (const Do what : {Do::kFind, Do::kLoad, Do::kGroupOf, Do::kGroupMembers}) {
      Make({.what = what, .alias = alias});
    }
    FindByPublicKey(alias);
    AskWithEveryBaton(alias);
  }
  for (const char* consumer : {"consumer 0", "consumer 1"}) {
    Make({.what = Do::kReadEvents, .text = consumer});
  }
}

Surroundings StoreComparison::Here() {
  return {.now = model_.now(),
          .aliases = given_,
          .version_of = [this](Alias alias) { return model_.VersionOf(alias); },
          .last_event = model_.last_event(),
          .epoch = model_.epoch(),
          .primary_key_id = model_.primary_key_id(),
          .generation_of = [this](Alias alias) { return model_.GenerationOf(alias); },
          .find = [this](Alias alias) { return model_.Find(alias); }};
}

void StoreComparison::Same(const std::string& real, const std::string& expected) {
  log_ << real << "\n";
  Require(real == expected, absl::StrCat("the store says:\n", real, "\nthe model:\n", expected));
}

Call StoreComparison::CallOf(Do what, const Step& step) {
  Call call = AnyCall(what, step.which, step.detail, Here());
  call.caller = static_cast<int>(step.which % kCallers);
  return call;
}

// A whole turn, if it is granted; then the client, who has heard nothing, asks again.
void StoreComparison::AskTwice(const Step& step) {
  const Call resume = CallOf(Do::kResume, step);
  Make(resume);
  Make(CallOf(Do::kMergeInTurn, step));
  Make(CallOf(step.which / 2 % 4 == 0 ? Do::kDropTurn : Do::kFinishTurn, step));
  Make(resume);
  Make(CallOf(Do::kFinishTurn, step));
}

void StoreComparison::Make(const Call& call) {
  log_ << Describe(call) << "\n";
  const Reply real = MakeCall(store(), turns_[static_cast<size_t>(call.caller)], call);
  Same(real.text, model_.Answer(call, real));
  NoteMerging();
  if (real.fresh.has_value()) NoteFresh(*real.fresh);
}

void StoreComparison::NoteFresh(const Session& fresh) {
  const auto [known, is_new] = keys_.emplace(fresh.alias, fresh.public_key);
  Require(known->second == fresh.public_key, "a session's public key has changed");
  if (!is_new) return;
  given_.push_back(fresh.alias);
  for (const Alias other : model_.Aliases()) {
    Require(other == fresh.alias || keys_[other] != fresh.public_key,
            "another session has that public key");
  }
}

void StoreComparison::NoteMerging() {
  if (!merges_) return;
  const IndexMark mark = world_.mark();
  if (std::exchange(mark_, mark) != mark) model_.MergedIndexes();
}

void StoreComparison::FindByPublicKey(Alias alias) {
  const Reply by_alias = MakeCall(store(), {.what = Do::kFind, .alias = alias});
  if (!model_.Find(alias).has_value()) return;  // another may have that key by now
  const absl::StatusOr<Session> by_key = store().FindByPublicKey(keys_[alias]);
  Same(by_key.ok() ? testing::Describe(*by_key) : TextOf(by_key.status()), by_alias.text);
}

// What every generation of a session's baton, and one to come, is good for.
void StoreComparison::AskWithEveryBaton(Alias alias) {
  Make({.what = Do::kIssue, .alias = alias});
  const uint64_t current = model_.GenerationOf(alias);
  const std::optional<Session> session = model_.Find(alias);
  if (!session.has_value()) return;
  for (uint64_t generation = 0; generation <= current + 1; ++generation) {
    Call call = {.what = Do::kVerify, .alias = alias};
    call.presentation = {.generation = generation,
                         .principal = session->principal,
                         .database = session->database,
                         .digest = "request"};
    Make(call);
    call.what = Do::kResume;
    Make(call);
  }
}

void StoreComparison::Restart(bool orderly) {
  for (OpenTurns& turns : turns_) turns.clear();
  world_.Restart(orderly);
  const std::vector<std::pair<Alias, std::string>> expected = model_.Restart(orderly);
  Require(world_.report().epoch == model_.epoch(), "the epoch is another one");
  Require(world_.report().crashed == !orderly, "it is mistaken about the last owner's end");
  std::vector<std::pair<Alias, std::string>> removed;
  for (const recovery::RemovedReservation& r : world_.report().removed) {
    removed.emplace_back(r.alias, r.intent);
  }
  Require(removed == expected, "other reservations were removed");
}

}  // namespace batonstore::testing
