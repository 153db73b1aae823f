#include "batonstore/tools/demo_worker.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
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
#include "batonstore/tools/demo_names.h"
#include "batonstore/tools/demo_orders.h"
#include "batonstore/tools/demo_streams.h"

namespace batonstore::tools {
namespace {

using Kind = DemoEvent::Kind;

// One write, so that the lines of other threads and the kill come before or after, never between.
absl::Status Report(const std::string& lines) {
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
  absl::Status Work(const std::function<bool()>& stop) {
    while (!stop()) {
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

// Each thread works until that says so, or until one of them is refused something, which is the
// result.
using Stop = std::function<bool()>;
absl::Status InThreads(unsigned int threads,
                       const std::function<absl::Status(unsigned int number, const Stop&)>& work) {
  std::atomic<bool> stopped = false;
  std::vector<absl::Status> outcomes(threads);
  std::vector<std::thread> hands;
  for (unsigned int i = 0; i < threads; ++i) {
    hands.emplace_back([&, i] {
      outcomes[i] = work(i, [&stopped] { return stopped.load(); });
      stopped = true;
    });
  }
  for (std::thread& hand : hands) hand.join();
  absl::Status first_refusal;
  for (absl::Status& outcome : outcomes) first_refusal.Update(std::move(outcome));
  return first_refusal;
}

absl::Status MakeSessions(SessionStore& store, const DemoWork& work) {
  return InThreads(work.threads, [&](unsigned int number, const Stop& stop) {
    return Hand(store, work.seed + number).Work(stop);
  });
}

// Each client's orders are one thread's, so that no client ever is in its own way.
absl::Status TakeEverybodysOrders(SessionStore& store, const DemoWork& work) {
  ListFilter filter;
  filter.database = kDemoOrders;
  BATONSTORE_ASSIGN_OR_RETURN(const ListPage page, store.List(filter, kMaxPageSize));
  const auto clients = static_cast<unsigned int>(page.sessions.size());
  const unsigned int threads = std::min(work.threads, clients);  // who had none would only spin
  std::vector<std::vector<Alias>> shares(threads);
  for (unsigned int i = 0; i < clients; ++i) {
    shares[i % threads].push_back(page.sessions[i].alias);
  }
  return InThreads(threads, [&](unsigned int number, const Stop& stop) {
    return TakeOrders(store, shares[number], stop, Report);
  });
}

}  // namespace

absl::Status RunDemoWorker(const DemoWork& work) {
  if (work.kind == DemoWork::Kind::kStreams) {
    return HoldStreams({work.directory, work.databases}, Report);
  }
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<recovery::Store> store,
                              recovery::Open({.directory = work.directory}));
  return work.kind == DemoWork::Kind::kOrders ? TakeEverybodysOrders(store->sessions(), work)
                                              : MakeSessions(store->sessions(), work);
}

}  // namespace batonstore::tools
