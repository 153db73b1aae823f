#include "tests/support/full_store.h"

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "tests/support/index_rules.h"
#include "tests/support/sessions.h"

namespace batonstore::testing {
namespace {

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << "the store of the test cannot be made: " << status << std::endl;
  std::abort();
}

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

SessionSpec SpecOf(int number) {
  SessionSpec spec = LastingSpec();
  spec.principal = absl::StrCat("principal ", number % 4);
  spec.database = absl::StrCat("database ", number % 3);
  if (number % 2 == 0) spec.expires_at = absl::Now() + absl::Hours(24 + number);
  if (number % 3 == 0) spec.idle_timeout = absl::Minutes(30 + number);
  if (number % 4 == 0) spec.idempotency_key = absl::StrCat("request ", number);
  return spec;
}

void FillGroups(SessionStore& store) {
  const Session first = OrDie(store.ReserveAndCreate(SpecOf(1)));
  for (int member = 0; member < 3; ++member) {
    Require(store.RevokeGroup(first.group).status());
    OrDie(store.ReserveAndCreate(SpecInGroup(first.group)));
  }
  const std::vector<Alias> members = OrDie(store.GroupMembers(first.group));
  OrDie(store.CycleKey(members.back()));
}

void FillAttributes(SessionStore& store) {
  SessionSpec spec = SpecOf(0);
  spec.idempotency_key = "with fields";
  const Alias alias = OrDie(store.SaveOrCreate(spec, {{"theme", Value("dark")},
                                                      {"pin", Value::Secret("1234")},
                                                      {"picture", Value(std::string(9000, 'x'))}}))
                          .session.alias;
  OrDie(store.Merge(alias, {{"visits", Change::Add(1)}}));
  OrDie(store.CycleKey(alias));
  OrDie(store.Merge(OrDie(store.ReserveAndCreate(SpecOf(5))).alias, {{"a", Change::Add(7)}}));
}

void TakeTurn(SessionStore& store, const SessionSpec& spec, const std::string& reply,
              CutOff cut_off, bool finish) {
  const Session session = OrDie(store.ReserveAndCreate(spec));
  Resumed resumed = OrDie(store.Resume(OrDie(store.Issue(session.alias)), "digest", spec.database,
                                       spec.principal, cut_off));
  if (finish) OrDie(std::get<SessionTurn>(resumed).Finish(reply));
}

void FillTurns(SessionStore& store) {
  TakeTurn(store, SpecOf(3), "ordered: 7", CutOff::kRunAgain, /*finish=*/true);
  TakeTurn(store, SpecOf(5), std::string(6000, 'r'), CutOff::kRunAgain, /*finish=*/true);
  TakeTurn(store, SpecOf(6), "", CutOff::kAtMostOnce, /*finish=*/false);
}

Alias Reserve(SessionStore& store, int number) {
  SessionSpec spec = SpecOf(number);
  spec.intent = absl::StrCat("tell them of ", number);
  return OrDie(store.Reserve(spec)).alias;
}

void FillEvents(SessionStore& store) {
  const std::vector<Event> events = OrDie(store.events().Read("mailer", 10));
  Require(store.events().Acknowledge("mailer", events[7].sequence));
  Require(store.events().Acknowledge("auditor", events[4].sequence));
}

// Leaves reservations for the next opening to remove.
void FirstOwner(SessionStore& store) {
  Require(store.events().AddConsumer("mailer"));
  Require(store.events().AddConsumer("auditor"));
  for (int number = 0; number < 20; ++number) OrDie(store.ReserveAndCreate(SpecOf(number)));
  FillGroups(store);
  FillAttributes(store);
  FillTurns(store);
  for (int number = 100; number < 104; ++number) Reserve(store, number);
}

void SecondOwner(SessionStore& store) {
  FillEvents(store);
  Reserve(store, 201);
  const Session kept = OrDie(store.ReserveAndCreate(SpecOf(1)));
  Require(store.RevokeAllExcept("principal 1", kept.alias));
  OrDie(store.Sweep());  // ends what is covered, and drops events
  OrDie(store.RotateSigningKey());
  for (int number = 0; number < 6; ++number) {
    Require(store.Revoke(OrDie(store.ReserveAndCreate(SpecOf(number))).alias));
  }
  Reserve(store, 300);
  Reserve(store, 302);
  Require(store.RevokeAll("principal 3"));  // and the mark stays
}

template <typename Work>
void AsOwner(const std::string& directory, Work work) {
  const auto store = OrDie(recovery::Open({.directory = directory,
                                           .map_bytes = uint64_t{64} << 20,
                                           .reserved_bytes = 0,  // a small file
                                           // Every index has rows, and not of the newest sessions.
                                           .policy = {.indexes = HastyIndexes(4, 13)},
                                           .sweep_every = absl::InfiniteDuration()}));
  work(store->sessions());
  Require(store->Close());
}

}  // namespace

void MakeFullStore(const std::string& directory) {
  AsOwner(directory, FirstOwner);
  AsOwner(directory, SecondOwner);
}

}  // namespace batonstore::testing
