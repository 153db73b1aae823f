#include "batonstore/recovery/new_store.h"

#include <cstdint>
#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/recovery/default_key.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/publish.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/store_lock.h"

namespace batonstore::recovery {
namespace {

absl::Status FillFolder(const std::string& folder, const KeySource& key_source,
                        LmdbEnvironment::Options options, RandomSource& random) {
  const std::string store_id = RandomStoreId(random);
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes key,
                              KeyOfNewStore(folder, key_source, store_id, random));
  BATONSTORE_RETURN_IF_ERROR(StoreLock::CreateFile(folder));
  options.directory = folder;
  BATONSTORE_ASSIGN_OR_RETURN(auto registration, OpenEnvironment::Register(folder, [] {}));
  BATONSTORE_ASSIGN_OR_RETURN(auto environment,
                              LmdbEnvironment::Create(options, std::move(registration)));
  BATONSTORE_ASSIGN_OR_RETURN(auto engine, LmdbEngine::Create(std::move(environment)));
  BATONSTORE_RETURN_IF_ERROR(WriteIdentity(*engine, store_id, key, random));
  BATONSTORE_RETURN_IF_ERROR(engine->environment().Sync());
  return SyncDirectory(folder);
}

}  // namespace

LmdbEnvironment::Options RoomyOptions(const std::string& folder) {
  LmdbEnvironment::Options options;
  options.directory = folder;
  options.map_bytes = uint64_t{1} << 30;  // LMDB takes as much as the file has
  options.max_map_bytes = uint64_t{1} << 46;
  options.max_readers = 8;
  options.max_tables = kAllTables.size();
  return options;
}

absl::Status CreateStore(const std::string& directory, const KeySource& key_source,
                         const LmdbEnvironment::Options& environment_options,
                         RandomSource& random) {
  return PublishFolder(directory, [&](const std::string& folder) {
    return FillFolder(folder, key_source, environment_options, random);
  });
}

}  // namespace batonstore::recovery
