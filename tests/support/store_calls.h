// A call of a session store as a value, so that it can be made of a real store and of a model
// alike, and so that what several threads call can be written down and judged.

#ifndef BATONSTORE_TESTS_SUPPORT_STORE_CALLS_H_
#define BATONSTORE_TESTS_SUPPORT_STORE_CALLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "batonstore/store/attributes.h"
#include "batonstore/store/event.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"

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

// Which of the arguments count depends on what is called.
struct Call {
  Do what = Do::kFind;
  Alias alias = {};
  SessionSpec spec = {};
  Fields fields = {};
  Changes changes = {};
  uint64_t number = 0;    // a version, or the sequence of an event
  std::string text = {};  // a principal, a field, a key, or the name of a consumer
  State state = State::kCreated;
  CycleOptions cycle = {};
  ListFilter filter = {};
};

// What came back, in words: the verdict, or everything that callers see. Two replies are the same
// if their texts are.
struct Reply {
  std::string text;

  // What the store chose, for the model to take over.
  std::optional<Session> fresh;
};

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

// The order of the events of one sweep is the store's own affair: they are sorted here.
std::string TextOf(std::vector<Event> events);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_STORE_CALLS_H_
