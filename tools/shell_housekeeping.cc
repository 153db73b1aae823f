// The shell's commands that keep a store in order, and those on batons and the keys that sign them.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/tools/answers.h"
#include "batonstore/tools/describe.h"
#include "batonstore/tools/shell_command.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using recovery::Store;

Answer Issue(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  BATONSTORE_ASSIGN_OR_RETURN(const std::string baton, store.sessions().Issue(alias));
  return Ok().Text("baton", baton);
}

Answer Verify(Store& store, const ShellLine& line) {
  return SessionOr(
      store.sessions().Verify(line.Get("baton"), line.Get("database"), line.Get("principal")));
}

Answer RotateSigningKey(Store& store, const ShellLine&) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint32_t key_id, store.sessions().RotateSigningKey());
  return Ok().Number("key_id", key_id);
}

Answer RetireSigningKey(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint32_t key_id, ParseNumber(line.Get("key-id")));
  return OkIf(store.sessions().RetireSigningKey(key_id));
}

Answer SigningKeys(Store& store, const ShellLine&) {
  std::vector<JsonObject> keys;
  for (const Keyring::KeyInfo& key : store.sessions().SigningKeys()) keys.push_back(Describe(key));
  return Ok().Objects("signing_keys", keys);
}

Answer Stats(Store& store, const ShellLine&) {
  BATONSTORE_ASSIGN_OR_RETURN(const StoreStats stats, store.sessions().Stats());
  return Ok().Object("stats", Describe(stats));
}

Answer Report(Store& store, const ShellLine&) {
  return Ok().Object("recovery", Describe(store.report()));
}

Answer AdoptWallClock(Store& store, const ShellLine&) {
  return OkIf(store.sessions().AdoptWallClock());
}

Answer Sweep(Store& store, const ShellLine&) { return SweepAll(store.sessions()); }

Answer PendingCompensations(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint32_t limit, ParseNumber(line.Get("limit", "100")));
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> after, AliasIfGiven(line, "after"));
  return Compensations(store.sessions(), limit, after);
}

Answer Acknowledge(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const Alias alias, AliasOf(line));
  return OkIf(store.sessions().Acknowledge(alias));
}

Answer EventsConsumers(Store& store, const ShellLine&) { return EventConsumers(store.sessions()); }

Answer EventsAdd(Store& store, const ShellLine& line) {
  return OkIf(store.sessions().events().AddConsumer(line.Get("consumer")));
}

Answer EventsRemove(Store& store, const ShellLine& line) {
  return OkIf(store.sessions().events().RemoveConsumer(line.Get("consumer")));
}

Answer EventsRead(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint32_t limit, ParseNumber(line.Get("limit", "100")));
  return UnreadEvents(store.sessions(), line.Get("consumer"), limit);
}

Answer EventsAcknowledge(Store& store, const ShellLine& line) {
  BATONSTORE_ASSIGN_OR_RETURN(const uint64_t sequence, ParseNumber64(line.Get("sequence")));
  return OkIf(store.sessions().events().Acknowledge(line.Get("consumer"), sequence));
}

}  // namespace

std::vector<ShellCommand> HousekeepingShellCommands() {
  return {
      {"issue", {"alias"}, {}, "A baton for a created session", Issue},
      {"verify",
       {"baton"},
       {"principal", "database"},
       "The session that a baton names, if it is authentic, alive and theirs",
       Verify},
      {"rotate-signing-key", {}, {}, "Sign new batons with a new key", RotateSigningKey},
      {"retire-signing-key",
       {"key-id"},
       {},
       "Batons of that key are LOST from now on",
       RetireSigningKey},
      {"signing-keys", {}, {}, "The keys that sign batons, by id and status", SigningKeys},
      {"sweep", {}, {}, "Tidy up what has fallen due, until nothing is left", Sweep},
      {"compensations",
       {},
       {"limit", "after"},
       "What is to be undone outside, because a reservation was taken away",
       PendingCompensations},
      {"acknowledge", {"alias"}, {}, "A compensation: it has been undone", Acknowledge},
      {"events-add", {"consumer"}, {}, "Keep events for a consumer from here on", EventsAdd},
      {"events-remove", {"consumer"}, {}, "Keep none for it any more", EventsRemove},
      {"events-consumers",
       {},
       {},
       "Who follows, and how far each has acknowledged",
       EventsConsumers},
      {"events-read",
       {"consumer"},
       {"limit"},
       "The oldest events that a consumer has not acknowledged",
       EventsRead},
      {"events-acknowledge",
       {"consumer", "sequence"},
       {},
       "The consumer is done with the events up to this one",
       EventsAcknowledge},
      {"stats", {}, {}, "Numbers about the store", Stats},
      {"report", {}, {}, "What the opening of this store found and removed", Report},
      {"adopt-wall-clock", {}, {}, "Expire by the wall clock as it is now", AdoptWallClock},
  };
}

}  // namespace batonstore::tools
