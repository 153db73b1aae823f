// What the demo's worker was promised by the store, and whether the store keeps it.

#ifndef BATONSTORE_TOOLS_DEMO_LEDGER_H_
#define BATONSTORE_TOOLS_DEMO_LEDGER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "batonstore/store/session_store.h"
#include "batonstore/tools/demo_result.h"

namespace batonstore::tools {

// One line of the worker's report. All but kRevoking are acknowledgements, written after the call
// has returned; kRevoking is written before, since a kill can leave the session revoked or not.
struct DemoEvent {
  enum class Kind { kReserved, kAbandoned, kCreated, kRevoking, kRevoked };

  Kind kind = Kind::kReserved;
  Alias alias;
  std::string public_key;  // only with kReserved

  // With the newline; well below PIPE_BUF, so that a pipe takes all of it or nothing.
  std::string ToLine() const;
  static std::optional<DemoEvent> Parse(absl::string_view line);
};

// Not thread-safe.
class DemoLedger {
 public:
  void Record(const DemoEvent& event);

  uint64_t acknowledged() const { return acknowledged_; }  // creations
  uint64_t size() const { return entries_.size(); }        // sessions, abandoned ones included

  // Compares every promise with the store, key pairs included, and looks at every session there is.
  // `step` is called after each promise. What is found is counted, except forged_accepted.
  DemoResult Check(const SessionStore& store, const std::function<void()>& step) const;

 private:
  struct Entry {
    std::string public_key;
    DemoEvent::Kind last = DemoEvent::Kind::kReserved;
  };

  static bool IsKept(const SessionStore& store, Alias alias, const Entry& entry);
  static absl::Status CountUnlawful(const SessionStore& store, DemoResult& result);

  std::map<Alias, Entry> entries_;
  uint64_t acknowledged_ = 0;
  uint64_t duplicates_ = 0;
};

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_DEMO_LEDGER_H_
