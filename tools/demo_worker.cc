#include "batonstore/tools/demo_worker.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/recovery/open.h"
#include "batonstore/tools/demo_ledger.h"

namespace batonstore::tools {
namespace {

using Kind = DemoEvent::Kind;

// One write, so that the lines of other threads and the kill come before or after, never between.
absl::Status Report(absl::string_view lines) {
  const ssize_t written = write(STDOUT_FILENO, lines.data(), lines.size());
  if (written == static_cast<ssize_t>(lines.size())) return absl::OkStatus();
  return SystemError(written < 0 ? errno : ENOSPC, "report to the demo");
}

std::string LineOf(Kind kind, const Session& session) {
  return DemoEvent{kind, session.alias, kind == Kind::kReserved ? session.public_key : ""}.ToLine();
}

// One thread's share of the work. Each session is one thread's own, so its events come in order.
class Hand {
 public:
  Hand(SessionStore& store, uint64_t seed) : store_(store), random_(seed) {}

  // Goes on until something is refused, here or elsewhere.
  absl::Status Work(const std::atomic<bool>& stopped) {
    while (!stopped) {
      const uint64_t dice = random_() % 16;
      if (dice < 8) BATONSTORE_RETURN_IF_ERROR(ReserveThenCreate());
      if (dice >= 8 && dice < 12) BATONSTORE_RETURN_IF_ERROR(ReserveAndCreate());
      if (dice == 12) BATONSTORE_RETURN_IF_ERROR(Reserve().status());  // and forget it
      if (dice == 13) BATONSTORE_RETURN_IF_ERROR(ReserveThenAbandon());
      if (dice >= 14) BATONSTORE_RETURN_IF_ERROR(RevokeAndSucceed());
    }
    return absl::OkStatus();
  }

 private:
  SessionSpec Spec() {
    SessionSpec spec;
    spec.label = absl::StrCat("demo ", random_());
    spec.principal = kDemoPrincipal;
    spec.database = kDemoDatabase;
    spec.expires_at = store_.clock().Now() + absl::Hours(24);
    spec.group = std::exchange(group_, std::nullopt);
    spec.intent = "tell the outside party";
    return spec;
  }

  absl::StatusOr<Session> Reserve() {
    BATONSTORE_ASSIGN_OR_RETURN(Session session, store_.Reserve(Spec()));
    BATONSTORE_RETURN_IF_ERROR(Report(LineOf(Kind::kReserved, session)));
    return session;
  }

  absl::Status ReserveThenCreate() {
    BATONSTORE_ASSIGN_OR_RETURN(last_, Reserve());
    BATONSTORE_RETURN_IF_ERROR(store_.Create(last_->alias));
    return Report(LineOf(Kind::kCreated, *last_));
  }

  absl::Status ReserveAndCreate() {
    BATONSTORE_ASSIGN_OR_RETURN(last_, store_.ReserveAndCreate(Spec()));
    return Report(LineOf(Kind::kReserved, *last_) + LineOf(Kind::kCreated, *last_));
  }

  absl::Status ReserveThenAbandon() {
    BATONSTORE_ASSIGN_OR_RETURN(const Session session, Reserve());
    BATONSTORE_RETURN_IF_ERROR(store_.Abandon(session.alias));
    return Report(LineOf(Kind::kAbandoned, session));
  }

  // Revokes the last session of this thread; the next one joins its group.
  absl::Status RevokeAndSucceed() {
    if (!last_.has_value()) return absl::OkStatus();
    const Session session = *std::exchange(last_, std::nullopt);
    BATONSTORE_RETURN_IF_ERROR(Report(LineOf(Kind::kRevoking, session)));
    BATONSTORE_RETURN_IF_ERROR(store_.Revoke(session.alias));
    BATONSTORE_RETURN_IF_ERROR(Report(LineOf(Kind::kRevoked, session)));
    group_ = session.group;
    return absl::OkStatus();
  }

  SessionStore& store_;
  std::mt19937_64 random_;
  std::optional<Session> last_;  // Created, by this thread
  std::optional<Alias> group_;   // for the next session
};

}  // namespace

absl::Status RunDemoWorker(const DemoWork& work) {
  recovery::Options options;
  options.directory = work.directory;
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<recovery::Store> store,
                              recovery::Open(options));
  std::atomic<bool> stopped = false;
  std::vector<absl::Status> outcomes(work.threads);
  std::vector<std::thread> threads;
  for (unsigned int i = 0; i < work.threads; ++i) {
    threads.emplace_back([&, i] {
      outcomes[i] = Hand(store->sessions(), work.seed + i).Work(stopped);
      stopped = true;
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::Status first_refusal;
  for (absl::Status& outcome : outcomes) first_refusal.Update(std::move(outcome));
  return first_refusal;
}

}  // namespace batonstore::tools
