#include "batonstore/store/population.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

constexpr size_t kNumberBytes = 8;

}  // namespace

std::string Scope::Key() const {
  return table == Table::kMeta ? std::string(meta::kLive) : EncodeNumber(hash);
}

Scope StoreScope() { return {}; }

Scope PrincipalScope(const StoreKeys& keys, absl::string_view principal) {
  return {Table::kPrincipals, keys.HashPrincipal(principal)};
}

Scope DatabaseScope(const StoreKeys& keys, absl::string_view database) {
  return {Table::kDatabases, keys.HashDatabase(database)};
}

absl::StatusOr<Population> GetPopulation(Snapshot& snapshot, const Scope& scope) {
  const std::string key = scope.Key();
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, snapshot.Get(scope.table, key));
  if (!row.has_value()) return Population();
  const std::optional<uint64_t> live = DecodeNumber(row->substr(0, kNumberBytes));
  const std::optional<uint64_t> oldest =
      DecodeNumber(row->size() < kNumberBytes ? "" : row->substr(kNumberBytes));
  if (!live.has_value() || !oldest.has_value()) return CorruptRow(scope.table, key);
  return Population{*live, Alias(*oldest)};
}

absl::Status PutPopulation(Transaction& transaction, const Scope& scope,
                           const Population& population) {
  if (population.live == 0) return transaction.Delete(scope.table, scope.Key()).status();
  return transaction.Put(scope.table, scope.Key(),
                         absl::StrCat(EncodeNumber(population.live), population.oldest.ToKey()));
}

absl::Status CountIn(Transaction& transaction, const Scope& scope, uint64_t sessions,
                     Alias oldest) {
  BATONSTORE_ASSIGN_OR_RETURN(Population population, GetPopulation(transaction, scope));
  if (population.live == 0) population.oldest = oldest;
  population.live += sessions;
  return PutPopulation(transaction, scope, population);
}

absl::Status CountOut(Transaction& transaction, const Scope& scope) {
  BATONSTORE_ASSIGN_OR_RETURN(Population population, GetPopulation(transaction, scope));
  if (population.live == 0) return CorruptRow(scope.table, scope.Key());
  --population.live;
  return PutPopulation(transaction, scope, population);
}

}  // namespace batonstore
