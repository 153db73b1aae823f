// The key-encryption key as a file: exactly 32 raw bytes.

#ifndef BATONSTORE_RECOVERY_KEY_FILE_H_
#define BATONSTORE_RECOVERY_KEY_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/key_source.h"

namespace batonstore::recovery {

// Reads the key from `path` when asked. WRONG_KEY when the file is missing or has another size.
KeySource KeyFromFile(std::string path);

// Writes a new key file, mode 0600, and syncs it. EXISTS when there is one.
absl::Status WriteKeyFile(const std::string& path, const SecretBytes& key);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_KEY_FILE_H_
