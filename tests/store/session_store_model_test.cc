// Random sequences of operations, answered by a real store and by a model of plain maps, which must
// agree on every verdict and every visible field. Prints its seed; a failure is shrunk to a short
// sequence. Replay with --test_env=RC_PARAMS="seed=...".

#include <gtest/gtest.h>  // before RapidCheck, which uses it
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

namespace fs = std::filesystem;
using testing::Describe;
using testing::FakeClock;
using testing::MemoryStore;
using testing::ScriptedKeys;
using testing::StatusOf;
using testing::TempDir;

using Answer = std::optional<Verdict>;  // nothing for OK
constexpr Answer kOk = std::nullopt;

// ---- The model: what a store must do, without transactions, indexes, seals or files ----

class Model {
 public:
  explicit Model(absl::Time now) : wall_(now), now_(now), recorded_(now) {}

  absl::Time now() const { return now_; }
  Alias last_alias() const { return last_alias_; }
  const std::map<Alias, Session>& stored() const { return sessions_; }

  // A session as callers see it; nothing if there is none.
  std::optional<Session> Find(Alias alias) const {
    const auto found = sessions_.find(alias);
    if (found == sessions_.end()) return std::nullopt;
    return Seen(found->second);
  }

  std::vector<Alias> Members(Alias group) const {
    std::vector<Alias> members;
    for (const auto& [alias, session] : sessions_) {
      if (session.group == group) members.push_back(alias);
    }
    return members;
  }

  std::vector<Session> List(const ListFilter& filter) const {
    std::vector<Session> matching;
    for (const auto& [alias, stored] : sessions_) {
      const Session session = Seen(stored);
      if (filter.state.value_or(session.state) == session.state &&
          filter.kind.value_or(session.kind) == session.kind &&
          filter.principal.value_or(session.principal) == session.principal &&
          filter.database.value_or(session.database) == session.database) {
        matching.push_back(session);
      }
    }
    return matching;
  }

  Answer MayInsert(const SessionSpec& spec) const {
    if (spec.label.size() > kMaxLabelBytes || spec.expires_at <= now_) return Verdict::kInvalid;
    if (!spec.group.has_value()) return kOk;
    const auto first = sessions_.find(*spec.group);
    if (first == sessions_.end() || first->second.group != *spec.group) {
      return Verdict::kUnknownGroup;
    }
    // It may yet be removed, and the group with it.
    if (first->second.state == State::kReserved) return Verdict::kGroupActive;
    for (const Alias member : Members(*spec.group)) {
      if (!IsTerminal(Find(member)->state)) return Verdict::kGroupActive;
    }
    return kOk;
  }

  // REQUIRES: MayInsert(spec) is OK. The key pair is the store's to choose.
  Session Insert(const SessionSpec& spec, State state, const std::string& public_key) {
    Session session;
    session.alias = last_alias_ = std::max(Alias::FirstAt(now_), Alias(last_alias_.value() + 1));
    session.state = state;
    session.group = spec.group.value_or(session.alias);
    session.label = spec.label;
    session.kind = spec.kind;
    session.principal = spec.principal;
    session.database = spec.database;
    session.created_at = session.alias.time();
    session.expires_at = spec.expires_at;
    session.public_key = public_key;
    sessions_[session.alias] = session;
    if (state == State::kReserved) intents_[session.alias] = spec.intent;
    Wrote();
    return session;
  }

  Answer Shift(Alias alias, State to) {
    const std::optional<Session> seen = Find(alias);
    if (!seen.has_value()) return Verdict::kNotFound;
    Session& session = sessions_[alias];
    if (seen->state == to) {
      // A deadline that is past is noted when somebody asks for it; a reservation's never is.
      if (session.state != to && session.state != State::kReserved) {
        session.state = to;
        Wrote();
      }
      return kOk;
    }
    if (session.state == State::kReserved && seen->state == State::kExpired &&
        to == State::kCreated) {
      return Verdict::kExpired;
    }
    const bool legal = (seen->state == State::kReserved && to == State::kCreated) ||
                       (seen->state == State::kCreated && IsTerminal(to));
    if (!legal) return Verdict::kIllegalShift;
    session.state = to;
    if (to == State::kRevoked) session.revoked_at = now_;
    intents_.erase(alias);
    Wrote();
    return kOk;
  }

