// How many live sessions a principal, a database or the store has: exact, and kept in a row that
// lies where an insert writes anyway, so that a limit costs neither a scan nor a page.
//
// Live is what its record says: a session whose deadline has passed unnoticed still counts, so
// whoever finds a population at a limit sweeps first.

#ifndef BATONSTORE_STORE_POPULATION_H_
#define BATONSTORE_STORE_POPULATION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/session.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Whose population: where its row is.
struct Scope {
  Table table;
  std::string key;
};
Scope StoreScope();
Scope PrincipalScope(const StoreKeys& keys, absl::string_view principal);
Scope DatabaseScope(const StoreKeys& keys, absl::string_view database);

struct Population {
  uint64_t live = 0;
  Alias oldest;  // no live session has a lower alias; where to begin to look for the oldest one
};

// Of a scope without a row: nobody.
absl::StatusOr<Population> GetPopulation(Snapshot& snapshot, const Scope& scope);
absl::Status PutPopulation(Transaction& transaction, const Scope& scope,
                           const Population& population);

// Counts a session in, or out, in each of the three scopes that it belongs to.
absl::Status CountIn(Transaction& transaction, const StoreKeys& keys, const Session& session);
absl::Status CountOut(Transaction& transaction, const StoreKeys& keys, const Session& session);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_POPULATION_H_
