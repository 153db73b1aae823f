#include "batonstore/tools/demo_batons.h"

#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/demo_names.h"
#include "batonstore/tools/forgeries.h"

namespace batonstore::tools {
namespace {

constexpr size_t kMostSessions = 1000;

// Some that are there, and at least two.
absl::StatusOr<std::vector<Session>> SessionsToUse(SessionStore& store) {
  ListFilter filter;
  filter.state = State::kCreated;
  filter.principal = kDemoPrincipal;
  filter.database = kDemoDatabase;
  BATONSTORE_ASSIGN_OR_RETURN(ListPage page, store.List(filter, kMostSessions));
  while (page.sessions.size() < 2) {
    SessionSpec spec;
    spec.principal = kDemoPrincipal;
    spec.database = kDemoDatabase;
    spec.expires_at = store.clock().Now() + absl::Hours(24);
    BATONSTORE_ASSIGN_OR_RETURN(Session session, store.ReserveAndCreate(spec));
    page.sessions.push_back(std::move(session));
  }
  return std::move(page.sessions);
}

absl::Status VerifyAll(const std::vector<Session>& sessions, const std::vector<std::string>& batons,
                       const BatonVerifier& verify) {
  for (size_t i = 0; i < batons.size(); ++i) {
    BATONSTORE_ASSIGN_OR_RETURN(const Session named,
                                verify(batons[i], kDemoDatabase, kDemoPrincipal));
    if (named.alias != sessions[i].alias) {
      return Refuse(Verdict::kCorrupt, "a baton names another session than it was issued for");
    }
  }
  return absl::OkStatus();
}

uint64_t CountAccepted(const std::vector<std::string>& batons, const char* database,
                       const char* principal, const BatonVerifier& verify) {
  uint64_t accepted = 0;
  for (const std::string& baton : batons) {
    if (verify(baton, database, principal).ok()) ++accepted;
  }
  return accepted;
}

}  // namespace

absl::StatusOr<BatonsTried> TryBatons(SessionStore& store, const BatonVerifier& verify,
                                      std::ostream& story) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::vector<Session> sessions, SessionsToUse(store));
  std::vector<std::string> batons;
  for (const Session& session : sessions) {
    BATONSTORE_ASSIGN_OR_RETURN(std::string baton, store.Issue(session.alias));
    batons.push_back(std::move(baton));
  }
  BATONSTORE_RETURN_IF_ERROR(VerifyAll(sessions, batons, verify));
  story << "Batons: " << batons.size() << " issued, and all of them verified.\n" << std::flush;

  BatonsTried found;
  const auto tell = [&](absl::string_view how, size_t tried, uint64_t accepted) {
    story << absl::StrFormat("  %-30s  %5d tried, %d accepted\n", how, tried, accepted)
          << std::flush;
    return accepted;
  };
  found.thefts_accepted += tell("used by somebody else", batons.size(),
                                CountAccepted(batons, kDemoDatabase, kDemoThief, verify));
  found.thefts_accepted += tell("used on another database", batons.size(),
                                CountAccepted(batons, kDemoElsewhere, kDemoPrincipal, verify));
  for (const ForgeryAttempt& attempt : ForgeriesOf(batons[0], batons[1])) {
    found.forged_accepted +=
        tell(attempt.how, attempt.batons.size(),
             CountAccepted(attempt.batons, kDemoDatabase, kDemoPrincipal, verify));
  }
  story << "\n";
  return found;
}

}  // namespace batonstore::tools