  Answer Abandon(Alias alias) {
    if (!sessions_.contains(alias)) return Verdict::kNotFound;
    if (sessions_[alias].state != State::kReserved) return Verdict::kIllegalShift;
    Remove(alias);
    Wrote();
    return kOk;
  }

  Answer SetRemotePublicKey(Alias alias, const std::string& key) {
    if (key.empty() || key.size() > kMaxRemotePublicKeyBytes) return Verdict::kInvalid;
    const std::optional<Session> seen = Find(alias);
    if (!seen.has_value()) return Verdict::kNotFound;
    if (const Answer dead = Dead(*seen); dead.has_value()) return dead;
    if (seen->remote_public_key != key) Wrote();
    sessions_[alias].remote_public_key = key;
    return kOk;
  }

  Answer MayIssue(Alias alias) const {
    const std::optional<Session> seen = Find(alias);
    if (!seen.has_value()) return Verdict::kNotFound;
    return seen->state == State::kReserved ? Verdict::kReserved : Dead(*seen);
  }

  Answer MayGivePrivateKey(Alias alias) const {
    const std::optional<Session> seen = Find(alias);
    return seen.has_value() ? Dead(*seen) : Verdict::kNotFound;
  }

  void Advance(absl::Duration duration) {
    wall_ += duration;
    now_ += duration;
  }
  void JumpWall(absl::Duration duration) { wall_ += duration; }
  Answer AdoptWall() {
    if (wall_ < now_) return Verdict::kInvalid;
    now_ = wall_;
    return kOk;
  }

  // The store goes down and comes up again. Returns what was removed, with its intent.
  std::map<Alias, std::string> Restart(bool orderly) {
    if (orderly) Wrote();
    now_ = std::max(wall_, recorded_);
    Wrote();
    const std::map<Alias, std::string> removed = intents_;
    for (const auto& [alias, intent] : removed) Remove(alias);
    return removed;
  }

  size_t reservations() const { return intents_.size(); }

 private:
  Session Seen(Session session) const {
    if (!IsTerminal(session.state) && session.expires_at <= now_) session.state = State::kExpired;
    return session;
  }

  static Answer Dead(const Session& seen) {
    if (seen.state == State::kRevoked) return Verdict::kRevoked;
    if (seen.state == State::kExpired) return Verdict::kExpired;
    return kOk;
  }

  void Remove(Alias alias) {
    sessions_.erase(alias);
    intents_.erase(alias);
  }

  void Wrote() { recorded_ = now_; }

  std::map<Alias, Session> sessions_;     // their state as stored
  std::map<Alias, std::string> intents_;  // of what is Reserved
  Alias last_alias_;
  absl::Time wall_;
  absl::Time now_;
  absl::Time recorded_;  // at the last commit
};

// ---- The stores that are compared with it ----

class World {
 public:
  virtual ~World() = default;
  virtual SessionStore& store() = 0;
  virtual FakeClock& clock() = 0;
  virtual const recovery::RecoveryReport& report() = 0;
  virtual void Restart(bool orderly) = 0;

 protected:
  // Every third draw gives a pair that was given before.
  ScriptedKeys keys_{[](uint64_t draw) { return draw % 3 == 2 ? draw / 2 : draw; }};
};

class MemoryWorld final : public World {
 public:
  MemoryWorld() : store_(std::make_unique<MemoryStore>(keys_)) {}

  SessionStore& store() override { return **store_; }
  FakeClock& clock() override { return store_->clock; }
  const recovery::RecoveryReport& report() override { return store_->report(); }

  void Restart(bool orderly) override {
    if (orderly) RC_ASSERT(store().Close().ok());
    store_ = std::make_unique<MemoryStore>(store_->Crash(), keys_);
  }

 private:
  std::unique_ptr<MemoryStore> store_;
};

class FileWorld final : public World {
 public:
  FileWorld() { Open(); }

  SessionStore& store() override { return store_->sessions(); }
  FakeClock& clock() override { return clock_; }
  const recovery::RecoveryReport& report() override { return store_->report(); }

  void Restart(bool orderly) override {
    if (orderly) {
      RC_ASSERT(store_->Close().ok());
    } else {
      CopyAsACrashWouldLeaveIt();
    }
    store_.reset();
    Open();
  }

