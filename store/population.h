// How many live sessions a principal, a database or the store has: exact, and kept in a row that
// lies where its sessions' index entries lie, so that a limit costs neither a scan nor a page.
//
// Live is what its record says: a session whose deadline has passed unnoticed still counts, so
// whoever finds a population at a limit sweeps first.

#ifndef BATONSTORE_STORE_POPULATION_H_
#define BATONSTORE_STORE_POPULATION_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/store_keys.h"

namespace batonstore {

// Whose population: where its row is.
struct Scope {
  Table table = Table::kMeta;  // kMeta: the whole store
  uint64_t hash = 0;           // of a principal or a database

  std::string Key() const;

  friend bool operator==(const Scope&, const Scope&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Scope& scope) {
    return H::combine(std::move(state), scope.table, scope.hash);
  }
};
Scope StoreScope();
Scope PrincipalScope(const StoreKeys& keys, absl::string_view principal);
Scope DatabaseScope(const StoreKeys& keys, absl::string_view database);

struct Population {
  uint64_t live = 0;
  Alias oldest;  // no live session has a lower alias; where to begin to look for the oldest one
};

// The row of a scope; of one without a row: nobody. That of a principal or a database counts the
// sessions whose index entries have been merged (index_entry.h): Indexes::CountLive has all.
absl::StatusOr<Population> GetPopulation(Snapshot& snapshot, const Scope& scope);
absl::Status PutPopulation(Transaction& transaction, const Scope& scope,
                           const Population& population);

// Counts sessions in, the oldest of which is `oldest`, or one out.
absl::Status CountIn(Transaction& transaction, const Scope& scope, uint64_t sessions, Alias oldest);
absl::Status CountOut(Transaction& transaction, const Scope& scope);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_POPULATION_H_
