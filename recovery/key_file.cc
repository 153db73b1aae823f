#include "batonstore/recovery/key_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {
namespace {

absl::StatusOr<SecretBytes> ReadKeyFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    return Refuse(Verdict::kWrongKey, absl::StrCat("the key file ", path,
                                                   " is missing; give the "
                                                   "key that the store was created with"));
  }
  if (fd < 0) return SystemError(errno, absl::StrCat("open ", path));
  const absl::Cleanup closing = [fd] { close(fd); };
  SecretBytes buffer =
      SecretBytes::OfSize(kKeyEncryptionKeyBytes + 1);  // one more shows a longer file
  const ssize_t size = read(fd, buffer.MutableData(), buffer.size());
  if (size < 0) return SystemError(errno, absl::StrCat("read ", path));
  if (size != ssize_t{kKeyEncryptionKeyBytes}) {
    return Refuse(Verdict::kWrongKey, absl::StrCat("the key file ", path, " must have exactly ",
                                                   kKeyEncryptionKeyBytes, " bytes"));
  }
  return SecretBytes(buffer.Reveal().substr(0, kKeyEncryptionKeyBytes));
}

}  // namespace

KeySource KeyFromFile(std::string path) {
  return [path = std::move(path)] { return ReadKeyFile(path); };
}

absl::Status WriteKeyFile(const std::string& path, const SecretBytes& key) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EEXIST) {
    return Refuse(Verdict::kExists, absl::StrCat("there is a key file ", path, " already"));
  }
  if (fd < 0) return SystemError(errno, absl::StrCat("create ", path));
  const absl::Cleanup closing = [fd] { close(fd); };
  const absl::string_view bytes = key.Reveal();
  const ssize_t written = write(fd, bytes.data(), bytes.size());
  if (written != static_cast<ssize_t>(bytes.size())) {
    return SystemError(written < 0 ? errno : ENOSPC, absl::StrCat("write ", path));
  }
  if (fsync(fd) != 0) return SystemError(errno, absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

}  // namespace batonstore::recovery