 private:
  // What is committed is in the file; the note of an orderly end is not.
  void CopyAsACrashWouldLeaveIt() {
    const std::string from = Folder();
    ++crashes_;
    fs::create_directory(Folder(), from);
    for (const std::string file : {"data.mdb", "key", "owner.lock"}) {
      fs::copy_file(from + "/" + file, Folder() + "/" + file);
    }
  }

  void Open() {
    absl::StatusOr<std::unique_ptr<recovery::Store>> opened =
        recovery::Open({.directory = Folder(),
                        .map_bytes = uint64_t{64} << 20,
                        .clock = &clock_,
                        .key_pairs = &keys_});
    if (!opened.ok()) RC_FAIL(opened.status().ToString());
    store_ = *std::move(opened);
  }

  std::string Folder() const { return dir_ / absl::StrCat("store", crashes_); }

  TempDir dir_;
  int crashes_ = 0;
  FakeClock clock_;
  std::unique_ptr<recovery::Store> store_;
};

// ---- The steps ----

enum class Do {
  kReserve,
  kReserveAndCreate,
  kCreate,
  kAbandon,
  kShift,
  kRevoke,
  kSetRemotePublicKey,
  kFind,
  kList,
  kGroups,
  kIssue,
  kAdvance,
  kJumpWall,
  kAdoptWall,
  kRestart,
};

struct Step {
  Do what;
  uint32_t which;   // chooses the session
  uint32_t detail;  // chooses among the variants of the call
};

void showValue(const Step& step, std::ostream& out) {
  out << "{" << static_cast<int>(step.what) << ", " << step.which << ", " << step.detail << "}";
}

rc::Gen<std::vector<Step>> Steps(double scale) {
  const auto what = rc::gen::weightedElement<Do>({{12, Do::kReserve},
                                                  {12, Do::kReserveAndCreate},
                                                  {10, Do::kCreate},
                                                  {5, Do::kAbandon},
                                                  {8, Do::kShift},
                                                  {10, Do::kRevoke},
                                                  {5, Do::kSetRemotePublicKey},
                                                  {4, Do::kFind},
                                                  {5, Do::kList},
                                                  {5, Do::kGroups},
                                                  {5, Do::kIssue},
                                                  {6, Do::kAdvance},
                                                  {3, Do::kJumpWall},
                                                  {2, Do::kAdoptWall},
                                                  {3, Do::kRestart}});
  const auto number = rc::gen::resize(100, rc::gen::inRange<uint32_t>(0, 1'000'000));
  return rc::gen::scale(
      scale, rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(what, number, number)));
}

// Does each step in the store and in the model, and fails the property when they differ.
class Comparison {
 public:
  explicit Comparison(World& world) : world_(world), model_(world.clock().Wall()) {}

  void Take(const Step& step) {
    const Alias alias = Choose(step.which);
    switch (step.what) {
      case Do::kReserve:
        return Insert(step, State::kReserved);
      case Do::kReserveAndCreate:
        return Insert(step, State::kCreated);
      case Do::kCreate:
        return Same(store().Create(alias), model_.Shift(alias, State::kCreated));
      case Do::kAbandon:
        return Same(store().Abandon(alias), model_.Abandon(alias));
      case Do::kShift:
        return Shift(alias, static_cast<State>(step.detail % 5));
      case Do::kRevoke:
        return Same(store().Revoke(alias), model_.Shift(alias, State::kRevoked));
      case Do::kSetRemotePublicKey: {
        const std::string key(std::vector<size_t>{0, 1, 32, 133, 134}[step.detail % 5], 'r');
        return Same(store().SetRemotePublicKey(alias, key), model_.SetRemotePublicKey(alias, key));
      }
      case Do::kFind:
        return CompareOne(alias);
      case Do::kList:
        return CompareList(AnyFilter(step.which), 1 + step.detail % 7);
      case Do::kGroups:
        return CompareGroup(alias);
      case Do::kIssue:
        return IssueAndVerify(alias);
      case Do::kAdvance:
        world_.clock().Advance(absl::Milliseconds(step.detail % 4000));
        return model_.Advance(absl::Milliseconds(step.detail % 4000));
      case Do::kJumpWall:
        return JumpWall(absl::Milliseconds(static_cast<int64_t>(step.detail % 8000) - 4000));
      case Do::kAdoptWall:
        return Same(store().AdoptWallClock(), model_.AdoptWall());
      case Do::kRestart:
        return Restart(step.detail % 2 == 0);
    }
  }

