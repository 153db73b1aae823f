#include "batonstore/recovery/default_key.h"

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/recovery/publish.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {

std::string DefaultKeyFile(const std::string& directory) {
  return (std::filesystem::path(directory) / "key").string();
}

std::string NextDefaultKeyFile(const std::string& directory) {
  return DefaultKeyFile(directory) + ".next";
}

absl::StatusOr<SecretBytes> KeyOfNewStore(const std::string& folder, const KeySource& key_source,
                                          absl::string_view store_id, RandomSource& random) {
  if (key_source) return key_source(store_id);
  SecretBytes key = RandomSecret(random, kKeyEncryptionKeyBytes);
  BATONSTORE_RETURN_IF_ERROR(WriteKeyFile(DefaultKeyFile(folder), key));
  return key;
}

absl::Status PublishNextDefaultKey(const std::string& directory) {
  const std::string next = NextDefaultKeyFile(directory);
  if (rename(next.c_str(), DefaultKeyFile(directory).c_str()) != 0) {
    return SystemError(errno, absl::StrCat("rename ", next));
  }
  return SyncEntries(directory);
}

}  // namespace batonstore::recovery
