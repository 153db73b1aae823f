// A call of a session store as a value, so that it can be made of a real store and of a model
// alike, and so that what several threads call can be written down and judged.

#ifndef BATONSTORE_TESTS_SUPPORT_STORE_CALLS_H_
#define BATONSTORE_TESTS_SUPPORT_STORE_CALLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/event.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/session_turn.h"

namespace batonstore::testing {

enum class Do : uint8_t {
  kReserve,
  kReserveAndCreate,
  kSaveOrCreate,
  kCreate,
  kAbandon,
  kShift,
  kTouch,
  kCycleKey,
  kRevoke,
  kRevokeGroup,
  kRevokeAll,
  kRevokeAllExcept,
  kSaveIf,
  kMerge,
  kLoad,
  kSecret,
  kSetRemotePublicKey,
  kPrivateKey,
  kIssue,
  kVerify,
  kResume,
  kMergeInTurn,
  kFinishTurn,
  kDropTurn,
  kRotateSigningKey,
  kRetireSigningKey,
  kRotateDataKey,
  kReseal,
  kFind,
  kList,
  kCount,
  kGroupOf,
  kGroupMembers,
  kSweep,
  kCompensations,
  kAcknowledge,
  kAddConsumer,
  kRemoveConsumer,
  kReadEvents,
  kAcknowledgeEvents,
  kStats,
};
inline constexpr int kCalls = static_cast<int>(Do::kStats) + 1;

// A baton of the call's alias by what it says, and who presents it with which request. It is signed
// by the primary key. A key signs what says the same with the same bytes, so that this is the baton
// that the store has handed out, if it has.
struct Presentation {
  BatonKind kind = BatonKind::kSession;
  uint64_t generation = 0;
  uint64_t epoch = 1;
  std::string principal = {};
  std::string database = {};
  std::string digest = {};
  CutOff cut_off = CutOff::kRunAgain;
};

// Which of the arguments count depends on what is called.
struct Call {
  Do what = Do::kFind;
  Alias alias = {};
  SessionSpec spec = {};
  Fields fields = {};
  Changes changes = {};
  uint64_t number = 0;    // a version, the sequence of an event, or the id of a signing key
  std::string text = {};  // a principal, a field, a key, the name of a consumer, or a turn's reply
  State state = State::kCreated;
  CycleOptions cycle = {};
  ListFilter filter = {};
  Presentation presentation = {};
  int caller = 0;  // whose turns those are that kMergeInTurn and so on speak of
};

// What came back, in words: the verdict, or everything that callers see. Two replies are the same
// if their texts are.
struct Reply {
  std::string text;

  // What the store chose, for the model to take over.
  std::optional<Session> fresh = {};

  // The session whose turn was finished or dropped, or was not: known to the store alone.
  std::optional<Alias> turn_of = {};

  // The baton that was handed out, of which the text says what it says.
  std::string baton = {};
};

// The turns of one caller that are under way, the last one last: kMergeInTurn, kFinishTurn and
// kDropTurn speak of that one. To be dropped before the store is.
using OpenTurns = std::vector<SessionTurn>;

Reply MakeCall(SessionStore& store, OpenTurns& turns, const Call& call);

// Told just before the store is asked and just after it has answered (not if it throws), so that
// what the store does can be made to fail, and what the test does for itself cannot.
class AroundCall {
 public:
  virtual ~AroundCall() = default;
  virtual void Begin() = 0;
  virtual void End() = 0;
};
Reply MakeCall(SessionStore& store, OpenTurns& turns, const Call& call, AroundCall& around);

// By somebody who drops at once what turn he gets.
Reply MakeCall(SessionStore& store, const Call& call);

// The call itself, for people.
std::string Describe(const Call& call);

// Parts of replies, for the model to say the same.
std::string TextOf(const absl::Status& status);
std::string TextOf(const Session& session);
std::string TextOf(const Saved& saved);
std::string TextOf(uint64_t number);
std::string TextOf(Alias alias);
std::string TextOf(const SecretBytes& secret);  // in hex
std::string TextOf(const std::vector<Session>& sessions);
std::string TextOf(const std::vector<Alias>& aliases);
std::string TextOf(const Attributes& attributes);
std::string TextOf(const std::vector<Compensation>& compensations);
std::string TextOf(const Swept& swept);
std::string TextOf(const StoreStats& stats);

std::string TextOfBaton(Alias alias, uint64_t generation, uint64_t epoch, uint64_t key_id);
std::string TextOfLostBaton(uint64_t key_id);  // its key is retired
std::string TextOfTurn(uint64_t generation, const Session& session);
std::string TextOfReplay(absl::string_view reply, absl::string_view baton);
std::string TextOfUnknown(absl::string_view baton);

// What calls of turns say when the caller has none.
inline constexpr absl::string_view kNoTurn = "no turn";

// What Reseal answers when no rows are left to be sealed again, and so nothing was written.
inline constexpr absl::string_view kNothingToDo = "nothing to do";

// The order of the events of one sweep is the store's own affair: they are sorted here.
std::string TextOf(std::vector<Event> events);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_STORE_CALLS_H_