  void CompareAll() {
    CompareList({}, 3);
    CompareList({}, kMaxPageSize);
    for (const Alias alias : given_) {
      CompareOne(alias);
      CompareGroup(alias);
    }
    const absl::StatusOr<StoreStats> stats = store().Stats();
    RC_ASSERT(stats.ok());
    RC_ASSERT(stats->sessions == model_.stored().size());
    RC_ASSERT(stats->reservations == model_.reservations());
    RC_ASSERT(stats->linked == static_cast<size_t>(std::count_if(
                                   model_.stored().begin(), model_.stored().end(),
                                   [](const auto& s) { return s.second.group != s.first; })));
    RC_ASSERT(stats->epoch == epoch_);
    RC_ASSERT(stats->last_alias == model_.last_alias());
  }

 private:
  SessionStore& store() { return world_.store(); }

  // One of the aliases ever given, or one that never was.
  Alias Choose(uint32_t which) const {
    const size_t index = which % (given_.size() + 1);
    return index == given_.size() ? Alias(1) : given_[index];
  }

  template <typename StatusOrValue>
  static void Same(const StatusOrValue& real, Answer expected) {
    RC_LOG() << StatusOf(real) << std::endl;
    RC_ASSERT(StatusOf(real).ok() == !expected.has_value());
    RC_ASSERT(VerdictOf(StatusOf(real)) == expected);
  }

  static void SameSession(const Session& real, const Session& expected) {
    RC_ASSERT(Describe(real) == Describe(expected));
  }

  SessionSpec AnySpec(const Step& step) const {
    SessionSpec spec;
    spec.label = std::string(step.detail % 11 == 0 ? kMaxLabelBytes + 1 : step.detail % 3, 'l');
    spec.kind = step.detail % 2;
    spec.principal = step.detail % 4 < 2 ? "a" : "ab";
    spec.database = step.detail % 8 < 4 ? "" : "main";
    spec.expires_at =
        std::vector<absl::Time>{absl::InfiniteFuture(), model_.now() + absl::Seconds(2),
                                absl::InfiniteFuture(), model_.now() + absl::Seconds(20),
                                model_.now(),           absl::InfiniteFuture()}[step.detail % 6];
    if (step.detail % 5 < 3) spec.group = Choose(step.which);
    spec.intent = absl::StrCat("intent ", step.detail);
    return spec;
  }

  void Insert(const Step& step, State state) {
    const SessionSpec spec = AnySpec(step);
    const absl::StatusOr<Session> real =
        state == State::kReserved ? store().Reserve(spec) : store().ReserveAndCreate(spec);
    const Answer expected = model_.MayInsert(spec);
    Same(real, expected);
    if (expected.has_value()) return;
    for (const auto& [alias, session] : model_.stored()) {
      RC_ASSERT(session.public_key != real->public_key);
    }
    SameSession(*real, model_.Insert(spec, state, real->public_key));
    given_.push_back(real->alias);
  }

  void Shift(Alias alias, State to) {
    const absl::StatusOr<Session> real = store().Shift(alias, to);
    Same(real, model_.Shift(alias, to));
    if (real.ok()) SameSession(*real, *model_.Find(alias));
  }

  void CompareOne(Alias alias) {
    const absl::StatusOr<Session> real = store().Find(alias);
    const std::optional<Session> expected = model_.Find(alias);
    Same(real, expected.has_value() ? kOk : Verdict::kNotFound);
    if (!expected.has_value()) return;
    SameSession(*real, *expected);
    const absl::StatusOr<Session> by_key = store().FindByPublicKey(expected->public_key);
    Same(by_key, kOk);
    SameSession(*by_key, *expected);
    const absl::StatusOr<SecretBytes> private_key = store().PrivateKey(alias);
    Same(private_key, model_.MayGivePrivateKey(alias));
    if (private_key.ok()) {  // "private 7...." belongs to "public 7....."
      RC_ASSERT(private_key->Reveal().substr(8, 10) == expected->public_key.substr(7, 10));
    }
  }

