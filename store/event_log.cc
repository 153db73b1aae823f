#include "batonstore/store/event_log.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

// How many events one call drops: more are dropped by those that follow, or by a sweep. None if,
// on a full disk, there is no room for dropping so many at once.
constexpr size_t kTrimAtOnce = 4096;

absl::Status RunAndTrim(GroupCommitter& committer,
                        absl::FunctionRef<absl::Status(Transaction&, size_t most)> change) {
  using Room = GroupCommitter::Room;
  absl::Status done = committer.Run(
      [&](Transaction& transaction) { return change(transaction, kTrimAtOnce); }, Room::kFrees);
  if (VerdictOf(done) != Verdict::kFull) return done;
  return committer.Run([&](Transaction& transaction) { return change(transaction, 0); },
                       Room::kFrees);
}

bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxConsumerNameBytes;
}

absl::Status NoConsumer(absl::string_view name) {
  return Refuse(Verdict::kNotFound,
                absl::StrCat("there is no consumer with that name of ", name.size(), " bytes"));
}

}  // namespace

absl::Status EventLog::AddConsumer(absl::string_view name) {
  if (!IsName(name)) {
    return Refuse(Verdict::kInvalid,
                  absl::StrCat("a consumer's name has 1 to ", kMaxConsumerNameBytes, " bytes"));
  }
  return committer_.Run([&](Transaction& transaction) -> absl::Status {
    BATONSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> there,
                                GetConsumer(transaction, name));
    if (there.has_value()) return absl::OkStatus();
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, LastEvent(transaction));
    return PutConsumer(transaction, {std::string(name), last});
  });
}

absl::Status EventLog::RemoveConsumer(absl::string_view name) {
  if (!IsName(name)) return NoConsumer(name);
  return RunAndTrim(committer_, [&](Transaction& transaction, size_t most) -> absl::Status {
    BATONSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> there,
                                GetConsumer(transaction, name));
    if (!there.has_value()) return NoConsumer(name);
    BATONSTORE_RETURN_IF_ERROR(DeleteConsumer(transaction, name).status());
    return TrimOutbox(transaction, most).status();
  });
}

absl::StatusOr<std::vector<Consumer>> EventLog::Consumers() const {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  return ListConsumers(*snapshot);
}

absl::StatusOr<std::vector<Event>> EventLog::Read(absl::string_view name, size_t most) const {
  if (most == 0 || most > kMaxEventsRead) {
    return Refuse(Verdict::kInvalid, absl::StrCat("1 to ", kMaxEventsRead, " events at a time"));
  }
  if (!IsName(name)) return NoConsumer(name);
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, engine_.Read());
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> acknowledged,
                              GetConsumer(*snapshot, name));
  if (!acknowledged.has_value()) return NoConsumer(name);
  return ListEvents(*snapshot, keys_, *acknowledged, most);
}

absl::Status EventLog::Acknowledge(absl::string_view name, uint64_t sequence) {
  if (!IsName(name)) return NoConsumer(name);
  return RunAndTrim(committer_, [&](Transaction& transaction, size_t most) -> absl::Status {
    BATONSTORE_ASSIGN_OR_RETURN(const std::optional<uint64_t> acknowledged,
                                GetConsumer(transaction, name));
    if (!acknowledged.has_value()) return NoConsumer(name);
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, LastEvent(transaction));
    if (sequence > last) {
      return Refuse(Verdict::kInvalid,
                    absl::StrCat("event ", sequence, " has not happened; the last is ", last));
    }
    if (sequence <= *acknowledged) return absl::OkStatus();
    BATONSTORE_RETURN_IF_ERROR(PutConsumer(transaction, {std::string(name), sequence}));
    return TrimOutbox(transaction, most).status();
  });
}

void EventLog::WaitForEvents(absl::string_view name, absl::Duration timeout) {
  if (!engine_.Usable().ok()) return;  // a forked child may not even lock
  MutexLock lock(mu_);
  ++waiting_;  // before looking: a commit that comes after it will signal
  const absl::StatusOr<std::vector<Event>> there = Read(name, 1);
  if (there.ok() && there->empty()) changed_.WaitFor(mu_, timeout);
  --waiting_;
}

void EventLog::Committed() {
  if (waiting_ == 0) return;
  MutexLock lock(mu_);
  changed_.SignalAll();
}

}  // namespace batonstore
