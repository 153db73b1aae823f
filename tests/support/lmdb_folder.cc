#include "tests/support/lmdb_folder.h"

#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/schema.h"

namespace batonstore::testing {

LmdbFolder::LmdbFolder() {
  options.directory = folder_.path();
  options.map_bytes = uint64_t{1} << 20;
  options.max_map_bytes = uint64_t{1} << 30;
  options.max_readers = 64;
  options.max_tables = kAllTables.size();
}

LmdbFolder::Environment LmdbFolder::Register(Opener open) const {
  BATONSTORE_ASSIGN_OR_RETURN(
      auto registration, batonstore::OpenEnvironment::Register(options.directory, in_forked_child));
  return open(options, std::move(registration));
}

LmdbFolder::Environment LmdbFolder::CreateEnvironment() const {
  return Register(&LmdbEnvironment::Create);
}

LmdbFolder::Environment LmdbFolder::OpenEnvironment() const {
  return Register(&LmdbEnvironment::Open);
}

LmdbFolder::Engine LmdbFolder::CreateEngine() const {
  BATONSTORE_ASSIGN_OR_RETURN(auto environment, CreateEnvironment());
  return LmdbEngine::Create(std::move(environment));
}

LmdbFolder::Engine LmdbFolder::OpenEngine() const {
  BATONSTORE_ASSIGN_OR_RETURN(auto environment, OpenEnvironment());
  return LmdbEngine::Open(std::move(environment));
}

}  // namespace batonstore::testing