  static ListFilter AnyFilter(uint32_t which) {
    ListFilter filter;
    if (which % 2 == 0) filter.principal = which % 3 == 0 ? "a" : "ab";
    if (which % 5 < 2) filter.state = static_cast<State>(which % 7 % 5);
    if (which % 11 < 4) filter.kind = which % 3;
    if (which % 13 < 5) filter.database = which % 4 < 2 ? "" : "main";
    return filter;
  }

  void CompareList(const ListFilter& filter, size_t page_size) {
    std::vector<Session> real;
    std::optional<Alias> after;
    do {
      absl::StatusOr<ListPage> page = store().List(filter, page_size, after);
      Same(page, kOk);
      RC_ASSERT(page->sessions.size() <= page_size);
      std::move(page->sessions.begin(), page->sessions.end(), std::back_inserter(real));
      after = page->next;
    } while (after.has_value());
    const std::vector<Session> expected = model_.List(filter);
    RC_ASSERT(real.size() == expected.size());
    for (size_t i = 0; i < real.size(); ++i) SameSession(real[i], expected[i]);
  }

  void CompareGroup(Alias alias) {
    const std::optional<Session> expected = model_.Find(alias);
    const absl::StatusOr<Alias> group = store().GroupOf(alias);
    Same(group, expected.has_value() ? kOk : Verdict::kNotFound);
    const bool is_first = expected.has_value() && expected->group == alias;
    const absl::StatusOr<std::vector<Alias>> members = store().GroupMembers(alias);
    Same(members, is_first ? kOk : Verdict::kUnknownGroup);
    if (group.ok()) RC_ASSERT(*group == expected->group);
    if (is_first) RC_ASSERT(*members == model_.Members(alias));
  }

  void IssueAndVerify(Alias alias) {
    const absl::StatusOr<std::string> baton = store().Issue(alias);
    Same(baton, model_.MayIssue(alias));
    if (baton.ok()) batons_[alias] = *baton;
    for (const auto& [named, old_baton] : batons_) {
      const Session session = *model_.Find(named);
      const auto verify = [&](const std::string& principal, const std::string& database) {
        return store().Verify(old_baton, principal, database);
      };
      Same(verify(session.principal, session.database), model_.MayIssue(named));
      Same(verify(session.principal + "x", session.database), Verdict::kWrongPrincipal);
      Same(verify(session.principal + "x", session.database + "x"), Verdict::kWrongDatabase);
    }
  }

  void JumpWall(absl::Duration duration) {
    world_.clock().JumpWall(duration);
    model_.JumpWall(duration);
  }

  void Restart(bool orderly) {
    world_.Restart(orderly);
    const std::map<Alias, std::string> gone = model_.Restart(orderly);
    const std::vector<std::pair<Alias, std::string>> expected(gone.begin(), gone.end());
    RC_ASSERT(world_.report().epoch == ++epoch_);
    RC_ASSERT(world_.report().crashed == !orderly);
    std::vector<std::pair<Alias, std::string>> removed;
    for (const recovery::RemovedReservation& r : world_.report().removed) {
      removed.emplace_back(r.alias, r.intent);
    }
    RC_ASSERT(removed == expected);
  }

  World& world_;
  Model model_;
  uint64_t epoch_ = 1;
  std::vector<Alias> given_;             // every alias that was ever seen
  std::map<Alias, std::string> batons_;  // the last one issued for each session
};

void Compare(World& world, const std::vector<Step>& steps) {
  Comparison comparison(world);
  for (const Step& step : steps) comparison.Take(step);
  comparison.CompareAll();
}

RC_GTEST_PROP(SessionStoreModel, MemoryEngineAgreesWithTheModel, ()) {
  const std::vector<Step> steps = *Steps(/*scale=*/3.0);
  MemoryWorld world;
  Compare(world, steps);
}

RC_GTEST_PROP(SessionStoreModel, LmdbAgreesWithTheModel, ()) {
  const std::vector<Step> steps = *Steps(/*scale=*/0.6);
  FileWorld world;
  Compare(world, steps);
}

}  // namespace
}  // namespace batonstore
