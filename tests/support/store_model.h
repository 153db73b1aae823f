// What a session store must answer: a model of plain maps, without transactions, indexes, seals or
// files, that says the same as a real store to every call.

#ifndef BATONSTORE_TESTS_SUPPORT_STORE_MODEL_H_
#define BATONSTORE_TESTS_SUPPORT_STORE_MODEL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session.h"
#include "tests/support/store_calls.h"

namespace batonstore::testing {

// A value: copies go their own ways.
class StoreModel {
 public:
  StoreModel(absl::Time now, const Policy& policy)
      : policy_(policy), wall_(now), now_(now), recorded_(now) {}

  // What the store has to answer. What a real one chose (a key pair) is taken over from its reply.
  std::string Answer(const Call& call, const Reply& real);

  // ---- Between calls ----

  void Advance(absl::Duration duration) {
    wall_ += duration;
    now_ += duration;
  }
  void JumpWall(absl::Duration duration) { wall_ += duration; }
  // Of whoever opens it next.
  void SetPolicy(const Policy& policy) { policy_ = policy; }
  bool AdoptWall() {
    if (wall_ < now_) return false;
    now_ = wall_;
    return true;
  }

  // What is left of an orderly end once it is on the disk: a note of the time.
  void Close() { Wrote(); }

  // A commit has moved the indexes on, and may have done nothing else: a note of the time, too.
  void MergedIndexes() { Wrote(); }

  // The store goes down and comes up again. Returns what was removed, with its intent.
  std::vector<std::pair<Alias, std::string>> Restart(bool orderly);

  // ---- Looking in ----

  absl::Time now() const { return now_; }
  uint64_t epoch() const { return epoch_; }
  uint64_t primary_key_id() const { return primary_key_id_; }
  const std::set<uint64_t>& retired_keys() const { return retired_keys_; }
  uint64_t last_event() const { return last_event_; }
  // Every alias that has a record.
  std::vector<Alias> Aliases() const;
  std::optional<Session> Find(Alias alias) const;
  // Nothing for a session that can be used; else the answer of whoever uses it.
  std::optional<std::string> Unusable(Alias alias) const;
  uint64_t VersionOf(Alias alias) const;
  std::string IdempotencyKeyOf(Alias alias) const;
  const Policy& policy() const { return policy_; }
  uint64_t GenerationOf(Alias alias) const;
  // Whether this call of kResume would get a turn, or UNKNOWN, if nobody else were at it.
  bool AsksForTheSession(const Call& resume) const;

  // Equal for models that no call can tell apart.
  std::string Fingerprint() const;

  // What the events of a store are, in their order; this model's, of which it knows the order only
  // but for what happened at the same time, must be the same. False if they cannot be.
  bool TakeOrderOf(const std::vector<Event>& real);

 private:
  // How far a session's baton has rotated, and what the last turn left.
  struct Rotation {
    enum class Last : uint8_t { kNone, kBegun, kFinished };

    uint64_t generation = 0;
    Last last = Last::kNone;
    std::string digest = {};
    uint64_t epoch = 0;   // of the baton that was handed on
    uint64_t key_id = 0;  // that signed it
    std::string reply = {};
  };
  // A turn under way.
  struct Turn {
    int caller = 0;
    Alias alias;
    uint64_t generation = 0;
    std::string digest;
    CutOff cut_off = CutOff::kRunAgain;
    std::vector<Changes> changes = {};
  };
  struct Entry {
    Session session;  // its state as stored
    std::optional<absl::Time> ended_at;
    absl::Time purge_at = absl::InfiniteFuture();  // of what has ended
    struct Reservation {
      uint64_t epoch = 0;
      absl::Time deadline;
      std::string intent;
    };
    std::optional<Reservation> reservation;
    absl::Time last_used;
    Alias moved_to;
    absl::Time redirect_until;
    std::string idempotency_key;
    bool never_created = false;  // when it ended
    Attributes attributes;
    Rotation rotation;

    bool is_stored_live() const { return !ended_at.has_value(); }
  };
  struct Mark {
    absl::Time at;
    Alias except;
  };
  using Marks = std::map<std::pair<std::string, Alias>, Mark>;

  absl::Time DueOf(const Entry& entry) const;
  Session Seen(const Entry& entry) const;
  bool IsEnded(const Entry& entry) const { return IsTerminal(Seen(entry).state); }
  std::string Refusal(const Entry& entry) const;  // of what has ended
  std::optional<std::string> MovedText(const Entry& entry) const;
  std::vector<Alias> Members(Alias group) const;
  std::vector<Session> Matching(const ListFilter& filter) const;

  std::string Insert(const Call& call, const Reply& real);
  std::string CheckGroup(Alias group);
  std::string MakeRoom(const SessionSpec& spec);
  std::optional<std::string> ReachedLimit(const SessionSpec& spec) const;
  void EvictOldest(const SessionSpec& spec, const std::string& whose);
  std::string Shift(Alias alias, State to, bool tell);
  std::string Abandon(Alias alias);
  std::string Touch(Alias alias);
  std::string CycleKey(const Call& call, const Reply& real);
  std::string RevokeGroup(Alias group);
  std::string RevokeAll(const std::string& principal, std::optional<Alias> keep);
  std::string SaveIf(const Call& call);
  std::string Merge(const Call& call);
  static std::string Apply(const Changes& changes, Attributes& attributes);
  std::string Load(Alias alias) const;
  std::string Secret(const Call& call) const;
  std::string SetRemotePublicKey(const Call& call);

  // In store_model_turns.cc.
  std::string Issue(Alias alias) const;
  std::string Verify(const Call& call);
  std::string Resume(const Call& call);
  std::string MergeInTurn(const Call& call);
  std::string FinishTurn(const Call& call);
  std::string DropTurn(const Call& call);
  std::optional<std::string> CheckBaton(const Call& call);
  std::string TakeTurn(const Call& call);
  std::string RefuseReplay(Alias alias, Verdict verdict);
  std::string CommitTurn(const Turn& turn, const std::string& reply);
  std::string HandedOn(const Entry& entry) const;
  std::string RetireSigningKey(uint64_t key_id);
  bool IsBusy(Alias alias) const;
  std::vector<Turn>::iterator LastTurnOf(int caller);

  std::string Sweep();
  std::string Stats() const;
  std::string AcknowledgeEvents(const Call& call);
  std::string ReadEvents(const std::string& consumer) const;

  void Use(Entry& entry);
  void End(Entry& entry, State to, absl::Time at);
  void RemoveReservation(Alias alias, bool compensate);
  void Compensate(const Entry& entry);
  void Remove(Alias alias);
  void Tell(EventType type, const Session& session, Alias other = Alias(),
            const std::string& detail = "");
  void Trim();
  void Wrote() { recorded_ = now_; }

  Policy policy_;
  absl::Time wall_;
  absl::Time now_;
  absl::Time recorded_;  // at the last commit
  uint64_t epoch_ = 1;
  uint64_t primary_key_id_ = 1;  // of those from 1 on
  std::set<uint64_t> retired_keys_;
  Alias last_alias_;
  std::map<Alias, Entry> entries_;
  std::map<Alias, std::vector<Alias>> linked_;  // group -> members, in the order of linking
  Marks marks_;
  std::vector<Turn> turns_;  // the last one taken last
  std::map<Alias, Compensation> compensations_;
  uint64_t last_event_ = 0;
  std::vector<Event> events_;
  uint64_t order_ = 0;  // stands for the events told since TakeOrderOf, in their order
  std::map<std::string, uint64_t> consumers_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_STORE_MODEL_H_
