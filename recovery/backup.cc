#include "batonstore/recovery/backup.h"

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <new>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/default_key.h"
#include "batonstore/recovery/observed_file.h"
#include "batonstore/recovery/publish.h"
#include "batonstore/recovery/verify_report.h"

namespace batonstore::recovery {

absl::StatusOr<BackupReport> WriteBackup(LmdbEnvironment& environment, const KeySource& key,
                                         const std::string& file, Clock& clock,
                                         const VerifyProgress& progress) {
  BackupReport backup;
  BATONSTORE_RETURN_IF_ERROR(
      PublishFile(file, [&](const std::string& path, int fd) -> absl::Status {
        BATONSTORE_RETURN_IF_ERROR(environment.CopyTo(fd));
        if (fsync(fd) != 0) return SystemError(errno, absl::StrCat("fsync ", path));
        BATONSTORE_ASSIGN_OR_RETURN(const VerifyReport report,
                                    VerifyQuietFile(path, key, clock, progress));
        BATONSTORE_RETURN_IF_ERROR(report.ToStatus());
        backup = {report.transaction_id, report.sessions, report.bytes};
        return absl::OkStatus();
      }));
  return backup;
}

absl::StatusOr<BackupReport> Backup(const BackupRequest& request) try {
  if (request.directory.empty() || request.file.empty() || request.clock == nullptr) {
    return Refuse(Verdict::kInvalid, "the request has no directory, no file, or a null clock");
  }
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<ObservedFile> observed,
                              ObservedFile::Open(request.directory));
  return WithKey<BackupReport>(request.directory, request.key_encryption_key,
                               [&](const KeySource& source) {
                                 return WriteBackup(observed->environment(), source.Remembered(),
                                                    request.file, *request.clock, request.progress);
                               });
} catch (const std::bad_alloc&) {
  return NoMemory();
}

}  // namespace batonstore::recovery
