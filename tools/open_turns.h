// The turns that a shell holds open between its lines, by number.

#ifndef BATONSTORE_TOOLS_OPEN_TURNS_H_
#define BATONSTORE_TOOLS_OPEN_TURNS_H_

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/store/session_store.h"

namespace batonstore::tools {

// REQUIRES: it is destroyed, and with it what is still open dropped, before the store is closed.
class OpenTurns {
 public:
  explicit OpenTurns(SessionStore& sessions) : sessions_(sessions) {}
  OpenTurns(const OpenTurns&) = delete;
  OpenTurns& operator=(const OpenTurns&) = delete;

  // The store whose turns these are.
  SessionStore& sessions() { return sessions_; }

  // Its number: 1, 2 and so on. None is given twice, lest a line meant for one turn hits another.
  uint64_t Keep(SessionTurn turn);

  // NOT_FOUND if none of that number is open. Good until it is dropped.
  absl::StatusOr<SessionTurn*> Find(uint64_t number);

  // Lets go of one, finished or not.
  //   NOT_FOUND      none of that number is open
  absl::Status Drop(uint64_t number);

 private:
  SessionStore& sessions_;
  std::map<uint64_t, SessionTurn> turns_;
  uint64_t last_number_ = 0;
};

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_OPEN_TURNS_H_
