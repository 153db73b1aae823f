// What a service does with batonstore: reserve, register elsewhere, create, hand out a baton, check
// it.

#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"

namespace {

using batonstore::Session;
using batonstore::SessionStore;
using batonstore::VerdictName;
using batonstore::VerdictOf;

absl::Status LogIn(SessionStore& sessions) {
  const absl::StatusOr<Session> session =
      sessions.Reserve({.label = "phone",
                        .principal = "alice",
                        .database = "accounts",
                        .expires_at = absl::Now() + absl::Hours(24),
                        .intent = "register with the gateway"});
  if (!session.ok()) return session.status();

  // Here the service tells the gateway about session->public_key. If it dies before Create, the
  // next opening removes the reservation and hands the intent back.
  if (absl::Status created = sessions.Create(session->alias); !created.ok()) return created;

  const absl::StatusOr<std::string> baton = sessions.Issue(session->alias);
  if (!baton.ok()) return baton.status();
  const absl::StatusOr<Session> owner = sessions.Verify(*baton, "accounts", "alice");
  if (!owner.ok()) return owner.status();
  std::cout << "session " << owner->alias << " is " << owner->principal << "'s\n";

  const absl::StatusOr<Session> thief = sessions.Verify(*baton, "accounts", "mallory");
  std::cout << "to a thief: " << VerdictName(*VerdictOf(thief.status())) << "\n";
  return sessions.Revoke(session->alias);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "consumer-store";
  auto store = batonstore::recovery::Open({.directory = directory});
  if (!store.ok()) {
    std::cerr << store.status() << "\n";
    return 1;
  }
  for (const auto& removed : (*store)->report().removed) {
    std::cout << "to undo: " << removed.intent << "\n";
  }
  const absl::Status status = LogIn((*store)->sessions());
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
