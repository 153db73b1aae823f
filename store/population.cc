#include "batonstore/store/population.h"

#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

constexpr size_t kNumberBytes = 8;

std::array<Scope, 3> ScopesOf(const StoreKeys& keys, const Session& session) {
  return {PrincipalScope(keys, session.principal), DatabaseScope(keys, session.database),
          StoreScope()};
}

}  // namespace

Scope StoreScope() { return {Table::kMeta, std::string(meta::kLive)}; }

Scope PrincipalScope(const StoreKeys& keys, absl::string_view principal) {
  return {Table::kPrincipals, EncodeNumber(keys.HashPrincipal(principal))};
}

Scope DatabaseScope(const StoreKeys& keys, absl::string_view database) {
  return {Table::kDatabases, EncodeNumber(keys.HashDatabase(database))};
}

absl::StatusOr<Population> GetPopulation(Snapshot& snapshot, const Scope& scope) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, snapshot.Get(scope.table, scope.key));
  if (!row.has_value()) return Population();
  const std::optional<uint64_t> live = DecodeNumber(row->substr(0, kNumberBytes));
  const std::optional<uint64_t> oldest =
      DecodeNumber(row->size() < kNumberBytes ? "" : row->substr(kNumberBytes));
  if (!live.has_value() || !oldest.has_value()) return CorruptRow(scope.table, scope.key);
  return Population{*live, Alias(*oldest)};
}

absl::Status PutPopulation(Transaction& transaction, const Scope& scope,
                           const Population& population) {
  if (population.live == 0) return transaction.Delete(scope.table, scope.key).status();
  return transaction.Put(scope.table, scope.key,
                         absl::StrCat(EncodeNumber(population.live), population.oldest.ToKey()));
}

absl::Status CountIn(Transaction& transaction, const StoreKeys& keys, const Session& session) {
  for (const Scope& scope : ScopesOf(keys, session)) {
    BATONSTORE_ASSIGN_OR_RETURN(Population population, GetPopulation(transaction, scope));
    if (population.live++ == 0) population.oldest = session.alias;
    BATONSTORE_RETURN_IF_ERROR(PutPopulation(transaction, scope, population));
  }
  return absl::OkStatus();
}

absl::Status CountOut(Transaction& transaction, const StoreKeys& keys, const Session& session) {
  for (const Scope& scope : ScopesOf(keys, session)) {
    BATONSTORE_ASSIGN_OR_RETURN(Population population, GetPopulation(transaction, scope));
    if (population.live == 0) return CorruptRow(scope.table, scope.key);
    --population.live;
    BATONSTORE_RETURN_IF_ERROR(PutPopulation(transaction, scope, population));
  }
  return absl::OkStatus();
}

}  // namespace batonstore
